"""Signing of access tokens, which only auth can do, and rotation of its key."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256

from auth.ports import KeyRings
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId
from supermarket.public_keys import PublicKey
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.signatures import ALGORITHM, JWS, key_pair
from supermarket.tokens import AUDIENCE, LIFETIME

# how long a replaced key verifies tokens: functions may use a secret that they read before, also
# while Secrets Manager does not answer
VALID_AFTER_ROTATION = timedelta(days=1)
KEPT_AFTER_EXPIRY = timedelta(days=1)  # in the table, so that it is not published again
# a new key is published for so long before it signs: every function that read the keys before may
# read them again by then (`SECONDS_BETWEEN_READS`), so that no request is refused
SECONDS_BEFORE_USE = 2

type Secret = Mapping[str, str]


@dataclass(frozen=True)
class SigningKey:
    """A key pair. The secret `{"id": "k1", "seed": "<random text>"}` yields both halves."""

    id: str
    seed: str = field(repr=False)

    @classmethod
    def of(cls, secret: Secret) -> "SigningKey":
        return cls(secret["id"], secret["seed"])

    @property
    def public(self) -> PublicKey:
        return PublicKey.of(self.id, self._pair[0])

    @property
    def private(self) -> bytes:
        return self._pair[1]

    @property
    def _pair(self) -> tuple[bytes, bytes]:
        return key_pair(sha256(self.seed.encode()).digest())


class TokenIssuer:
    """Issues access tokens. `secret` yields the signing key, and `is_published` whether a public
    key can be found by those who verify tokens: the first key of a stage is published here.
    """

    def __init__(
        self,
        secret: Callable[[], Secret],
        rings: KeyRings,
        is_published: Callable[[str], bool],
        issuer: str,
        clock: Clock,
    ) -> None:
        self._secret = secret
        self._rings = rings
        self._is_published = is_published
        self._issuer = issuer
        self._clock = clock

    def issue(self, caller: Caller) -> str:
        """Return a token that identifies `caller` for `LIFETIME`."""
        key = SigningKey.of(self._secret())
        if not self._is_published(key.id):
            publish(self._rings, key.public)
        now = int(self._clock().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFETIME // timedelta(seconds=1),
            "sub": caller.user_id,
            "sid": caller.session_id,
            "role": caller.role.value,
            "email": caller.email,
            "given_name": caller.first_name,
        }
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return JWS.encode(payload, key.private, ALGORITHM, headers={"kid": key.id})


@dataclass(frozen=True)
class KeyRotation:
    """Replaces the signing key. `save` stores the secret, and `wait` waits for some seconds."""

    rings: KeyRings
    save: Callable[[Secret], None]
    wait: Callable[[float], None]
    new_seed: Callable[[], str]
    new_id: NewId
    clock: Clock

    def rotate(self, *, revoke: bool = False) -> int:
        """Replace the key; returns how many keys are still valid. Tokens of the earlier key stay
        valid until they end, or with `revoke` no longer: then people need to refresh their tokens,
        or, for up to five minutes, to sign in again.

        A rotation that failed half-way leaves a key that works, and can be repeated.
        """
        key = SigningKey(self.new_id(), self.new_seed())
        publish(self.rings, key.public)
        self.wait(SECONDS_BEFORE_USE)
        self.save({"id": key.id, "seed": key.seed})
        return retry_on_conflict(lambda: self._expire_all_but(key.id, revoke=revoke))

    def _expire_all_but(self, key_id: str, *, revoke: bool) -> int:
        ring, now = self.rings.read(), self.clock()
        latest = now if revoke else now + VALID_AFTER_ROTATION
        keys = tuple(
            key
            if key.id == key_id
            else replace(key, expires_at=min(key.expires_at or latest, latest))
            for key in ring.keys
            if key.expires_at is None or now < key.expires_at + KEPT_AFTER_EXPIRY
        )
        if not self.rings.replace(replace(ring, keys=keys)):
            raise StaleWrite
        return sum(key.is_valid(now) for key in keys)


def publish(rings: KeyRings, key: PublicKey) -> None:
    """Add a key to the public ones, unless it is there."""

    def add() -> None:
        ring = rings.read()
        if ring.find(key.id) is None and not rings.replace(replace(ring, keys=(*ring.keys, key))):
            raise StaleWrite

    retry_on_conflict(add)
