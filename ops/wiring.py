"""Composition root of the commands."""

import time

from ops.bus_topology import BusTopology
from ops.dlq.failure_log import failure_reasons
from ops.dlq.service import DeadLetters
from ops.dlq.sources import all_sources
from ops.rebuild.gateways import DeployedListener
from ops.rebuild.repository import DynamoLease, DynamoProjections
from ops.rebuild.service import ProjectionRebuild
from ops.replays import EventArchive, Replays
from outbox.repository import DynamoOutbox
from outbox.wiring import outbox_relay
from supermarket.clock import new_id, utc_now
from supermarket.config import event_bus_name


def dead_letters(stack: str) -> DeadLetters:
    topology = BusTopology(event_bus_name())
    sources = all_sources(stack, topology, outbox_relay(), DynamoOutbox(), utc_now)
    return DeadLetters(sources, failure_reasons, utc_now)


def replays(quiet_period_seconds: float) -> Replays:
    bus = event_bus_name()
    return Replays(EventArchive(bus), BusTopology(bus), utc_now, new_id, quiet_period_seconds)


def projection_rebuild(stage: str, quiet_period_seconds: float) -> ProjectionRebuild:
    lease = DynamoLease(utc_now, new_id())
    listener, history = DeployedListener(stage), replays(quiet_period_seconds)
    return ProjectionRebuild(DynamoProjections(), listener, history, lease, time.sleep)
