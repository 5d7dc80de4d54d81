"""Orders that are paid, and Razorpay's records of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from payment.model.amounts import ForeignMoney
from supermarket.money import Money
from supermarket.people import Recipient

# Razorpay captures by itself what is paid within this time; its checkout has to end by then
CHECKOUT_TIME = timedelta(minutes=12)


@dataclass(frozen=True)
class RazorpayOrder:
    """Razorpay's record of a Razorpay order."""

    id: str
    amount: Money | ForeignMoney
    is_paid: bool
    created_at: datetime | None = None


@dataclass(frozen=True)
class PayableOrder:
    """An order that can be paid now, and until when, once a payment of it was opened."""

    id: str
    customer: Recipient
    total: Money
    reserved_until: datetime | None = None
    pay_until: datetime | None = None

    def payable_until(self, now: datetime) -> datetime:
        """Return until when it can be paid if its payment is opened now: the first time extends the
        reservation, so that the checkout can be finished.
        """
        earliest = now + CHECKOUT_TIME
        return self.pay_until or max(self.reserved_until or earliest, earliest)
