"""The deployed rules and queues between the event bus and its consumers."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ops.aws import client
from supermarket.errors import NotFound

IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", IN_FLIGHT)


@dataclass(frozen=True)
class Queue:
    """A queue that a Lambda receives from, and its dead letters (URLs)."""

    name: str
    url: str
    dead_letters: str


@dataclass(frozen=True)
class Consumer(Queue):
    """A domain that receives events through its queue: by one rule (ARN); `undelivered` (URL) has
    what the rule could not put into the queue.
    """

    rule: str
    undelivered: str
    accepts_replays: bool


class BusTopology:
    """The consumers of a bus: each has a rule whose target has the consumer's name."""

    def __init__(self, bus: str) -> None:
        self._bus = bus

    def consumers(self) -> list[Consumer]:
        """List the consumers by name."""
        return sorted(self._consumers(), key=lambda consumer: consumer.name)

    def consumer(self, name: str) -> Consumer:
        """Find a consumer. Raises NotFound, which lists the names."""
        known = {consumer.name: consumer for consumer in self.consumers()}
        if name not in known:
            raise NotFound(f"{self._bus} has no consumer {name!r}, only {', '.join(known)}")
        return known[name]

    def count_waiting(self, consumer: Consumer) -> int:
        """Count the events in a consumer's queue, with those that are being handled."""
        return count_messages(consumer.url)

    def _consumers(self) -> Iterator[Consumer]:
        events = client("events")
        for page in events.get_paginator("list_rules").paginate(EventBusName=self._bus):
            for rule in page["Rules"]:
                pattern = json.loads(rule.get("EventPattern") or "{}")
                found = events.list_targets_by_rule(EventBusName=self._bus, Rule=rule["Name"])
                for target in (one for one in found["Targets"] if ":sqs:" in one["Arn"]):
                    url = queue_url(target["Arn"])
                    yield Consumer(
                        name=target["Id"],
                        url=url,
                        dead_letters=_dead_letters(url),
                        rule=rule["Arn"],
                        undelivered=queue_url(target["DeadLetterConfig"]["Arn"]),
                        accepts_replays="replay-name" not in pattern,
                    )


def other_queues(stack: str, consumers: Collection[Consumer]) -> Iterator[Queue]:
    """Yield the queues of a stack that something else than the bus fills."""
    known = {consumer.url for consumer in consumers}
    named = re.compile(rf"/{stack}-([A-Z][A-Za-z]*)Queue-\w+$")
    for page in client("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=f"{stack}-"):
        for url in page.get("QueueUrls", []):
            if (found := named.search(url)) and url not in known:
                name = re.sub(r"(?<!^)(?=[A-Z])", "_", found[1]).lower()
                yield Queue(name, url, _dead_letters(url))


def queue_url(arn: str) -> str:
    return str(client("sqs").get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"])


def count_messages(url: str, counts: Collection[str] = COUNTS) -> int:
    """Count the messages of a queue, by default with those that are in flight."""
    found = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(counts))
    return sum(int(found["Attributes"][name]) for name in counts)


def _dead_letters(url: str) -> str:
    found = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    return queue_url(json.loads(found["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"])
