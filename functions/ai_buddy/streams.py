"""The Lambda that reads what happens to sessions: one that ends takes its connections with it."""

from collections.abc import Mapping
from typing import Any

from ai_buddy import wiring
from ai_buddy.connections import SignedOut
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.tokens import NOT_SIGNED_IN
from supermarket.websocket import error_frame, written

FAREWELL = written(error_frame(SignedOut(NOT_SIGNED_IN)))


def close_connections(batch: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Changes of people's sessions in; the records to be tried again out.

    A record only says whose: what is open by now is looked up, so that a late one does no harm.
    """
    telemetry.begin(new_id(), job="ai_buddy.close_connections")
    changes = [
        record["dynamodb"] for record in batch["Records"] if "OldImage" in record["dynamodb"]
    ]
    failures = [change["SequenceNumber"] for change in changes if not _closed(change["OldImage"])]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failures]}


def _closed(before: Mapping[str, Mapping[str, str]]) -> bool:
    try:
        closed = wiring.switchboard().end_signed_out(before["userId"]["S"], FAREWELL)
    except Exception:  # whatever it is, the others are not to wait for it
        telemetry.logger.exception("connections of a session stay open")
        return False
    telemetry.count("ConnectionsClosed", closed)
    return True
