"""Payments in DynamoDB: a row per payment, and a pointer to it from its order and from its Razorpay
order.
"""

from typing import Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute

from payment.model import Customer, Failure, Payment, PaymentStatus
from payment.service import Overtaken
from supermarket.clock import from_iso, iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import dynamo
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction

OVERTAKEN = "This payment was changed by somebody else at this very moment"


class PaymentRow(Row):
    """One payment, at `payment#<id>`."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    payment_id = UnicodeAttribute(attr_name="paymentId")
    order_id = UnicodeAttribute(attr_name="orderId")
    razorpay_order_id = UnicodeAttribute(attr_name="razorpayOrderId")
    razorpay_payment_id = UnicodeAttribute(attr_name="razorpayPaymentId", null=True)
    user_id = UnicodeAttribute(attr_name="userId")
    email = UnicodeAttribute()
    first_name = UnicodeAttribute(attr_name="firstName")
    minor = NumberAttribute()
    currency = UnicodeAttribute()
    status = UnicodeAttribute()
    failure = UnicodeAttribute(null=True)
    declined = UnicodeSetAttribute(null=True)
    version = NumberAttribute()
    created_at = UnicodeAttribute(attr_name="createdAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")

    @classmethod
    def of(cls, payment: Payment) -> Self:
        return cls(
            _payment_key(payment.id),
            payment_id=payment.id,
            order_id=payment.order_id,
            razorpay_order_id=payment.razorpay_order_id,
            razorpay_payment_id=payment.razorpay_payment_id,
            user_id=payment.customer.user_id,
            email=payment.customer.email,
            first_name=payment.customer.first_name,
            minor=payment.price.minor,
            currency=payment.price.currency.value,
            status=payment.status.value,
            failure=payment.failure.value if payment.failure else None,
            # DynamoDB knows no empty set
            declined=set(payment.declined) or None,
            version=payment.version,
            created_at=iso(payment.created_at),
            updated_at=iso(payment.updated_at),
        )

    def payment(self) -> Payment:
        return Payment(
            id=self.payment_id,
            order_id=self.order_id,
            razorpay_order_id=self.razorpay_order_id,
            customer=Customer(self.user_id, self.email, self.first_name),
            price=Money(int(self.minor), Currency(self.currency)),
            created_at=from_iso(self.created_at),
            updated_at=from_iso(self.updated_at),
            status=PaymentStatus(self.status),
            razorpay_payment_id=self.razorpay_payment_id,
            failure=Failure(self.failure) if self.failure else None,
            declined=frozenset(self.declined or ()),
            version=int(self.version),
        )


class PointerRow(Row):
    """Where the payment of an order is, at `order#<id>` and at `razorpay#<id>`."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    payment_id = UnicodeAttribute(attr_name="paymentId")


class DynamoPayments:
    """`Payments` in DynamoDB."""

    def find(self, payment_id: str) -> Payment | None:
        try:
            return PaymentRow.get(_payment_key(payment_id), consistent_read=True).payment()
        except PaymentRow.DoesNotExist:
            return None

    def find_by_order(self, order_id: str) -> Payment | None:
        return self._find_at(_order_key(order_id))

    def find_by_razorpay_order(self, razorpay_order_id: str) -> Payment | None:
        return self._find_at(_razorpay_key(razorpay_order_id))

    def add(self, payment: Payment, transaction: Transaction) -> None:
        writes = dynamo(transaction)
        for key in (_order_key(payment.order_id), _razorpay_key(payment.razorpay_order_id)):
            pointer = PointerRow(key, payment_id=payment.id)
            writes.put(pointer, PointerRow.pk.does_not_exist(), Overtaken(OVERTAKEN))
        new = PaymentRow.pk.does_not_exist()
        writes.put(PaymentRow.of(payment), new, Overtaken(OVERTAKEN))

    def save(self, payment: Payment, transaction: Transaction) -> None:
        row = PaymentRow.of(payment)
        changes = [
            PaymentRow.status.set(row.status),
            PaymentRow.version.set(row.version),
            PaymentRow.updated_at.set(row.updated_at),
        ]
        if row.razorpay_payment_id is not None:
            changes.append(PaymentRow.razorpay_payment_id.set(row.razorpay_payment_id))
        if row.failure is not None:
            changes.append(PaymentRow.failure.set(row.failure))
        if row.declined is not None:
            changes.append(PaymentRow.declined.set(row.declined))
        unchanged = PaymentRow.version == payment.version - 1
        dynamo(transaction).update(row, changes, unchanged, Overtaken(OVERTAKEN))

    def _find_at(self, key: str) -> Payment | None:
        try:
            pointer = PointerRow.get(key, consistent_read=True)
        except PointerRow.DoesNotExist:
            return None
        return self.find(pointer.payment_id)


def _payment_key(payment_id: str) -> str:
    return f"payment#{payment_id}"


def _order_key(order_id: str) -> str:
    return f"order#{order_id}"


def _razorpay_key(razorpay_order_id: str) -> str:
    return f"razorpay#{razorpay_order_id}"
