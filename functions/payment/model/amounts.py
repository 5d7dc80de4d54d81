"""The smallest payment, and amounts in foreign currencies."""

from dataclasses import dataclass

from supermarket.money import SMALLEST_PAYMENT_MINOR, Currency, Money


@dataclass(frozen=True)
class ForeignMoney:
    """An amount in a currency that the shop does not trade in. Raises `ValueError` for others."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency in set(Currency):
            raise ValueError(self.currency)


def smallest_amount(currency: Currency) -> Money:
    """Return the smallest amount that Razorpay takes in a payment, and gives back in a refund."""
    return Money(SMALLEST_PAYMENT_MINOR, currency)
