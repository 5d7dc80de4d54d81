"""Stores and announces each drift once."""

from payment.model import Payment
from payment.reconciliation.model import Drift, DriftKind
from payment.reconciliation.ports import DriftStore, KnownDrift
from supermarket import telemetry
from supermarket.clock import Clock, iso
from supermarket.contracts import PaymentDriftFound
from supermarket.transaction import BeginTransaction


class DriftReporter:
    """Reports drift."""

    def __init__(self, store: DriftStore, begin: BeginTransaction, clock: Clock) -> None:
        self._store = store
        self._begin = begin
        self._clock = clock

    def report(self, kind: DriftKind, id_: str, details: str, payment: Payment | None) -> None:
        """Store a drift with its event; nothing happens when it was reported before."""
        drift = Drift(
            subject_id=id_,
            kind=kind,
            details=details,
            payment_id=payment.id if payment else None,
            order_id=payment.order_id if payment else None,
            found_at=self._clock(),
        )
        transaction = self._begin()
        self._store.add(drift, transaction)
        transaction.emit(PaymentDriftFound(**vars(drift)))
        try:
            transaction.commit()
        except KnownDrift:
            return
        fields = {**vars(drift), "found_at": iso(drift.found_at)}
        telemetry.logger.error("payment drift", extra=fields)
        telemetry.count("PaymentDrift", kind=kind)
