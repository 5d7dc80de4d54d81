"""Idempotency keys: a request that comes again gets the first one's result, whoever's fault the
repeat was.
"""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Protocol, Self

from supermarket.errors import Conflict, FieldError, Invalid
from supermarket.request import Request
from supermarket.transaction import Transaction

REMEMBERED_FOR = timedelta(hours=24)

HEADER = "idempotency-key"
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")

REUSED = "This Idempotency-Key was used before with another request body"


class KeyInUse(Conflict):
    """The same key was used at the same moment by another request, which won."""

    code = "KEY_IN_USE"


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's key for one use case, and the fingerprint of the body it came with."""

    scope: str
    fingerprint: str

    def about(self, subject: str) -> Self:
        """The same key, with what its request is about besides its body: what its path names."""
        both = f"{subject}#{self.fingerprint}"
        return type(self)(self.scope, sha256(both.encode()).hexdigest())

    @classmethod
    def of(cls, use_case: str, user_id: str, key: str, body: bytes) -> Self:
        return cls(f"{use_case}#{user_id}#{key}", sha256(_canonical(body)).hexdigest())

    @classmethod
    def from_request(cls, request: Request, use_case: str, user_id: str) -> Self | None:
        """The key a request came with; None when it has none, Invalid when it is malformed."""
        key = request.headers.get(HEADER)
        if key is None:
            return None
        if not VISIBLE_ASCII.fullmatch(key):
            fault = FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
            raise Invalid("The Idempotency-Key is not valid", (fault,))
        return cls.of(use_case, user_id, key, request.body)


def _canonical(body: bytes) -> bytes:
    """The same for bodies that mean the same: a client may serialise anew when it tries again."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body


class IdempotencyKeys(Protocol):
    """Remembers, for a day, what each key led to."""

    def result_of(self, key: IdempotencyKey) -> str | None:
        """The id of what the key led to, or None; RuleViolated when the body was another one."""

    def remember(self, key: IdempotencyKey, result_id: str, transaction: Transaction) -> None:
        """Tie the key to its result in the very transaction that makes it; refused with
        KeyInUse.
        """
