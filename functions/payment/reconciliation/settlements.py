"""Compares Razorpay's settlements with the ledger."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from payment.model.settlement import Settlement
from payment.reconciliation.model import PAGE, HasTime, RecordPage, Records, UnreadableRecord
from payment.settlements import Settlements
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.errors import Unavailable

LOOK_BACK = timedelta(days=7)  # a settlement is made once a day, or more often


class SettlementRecords(Protocol):
    """Razorpay's settlements."""

    def list_settlements_between(self, page: RecordPage) -> Records[Settlement]:
        """Return a page of settlements, newest first. Raises `Unavailable`."""


@dataclass(frozen=True)
class SettlementSync:
    """Books the settlements of the last days whose webhook was lost, and reports those that differ
    from their entry. `report_difference` gets the id and the details.
    """

    records: SettlementRecords
    settlements: Settlements
    report_difference: Callable[[str, str], None]
    clock: Clock

    def run(self, has_time: HasTime) -> Counter[str]:
        """Return the counts of `Report` for settlements."""
        counts: Counter[str] = Counter()
        until = self.clock()
        seen = PAGE
        while seen == PAGE and has_time():
            page = RecordPage(until - LOOK_BACK, until, counts["checked"])
            try:
                settlements = self.records.list_settlements_between(page)
            except Unavailable as failure:
                problem = {"problem": failure.message}
                telemetry.logger.warning("settlements not compared", extra=problem)
                counts["stopped"] += 1
                break
            seen = len(settlements)
            for settlement in settlements:
                counts["checked"] += 1
                counts[self._compare(settlement)] += 1
        return counts

    def _compare(self, settlement: Settlement | UnreadableRecord) -> str:
        if isinstance(settlement, UnreadableRecord):
            extra = {"record": settlement.id}
            telemetry.logger.error("not compared: the record cannot be read", extra=extra)
            return "failed"
        if self.settlements.record(settlement):
            return "repaired"
        if difference := self.settlements.difference(settlement):
            self.report_difference(settlement.id, difference)
            return "drift"
        return "agreed"
