"""What lies between the bus and its consumers, as it is deployed: rules, queues, the archive."""

import json
import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from botocore.config import Config

from ops.model import Consumer
from supermarket import aws
from supermarket.errors import NotFound

COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@cache
def client(service: str) -> Any:
    """Patient, and not as fussy about time as a Lambda."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 5})
    return aws.client(service, config)


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


def _dead_letters(queue: str) -> str:
    answer = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])
    return queue_url(json.loads(answer["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"])
