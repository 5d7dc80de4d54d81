"""How often passwords may be tried: some failures are free, then each one doubles a delay."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from auth.model import Account
from supermarket.clock import creation_time

FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=15)
MOST_DOUBLINGS = 10  # more would exceed the longest delay
MOST_CLIENTS = 400  # keeps the size of a record bounded; limits are lower
REMEMBERED_FOR = timedelta(days=1)  # after the last failure
DEVICE_LIFETIME = timedelta(days=365)
NO_WAIT = timedelta(0)


@dataclass(frozen=True)
class Sender:
    """Who sends a request: a digest of the client address, and the cookie of a known device."""

    client: str
    device: str | None = None


@dataclass(frozen=True)
class FreeFailures:
    """How many failures have no delay: of one client at one account (and of a known device), of all
    clients at one account, and of one client at all accounts. 0: no limit.
    """

    per_account_and_client: int
    per_account: int
    per_client: int


@dataclass(frozen=True)
class Failures:
    """The number of a client's failures, and the time of the last one."""

    client: str
    number: int
    last: datetime


@dataclass(frozen=True)
class GuessRecord:
    """The failures that count towards a limit, by client; `version` counts changes."""

    key: str
    failures: tuple[Failures, ...] = ()
    version: int = 0

    @property
    def number(self) -> int:
        return sum(each.number for each in self.failures)

    @property
    def last(self) -> datetime:
        return max(each.last for each in self.failures)

    def of(self, client: str) -> "GuessRecord":
        """Return the record with the failures of one client only."""
        return self._only(lambda each: each.client == client)

    def without(self, client: str) -> "GuessRecord":
        """Return the record without the failures of a client."""
        return self._only(lambda each: each.client != client)

    def remembered(self, now: datetime) -> "GuessRecord":
        """Return the record without old failures."""
        return self._only(lambda each: now < each.last + REMEMBERED_FOR)

    def add(self, client: str, number: int, now: datetime) -> "GuessRecord":
        """Return the record with more, or with less, failures of a client."""
        added = Failures(client, self.of(client).number + number, now)
        others = self.without(client).failures
        return replace(self, failures=(*others, added)[-MOST_CLIENTS:])

    def _only(self, fits: Callable[[Failures], bool]) -> "GuessRecord":
        return replace(self, failures=tuple(filter(fits, self.failures)))

    def wait(self, free: int, now: datetime) -> timedelta:
        """Return how long the next attempt has to wait."""
        if not free or self.number < free:
            return NO_WAIT
        delay = FIRST_DELAY * (1 << min(self.number - free, MOST_DOUBLINGS))
        return max(NO_WAIT, self.last + min(delay, LONGEST_DELAY) - now)


@dataclass(frozen=True)
class Budget:
    """A record that an attempt counts in: the client under which it counts, and the free failures
    of this client and of all clients.
    """

    key: str
    client: str = ""
    free: int = 0
    free_of_all: int = 0
    is_shared: bool = False  # by the accounts that a client signs in to

    def wait(self, record: GuessRecord, now: datetime) -> timedelta:
        """Return how long an attempt has to wait."""
        own = record.of(self.client).wait(self.free, now)
        return max(own, record.wait(self.free_of_all, now))

    def counts_failures_only(self, record: GuessRecord) -> bool:
        """Return whether right passwords are not counted either while they are checked."""
        return self.is_shared and record.number <= self.free // 2

    def forget(self, record: GuessRecord) -> GuessRecord:
        """Return the record after a right password, which ends the client's failures at this
        account; of other accounts it says nothing.
        """
        if self.is_shared:
            return record.add(self.client, -1, record.last)
        return record.without(self.client)


def device_cookie(account: Account, device_id: str) -> str:
    """Return the cookie that makes a device known to an account until its password changes. It is
    signed with the password's hash, which only auth can read, and which has a random salt.
    """
    text = f"device\n{account.user.id}\n{device_id}"
    signature = hmac.new(account.password_hash.encode(), text.encode(), sha256).hexdigest()
    return f"{device_id}.{signature}"


def known_device(cookie: str | None, account: Account | None, now: datetime) -> str | None:
    """Return the id of the device if the account knows it."""
    if cookie is None or account is None:
        return None
    device_id = cookie.partition(".")[0]
    expected = device_cookie(account, device_id)
    if not hmac.compare_digest(cookie.encode(), expected.encode()):
        return None
    return device_id if now < creation_time(device_id) + DEVICE_LIFETIME else None
