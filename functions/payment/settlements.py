"""The use case of settlements: book the money that Razorpay pays to the shop's bank account."""

from dataclasses import dataclass

from payment.ledger import Account, entry_of
from payment.model.payment import RAZORPAY
from payment.model.settlement import Settlement, SettlementStatus
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
            if self.difference(settlement):
                ids = {"settlement_id": settlement.id}
                telemetry.logger.error("a settlement differs from its entry", extra=ids)
                telemetry.count("PaymentMismatches")
            return False
        return True

    def find_total(self, settlement_id: str) -> int | None:
        """Return what was booked for a settlement, with its fees, in minor units."""
        entry = self.ledger.find_settlement(settlement_id)
        if entry is None:
            return None
        return -sum(one.amount.minor for one in entry.lines if one.account is Account.RAZORPAY)

    def difference(self, settlement: Settlement) -> str:
        """Describe how a settlement differs from its entry; empty when it does not."""
        known = self.ledger.find_settlement(settlement.id)
        if known is None or known.lines == entry_of(settlement).lines:
            return ""
        booked = next(line.amount for line in known.lines if line.account is Account.BANK)
        fees = settlement.fees
        return f"Razorpay settled {settlement.amount} with fees of {fees}, the ledger has {booked}"
