"""One change of a payment, with all that it means: ledger, audit trail and events change with it or
not at all.
"""

from collections.abc import Callable

from payment.facts import audited, facts_between
from payment.ledger import entries_between
from payment.model import Payment
from payment.ports import Ledger, Payments
from supermarket import telemetry
from supermarket.audit import AuditTrail
from supermarket.transaction import BeginTransaction, Transaction

type AlsoWrite = Callable[[Transaction], None]


class Changes:
    """Commits changes. Overtaken when the payment is no longer as it was read."""

    def __init__(
        self, payments: Payments, ledger: Ledger, audit: AuditTrail, begin: BeginTransaction
    ) -> None:
        self._payments = payments
        self._ledger = ledger
        self._audit = audit
        self._begin = begin

    def commit(
        self,
        before: Payment | None,
        after: Payment,
        action: str,
        actor: str,
        also: AlsoWrite | None = None,
    ) -> None:
        """`also` adds what else must happen with it, such as remembering an idempotency key."""
        transaction = self._begin()
        if also is not None:
            also(transaction)
        if before is None:
            self._payments.add(after, transaction)
        else:
            self._payments.save(before, after, transaction)
        for entry in entries_between(before, after):
            self._ledger.book(entry, transaction)
        self._audit.record(
            transaction,
            subject=f"payment#{after.id}",
            action=action,
            actor=actor,
            before=audited(before),
            after=audited(after),
        )
        for fact in facts_between(before, after):
            transaction.emit(fact)
        transaction.commit()
        _log(after, action)


def _log(payment: Payment, action: str) -> None:
    """One line per change, for whoever has to explain later where the money went."""
    known = {"payment_id": payment.id, "order_id": payment.order_id, "version": payment.version}
    telemetry.logger.info("payment changed", extra={**known, "action": action, **audited(payment)})
