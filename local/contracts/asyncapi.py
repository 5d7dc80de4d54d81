"""Generates the AsyncAPI 3 document of the bus, `events/asyncapi.json`.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import json
from pathlib import Path
from typing import Any

from local.contracts.catalogue import PUBLIC, consumers, producer, summary
from local.contracts.schemas import file_name
from supermarket.contracts import EVENTS, Event

SAMPLES = Path(__file__).parents[2] / "events" / "samples" / "eventbridge"


def document() -> dict[str, Any]:
    """Describe one channel, a message per event, and what each domain sends and receives."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Super-Market events",
            "version": "1.0.0",
            "description": "The events that the domains send each other over EventBridge.",
            "license": {"name": "ISC"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "eventBridge": {
                "host": "events.{region}.amazonaws.com",
                "protocol": "https",
                "description": "Events come out of an outbox and go into queues",
                "variables": {"region": {"default": "ap-south-1"}},
            }
        },
        "channels": {
            "bus": {
                "address": "supermarket-{stage}",
                "description": "The one event bus of a stage",
                "parameters": {"stage": {"description": "Such as local, dev or prod"}},
                "messages": {name: _to("components/messages", name) for name in EVENTS},
            }
        },
        "operations": _operations(),
        "components": {"messages": {name: _message(event) for name, event in EVENTS.items()}},
    }


def _message(event: type[Event]) -> dict[str, Any]:
    sample = json.loads((SAMPLES / f"{event.__name__}.json").read_text())
    return {
        "name": event.NAME,
        "title": f"{event.NAME}, version {event.VERSION}",
        "summary": summary(event),
        "tags": [{"name": producer(event)}],
        "correlationId": {"location": "$message.payload#/metadata/correlationId"},
        "payload": {"$ref": f"./contracts/{file_name(event)}"},
        "examples": [{"name": "sample", "payload": sample["detail"]}],
        "x-source": event.SOURCE,
    }


def _operations() -> dict[str, Any]:
    """Describe what each domain sends and receives."""
    sent = [(producer(one), name) for name, one in EVENTS.items() if not one.DEPRECATED]
    received = [(domain, name) for name, one in EVENTS.items() for domain in consumers(one)]
    operations: dict[str, Any] = {}
    for action, found in (("send", sent), ("receive", received)):
        for domain, name in found:
            empty = {"action": action, "channel": {"$ref": "#/channels/bus"}, "messages": []}
            operation = operations.setdefault(f"{domain}.{action}s", empty)
            operation["messages"].append(_to("channels/bus/messages", name))
    operations.pop(f"{PUBLIC}.receives", None)
    return operations


def _to(place: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/{place}/{name}"}
