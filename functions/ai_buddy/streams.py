"""The Lambda that reads what happens to sessions: one that ends takes its connections with it."""

import json
from collections.abc import Mapping
from typing import Any

from ai_buddy import wiring
from ai_buddy.connections import SignedOut
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.tokens import NOT_SIGNED_IN
from supermarket.websocket import error_frame

FAREWELL = json.dumps(error_frame(SignedOut(NOT_SIGNED_IN)))


def close_connections(batch: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Changes of who is signed in where; the records to be tried again out."""
    telemetry.begin(new_id(), job="ai_buddy.close_connections")
    changes = [record["dynamodb"] for record in batch["Records"]]
    failures = [change["SequenceNumber"] for change in changes if not _closed(change)]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failures]}


def _closed(change: Mapping[str, Any]) -> bool:
    """Whether every session that this change ended has lost its connections."""
    try:
        for session_id in _sessions(change, "OldImage") - _sessions(change, "NewImage"):
            user_id = change["Keys"]["userId"]["S"]
            closed = wiring.switchboard().end_session(user_id, session_id, FAREWELL)
            telemetry.count("ConnectionsClosed", closed)
    except Exception:  # whatever it is, the others are not to wait for it
        telemetry.logger.exception("connections of a session stay open")
        return False
    return True


def _sessions(change: Mapping[str, Any], image: str) -> frozenset[str]:
    """The sessions of a person before the change, or after it."""
    return frozenset(change.get(image, {}).get("sessions", {}).get("SS", ()))
