"""Composition root of the kernel: sessions, tokens, cursors, idempotency keys, audit trail."""

import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from supermarket.audit import AuditTrail
from supermarket.caller import Caller
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.cursors import Cursors
from supermarket.dynamo.audit import DynamoAuditTrail
from supermarket.dynamo.idempotency import DynamoIdempotencyKeys, IdempotencyRow
from supermarket.dynamo.public_keys import read_key_ring
from supermarket.dynamo.sessions import DynamoSessions
from supermarket.errors import Invalid
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys
from supermarket.public_keys import PublicKeys
from supermarket.request import Request
from supermarket.secrets import client, secret
from supermarket.sessions import Sessions

if TYPE_CHECKING:
    from supermarket.throttle import Throttle
    from supermarket.tokens import AccessTokens


def cursor_keys() -> dict[str, str]:
    """Return the keys of cursors, `{"active": "k1", "k1": "..."}`; fetched every five minutes."""
    return secret("cursor-keys")


def token_issuer() -> str:
    """Return the name of this stage in access tokens."""
    return f"supermarket-{settings().stage}"


@cache
def public_keys() -> PublicKeys:
    return PublicKeys(read_key_ring, utc_now, time.monotonic)


@cache
def access_tokens() -> "AccessTokens":
    # imported late, since events and jobs have no tokens
    from supermarket.tokens import AccessTokens

    return AccessTokens(public_keys().find, token_issuer(), utc_now)


@cache
def sessions() -> Sessions:
    return DynamoSessions(utc_now)


@cache
def cursors() -> Cursors:
    client()  # makes it in the init phase; nothing is fetched
    return Cursors(cursor_keys)


@cache
def idempotency_keys() -> IdempotencyKeys:
    return DynamoIdempotencyKeys(utc_now)


def plan_key(use_case: str, request: Request, caller: Caller) -> None:
    """Read the request's idempotency key, if it has one, together with the session."""
    with suppress(Invalid):  # the endpoint reports it
        if key := IdempotencyKey.from_request(request, use_case, caller.user_id):
            IdempotencyRow.plan_read(key.scope)


@cache
def throttle() -> "Throttle":
    # imported late, since few routes have limits, and it imports threads
    from supermarket.dynamo.rate_limits import DynamoRateLimits
    from supermarket.throttle import Throttle

    return Throttle(DynamoRateLimits(utc_now))


@cache
def audit_trail() -> AuditTrail:
    return DynamoAuditTrail(utc_now, new_id)
