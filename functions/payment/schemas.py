"""The request bodies and responses of payment's HTTP Lambdas."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_core import PydanticCustomError

from payment.ledger import Account, Kind
from payment.model.dispute import DisputeStatus
from payment.model.payment import Payment
from payment.model.refund import RefundStatus
from payment.model.signature import CheckoutSignature
from payment.model.status import PaymentStatus
from supermarket.field_types import NUMBER_ONLY, PLAIN_DECIMAL
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

    amount: (
        Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=2), PLAIN_DECIMAL, NUMBER_ONLY]
        | None
    ) = None

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


class DisputeView(View):
    """A dispute of a payment with the customer's bank."""

    id: str
    amount: MoneyView
    lost: MoneyView
    status: DisputeStatus
    phase: str
    reason: str
    opened_at: Timestamp
    respond_by: Timestamp | None


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
    disputes: list[DisputeView]
    created_at: Timestamp
    updated_at: Timestamp


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
    def of(cls, payment: Payment, **fields: object) -> Self:
        """Make the response of a payment and the other fields, which are converted, too."""
        return cls.model_validate({"payment": payment, **fields})


class PaymentWithLedgerResponse(PaymentResponse):
    """A payment with its ledger entries, for admins."""

    ledger: list[LedgerEntryView]


class PaymentChangeResponse(PaymentResponse):
    """A payment, and what was done with it."""

    message: str


class CreatePaymentResponse(PaymentChangeResponse):
    """An open payment, the options of Razorpay's checkout, and until when it may stay open."""

    razorpay: RazorpayCheckoutView
    pay_until: Timestamp

    @classmethod
    def with_key(cls, payment: Payment, key_id: str) -> Self:
        razorpay = RazorpayCheckoutView(
            key_id=key_id,
            order_id=payment.razorpay_order_id,
            amount=payment.price.minor,
            currency=payment.price.currency,
        )
        message, pay_until = "The payment is ready", payment.pay_until
        return cls.of(payment, message=message, razorpay=razorpay, pay_until=pay_until)


class DriftView(View):
    """A difference between the shop's records and Razorpay's that a person has to clear up."""

    subject: str = Field(validation_alias="subject_id")
    kind: str
    details: str
    payment: str | None = Field(validation_alias="payment_id")
    order: str | None = Field(validation_alias="order_id")
    found_at: Timestamp


class DriftListResponse(View):
    """A page of drift, newest first."""

    drift: list[DriftView]
    next_cursor: str | None
