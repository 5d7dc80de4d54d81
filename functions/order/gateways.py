"""The stock, carts, accounts, payments and the age of events behind the ports of orders.

Carts, accounts and payments are made on first use, since not every use case needs them.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from inventory.model import StockRequest
from inventory.service import InventoryService, LinesUnavailable
from order.model import (
    ItemsUnavailable,
    Order,
    OrderLine,
    PaymentStatus,
    WrongStatus,
)
from order.ports import Cart
from supermarket.clock import Clock
from supermarket.errors import DomainError, Unauthenticated
from supermarket.people import Address
from supermarket.transaction import Transaction

if TYPE_CHECKING:
    from auth.service import AccountService
    from cart.model import CartLine, Product
    from cart.service import CartService
    from outbox.service import OutboxMonitor
    from payment.checks.service import PaymentChecks

MINUTE_SECONDS = 60
MEASURED = timedelta(minutes=5)  # CloudWatch has a queue's metrics after a minute or two
AGE_OF_OLDEST_MESSAGE = "ApproximateAgeOfOldestMessage"


class ShopPayments:
    """`Payments` of the payment domain."""

    def __init__(self, checks: "Callable[[], PaymentChecks]") -> None:
        self._checks = checks

    def pin_status(self, order_id: str, transaction: Transaction) -> PaymentStatus:
        return PaymentStatus(self._checks().pin_status(order_id, transaction))

    def require_shippable(self, order_id: str, transaction: Transaction) -> None:
        from payment.checks.service import NotShippable

        try:
            self._checks().require_shippable(order_id, transaction)
        except NotShippable as refusal:
            raise WrongStatus(refusal.message) from refusal


class EventLag:
    """`Lag` of the outbox, and of the queue of orders by its metric in CloudWatch."""

    def __init__(
        self, outbox: "OutboxMonitor", cloudwatch: Any, queue_name: str, clock: Clock
    ) -> None:
        self._outbox = outbox
        self._cloudwatch = cloudwatch
        self._queue_name = queue_name
        self._clock = clock

    def oldest_event(self) -> timedelta:
        return max(self._outbox.oldest_age(), self._oldest_message())

    def _oldest_message(self) -> timedelta:
        now = self._clock()
        dimensions = [{"Name": "QueueName", "Value": self._queue_name}]
        metric = {
            "Namespace": "AWS/SQS",
            "MetricName": AGE_OF_OLDEST_MESSAGE,
            "Dimensions": dimensions,
        }
        stat = {"Metric": metric, "Period": MINUTE_SECONDS, "Stat": "Maximum"}
        measured = self._cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "age", "MetricStat": stat}],
            StartTime=now - MEASURED,
            EndTime=now,
            ScanBy="TimestampDescending",
        )
        latest: list[float] = measured["MetricDataResults"][0]["Values"][:1]
        return timedelta(seconds=latest[0] if latest else 0)


class ShopStock:
    """`Stock` of the inventory domain."""

    def __init__(self, inventory: InventoryService) -> None:
        self._inventory = inventory

    def reserve(self, order: Order, prepare: Callable[[], Transaction]) -> None:
        requests = [
            StockRequest(line.product_id, line.unit_price, line.quantity) for line in order.lines
        ]
        try:
            self._inventory.commit_reserving(order.id, requests, prepare)
        except LinesUnavailable as refusal:
            raise ItemsUnavailable(refusal.errors) from refusal

    def release(self, order: Order, transaction: Transaction) -> None:
        self._inventory.release(order.id, transaction)

    def ship(self, order: Order, transaction: Transaction) -> None:
        self._inventory.ship(order.id, transaction)


class ShopCarts:
    """`Carts` of the cart domain."""

    def __init__(self, carts: "Callable[[], CartService]") -> None:
        self._carts = carts

    def get_cart(self, user_id: str) -> Cart:
        cart = self._carts().get_cart(user_id)
        lines = tuple(_line(each.line, each.product) for each in cart.lines if each.product)
        problems = tuple(each.problem for each in cart.lines if each.problem)
        return Cart(user_id, cart.cart.version, lines, problems)

    def empty(self, cart: Cart, transaction: Transaction, on_conflict: DomainError) -> None:
        self._carts().empty(cart.user_id, cart.version, transaction, on_conflict)


class ShopAccounts:
    """`AddressBook` and `Customers` of the auth domain."""

    def __init__(self, accounts: "Callable[[], AccountService]") -> None:
        self._accounts = accounts

    def find(self, user_id: str, address_id: str) -> Address:
        return self._accounts().address_of(user_id, address_id).address

    def has_verified_email(self, user_id: str) -> bool:
        try:
            return self._accounts().user(user_id).email_verified
        except Unauthenticated:  # the account was deleted
            return False


def _line(line: "CartLine", product: "Product") -> OrderLine:
    return OrderLine(product.id, product.title, product.seller_id, line.quantity, product.price)
