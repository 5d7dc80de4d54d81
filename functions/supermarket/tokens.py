"""Access tokens: short-lived JWTs, signed with a named key of a key ring, which can rotate.

A token identifies a session. Its role is the one at sign-in, for clients: requests are admitted by
the role and the status in the session's row.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import jwt

from supermarket.caller import Caller, Role
from supermarket.clock import Clock
from supermarket.errors import Unauthenticated

ALGORITHM = "HS256"
LIFETIME = timedelta(minutes=15)
AUDIENCE = "supermarket-api"
CLOCK_SKEW = timedelta(seconds=10)  # between the functions that issue a token and read it
TIMES, TEXTS = ("exp", "iat"), ("sub", "sid", "role", "email", "given_name")
CLAIMS = [*TIMES, *TEXTS, "iss", "aud"]

NOT_SIGNED_IN = "You are not signed in"

type KeyRing = Callable[[], Mapping[str, str]]


class AccessTokens:
    """Issues and verifies access tokens.

    `keys` yields the key ring: `{"active": "k2", "k1": "...", "k2": "..."}`. Tokens are signed
    with the active key and verified with whichever key their header names.
    """

    def __init__(self, keys: KeyRing, issuer: str, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock

    def issue(self, caller: Caller) -> str:
        """Return a token that identifies `caller` for `LIFETIME`."""
        ring = self._keys()
        now = self._clock()
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFETIME,
            "sub": caller.user_id,
            "sid": caller.session_id,
            "role": caller.role,
            "email": caller.email,
            "given_name": caller.first_name,
        }
        key_id = ring["active"]
        return jwt.encode(claims, ring[key_id], ALGORITHM, headers={"kid": key_id})

    def verify(self, token: str) -> Caller:
        """Return the caller of a token. Raises Unauthenticated when it is forged or has expired."""
        return self._caller(token, may_be_expired=False)

    def verify_allowing_expired(self, token: str) -> Caller:
        """Return the caller of a token, also an expired one. Raises Unauthenticated if forged."""
        return self._caller(token, may_be_expired=True)

    def _caller(self, token: str, *, may_be_expired: bool) -> Caller:
        try:
            claims = self._claims(token)
            self._check_times(claims["iat"], claims["exp"], may_be_expired=may_be_expired)
            return Caller(
                user_id=claims["sub"],
                session_id=claims["sid"],
                role=Role(claims["role"]),
                email=claims["email"],
                first_name=claims["given_name"],
            )
        except (jwt.PyJWTError, ValueError) as fault:
            raise Unauthenticated(NOT_SIGNED_IN) from fault

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

    def _claims(self, token: str) -> dict[str, Any]:
        ring = self._keys()
        key_id = jwt.get_unverified_header(token).get("kid")
        if not isinstance(key_id, str) or key_id == "active" or key_id not in ring:
            raise jwt.InvalidKeyError("the key is not in the ring")
        claims: dict[str, Any] = jwt.decode(
            token,
            ring[key_id],
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=self._issuer,
            # the clock is injected, so PyJWT's own check of the times is replaced
            options={"require": CLAIMS, "verify_exp": False, "verify_iat": False},
        )
        times = all(type(claims[name]) is int for name in TIMES)  # `bool` is a subclass of `int`
        if not times or not all(isinstance(claims[name], str) for name in TEXTS):
            raise jwt.InvalidTokenError("a claim has the wrong type")
        return claims
