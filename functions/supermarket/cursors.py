"""Cursors of lists: where the next page begins, signed so that nobody can make up a place to
read from.
"""

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
    """Seals and opens cursors with the active key of the platform's key ring.

    `purpose` names the list (route and filters, say) and whose it is: a cursor of one list or
    person is no good for another.
    """

    def __init__(self, keys: Callable[[], Mapping[str, str]]) -> None:
        self._keys = keys

    def seal(self, position: Position | None, purpose: str) -> str | None:
        """The cursor for a position; None, for the last page, stays None."""
        if position is None:
            return None
        text = json.dumps(position, separators=(",", ":"), sort_keys=True).encode()
        ring = self._keys()
        signature = _signature(ring[ring["active"]], purpose, text)
        return _encoded(signature + text)

    def open(self, cursor: str | None, purpose: str) -> Position | None:
        """The position in a cursor; Invalid when it was tampered with or belongs to another
        list.
        """
        if cursor is None:
            return None
        raw = _decoded(cursor)
        signature, text = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not self._is_genuine(signature, text, purpose):
            raise Invalid(
                "The cursor is not valid", (FieldError("cursor", "not a cursor of this list"),)
            )
        position: Position = json.loads(text)
        return position

    def _is_genuine(self, signature: bytes, text: bytes, purpose: str) -> bool:
        ring = self._keys()
        # every key of the ring, so that a rotation does not break a list somebody is paging through
        candidates = [
            _signature(key, purpose, text) for name, key in ring.items() if name != "active"
        ]
        return any(hmac.compare_digest(signature, candidate) for candidate in candidates)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    """Nothing, unless the cursor is spelt exactly as `_encoded` does: base64 has other ways."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        return b""
    return raw if _encoded(raw) == cursor else b""


def _signature(key: str, purpose: str, text: bytes) -> bytes:
    # a digest of the purpose has a fixed length, so that nothing of it can pass for the text
    message = b"cursor\0" + sha256(purpose.encode()).digest() + text
    return hmac.new(key.encode(), message, sha256).digest()[:SIGNATURE_BYTES]
