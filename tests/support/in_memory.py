"""In-memory adapters of the kernel's ports; they pass the same tests as the DynamoDB adapters."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from supermarket.audit import Facts
from supermarket.caller import Standing, Status
from supermarket.clock import Clock
from supermarket.contracts import Event
from supermarket.errors import Conflict, DomainError, RuleViolated, Unauthenticated
from supermarket.idempotency import RETENTION, REUSED, IdempotencyKey, KeyInUse
from supermarket.sessions import MAX_SESSIONS, SESSION_LIFETIME
from supermarket.transaction import AddWrites, Transaction, add_nothing


class InMemoryTransaction:
    """Collects writes as pairs of a check and an effect; all checks pass, or no effect happens."""

    def __init__(self, outbox: list[Event]) -> None:
        self._outbox = outbox
        self._writes: list[tuple[Callable[[], bool], Callable[[], None], DomainError | None]] = []

    def add(
        self,
        holds: Callable[[], bool],
        effect: Callable[[], None],
        on_conflict: DomainError | None = None,
    ) -> None:
        """Add a write; the transaction raises `on_conflict` unless `holds()`."""
        self._writes.append((holds, effect, on_conflict))

    def emit(self, event: Event, event_id: str | None = None) -> None:
        self.add(lambda: True, lambda: self._outbox.append(event))

    def commit(self) -> None:
        refusals = [on_conflict for holds, _, on_conflict in self._writes if not holds()]
        if refusals:
            first = refusals[0]
            if first is None:
                raise RuntimeError("a condition failed without `on_conflict`")
            errors = chain.from_iterable(error.errors for error in refusals if error)
            first.errors = tuple(errors)
            raise first
        for _, effect, _ in self._writes:
            effect()


def in_memory(transaction: Transaction) -> InMemoryTransaction:
    """Return the transaction of a service as an `InMemoryTransaction`."""
    assert isinstance(transaction, InMemoryTransaction)
    return transaction


class ConditionFailed(Conflict):
    """The write of one thing does not apply."""


def write_once(
    holds: Callable[[], bool], effect: Callable[[], None], also: AddWrites = add_nothing
) -> bool:
    """Write one thing and what `also` adds, if `holds()`; returns whether it did."""
    transaction = InMemoryTransaction([])
    also(transaction)
    transaction.add(holds, effect, ConditionFailed("the condition failed"))
    try:
        transaction.commit()
    except ConditionFailed:
        return False
    return True


class InMemoryOutbox:
    """Begins transactions, and records the events of committed ones."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def begin(self) -> InMemoryTransaction:
        return InMemoryTransaction(self.events)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


class InMemorySessions:
    """`supermarket.sessions.Sessions` in a dictionary."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
        self._standings: dict[str, Standing] = {}

    def open(self, session_id: str, user_id: str, standing: Standing) -> None:
        self._standings.setdefault(user_id, standing)
        mine = self._ends[user_id]
        mine[session_id] = self._clock() + SESSION_LIFETIME
        for too_many in sorted(mine)[:-MAX_SESSIONS]:
            del mine[too_many]

    def plan_read(self, user_id: str) -> None:
        """Nothing is read ahead of use in memory."""

    def standing(self, session_id: str, user_id: str) -> Standing | None:
        ends = self._ends[user_id].get(session_id)
        if ends is None or self._clock() >= ends:
            return None
        standing = self._standings[user_id]
        return None if standing.status is Status.SUSPENDED else standing

    def is_open(self, session_id: str, user_id: str) -> bool:
        return self.standing(session_id, user_id) is not None

    def change_standing(self, user_id: str, standing: Standing, transaction: Transaction) -> None:
        def effect() -> None:
            present = self._standings.get(user_id, standing)
            factor = present.has_second_factor
            self._standings[user_id] = replace(standing, has_second_factor=factor)

        in_memory(transaction).add(lambda: True, effect)

    def change_second_factor(
        self, user_id: str, transaction: Transaction, *, has_one: bool
    ) -> None:
        def effect() -> None:
            self._standings[user_id] = replace(self._standings[user_id], has_second_factor=has_one)

        in_memory(transaction).add(lambda: True, effect)

    def end(self, session_id: str, user_id: str) -> None:
        self._ends[user_id].pop(session_id, None)

    def count(self, user_id: str) -> int:
        return len(self._ends[user_id])

    def end_all(self, user_id: str, transaction: Transaction) -> None:
        in_memory(transaction).add(lambda: True, lambda: self._ends.update({user_id: {}}))

    def list_open(self, user_id: str) -> list[str]:
        ends = self._ends[user_id]
        return sorted((each for each in ends if self._clock() < ends[each]), reverse=True)

    def replace_all(
        self, session_id: str, new_id: str, user_id: str, transaction: Transaction
    ) -> None:
        ends = self._clock() + SESSION_LIFETIME
        in_memory(transaction).add(
            lambda: session_id in self._ends[user_id],
            lambda: self._ends.update({user_id: {new_id: ends}}),
            on_conflict=Unauthenticated("This session has ended"),
        )


class InMemoryIdempotencyKeys:
    """`supermarket.idempotency.IdempotencyKeys` in a dictionary."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[str, str, float]] = {}

    def find_result(self, key: IdempotencyKey) -> str | None:
        if not self._is_known(key):
            return None
        fingerprint, result_id, _ = self._known[key.scope]
        if fingerprint != key.fingerprint:
            raise RuleViolated(REUSED)
        return result_id

    def is_used(self, key: IdempotencyKey) -> bool:
        return self._is_known(key)

    def save_result(self, key: IdempotencyKey, result_id: str, transaction: Transaction) -> None:
        ends = (self._clock() + RETENTION).timestamp()
        in_memory(transaction).add(
            lambda: not self._is_known(key),
            lambda: self._known.update({key.scope: (key.fingerprint, result_id, ends)}),
            on_conflict=KeyInUse("The key is in use"),
        )

    def _is_known(self, key: IdempotencyKey) -> bool:
        return key.scope in self._known and self._known[key.scope][2] > self._clock().timestamp()


@dataclass(frozen=True)
class Audited:
    """One entry of the audit trail."""

    subject: str
    action: str
    actor: str
    before: Facts
    after: Facts


class InMemoryAuditTrail:
    """`supermarket.audit.AuditTrail` in a list."""

    def __init__(self) -> None:
        self.entries: list[Audited] = []

    def record(
        self,
        transaction: Transaction,
        *,
        subject: str,
        action: str,
        actor: str,
        before: Facts,
        after: Facts,
    ) -> None:
        entry = Audited(subject, action, actor, dict(before), dict(after))
        in_memory(transaction).add(lambda: True, lambda: self.entries.append(entry))
