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
    """Ended sessions in; the records to be tried again out."""
    telemetry.begin(new_id(), job="ai_buddy.close_connections")
    ended = [record["dynamodb"] for record in batch["Records"] if record["eventName"] == "REMOVE"]
    failures = [change["SequenceNumber"] for change in ended if not _closed(change["OldImage"])]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failures]}


def _closed(session: Mapping[str, Mapping[str, str]]) -> bool:
    try:
        closed = wiring.switchboard().end_session(
            session["userId"]["S"], session["sessionId"]["S"], FAREWELL
        )
    except Exception:  # whatever it is, the others are not to wait for it
        telemetry.logger.exception("connections of a session stay open")
        return False
    telemetry.count("ConnectionsClosed", closed)
    return True
