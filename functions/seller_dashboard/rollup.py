"""Reckons a day anew from its sales, and sets right what its sums tell otherwise.

Sums are kept by adding and taking away, sale by sale. They cannot be wrong unless somebody meddled
or erred; this finds out, and says so. A day's sums are written only if nobody has touched them
since they were read, and every change of a sale touches them; and only if nobody has begun to make
the books anew, in which a day lacks sales, or sales their day.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain

from seller_dashboard.model import Overtaken
from seller_dashboard.numbers import DayTotals, sums_of
from seller_dashboard.service import Sales
from seller_dashboard.upkeep import (
    BEING_REBUILT,
    BeingRebuilt,
    Progress,
    Reached,
    Rebuilds,
    Rounds,
)
from supermarket import telemetry
from supermarket.transaction import BeginTransaction

ATTEMPTS = 5
OUTCOMES = ("right", "mended", "failed", "sales", "unfinished")


@dataclass(frozen=True)
class RollUp:
    """Goes through the sellers of a day, and on from where an earlier run had to end."""

    sales: Sales
    progress: Progress
    rebuilds: Rebuilds
    begin: BeginTransaction

    def roll_up(
        self, day: date, has_time: Callable[[], bool], *, again: bool = False, is_over: bool = True
    ) -> Counter[str]:
        """How many of the day's sums were right or mended, and of how many sales they are made.

        A day that has been gone through when it was over is done, but for those who failed, unless
        it shall be done `again`.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        reached = self.progress.of(_work(day))
        if reached.is_through and again:
            reached = Reached()

        def note(reached: Reached) -> None:
            if is_over:
                self.progress.note(_work(day), reached)

        def visit(page: tuple[str]) -> Iterable[str]:
            [seller_id] = page
            found = self._outcomes(seller_id, day)
            outcomes.update(found)
            return page if found["failed"] else ()

        pages = ((seller_id,) for seller_id in self._left(day, reached))
        if not Rounds(self.rebuilds, has_time, note).go(reached, pages, visit):
            outcomes["unfinished"] = 1
        return outcomes

    def _left(self, day: date, reached: Reached) -> Iterable[str]:
        sellers = () if reached.is_through else self.sales.sellers_on(day)
        return chain((one for one in sellers if one > reached.last), reached.to_retry)

    def _outcomes(self, seller_id: str, day: date) -> Counter[str]:
        try:
            for _ in range(ATTEMPTS - 1):
                try:
                    return self._set_right(seller_id, day)
                except Overtaken:
                    continue
            return self._set_right(seller_id, day)
        except BeingRebuilt:
            raise
        except Exception:
            telemetry.logger.exception("day not rolled up", extra=_named(seller_id, day))
            return Counter(failed=1)

    def _set_right(self, seller_id: str, day: date) -> Counter[str]:
        # sums first: a sale that changes after they were read changes their version, too
        told = {sums.currency: sums for sums in self.sales.sums_of_day(seller_id, day)}
        reckoned = sums_of(self.sales.of_day(seller_id, day))
        outcomes = Counter(sales=sum(sums.placed for sums in reckoned.values()))
        for currency in told.keys() | reckoned.keys():
            nothing = DayTotals.nothing(day, currency)
            known, right = told.get(currency, nothing), reckoned.get(currency, nothing)
            if drift := right - known:
                self._replace(seller_id, replace(right, version=known.version))
                telemetry.logger.warning(
                    "day sums had drifted", extra=_named(seller_id, day, drift=repr(drift))
                )
            outcomes["mended" if drift else "right"] += 1
        return outcomes

    def _replace(self, seller_id: str, sums: DayTotals) -> None:
        transaction = self.begin()
        self.rebuilds.forbid(transaction, BEING_REBUILT)
        self.sales.replace_sums(seller_id, sums, transaction, Overtaken("The sums have changed"))
        transaction.commit()


def _work(day: date) -> str:
    return f"roll-up#{day}"


def _named(seller_id: str, day: date, **more: str) -> dict[str, str]:
    return {"seller_id": seller_id, "day": str(day), **more}
