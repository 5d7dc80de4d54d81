"""Composition root of operations."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from operations.gateways import (
    EventBridge,
    all_routes,
    aws_probes,
    event_bridge_client,
    web_probe,
)
from operations.model import RouteMap
from operations.repository import DynamoOutbox
from operations.service import DeadLetters, OutboxRelay, Readiness, Replays
from supermarket.clock import new_id, utc_now
from supermarket.config import event_bus_name, log_group_name, secret_name, settings, table_name

if TYPE_CHECKING:
    from operations.schedules import DeployedJobs

CALM_SECONDS = 60  # AWS: a queue's numbers may lag that long
IMAGEKIT = "https://api.imagekit.io"  # where its SDK goes when it is told nothing else


@cache
def outbox_relay() -> OutboxRelay:
    bus = EventBridge(event_bridge_client(), event_bus_name())
    return OutboxRelay(bus, DynamoOutbox(), utc_now)


@cache
def readiness() -> Readiness:
    known = settings()
    probes = {
        **aws_probes(
            table=table_name("signin"),
            bus=event_bus_name(),
            secret=secret_name("signing-keys"),
        ),
        "razorpay": web_probe(known.razorpay_base_url),
        "imagekit": web_probe(known.imagekit_base_url or IMAGEKIT),
    }
    return Readiness(probes, ThreadPoolExecutor(len(probes)))


def replays(calm_seconds: float = CALM_SECONDS) -> Replays:
    """Only for commands: it looks around in the account."""
    from operations.delivery import EventArchive, EventConsumers

    bus = event_bus_name()
    return Replays(EventArchive(bus), EventConsumers(bus), utc_now, new_id, calm_seconds)


def dead_letters() -> DeadLetters:
    """Only for commands, as replays are."""
    from operations.delivery import EventConsumers
    from operations.letter_boxes import FailureLog, all_boxes

    stage = event_bus_name()  # the stack is called the same
    boxes = all_boxes(stage, EventConsumers(stage), outbox_relay(), DynamoOutbox(), utc_now)
    return DeadLetters(list(boxes), FailureLog(log_group_name()), utc_now)


def scheduled_jobs() -> "DeployedJobs":
    """Only for commands, as replays are."""
    from operations.schedules import DeployedJobs

    return DeployedJobs(os.environ["STAGE"])


@cache
def route_map() -> RouteMap:
    return RouteMap(all_routes())
