"""Compares Razorpay's settlements, and what they contain, with the ledger."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Protocol

from payment.model.settlement import SettledItem, Settlement
from payment.reconciliation.comparison import Comparison
from payment.reconciliation.model import (
    ITEMS_PAGE,
    PAGE,
    Checkpoint,
    HasTime,
    RecordPage,
    Records,
    Report,
)
from payment.reconciliation.ports import DriftStore
from payment.settlements import Settlements
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.errors import Unavailable
from supermarket.retry import StaleWrite

LOOK_BACK = timedelta(days=7)  # a settlement is made once a day, or more often
COMPLETE_AFTER = timedelta(hours=1)  # the list of a day, after its end
INDIA = timezone(timedelta(hours=5, minutes=30))  # whose days Razorpay lists


class SettlementRecords(Protocol):
    """Razorpay's settlements. Every call may raise `Unavailable`."""

    def list_settlements_between(self, page: RecordPage) -> Records[Settlement]:
        """Return a page of settlements, newest first."""

    def list_settled_items(self, day: date, skip: int) -> Records[SettledItem]:
        """Return `ITEMS_PAGE` movements that were settled on a day, without the first `skip`."""


@dataclass(frozen=True)
class SettlementSync:
    """Books settlements whose webhook was lost, and reports those that differ from their entry or
    from the sum of their movements. Each movement is compared with its payment.
    """

    records: SettlementRecords
    settlements: Settlements
    comparison: Comparison
    store: DriftStore
    clock: Clock

    def catch_up(self, has_time: HasTime) -> Counter[str]:
        """Compare the settlements of the last days, and once the movements of each of those days.

        Returns the counts of `Report`. A later run continues where this one stopped.
        """
        until = self.clock()
        days = list(_days(until - LOOK_BACK, until - COMPLETE_AFTER))[:-1]  # the last is not over
        checkpoints = (
            self.store.find_checkpoint(name) or Checkpoint(name)
            for name in (f"settled#{day}" for day in days)
        )
        left = zip(days, checkpoints, strict=True)
        return self._run(until - LOOK_BACK, until, left, has_time)

    def reconcile(self, since: datetime, until: datetime, has_time: HasTime) -> Counter[str]:
        """Compare the settlements of some days and all of their movements again."""
        days = ((day, None) for day in _days(since, until))
        return self._run(since, until, days, has_time)

    def _run(
        self,
        since: datetime,
        until: datetime,
        days: Iterator[tuple[date, Checkpoint | None]],
        has_time: HasTime,
    ) -> Counter[str]:
        comparison = replace(self.comparison, report=Report())
        counts = comparison.report.counts
        try:
            self._compare_settlements(RecordPage(since, until, 0), comparison, has_time)
            for day, checkpoint in days:
                self._compare_day(day, checkpoint, comparison, has_time)
        except Unavailable as failure:
            problem = {"problem": failure.message}
            telemetry.logger.warning("settlements not compared", extra=problem)
            counts["stopped"] += 1
        except StaleWrite:
            # another run moved the checkpoint, and continues from there
            counts["superseded"] += 1
        return counts

    def _compare_settlements(
        self, page: RecordPage, comparison: Comparison, has_time: HasTime
    ) -> None:
        seen = PAGE
        while seen == PAGE and has_time():
            settlements = self.records.list_settlements_between(page)
            comparison.for_each(settlements, partial(self._compare_settlement, comparison))
            seen = len(settlements)
            page = replace(page, skip=page.skip + seen)

    def _compare_settlement(self, comparison: Comparison, settlement: Settlement) -> None:
        if self.settlements.record(settlement):
            comparison.report.counts["repaired"] += 1
        elif difference := self.settlements.difference(settlement):
            comparison.found("different_amount", settlement.id, difference, None)

    def _compare_day(
        self, day: date, saved: Checkpoint | None, comparison: Comparison, has_time: HasTime
    ) -> None:
        """Compare the movements of a day page by page, from a checkpoint on if there is one."""
        at = saved or Checkpoint(f"settled#{day}")
        while not at.compared and has_time():
            items = self.records.list_settled_items(day, at.position)
            if not comparison.compare_settled(items) and saved:
                return  # a later run compares the page again
            sums = Counter(at.sums)
            for one in items:
                if isinstance(one, SettledItem) and one.settlement_id:
                    sums[one.settlement_id] += one.net
            is_last = len(items) < ITEMS_PAGE
            if is_last:
                self._compare_sums(sums, comparison)
            position, version = at.position + len(items), at.version + 1
            at = replace(
                at, position=position, sums=dict(sums), compared=int(is_last), version=version
            )
            if saved:
                self.store.save_checkpoint(at)

    def _compare_sums(self, sums: Counter[str], comparison: Comparison) -> None:
        for settlement_id, total in sums.items():
            booked = self.settlements.find_total(settlement_id)
            if booked not in {None, total}:
                details = f"the movements of the settlement are {total}, the ledger has {booked}"
                comparison.found("different_state", settlement_id, details, None)


def _days(since: datetime, until: datetime) -> Iterator[date]:
    """Yield the days of Razorpay's lists from `since` until `until`."""
    day, last = since.astimezone(INDIA).date(), until.astimezone(INDIA).date()
    while day <= last:
        yield day
        day += timedelta(days=1)
