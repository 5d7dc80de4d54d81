"""What clients of payment send and see."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_core import PydanticCustomError

from payment.ledger import Account, Entry, Kind
from payment.model import Payment, PaymentStatus, Proof, Refund, RefundStatus
from payment.service import Checkout
from supermarket.money import Currency, Money
from supermarket.schemas import Body, MoneyView, Timestamp, View

LONGEST_ID = 64
LONGEST_SIGNATURE = 128

REFUND_MESSAGES = {
    RefundStatus.REQUESTED: "Razorpay cannot make it now. The refund is kept and sent again.",
    RefundStatus.PENDING: "The refund is on its way",
    RefundStatus.PROCESSED: "The refund was made",
    RefundStatus.FAILED: "The refund failed",
}


class VerifyPayment(Body):
    """What Razorpay's checkout hands to the browser, under its own names or in camelCase."""

    razorpay_order_id: str = Field(
        min_length=1,
        max_length=LONGEST_ID,
        validation_alias=AliasChoices("razorpay_order_id", "razorpayOrderId"),
    )
    razorpay_payment_id: str = Field(
        min_length=1,
        max_length=LONGEST_ID,
        validation_alias=AliasChoices("razorpay_payment_id", "razorpayPaymentId", "paymentId"),
    )
    razorpay_signature: str = Field(
        min_length=1,
        max_length=LONGEST_SIGNATURE,
        validation_alias=AliasChoices("razorpay_signature", "razorpaySignature", "signature"),
    )

    def proof(self) -> Proof:
        return Proof(self.razorpay_order_id, self.razorpay_payment_id, self.razorpay_signature)


class RefundPayment(Body):
    """How much goes back, in whole units; everything that is left if it is not said."""

    amount: Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=2)] | None = None

    @model_validator(mode="after")
    def _says_how_much_or_nothing(self) -> Self:
        # a client that lost its number must not give everything back
        if self.amount is None and "amount" in self.model_fields_set:
            raise PydanticCustomError("no_amount", "amount is a number, or left out")
        return self


class RefundView(View):
    """A refund, as whoever gets the money back sees it."""

    id: str
    amount: MoneyView
    status: RefundStatus
    reason: str
    razorpay_refund_id: str | None
    requested_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, refund: Refund) -> Self:
        return cls(
            id=refund.id,
            amount=MoneyView.of(refund.amount),
            status=refund.status,
            reason=refund.reason,
            razorpay_refund_id=refund.razorpay_refund_id,
            requested_at=refund.requested_at,
            updated_at=refund.updated_at,
        )


class LineView(View):
    """What an account gained, or lost if it is negative."""

    account: Account
    amount: MoneyView


class EntryView(View):
    """A movement of money, as the ledger has it; its lines sum to zero."""

    kind: Kind
    reference: str
    lines: list[LineView]
    at: Timestamp

    @classmethod
    def of(cls, entry: Entry) -> Self:
        lines = [
            LineView(account=line.account, amount=MoneyView.of(Money(line.minor, entry.currency)))
            for line in entry.lines
        ]
        return cls(kind=entry.kind, reference=entry.reference, lines=lines, at=entry.at)


class PaymentView(View):
    """A payment as its owner sees it."""

    id: str
    order: str
    razorpay_order_id: str
    razorpay_payment_id: str | None
    status: PaymentStatus
    price: MoneyView
    refunded: MoneyView
    refunds: list[RefundView]
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, payment: Payment) -> Self:
        return cls(
            id=payment.id,
            order=payment.order_id,
            razorpay_order_id=payment.razorpay_order_id,
            razorpay_payment_id=payment.razorpay_payment_id,
            status=payment.status,
            price=MoneyView.of(payment.price),
            refunded=MoneyView.of(payment.refunded),
            refunds=[RefundView.of(refund) for refund in payment.refunds],
            created_at=payment.created_at,
            updated_at=payment.updated_at,
        )


class RazorpayView(View):
    """What Razorpay's checkout is opened with; its amount is in minor units."""

    key_id: str
    order_id: str
    amount: int
    currency: Currency


class PaymentAnswer(View):
    """A payment."""

    payment: PaymentView

    @classmethod
    def of(cls, payment: Payment) -> Self:
        return cls(payment=PaymentView.of(payment))


class BookedPayment(PaymentAnswer):
    """A payment as admins see it: with what the ledger says of it."""

    ledger: list[EntryView]

    @classmethod
    def with_entries(cls, payment: Payment, entries: Iterable[Entry]) -> Self:
        ledger = [EntryView.of(entry) for entry in entries]
        return cls(payment=PaymentView.of(payment), ledger=ledger)


class VerifiedPayment(View):
    """A payment whose money was taken."""

    message: str
    payment: PaymentView

    @classmethod
    def of(cls, payment: Payment) -> Self:
        goes_back = payment.status in {PaymentStatus.REFUND_PENDING, PaymentStatus.REFUNDED}
        message = "The payment goes back to you" if goes_back else "The payment is complete"
        return cls(message=message, payment=PaymentView.of(payment))


class RefundAnswer(View):
    """A payment with a refund on its way."""

    message: str
    payment: PaymentView

    @classmethod
    def of(cls, payment: Payment, refund: Refund) -> Self:
        return cls(message=REFUND_MESSAGES[refund.status], payment=PaymentView.of(payment))


class CheckoutAnswer(View):
    """A payment that waits for its customer."""

    message: str
    payment: PaymentView
    razorpay: RazorpayView

    @classmethod
    def of(cls, checkout: Checkout) -> Self:
        payment = checkout.payment
        return cls(
            message="The payment is ready",
            payment=PaymentView.of(payment),
            razorpay=RazorpayView(
                key_id=checkout.key_id,
                order_id=payment.razorpay_order_id,
                amount=payment.price.minor,
                currency=payment.price.currency,
            ),
        )
