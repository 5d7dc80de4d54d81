"""The public keys of access tokens, read from their table and remembered for five minutes."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from supermarket.clock import Clock

REMEMBERED_FOR_SECONDS = 300
# a token with an unknown key causes a read, but not each of them
SECONDS_BETWEEN_READS = 1


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies tokens; `x` has its bytes in base64url, as in a JWK. A key that was
    replaced has the time at which its last token is refused.
    """

    id: str
    x: str
    expires_at: datetime | None = None

    @classmethod
    def of(cls, key_id: str, key: bytes) -> "PublicKey":
        return cls(key_id, urlsafe_b64encode(key).decode().rstrip("="))

    @property
    def key(self) -> bytes:
        return urlsafe_b64decode(self.x + "=")

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True)
class KeyRing:
    """All public keys; `version` counts changes."""

    keys: tuple[PublicKey, ...] = ()
    version: int = 0

    def find(self, key_id: str) -> PublicKey | None:
        return next((key for key in self.keys if key.id == key_id), None)


class PublicKeys:
    """Finds public keys by id. `monotonic` returns seconds.

    A key that is not known causes another read: rotations take effect at once.
    """

    def __init__(
        self, read: Callable[[], KeyRing], clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._read = read
        self._clock = clock
        self._monotonic = monotonic
        self._ring = KeyRing()
        self._read_at: float | None = None

    def is_known(self, key_id: str) -> bool:
        """Return whether the key is in the table, valid or not."""
        return self._find(key_id) is not None

    def find(self, key_id: str) -> bytes | None:
        """Return the key if tokens may be signed with it."""
        found = self._find(key_id)
        return found.key if found and found.is_valid(self._clock()) else None

    def list_valid(self) -> Sequence[PublicKey]:
        self._refresh(REMEMBERED_FOR_SECONDS)
        now = self._clock()
        return [key for key in self._ring.keys if key.is_valid(now)]

    def _find(self, key_id: str) -> PublicKey | None:
        self._refresh(REMEMBERED_FOR_SECONDS)
        if self._ring.find(key_id) is None:
            self._refresh(SECONDS_BETWEEN_READS)
        return self._ring.find(key_id)

    def _refresh(self, seconds: float) -> None:
        """Read the keys unless they were read in the last seconds."""
        now = self._monotonic()
        if self._read_at is None or now - self._read_at >= seconds:
            self._ring = self._read()
            self._read_at = now
