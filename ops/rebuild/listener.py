"""The deployed listener, and the archive through replays; for the rebuild command alone."""

import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from ops.rebuild.service import Tell
from ops.replay.model import IN_PASSING
from supermarket import aws
from supermarket.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from ops.replay.model import ReplayProgress
    from ops.replay.service import Replays

CONSUMER = "seller_dashboard"
HANDLER = "seller_dashboard.listeners.event_handlers"
VISIBLE = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")
IN_HAND = ("ApproximateNumberOfMessagesNotVisible",)
ENABLED, DISABLED = "Enabled", "Disabled"
LOOK_EVERY_SECONDS = 0.5
LOOKS = 240  # to stop or to start takes Lambda a minute or so


class DeployedListener:
    """`Listener` as Lambda and SQS know it, found by its handler among the stage's functions."""

    takes_at_once = IN_PASSING

    def __init__(self, stage: str) -> None:
        self._stage = stage
        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
        self._lambda: Any = aws.client("lambda", config)
        self._sqs: Any = aws.client("sqs", config)

    def waiting(self) -> int:
        return self._count(VISIBLE + IN_HAND)

    def in_hand(self) -> int:
        return self._count(IN_HAND)

    def pause(self) -> None:
        self._switch(on=False)

    def resume(self) -> None:
        self._switch(on=True)

    def _switch(self, *, on: bool) -> None:
        self._wait_until_it_is(ENABLED, DISABLED)  # it takes no order while it follows another
        self._lambda.update_event_source_mapping(UUID=self._mapping["UUID"], Enabled=on)
        self._wait_until_it_is(ENABLED if on else DISABLED)

    def _wait_until_it_is(self, *states: str) -> None:
        mapping = self._mapping["UUID"]
        for _ in range(LOOKS):
            if self._lambda.get_event_source_mapping(UUID=mapping)["State"] in states:
                return
            time.sleep(LOOK_EVERY_SECONDS)
        raise Unavailable(f"Lambda does not say that {mapping} is {' or '.join(states)}")

    def _count(self, names: tuple[str, ...]) -> int:
        answer = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=list(names))
        return sum(int(answer["Attributes"][name]) for name in names)

    @cached_property
    def _queue(self) -> str:
        name = self._mapping["EventSourceArn"].rsplit(":", 1)[1]
        return str(self._sqs.get_queue_url(QueueName=name)["QueueUrl"])

    @cached_property
    def _mapping(self) -> dict[str, Any]:
        function = next(self._functions(), None)
        if function is None:
            raise NotFound(f"The stage {self._stage} has no {HANDLER}")
        answer = self._lambda.list_event_source_mappings(FunctionName=function)
        mapping: dict[str, Any] = answer["EventSourceMappings"][0]
        return mapping

    def _functions(self) -> Iterator[str]:
        for page in self._lambda.get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                variables = function.get("Environment", {}).get("Variables", {})
                if function["Handler"] == HANDLER and variables.get("STAGE") == self._stage:
                    yield function["FunctionName"]


class ArchivedHistory:
    """`History` in the bus's archive."""

    def __init__(self, replays: "Replays") -> None:
        self._replays = replays

    def ensure(self) -> None:
        self._replays.ensure(CONSUMER)

    def replay(self, tell: Tell) -> bool:
        return self._replays.run(CONSUMER, tell=_in_words(tell)).is_quiet


def _in_words(tell: Tell) -> "Callable[[ReplayProgress], None]":
    def describe(progress: "ReplayProgress") -> None:
        replay = progress.replay
        tell(f"{replay.state}: {replay.share:.0%} replayed, {progress.waiting} wait in the queue")

    return describe
