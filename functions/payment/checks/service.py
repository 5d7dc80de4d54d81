"""Checks of an order's payment that hold when a transaction of another domain commits."""

from dataclasses import dataclass

from payment.model.payment import Payment
from payment.model.status import PaymentStatus
from payment.ports import Payments
from supermarket.errors import Conflict
from supermarket.transaction import Transaction


class NotShippable(Conflict):
    """The payment of the order does not permit that it is shipped."""

    code = "PAYMENT_CONFLICT"


@dataclass(frozen=True)
class PaymentChecks:
    """Reads a payment and adds to a transaction the condition that it is still the same."""

    payments: Payments

    def pin_status(self, order_id: str, transaction: Transaction) -> PaymentStatus:
        """Return the state of the order's payment, PENDING when it has none. The commit raises
        StaleWrite when the payment has changed, or was opened, since.
        """
        payment = self._pin(order_id, transaction)
        return payment.status if payment else PaymentStatus.PENDING

    def require_shippable(self, order_id: str, transaction: Transaction) -> None:
        """Raise NotShippable unless the order is paid and its money stays with the shop, without an
        open dispute. The commit raises StaleWrite when the payment has changed since.
        """
        payment = self._pin(order_id, transaction)
        if payment is None or not payment.is_paid:
            raise NotShippable("This order is not paid, so it cannot be shipped")
        if payment.is_disputed:
            raise NotShippable("The payment of this order is disputed, so it cannot be shipped")
        if not payment.keeps_money:
            raise NotShippable("This order is being refunded in full, so it cannot be shipped")

    def _pin(self, order_id: str, transaction: Transaction) -> Payment | None:
        payment = self.payments.find_by_order(order_id)
        if payment is None:
            self.payments.require_none(order_id, transaction)
        else:
            self.payments.require_unchanged(payment, transaction)
        return payment
