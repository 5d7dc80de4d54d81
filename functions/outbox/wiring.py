"""Composition root of the outbox. The AWS SDKs are imported in the factories, because `/healthz`
needs none.
"""

from functools import cache

from outbox.model import RouteMap
from outbox.service import OutboxMonitor, OutboxRelay, Readiness
from supermarket.clock import utc_now
from supermarket.config import event_bus_name, secret_name, settings, table_name

IMAGEKIT = "https://api.imagekit.io"  # the default of ImageKit's SDK


@cache
def outbox_relay() -> OutboxRelay:
    from outbox.gateways import EventBridge, event_bridge_client
    from outbox.repository import DynamoOutbox

    return OutboxRelay(EventBridge(event_bridge_client(), event_bus_name()), DynamoOutbox())


@cache
def outbox_monitor() -> OutboxMonitor:
    from outbox.repository import DynamoOutbox

    return OutboxMonitor(DynamoOutbox(), utc_now)


@cache
def readiness() -> Readiness:
    from concurrent.futures import ThreadPoolExecutor

    from outbox.gateways import aws_probes, web_probe

    known = settings()
    probes = {
        **aws_probes(table_name("signin"), event_bus_name(), secret_name("cursor-keys")),
        "razorpay": web_probe(known.razorpay_base_url),
        "imagekit": web_probe(known.imagekit_base_url or IMAGEKIT),
    }
    return Readiness(probes, ThreadPoolExecutor(len(probes)))


@cache
def route_map() -> RouteMap:
    from outbox.gateways import described_routes

    return RouteMap(described_routes())
