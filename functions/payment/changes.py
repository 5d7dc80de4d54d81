"""Changes of a payment, each committed with its ledger entries, audit record and events."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from payment.events import audit_snapshot, events_between
from payment.ledger import entries_between
from payment.model.payment import Payment
from payment.ports import Ledger, Payments
from supermarket import telemetry
from supermarket.audit import AuditTrail
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import BeginTransaction, Transaction


@dataclass(frozen=True)
class Changes:
    """Commits changes of payments."""

    payments: Payments
    ledger: Ledger
    audit: AuditTrail
    idempotency_keys: IdempotencyKeys
    begin: BeginTransaction

    def update(
        self,
        payment: Payment,
        change: Callable[[Payment], Payment],
        action: str,
        actor: str,
        join: Callable[[Payment, Payment, Transaction], None] = lambda *_: None,
    ) -> tuple[Payment, Payment]:
        """Commit `change(payment)` and return the payment before and after it.

        `join` gets both and may add writes to the transaction.

        A payment that changed since it was read is read again. A change that makes no difference
        is not committed. Raises `StaleWrite` after several conflicts.
        """
        before = payment

        def attempt() -> tuple[Payment, Payment]:
            nonlocal before
            after = change(before)
            try:
                if after != before:
                    self.commit(before, after, action, actor, join=partial(join, before, after))
            except StaleWrite:
                before = self.payments.find(payment.id) or before
                raise
            return before, after

        return retry_on_conflict(attempt)

    def commit(
        self,
        before: Payment | None,
        after: Payment,
        action: str,
        actor: str,
        key: IdempotencyKey | None = None,
        result_id: str = "",
        join: Callable[[Transaction], None] = lambda _: None,
    ) -> None:
        """Commit a new payment or a change of one, with the result of an idempotency key and what
        `join` adds to the transaction.

        Raises `StaleWrite` when the payment is no longer `before`; `KeyInUse`.
        """
        transaction = self.begin()
        if key is not None:
            self.idempotency_keys.save_result(key, result_id, transaction)
        join(transaction)
        if before is None:
            self.payments.add(after, transaction)
        else:
            self.payments.save(before, after, transaction)
        for entry in entries_between(before, after):
            self.ledger.add(entry, transaction)
        self.audit.record(
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
        # from these lines the history of a payment can be explained
        ids = {"payment_id": after.id, "order_id": after.order_id, "version": after.version}
        snapshot = audit_snapshot(after)
        telemetry.logger.info("payment changed", extra={**ids, "action": action, **snapshot})

    def save_result(self, key: IdempotencyKey, result_id: str) -> None:
        """Save the result of an idempotency key that changed nothing. Raises `KeyInUse`."""
        transaction = self.begin()
        self.idempotency_keys.save_result(key, result_id, transaction)
        transaction.commit()
