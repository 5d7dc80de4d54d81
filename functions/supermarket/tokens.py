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
CLAIMS = ["exp", "iat", "iss", "aud", "sub", "sid", "role", "email", "given_name"]

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
        return self._caller(token, self._clock().timestamp())

    def verify_allowing_expired(self, token: str) -> Caller:
        """Return the caller of a token, also an expired one. Raises Unauthenticated if forged."""
        return self._caller(token, now=0)

    def _caller(self, token: str, now: float) -> Caller:
        try:
            claims = self._claims(token, now)
            return Caller(
                user_id=str(claims["sub"]),
                session_id=str(claims["sid"]),
                role=Role(claims["role"]),
                email=str(claims["email"]),
                first_name=str(claims["given_name"]),
            )
        except (jwt.PyJWTError, ValueError) as fault:
            raise Unauthenticated(NOT_SIGNED_IN) from fault

    def _claims(self, token: str, now: float) -> dict[str, Any]:
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
            # the clock is injected, so PyJWT's own check of the time is replaced below
            options={"require": CLAIMS, "verify_exp": False, "verify_iat": False},
        )
        if claims["exp"] <= now:
            raise jwt.ExpiredSignatureError("expired")
        return claims
