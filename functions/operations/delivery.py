"""What lies between the bus and its consumers, as it is deployed: rules, queues, the archive."""

import json
import re
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from operations.model import Consumer, Replay, ReplayState
from supermarket.clock import iso
from supermarket.errors import Invalid, NotFound

COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
BEFORE_THE_ARCHIVE = timedelta(days=1)  # an event's time may be somewhat older than its sending


@cache
def client(service: str) -> Any:
    """Patient, and not as fussy about time as a Lambda."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 5})
    return botocore.session.get_session().create_client(service, config=config)


def queue_url(arn: str) -> str:
    return str(client("sqs").get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"])


def count(queue: str) -> int:
    """Messages in a queue, those in somebody's hands included."""
    answer = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=list(COUNTS))
    return sum(int(answer["Attributes"][name]) for name in COUNTS)


class EventConsumers:
    """`Consumers` as the bus knows them: each has a rule whose target bears its name."""

    def __init__(self, bus: str) -> None:
        self._bus = bus

    def all(self) -> list[Consumer]:
        return sorted(self._found(), key=lambda consumer: consumer.name)

    def named(self, name: str) -> Consumer:
        known = {consumer.name: consumer for consumer in self.all()}
        if name not in known:
            raise NotFound(f"{self._bus} has no consumer {name!r}, only {', '.join(known)}")
        return known[name]

    def waiting(self, consumer: Consumer) -> int:
        return count(consumer.queue)

    def _found(self) -> Iterator[Consumer]:
        for rule in self._rules():
            pattern = json.loads(rule.get("EventPattern") or "{}")
            for target in self._targets(rule["Name"]):
                if ":sqs:" in target["Arn"]:
                    queue = queue_url(target["Arn"])
                    yield Consumer(
                        name=target["Id"],
                        rule=rule["Arn"],
                        queue=queue,
                        dead_letters=_dead_letters(queue),
                        undelivered=queue_url(target["DeadLetterConfig"]["Arn"]),
                        takes_replays="replay-name" not in pattern,
                    )

    def _rules(self) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            answer = client("events").list_rules(EventBusName=self._bus, **more)
            yield from answer["Rules"]
            if "NextToken" not in answer:
                return
            more = {"NextToken": answer["NextToken"]}

    def _targets(self, rule: str) -> list[dict[str, Any]]:
        answer = client("events").list_targets_by_rule(EventBusName=self._bus, Rule=rule)
        targets: list[dict[str, Any]] = answer["Targets"]
        return targets


def other_queues(stack: str, known: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Name, address and dead letters of queues that something else than the bus fills."""
    named = re.compile(rf"/{stack}-([A-Z][A-Za-z]*)Queue-\w+$")
    for page in client("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=f"{stack}-"):
        for url in page.get("QueueUrls", []):
            if (found := named.search(url)) and url not in known:
                yield _snake(found[1]), url, _dead_letters(url)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


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


def _dead_letters(queue: str) -> str:
    answer = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])
    return queue_url(json.loads(answer["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"])
