"""Access tokens: short-lived JWTs, which auth signs and every function verifies with public keys.

A token identifies a session. Its role is the one at sign-in, for clients: requests are admitted by
the role and the status in the session's row.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt

from supermarket.caller import Caller, Role
from supermarket.clock import Clock, is_id
from supermarket.errors import Unauthenticated
from supermarket.sessions import NOT_SIGNED_IN
from supermarket.signatures import ALGORITHM, JWS

LIFETIME = timedelta(minutes=15)
AUDIENCE = "supermarket-api"
CLOCK_SKEW = timedelta(seconds=10)  # between the functions that issue a token and read it
TIMES, IDS = ("exp", "iat"), ("sub", "sid")
TEXTS = (*IDS, "role", "email", "given_name")


class AccessTokens:
    """Verifies access tokens. `find_key` returns the public key with an id, which a token's header
    has, or None.
    """

    def __init__(self, find_key: Callable[[str], bytes | None], issuer: str, clock: Clock) -> None:
        self._find_key = find_key
        self._issuer = issuer
        self._clock = clock

    def claimed(self, token: str) -> Caller:
        """Return the caller that a token names, without verification: for reads that are planned
        before the keys are read. Raises Unauthenticated when it names none.
        """
        return self._caller(lambda: self._claims(self._unverified(token)["payload"]))

    def verify(self, token: str) -> Caller:
        """Return the caller of a token. Raises Unauthenticated when it is forged or has expired."""
        return self._caller(lambda: self._verified(token, may_be_expired=False))

    def verify_allowing_expired(self, token: str) -> Caller:
        """Return the caller of a token, also an expired one. Raises Unauthenticated if forged."""
        return self._caller(lambda: self._verified(token, may_be_expired=True))

    def _caller(self, claims_of: Callable[[], dict[str, Any]]) -> Caller:
        try:
            claims = claims_of()
            return Caller(
                user_id=claims["sub"],
                session_id=claims["sid"],
                role=Role(claims["role"]),
                email=claims["email"],
                first_name=claims["given_name"],
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as fault:
            raise Unauthenticated(NOT_SIGNED_IN) from fault

    def _verified(self, token: str, *, may_be_expired: bool) -> dict[str, Any]:
        key_id = self._unverified(token)["header"].get("kid")
        key = self._find_key(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise jwt.InvalidKeyError("there is no such key")
        claims = self._claims(JWS.decode(token, key, [ALGORITHM]))
        self._check_times(claims["iat"], claims["exp"], may_be_expired=may_be_expired)
        return claims

    @staticmethod
    def _unverified(token: str) -> dict[str, Any]:
        return JWS.decode_complete(token, options={"verify_signature": False})

    def _claims(self, payload: bytes) -> dict[str, Any]:
        """Return the claims. Raises PyJWTError unless they are this API's and have their types."""
        claims = json.loads(payload)
        if not isinstance(claims, dict):
            raise jwt.DecodeError("the claims are no object")
        if claims.get("iss") != self._issuer or claims.get("aud") != AUDIENCE:
            raise jwt.InvalidTokenError("issued by or for another API")
        times = all(type(claims.get(name)) is int for name in TIMES)  # `bool` is an `int`, too
        texts = all(isinstance(claims.get(name), str) for name in TEXTS)
        if not times or not texts or not all(is_id(claims[name]) for name in IDS):
            raise jwt.InvalidTokenError("a claim has the wrong type")
        return claims

    def _check_times(self, issued: int, expires: int, *, may_be_expired: bool) -> None:
        """Raise ImmatureSignatureError for a token of the future, and ExpiredSignatureError for one
        that has expired or would live longer than any that is issued.
        """
        now = self._clock().timestamp()
        if issued > now + CLOCK_SKEW.total_seconds():
            raise jwt.ImmatureSignatureError("issued in the future")
        # integers, since a float of a large one overflows
        lives_too_long = expires - issued > LIFETIME // timedelta(seconds=1)
        if lives_too_long or (expires <= now and not may_be_expired):
            raise jwt.ExpiredSignatureError("expired, or valid for too long")
