"""The chart of a week's sales: a bar per day, and a comparison with the week before."""

from dataclasses import dataclass
from datetime import date

from supermarket.contracts import Amount, SalesReportReady
from supermarket.money import Currency, Money

WHOLE = 100


@dataclass(frozen=True)
class Bar:
    """A day's revenue, and the length of its bar in percent of the best day's."""

    day: date
    amount: Money
    percent: int


@dataclass(frozen=True)
class Chart:
    """A week in one currency."""

    currency: Currency
    total: Money
    before: Money
    bars: tuple[Bar, ...]

    @property
    def has_bars(self) -> bool:
        return any(bar.amount.minor for bar in self.bars)

    @property
    def comparison(self) -> str:
        """The comparison in words, which every mail program shows."""
        if self.before.minor <= 0:
            return "Nothing the week before"
        change = (self.total.minor - self.before.minor) * WHOLE / self.before.minor
        if round(change) == 0:
            return "As much as the week before"
        return f"{abs(change):.0f}% {'more' if change > 0 else 'less'} than the week before"


def charts(report: SalesReportReady) -> tuple[Chart, ...]:
    """Return a chart per currency with sales or refunds in the two weeks."""
    used = {amount.currency for amount in (*report.revenue, *report.revenue_before)}
    used |= {amount.currency for day in report.days for amount in day.revenue}
    return tuple(_chart(report, currency) for currency in Currency if currency in used)


def _chart(report: SalesReportReady, currency: Currency) -> Chart:
    days = [(day.day, _in(day.revenue, currency)) for day in report.days]
    best = max(amount.minor for _, amount in days)
    return Chart(
        currency,
        _in(report.revenue, currency),
        _in(report.revenue_before, currency),
        tuple(Bar(day, amount, _length(amount.minor, best)) for day, amount in days),
    )


def _in(amounts: list[Amount], currency: Currency) -> Money:
    found = (amount.money() for amount in amounts if amount.currency is currency)
    return Money.total(found, currency)


def _length(minor: int, best: int) -> int:
    """Return the length of a bar: at least 1 for positive revenue, else 0."""
    return max(1, round(minor * WHOLE / best)) if minor > 0 else 0
