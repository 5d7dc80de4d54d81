"""Money as integers of minor units (paise, cents), which sums never round."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

MINOR_UNITS_PER_UNIT = 100  # holds for every currency of the enum below
SMALLEST_PAYMENT_MINOR = 100  # one rupee or dollar: Razorpay takes no smaller payment or refund


class Currency(StrEnum):
    """ISO 4217 codes that the shop trades in."""

    INR = "INR"
    USD = "USD"


class CurrencyMismatch(ValueError):
    """Amounts of two currencies were added or subtracted."""


@dataclass(frozen=True, order=False)
class Money:
    """An amount in minor units (paise, cents) of one currency."""

    minor: int
    currency: Currency

    @classmethod
    def of(cls, amount: Decimal, currency: Currency) -> Money:
        """Convert a decimal amount. Raises ValueError when it has more than two decimal places."""
        # a ratio, because decimal arithmetic rounds to 28 digits
        numerator, denominator = amount.as_integer_ratio()
        minor, rest = divmod(numerator * MINOR_UNITS_PER_UNIT, denominator)
        if rest:
            raise ValueError("an amount has at most two decimal places")
        return cls(minor, currency)

    @classmethod
    def zero(cls, currency: Currency) -> Money:
        return cls(0, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: Currency) -> Money:
        """Add amounts of one currency; zero when there are none. Raises CurrencyMismatch."""
        return sum(amounts, cls.zero(currency))

    @property
    def amount(self) -> Decimal:
        """The amount in units, for views: 499.5."""
        return Decimal(self.minor) / MINOR_UNITS_PER_UNIT

    def __str__(self) -> str:
        """Format as whole units with two decimal places: `499.50 INR`."""
        return f"{self.amount:.2f} {self.currency}"

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same_currency(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same_currency(other).minor, self.currency)

    def __mul__(self, factor: int) -> Money:
        return Money(self.minor * factor, self.currency)

    def percent(self, rate: Decimal) -> Money:
        """Return `rate` percent of this, rounded half up to a minor unit."""
        share = Decimal(self.minor) * rate / 100
        return Money(int(share.quantize(Decimal(1), rounding="ROUND_HALF_UP")), self.currency)

    def _same_currency(self, other: Money) -> Money:
        if other.currency is not self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be added")
        return other
