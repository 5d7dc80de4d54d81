"""Cursors of lists: the position of the next page, signed so that clients cannot forge one."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from supermarket.errors import FieldError, Invalid

SIGNATURE_BYTES = 16

type Position = dict[str, Any]


class Cursors:
    """Encodes and decodes cursors, signed with the active key of a key ring.

        cursors = Cursors(cursor_keys)
        cursor = cursors.encode({"after": "01J…"}, "GET /api/orders/me u1")
        cursors.decode(cursor, "GET /api/orders/me u1")  # {"after": "01J…"}

    `purpose` names the list and its owner: a cursor is valid only for the purpose it was made for.
    """

    def __init__(self, keys: Callable[[], Mapping[str, str]]) -> None:
        self._keys = keys

    def encode(self, position: Position | None, purpose: str) -> str | None:
        """Return the cursor of a position; None for None, the position after the last page."""
        if position is None:
            return None
        text = json.dumps(position, separators=(",", ":"), sort_keys=True).encode()
        ring = self._keys()
        signature = _signature(ring[ring["active"]], purpose, text)
        return _encoded(signature + text)

    def decode(self, cursor: str | None, purpose: str) -> Position | None:
        """Return the position of a cursor. Raises Invalid when it was tampered with or was made for
        another purpose.
        """
        if cursor is None:
            return None
        raw = _decoded(cursor)
        signature, text = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        # every key of the ring: a key rotation must not break lists that clients are paging through
        keys = [key for name, key in self._keys().items() if name != "active"]
        if not any(hmac.compare_digest(signature, _signature(k, purpose, text)) for k in keys):
            fault = FieldError("cursor", "must be a cursor of this list")
            raise Invalid("The cursor is not valid", (fault,))
        position: Position = json.loads(text)
        return position


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    """Decode a cursor; empty unless its spelling is canonical, since base64 allows several."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        return b""
    return raw if _encoded(raw) == cursor else b""


def _signature(key: str, purpose: str, text: bytes) -> bytes:
    # the digest has a fixed length, so that no part of the purpose can pass for the text
    message = b"cursor\0" + sha256(purpose.encode()).digest() + text
    return hmac.new(key.encode(), message, sha256).digest()[:SIGNATURE_BYTES]
