"""The use case of settlements: book the money that Razorpay pays to the shop's bank account."""

from dataclasses import dataclass

from payment.ledger import Entry, entry_of
from payment.model import RAZORPAY, Settlement, SettlementStatus
from payment.ports import Ledger
from supermarket import telemetry
from supermarket.audit import AuditTrail
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction


@dataclass(frozen=True)
class Settlements:
    """Books settlements."""

    ledger: Ledger
    audit: AuditTrail
    begin: BeginTransaction

    def record(self, settlement: Settlement) -> bool:
        """Book a settlement once; returns whether it is new.

        Only one that was paid out is booked: a failed one may be repeated. A record that differs
        from the entry is reported and changes nothing.
        """
        if settlement.status is not SettlementStatus.PROCESSED:
            return False
        entry = entry_of(settlement)
        transaction = self.begin()
        self.ledger.add(entry, transaction)
        self.audit.record(
            transaction,
            subject=f"settlement#{settlement.id}",
            action="settlement processed",
            actor=RAZORPAY,
            before={},
            after={
                "minor": settlement.amount.minor,
                "currency": settlement.amount.currency.value,
                "feesMinor": settlement.fees.minor,
                "taxMinor": settlement.tax.minor,
                "utr": settlement.utr,
            },
        )
        try:
            transaction.commit()
        except StaleWrite:
            self._report_difference(entry)
            return False
        return True

    def _report_difference(self, entry: Entry) -> None:
        known = self.ledger.find_settlement(entry.reference)
        if known and known.lines != entry.lines:
            ids = {"settlement_id": entry.reference}
            telemetry.logger.error("a settlement differs from its entry", extra=ids)
            telemetry.count("PaymentMismatches")
