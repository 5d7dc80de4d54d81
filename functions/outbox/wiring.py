"""Composition root of operations."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

from outbox.gateways import (
    EventBridge,
    aws_probes,
    described_routes,
    event_bridge_client,
    web_probe,
)
from outbox.model import RouteMap
from outbox.repository import DynamoOutbox
from outbox.service import OutboxRelay, Readiness
from supermarket.clock import utc_now
from supermarket.config import event_bus_name, secret_name, settings, table_name

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


@cache
def route_map() -> RouteMap:
    return RouteMap(described_routes())
