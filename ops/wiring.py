"""Composition root of the operators' commands."""

import os
import time

from ops.bus_topology import EventConsumers
from ops.dead_letters.service import DeadLetters
from ops.dead_letters.sources import FailureLog, all_boxes
from ops.rebuild.listener import ArchivedHistory, DeployedListener
from ops.rebuild.repository import DynamoLease, DynamoProjections
from ops.rebuild.service import Rebuilding
from ops.replay.archive import EventArchive
from ops.replay.service import Replays
from ops.scheduled_jobs import DeployedJobs
from outbox.repository import DynamoOutbox
from outbox.wiring import outbox_relay
from supermarket.clock import new_id, utc_now
from supermarket.config import event_bus_name, log_group_name


def replays(calm_seconds: float) -> Replays:
    bus = event_bus_name()
    return Replays(EventArchive(bus), EventConsumers(bus), utc_now, new_id, calm_seconds)


def dead_letters() -> DeadLetters:
    stage = event_bus_name()  # the stack is called the same
    boxes = all_boxes(stage, EventConsumers(stage), outbox_relay(), DynamoOutbox(), utc_now)
    return DeadLetters(list(boxes), FailureLog(log_group_name()), utc_now)


def scheduled_jobs() -> DeployedJobs:
    return DeployedJobs(os.environ["STAGE"])


def rebuilding(calm_seconds: float) -> Rebuilding:
    history = ArchivedHistory(replays(calm_seconds))
    lease = DynamoLease(utc_now, new_id())
    listener = DeployedListener(os.environ["STAGE"])
    return Rebuilding(DynamoProjections(), listener, history, lease, time.sleep)
