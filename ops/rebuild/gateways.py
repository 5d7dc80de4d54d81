"""The deployed listener of the seller dashboard."""

import time
from functools import cached_property
from typing import Any

from ops.aws import client, functions_of
from ops.bus_topology import IN_FLIGHT, count_messages, queue_url
from supermarket.errors import NotFound, Unavailable

HANDLER = "seller_dashboard.listeners.event_handlers"
ENABLED, DISABLED = "Enabled", "Disabled"
POLL_SECONDS = 0.5
MAX_POLLS = 240  # Lambda takes about a minute to enable or disable a mapping


class DeployedListener:
    """`Listener`: the event source mapping of the function that has the handler."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def count_waiting(self) -> int:
        return count_messages(self._queue)

    def count_in_flight(self) -> int:
        return count_messages(self._queue, [IN_FLIGHT])

    def pause(self) -> None:
        self._switch(DISABLED)

    def resume(self) -> None:
        self._switch(ENABLED)

    def _switch(self, state: str) -> None:
        self._wait_for_state(ENABLED, DISABLED)  # Lambda rejects an update during another one
        mapping = self._mapping["UUID"]
        client("lambda").update_event_source_mapping(UUID=mapping, Enabled=state == ENABLED)
        self._wait_for_state(state)

    def _wait_for_state(self, *states: str) -> None:
        mapping = self._mapping["UUID"]
        for _ in range(MAX_POLLS):
            if client("lambda").get_event_source_mapping(UUID=mapping)["State"] in states:
                return
            time.sleep(POLL_SECONDS)
        raise Unavailable(f"The event source mapping {mapping} is not {' or '.join(states)}")

    @cached_property
    def _queue(self) -> str:
        return queue_url(self._mapping["EventSourceArn"])

    @cached_property
    def _mapping(self) -> dict[str, Any]:
        for function in functions_of(self._stage):
            if function["Handler"] == HANDLER:
                name = function["FunctionName"]
                found = client("lambda").list_event_source_mappings(FunctionName=name)
                mapping: dict[str, Any] = found["EventSourceMappings"][0]
                return mapping
        raise NotFound(f"The stage {self._stage} has no function with the handler {HANDLER}")
