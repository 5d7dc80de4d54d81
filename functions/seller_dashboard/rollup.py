"""Reckons a day anew from its sales, and sets right what its sums tell otherwise.

Sums are kept by adding and taking away, sale by sale. They cannot be wrong unless somebody meddled
or erred; this finds out, and says so. A day's sums are written only if nobody has touched them
since they were read, and every change of a sale touches them.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from seller_dashboard.model import Overtaken
from seller_dashboard.numbers import DayTotals
from seller_dashboard.service import Sales
from supermarket import telemetry
from supermarket.money import Currency

ATTEMPTS = 5
OUTCOMES = ("right", "mended", "failed", "sales", "unfinished")
EVERYBODY = "~"  # sorts after every seller


class Progress(Protocol):
    """How far the sellers of a day have been gone through, in the order of their ids."""

    def of(self, day: date) -> str:
        """The last one, or EVERYBODY; empty before the first."""

    def note(self, day: date, seller_id: str) -> None:
        """Remember it for some days."""


@dataclass(frozen=True)
class RollUp:
    """Goes through the sellers of a day, and on from where an earlier run had to end."""

    sales: Sales
    progress: Progress

    def roll_up(
        self, day: date, has_time: Callable[[], bool], *, again: bool = False, is_over: bool = True
    ) -> Counter[str]:
        """How many of the day's sums were right or mended, and of how many sales they are made.

        A day that has been gone through when it was over is done, unless it shall be done `again`.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        reached = self.progress.of(day)
        if reached == EVERYBODY and again:
            reached = ""
        for seller_id in self._after(reached, day):
            if not has_time():
                outcomes["unfinished"] = 1
                break
            outcomes.update(self._outcomes(seller_id, day))
            reached = seller_id
        if is_over:
            self._note(day, reached, outcomes)
        return outcomes

    def _note(self, day: date, reached: str, outcomes: Counter[str]) -> None:
        """Sellers who fail are tried again by the next run, but must not keep it from the others
        that there was no time for.
        """
        if outcomes["unfinished"]:
            self.progress.note(day, reached)
        elif not outcomes["failed"]:
            self.progress.note(day, EVERYBODY)

    def _after(self, reached: str, day: date) -> Iterable[str]:
        if reached == EVERYBODY:
            return ()
        return (seller_id for seller_id in self.sales.sellers_on(day) if seller_id > reached)

    def _outcomes(self, seller_id: str, day: date) -> Counter[str]:
        try:
            for _ in range(ATTEMPTS - 1):
                try:
                    return self._set_right(seller_id, day)
                except Overtaken:
                    continue
            return self._set_right(seller_id, day)
        except Exception:
            telemetry.logger.exception("day not rolled up", extra=_named(seller_id, day))
            return Counter(failed=1)

    def _set_right(self, seller_id: str, day: date) -> Counter[str]:
        # sums first: a sale that changes after they were read changes their version, too
        told = {sums.currency: sums for sums in self.sales.sums_of_day(seller_id, day)}
        reckoned, sales = self._reckon(seller_id, day)
        outcomes = Counter(sales=sales)
        for currency in told.keys() | reckoned.keys():
            nothing = DayTotals.nothing(day, currency)
            known, right = told.get(currency, nothing), reckoned.get(currency, nothing)
            if drift := right - known:
                self.sales.replace_sums(seller_id, replace(right, version=known.version))
                telemetry.logger.warning(
                    "day sums had drifted", extra=_named(seller_id, day, drift=repr(drift))
                )
            outcomes["mended" if drift else "right"] += 1
        return outcomes

    def _reckon(self, seller_id: str, day: date) -> tuple[dict[Currency, DayTotals], int]:
        """The sums of a day per currency, made of its sales; and how many sales those are."""
        sums: dict[Currency, DayTotals] = {}
        number = 0
        for number, sale in enumerate(self.sales.of_day(seller_id, day), 1):  # noqa: B007
            known = sums.get(sale.currency, DayTotals.nothing(day, sale.currency))
            sums[sale.currency] = known + DayTotals.of(sale)
        return sums, number


def _named(seller_id: str, day: date, **more: str) -> dict[str, str]:
    return {"seller_id": seller_id, "day": str(day), **more}
