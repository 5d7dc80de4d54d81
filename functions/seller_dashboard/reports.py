"""Tells each seller of a week that is over: once, however often and at once it is asked to.

A report is claimed in the transaction that tells of it, on condition that nobody has claimed it,
and that the books are not being made anew: a week that was told too low would never be told again.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import batched, chain
from typing import Protocol, Self

from seller_dashboard.model import Period, Seller
from seller_dashboard.numbers import DayTotals, Metrics, metrics, per_currency, products_to_name
from seller_dashboard.service import LOW_STOCK_SHOWN, Catalogue, Sales
from seller_dashboard.upkeep import (
    BEING_REBUILT,
    BeingRebuilt,
    Progress,
    Reached,
    Rebuilds,
    Rounds,
)
from supermarket import contracts, telemetry
from supermarket.contracts import Amount, SalesOfDay, SalesOfProduct, SalesReportReady
from supermarket.errors import Conflict, DomainError
from supermarket.money import Money
from supermarket.people import Recipient
from supermarket.transaction import BeginTransaction, Transaction

SELLERS_PER_PAGE = 25
OUTCOMES = ("reported", "nothing_to_tell", "told_before", "failed", "unfinished")
WEEK = timedelta(days=7)


class ToldBefore(Conflict):
    """This seller's report of this week was told by another run."""

    code = "TOLD_BEFORE"


TOLD_BEFORE = ToldBefore("This week was reported before")


@dataclass(frozen=True)
class Week:
    """Monday to Sunday (UTC)."""

    first: date

    @classmethod
    def before(cls, day: date) -> Self:
        """The last one that was over when the week of `day` began."""
        return cls(day - timedelta(days=day.weekday()) - WEEK)

    @property
    def period(self) -> Period:
        return Period(self.first, self.first + WEEK - timedelta(days=1))

    @property
    def with_the_one_before(self) -> Period:
        return Period(self.first - WEEK, self.period.last)


class Sellers(Protocol):
    """Everybody who sells."""

    def all(self, after: str) -> Iterator[Seller]:
        """By their ids, those after one; read page by page."""

    def find(self, seller_id: str) -> Seller | None: ...


class Reports(Protocol):
    """Which reports were told."""

    def told(self, week: Week, seller_ids: Sequence[str]) -> Collection[str]:
        """Those of the sellers whose report of this week was told."""

    def claim(
        self, week: Week, seller_id: str, transaction: Transaction, refused: DomainError
    ) -> None:
        """Note it as told; refused when it is noted already."""


@dataclass(frozen=True)
class WeeklyReports:
    """Goes through all sellers, and on from where an earlier run had to end; who has been told
    already is passed over quickly.
    """

    sales: Sales
    catalogue: Catalogue
    sellers: Sellers
    reports: Reports
    progress: Progress
    rebuilds: Rebuilds
    begin: BeginTransaction

    def report(
        self, week: Week, has_time: Callable[[], bool], *, again: bool = False
    ) -> Counter[str]:
        """Tell whoever had sales in the week or the one before, or runs low; how many that were.

        A week that everybody was gone through for is done, but for those who failed, unless they
        shall be gone through `again`.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        reached = self.progress.of(_work(week))
        if reached.is_through and again:
            reached = Reached()

        def note(reached: Reached) -> None:
            self.progress.note(_work(week), reached)

        def visit(page: dict[str, Seller]) -> Iterable[str]:
            told = self.reports.told(week, list(page))
            found = {
                one.id: self._outcome(week, one) for one in page.values() if one.id not in told
            }
            outcomes.update(["told_before"] * len(told), **Counter(found.values()))
            return [seller_id for seller_id, outcome in found.items() if outcome == "failed"]

        pages = ({seller.id: seller for seller in page} for page in self._left(reached))
        if not Rounds(self.rebuilds, has_time, note).go(reached, pages, visit):
            outcomes["unfinished"] = 1
        return outcomes

    def _left(self, reached: Reached) -> Iterator[Sequence[Seller]]:
        rest = () if reached.is_through else self.sellers.all(reached.last)
        failed = (self.sellers.find(seller_id) for seller_id in reached.to_retry)
        alone = ((seller,) for seller in failed if seller)
        return chain(batched(rest, SELLERS_PER_PAGE, strict=False), alone)

    def _outcome(self, week: Week, seller: Seller) -> str:
        try:
            return self._tell(week, seller)
        except ToldBefore:
            return "told_before"
        except BeingRebuilt:
            raise
        except Exception:
            telemetry.logger.exception("week not reported", extra={"seller_id": seller.id})
            return "failed"

    def _tell(self, week: Week, seller: Seller) -> str:
        report = self._report(week, seller)
        if report is None:
            return "nothing_to_tell"
        transaction = self.begin()
        self.rebuilds.forbid(transaction, BEING_REBUILT)
        self.reports.claim(week, seller.id, transaction, TOLD_BEFORE)
        transaction.emit(report)
        transaction.commit()
        return "reported"

    def _report(self, week: Week, seller: Seller) -> SalesReportReady | None:
        days = self.sales.days(seller.id, week.with_the_one_before)
        before = [day for day in days if day.day < week.first]
        own = [day for day in days if day.day >= week.first]
        low_stock = self.catalogue.low_stock(seller.id, LOW_STOCK_SHOWN)
        if not low_stock and not any(_tells_something(day) for day in days):
            return None
        titles = self.catalogue.titles(seller.id, products_to_name(own))
        numbers = metrics(week.period, own, titles, low_stock)
        return _told(week, seller, numbers, per_currency(day.sold.revenue for day in before))


def _work(week: Week) -> str:
    return f"weekly-reports#{week.first}"


def _tells_something(day: DayTotals) -> bool:
    """Orders that nobody paid for tell a seller nothing."""
    return bool(day.orders or day.refunded.minor)


def _told(
    week: Week, seller: Seller, numbers: Metrics, revenue_before: Sequence[Money]
) -> SalesReportReady:
    return SalesReportReady(
        seller_id=seller.id,
        seller=Recipient(user_id=seller.id, email=seller.email, first_name=seller.first_name),
        first=week.period.first,
        last=week.period.last,
        orders=numbers.orders,
        units=numbers.units,
        revenue=_amounts(numbers.revenue),
        revenue_before=_amounts(revenue_before),
        refunds=_amounts(numbers.refunds),
        days=[
            SalesOfDay(day=day.day, units=day.units, revenue=_amounts(day.revenue))
            for day in numbers.series
        ],
        top_products=[
            SalesOfProduct(
                product_id=top.product_id,
                title=top.title,
                units=top.units,
                revenue=_amounts(top.revenue),
            )
            for top in numbers.top
        ],
        low_stock=[
            contracts.LowStock(product_id=low.product_id, title=low.title, stock=low.stock)
            for low in numbers.low_stock
        ],
    )


def _amounts(sums: Sequence[Money]) -> list[Amount]:
    return [Amount.of(money) for money in sums]
