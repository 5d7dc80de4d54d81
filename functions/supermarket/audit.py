"""The audit trail: actor, action, subject, state before and after; entries never change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from supermarket.day_lists import Days
from supermarket.transaction import Transaction

type Facts = Mapping[str, str | int | None]


class AuditTrail(Protocol):
    """Records financial and administrative actions."""

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
        """Record an action in the transaction that performs it.

        `subject` names the changed thing, such as `payment#<id>`; `actor` is a user's id or a
        system's name, such as `Razorpay`. The request's id is added.
        """


@dataclass(frozen=True)
class AuditEntry:
    """A recorded action; `place` sorts by time."""

    place: str
    subject: str
    action: str
    actor: str
    at: datetime
    before: Facts
    after: Facts
    request_id: str


class AuditLog(Protocol):
    """Lists recorded actions, newest first. Eventually consistent."""

    def list_entries(
        self, subject: str | None, days: Days, limit: int
    ) -> tuple[list[AuditEntry], Days | None]:
        """Return the actions of the days, all or those on a subject, and the days that are left;
        None after the last.
        """
