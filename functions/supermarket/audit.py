"""The audit trail: actor, action, subject, state before and after; entries never change."""

from collections.abc import Mapping
from typing import Protocol

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
