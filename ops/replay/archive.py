"""The archive of the event bus."""

from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ops.bus_topology import client
from ops.replay.model import Replay, ReplayState
from supermarket.clock import iso
from supermarket.errors import Invalid, NotFound

BEFORE_THE_ARCHIVE = timedelta(days=1)  # an event's time may be somewhat older than its sending


class EventArchive:
    """`Archive` of the bus; on AWS it has an event some minutes after the bus."""

    def __init__(self, name: str) -> None:
        self._name = name

    def ensure(self) -> None:
        self._described()

    def start(self, name: str, rule: str, since: datetime | None, until: datetime) -> None:
        archive = self._described()
        oldest: datetime = archive["CreationTime"] - BEFORE_THE_ARCHIVE
        if until <= oldest:
            raise Invalid(f"The archive has no event before {iso(oldest)}: end the range later")
        client("events").start_replay(
            ReplayName=name,
            EventSourceArn=archive["ArchiveArn"],
            EventStartTime=since or oldest,
            EventEndTime=until,
            Destination={"Arn": archive["EventSourceArn"], "FilterArns": [rule]},
        )

    def look(self, name: str) -> Replay:
        answer = client("events").describe_replay(ReplayName=name)
        return Replay(
            name=name,
            state=ReplayState(answer["State"]),
            since=answer["EventStartTime"],
            until=answer["EventEndTime"],
            reached=answer.get("EventLastReplayedTime"),
            reason=answer.get("StateReason", ""),
        )

    def _described(self) -> Any:
        try:
            return client("events").describe_archive(ArchiveName=self._name)
        except ClientError as failure:
            if failure.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            raise NotFound(f"There is no archive {self._name}") from failure
