"""The request bodies and responses of payment's HTTP Lambdas."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_core import PydanticCustomError

from payment.ledger import Account, Entry, Kind
from payment.model import CheckoutSignature, Payment, PaymentStatus, Refund, RefundStatus
from supermarket.money import Currency
from supermarket.schemas import Body, MoneyView, Timestamp, View

REFUND_MESSAGES = {
    RefundStatus.REQUESTED: "Razorpay cannot make the refund now. It is kept and sent again.",
    RefundStatus.PENDING: "The refund is on its way",
    RefundStatus.PROCESSED: "The refund was made",
    RefundStatus.FAILED: "The refund failed",
}

type RazorpayId = Annotated[str, Field(min_length=1, max_length=64)]


class VerifyPaymentRequest(Body):
    """What Razorpay's checkout hands to the browser, in snake_case or in camelCase."""

    razorpay_order_id: RazorpayId = Field(
        validation_alias=AliasChoices("razorpay_order_id", "razorpayOrderId")
    )
    razorpay_payment_id: RazorpayId = Field(
        validation_alias=AliasChoices("razorpay_payment_id", "razorpayPaymentId", "paymentId")
    )
    razorpay_signature: str = Field(
        min_length=1,
        max_length=128,
        validation_alias=AliasChoices("razorpay_signature", "razorpaySignature", "signature"),
    )

    def signature(self) -> CheckoutSignature:
        return CheckoutSignature(
            self.razorpay_order_id, self.razorpay_payment_id, self.razorpay_signature
        )


class RefundPaymentRequest(Body):
    """The amount to refund, in whole units; without it, all that is left."""

    amount: Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=2)] | None = None

    @model_validator(mode="after")
    def _require_a_number_or_nothing(self) -> Self:
        # a client that lost its number must not refund everything
        if self.amount is None and "amount" in self.model_fields_set:
            raise PydanticCustomError("no_amount", "amount must be a number, or left out")
        return self


class RefundView(View):
    """A refund, as the customer sees it."""

    id: str
    amount: MoneyView
    status: RefundStatus
    reason: str
    razorpay_refund_id: str | None
    requested_at: Timestamp
    updated_at: Timestamp


class LedgerLineView(View):
    """The change of one account; negative when money leaves it."""

    account: Account
    amount: MoneyView


class LedgerEntryView(View):
    """A ledger entry; its lines sum to zero."""

    kind: Kind
    reference: str
    lines: list[LedgerLineView]
    at: Timestamp


class PaymentView(View):
    """A payment, as its owner sees it."""

    id: str
    order: str = Field(validation_alias="order_id")
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
        return cls.model_validate(payment, from_attributes=True)


class RazorpayCheckoutView(View):
    """The options of Razorpay's checkout. `amount` is in minor units."""

    key_id: str
    order_id: str
    amount: int
    currency: Currency


class PaymentResponse(View):
    """A payment."""

    payment: PaymentView

    @classmethod
    def of(cls, payment: Payment) -> Self:
        return cls(payment=PaymentView.of(payment))


class PaymentWithLedgerResponse(PaymentResponse):
    """A payment with its ledger entries, for admins."""

    ledger: list[LedgerEntryView]

    @classmethod
    def with_entries(cls, payment: Payment, entries: Sequence[Entry]) -> Self:
        return cls.model_validate({"payment": payment, "ledger": entries}, from_attributes=True)


class VerifyPaymentResponse(View):
    """A paid payment."""

    message: str
    payment: PaymentView

    @classmethod
    def of(cls, payment: Payment) -> Self:
        is_refunding = payment.status in {PaymentStatus.REFUND_PENDING, PaymentStatus.REFUNDED}
        message = "The payment is refunded to you" if is_refunding else "The payment is complete"
        return cls(message=message, payment=PaymentView.of(payment))


class RefundPaymentResponse(View):
    """A payment after a refund of it was requested."""

    message: str
    payment: PaymentView

    @classmethod
    def of(cls, payment: Payment, refund: Refund) -> Self:
        return cls(message=REFUND_MESSAGES[refund.status], payment=PaymentView.of(payment))


class CreatePaymentResponse(View):
    """An open payment, and the options of Razorpay's checkout."""

    message: str
    payment: PaymentView
    razorpay: RazorpayCheckoutView

    @classmethod
    def of(cls, payment: Payment, key_id: str) -> Self:
        razorpay = RazorpayCheckoutView(
            key_id=key_id,
            order_id=payment.razorpay_order_id,
            amount=payment.price.minor,
            currency=payment.price.currency,
        )
        return cls(
            message="The payment is ready", payment=PaymentView.of(payment), razorpay=razorpay
        )
