"""The audit trail: who did what to which thing, what it was before and what it is now; written once
and never changed.
"""

from collections.abc import Mapping
from typing import Protocol

from supermarket.transaction import Transaction

type Facts = Mapping[str, str | int | None]


class AuditTrail(Protocol):
    """Where financial and administrative actions are written down."""

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
        """Write an action down in the very transaction that does it.

        `subject` is what it was done to, such as `payment#<id>`; `actor` is a user's id, or the
        name of the machine that did it. The request's id is added to it.
        """
