"""Payment's ports in memory, and what its tests are made of."""

import hashlib
import hmac
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from payment.model import Attempt, AttemptStatus, Customer, PayableOrder, Payment, Proof
from payment.service import Overtaken, RazorpayKeys
from supermarket.caller import Caller
from supermarket.clock import new_id
from supermarket.errors import Conflict, NotFound, Unavailable
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction
from support.cloud import RAZORPAY_KEYS
from support.in_memory import in_memory

KEYS = RazorpayKeys(RAZORPAY_KEYS["keyId"], RAZORPAY_KEYS["keySecret"])
PRICE = Money(49_950, Currency.INR)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

_numbers = itertools.count(1)


def an_order(caller: Caller, total: Money = PRICE) -> PayableOrder:
    return PayableOrder(new_id(), Customer(caller.user_id, caller.email, caller.first_name), total)


def a_payment(caller: Caller, price: Money = PRICE) -> Payment:
    order = an_order(caller, price)
    return Payment.opened(new_id(), order, f"order_{next(_numbers):014}", NOON)


def signed(razorpay_order_id: str, razorpay_payment_id: str, key: str = KEYS.key_secret) -> Proof:
    """A proof as Razorpay writes it."""
    message = f"{razorpay_order_id}|{razorpay_payment_id}".encode()
    signature = hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
    return Proof(razorpay_order_id, razorpay_payment_id, signature)


class InMemoryPayments:
    """`Payments` in dictionaries."""

    def __init__(self) -> None:
        self._by_id: dict[str, Payment] = {}
        self._by_order: dict[str, str] = {}
        self._by_razorpay_order: dict[str, str] = {}

    def find(self, payment_id: str) -> Payment | None:
        return self._by_id.get(payment_id)

    def find_by_order(self, order_id: str) -> Payment | None:
        return self.find(self._by_order.get(order_id, ""))

    def find_by_razorpay_order(self, razorpay_order_id: str) -> Payment | None:
        return self.find(self._by_razorpay_order.get(razorpay_order_id, ""))

    def add(self, payment: Payment, transaction: Transaction) -> None:
        def effect() -> None:
            self._by_id[payment.id] = payment
            self._by_order[payment.order_id] = payment.id
            self._by_razorpay_order[payment.razorpay_order_id] = payment.id

        in_memory(transaction).add(
            lambda: (
                payment.id not in self._by_id
                and payment.order_id not in self._by_order
                and payment.razorpay_order_id not in self._by_razorpay_order
            ),
            effect,
            Overtaken("overtaken"),
        )

    def save(self, payment: Payment, transaction: Transaction) -> None:
        def unchanged() -> bool:
            kept = self._by_id.get(payment.id)
            return kept is not None and kept.version == payment.version - 1

        in_memory(transaction).add(
            unchanged, lambda: self._by_id.update({payment.id: payment}), Overtaken("overtaken")
        )


class FakeOrders:
    """`Orders` as a test says."""

    def __init__(self) -> None:
        self._payable: dict[str, PayableOrder] = {}
        self._closed: set[str] = set()

    def place(self, order: PayableOrder) -> PayableOrder:
        self._payable[order.id] = order
        return order

    def close(self, order_id: str) -> None:
        self._closed.add(order_id)

    def payable(self, order_id: str, customer_id: str) -> PayableOrder:
        order = self._payable.get(order_id)
        if order is None or order.customer.user_id != customer_id:
            raise NotFound("There is no such order")
        if order_id in self._closed:
            raise Conflict("This order cannot be paid")
        return order


@dataclass(frozen=True)
class _RazorpayOrder:
    minor: int
    currency: str


class FakeRazorpay:
    """`Razorpay` in memory, with a customer who pays, and troubles that a test can ask for.

    `meanwhile` runs after the next call has done its work and before it answers: that is where
    somebody else gets in between.
    """

    def __init__(self) -> None:
        self.orders: dict[str, _RazorpayOrder] = {}
        self.attempts: dict[str, Attempt] = {}
        self.captures: list[str] = []
        self.is_down = False
        self.capture_fails = False
        self.meanwhile: Callable[[], None] | None = None

    def pay(self, razorpay_order_id: str, status: AttemptStatus = AttemptStatus.CAPTURED) -> Proof:
        """A customer pays, or fails to; what the browser gets to hand in."""
        order = self.orders[razorpay_order_id]
        id_ = f"pay_{next(_numbers):014}"
        self.attempts[id_] = Attempt(id_, razorpay_order_id, order.minor, order.currency, status)
        return signed(razorpay_order_id, id_)

    def open_order(self, payment_id: str, order_id: str, price: Money) -> str:
        self._answer()
        id_ = f"order_{next(_numbers):014}"
        self.orders[id_] = _RazorpayOrder(price.minor, price.currency.value)
        self._let_others_in()
        return id_

    def attempt(self, razorpay_payment_id: str) -> Attempt:
        self._answer()
        attempt = self.attempts[razorpay_payment_id]
        self._let_others_in()
        return attempt

    def capture(self, attempt: Attempt) -> Attempt:
        self._answer()
        if not self.capture_fails:
            self.captures.append(attempt.id)
            self.attempts[attempt.id] = replace(attempt, status=AttemptStatus.CAPTURED)
        return self.attempts[attempt.id]

    def _answer(self) -> None:
        if self.is_down:
            raise Unavailable("Razorpay does not answer")

    def _let_others_in(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
