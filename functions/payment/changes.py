"""Changes of a payment, each committed with its ledger entries, audit record and events."""

from collections.abc import Callable

from payment.events import audit_snapshot, events_between
from payment.ledger import entries_between
from payment.model import Payment
from payment.ports import Ledger, Payments
from supermarket import telemetry
from supermarket.audit import AuditTrail
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import BeginTransaction, Transaction

type AlsoWrite = Callable[[Transaction], None]


class Changes:
    """Commits changes of payments."""

    def __init__(
        self, payments: Payments, ledger: Ledger, audit: AuditTrail, begin: BeginTransaction
    ) -> None:
        self._payments = payments
        self._ledger = ledger
        self._audit = audit
        self._begin = begin

    def update(
        self, payment: Payment, change: Callable[[Payment], Payment], action: str, actor: str
    ) -> tuple[Payment, Payment]:
        """Commit `change(payment)` and return the payment before and after it.

        A payment that changed since it was read is read again. A change that makes no difference
        is not committed. Raises `StaleWrite` after several conflicts.
        """
        before = payment

        def attempt() -> tuple[Payment, Payment]:
            nonlocal before
            after = change(before)
            try:
                if after != before:
                    self.commit(before, after, action, actor)
            except StaleWrite:
                before = self._payments.find(payment.id) or before
                raise
            return before, after

        return retry_on_conflict(attempt)

    def commit(
        self,
        before: Payment | None,
        after: Payment,
        action: str,
        actor: str,
        also: AlsoWrite | None = None,
    ) -> None:
        """Commit a new payment or a change of one; `also` adds writes to the transaction.

        Raises `StaleWrite` when the payment is no longer `before`.
        """
        transaction = self._begin()
        if also is not None:
            also(transaction)
        if before is None:
            self._payments.add(after, transaction)
        else:
            self._payments.save(before, after, transaction)
        for entry in entries_between(before, after):
            self._ledger.add(entry, transaction)
        self._audit.record(
            transaction,
            subject=f"payment#{after.id}",
            action=action,
            actor=actor,
            before=audit_snapshot(before),
            after=audit_snapshot(after),
        )
        for event in events_between(before, after):
            transaction.emit(event)
        transaction.commit()
        _log(after, action)


def _log(payment: Payment, action: str) -> None:
    """Log one line per change, from which the history of a payment can be explained."""
    ids = {"payment_id": payment.id, "order_id": payment.order_id, "version": payment.version}
    snapshot = audit_snapshot(payment)
    telemetry.logger.info("payment changed", extra={**ids, "action": action, **snapshot})
