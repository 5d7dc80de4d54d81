"""The samples of the events."""

import json
from pathlib import Path
from typing import Any

from supermarket.contracts import EVENTS, Event

EVENTS_FOLDER = Path(__file__).parents[2] / "events"
SAMPLES = EVENTS_FOLDER / "samples" / "eventbridge"


def sample(name: str) -> dict[str, Any]:
    """The sample of an event, as EventBridge delivers it."""
    loaded: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return loaded


def sample_event(name: str, **changes: Any) -> Event:
    """The sample's data as its class; `changes` have the names on the wire."""
    return EVENTS[name].model_validate({**sample(name)["detail"]["data"], **changes})


def sqs_batch(*events: dict[str, Any]) -> dict[str, Any]:
    """Return a batch of a listener's queue with these events."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "eventSource": "aws:sqs",
                "body": json.dumps(event),
            }
            for number, event in enumerate(events)
        ]
    }
