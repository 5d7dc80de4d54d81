"""What clients of payment send and see."""

from typing import Self

from pydantic import AliasChoices, Field

from payment.model import Payment, PaymentStatus, Proof
from payment.service import Checkout
from supermarket.money import Currency
from supermarket.schemas import Body, MoneyView, Timestamp, View

LONGEST_ID = 64
LONGEST_SIGNATURE = 128


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


class PaymentView(View):
    """A payment as its owner sees it."""

    id: str
    order: str
    razorpay_order_id: str
    razorpay_payment_id: str | None
    status: PaymentStatus
    price: MoneyView
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


class VerifiedPayment(View):
    """A payment that is complete."""

    message: str
    payment: PaymentView

    @classmethod
    def of(cls, payment: Payment) -> Self:
        return cls(message="The payment is complete", payment=PaymentView.of(payment))


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
