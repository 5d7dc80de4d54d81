"""Reports drift: differences that a person has to clear up."""

from dataclasses import dataclass

from payment.model.payment import Payment
from payment.reconciliation.model import DriftKind
from payment.reconciliation.ports import DriftStore, KnownDrift
from supermarket import telemetry
from supermarket.clock import Clock, iso
from supermarket.contracts import PaymentDriftFound
from supermarket.transaction import BeginTransaction


@dataclass(frozen=True)
class DriftReporter:
    """Reports drift."""

    store: DriftStore
    begin: BeginTransaction
    clock: Clock

    def report(self, kind: DriftKind, id_: str, details: str, payment: Payment | None) -> None:
        """Store a drift with its event; nothing happens when it was reported before."""
        drift = PaymentDriftFound(
            subject_id=id_,
            kind=kind,
            details=details,
            payment_id=payment.id if payment else None,
            order_id=payment.order_id if payment else None,
            found_at=self.clock(),
        )
        transaction = self.begin()
        self.store.add(drift, transaction)
        transaction.emit(drift)
        try:
            transaction.commit()
        except KnownDrift:
            return
        fields = {**vars(drift), "found_at": iso(drift.found_at)}
        telemetry.logger.error("payment drift", extra=fields)
        telemetry.count("PaymentDrift", kind=kind)
