"""Idempotency keys: a repeated request gets the result of the first one."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Protocol, Self

from supermarket.errors import Conflict, DomainError, FieldError, Invalid
from supermarket.request import Request
from supermarket.transaction import Transaction

RETENTION = timedelta(hours=24)

HEADER = "idempotency-key"
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")
BOUNDARY = re.compile(r'boundary="?([^";\s]+)')

REUSED = "This Idempotency-Key was used before with another request body"


class KeyMissing(Invalid):
    """The request needs an idempotency key and has none."""

    code = "IDEMPOTENCY_KEY_REQUIRED"


class KeyInUse(Conflict):
    """Another request with the same key was committed first."""

    code = "KEY_IN_USE"


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's key for one use case, with the fingerprint of the request body."""

    scope: str
    fingerprint: str

    def about(self, subject: str) -> Self:
        """Return the key with a fingerprint that covers `subject`, such as a path parameter."""
        both = f"{subject}#{self.fingerprint}"
        return type(self)(self.scope, sha256(both.encode()).hexdigest())

    @classmethod
    def of(cls, use_case: str, user_id: str, key: str, body: bytes) -> Self:
        return cls(f"{use_case}#{user_id}#{key}", sha256(_canonical(body)).hexdigest())

    @classmethod
    def from_request(cls, request: Request, use_case: str, user_id: str) -> Self | None:
        """Return the key of a request, or None. Raises Invalid when it is malformed."""
        key = request.headers.get(HEADER)
        if key is None:
            return None
        if not VISIBLE_ASCII.fullmatch(key):
            fault = FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
            raise Invalid("The Idempotency-Key is not valid", (fault,))
        return cls.of(use_case, user_id, key, _without_boundary(request))

    @classmethod
    def require(cls, request: Request, use_case: str, user_id: str) -> Self:
        """Return the key of a request. Raises KeyMissing, and Invalid when it is malformed."""
        key = cls.from_request(request, use_case, user_id)
        if key is None:
            fault = FieldError("Idempotency-Key", "is required", "REQUIRED")
            raise KeyMissing("Send an Idempotency-Key, the same one when you repeat it", (fault,))
        return key


def _without_boundary(request: Request) -> bytes:
    """Return the body; that of a form without its boundary, which differs with each sending."""
    boundary = BOUNDARY.search(request.headers.get("content-type", ""))
    return request.body.replace(boundary[1].encode(), b"") if boundary else request.body


def _canonical(body: bytes) -> bytes:
    """Return equal bytes for equal JSON: a client may serialise its body differently on a retry."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body


class IdempotencyKeys(Protocol):
    """Stores the result of each key for 24 hours."""

    def find_result(self, key: IdempotencyKey) -> str | None:
        """Return the id of the key's result, or None. Raises RuleViolated for another body."""

    def is_used(self, key: IdempotencyKey) -> bool:
        """Return whether the key has a result, of whatever body."""

    def save_result(self, key: IdempotencyKey, result_id: str, transaction: Transaction) -> None:
        """Store the key with its result in the transaction that creates the result. The commit
        raises KeyInUse when the key is in use.
        """


def run_once[Result](
    keys: IdempotencyKeys,
    key: IdempotencyKey | None,
    run: Callable[[], Result],
    find: Callable[[str], Result],
) -> Result:
    """Return the result of the key, which `find` gets by its id; without one, call `run`, which
    saves it in its transaction.

        run_once(keys, key, lambda: self._create(draft, key), self.get_product)
    """
    if key and (result_id := keys.find_result(key)):
        return find(result_id)
    try:
        return run()
    except DomainError:
        # a second copy of the request may have been committed meanwhile
        if key and (result_id := keys.find_result(key)):
            return find(result_id)
        raise
