"""Use cases of orders: placing, reading, changing, fulfilling, cancelling and refunding them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from order.events import (
    to_order_address_changed,
    to_order_cancelled,
    to_order_confirmed,
    to_order_delivered,
    to_order_placed,
    to_order_shipped,
)
from order.model import (
    Actor,
    Charges,
    ItemsUnavailable,
    Order,
    OrderStatus,
    Outcome,
    PayableRange,
    PaymentStatus,
    RefundSummary,
    ReservationLimits,
    TimelineEntry,
    TooManyReservations,
    WantedOrders,
    WrongStatus,
)
from order.ports import (
    AddressBook,
    Cart,
    Carts,
    Customers,
    OrderPage,
    Orders,
    Payments,
    Stock,
)
from supermarket.audit import AuditTrail
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId, is_id
from supermarket.contracts import Event
from supermarket.day_lists import Days
from supermarket.errors import Conflict, Forbidden, Invalid, NotFound
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys
from supermarket.people import Address, Recipient
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import BeginTransaction, Transaction

ORDER_NOT_FOUND = "Order not found"
# a change of state depends on these fields: an order that is refunded in full is not shipped
STATE = ("status", "refund_summary")
# a payment of the last second may still be on its way
GRACE = timedelta(minutes=2)
UNPAID = frozenset({PaymentStatus.PENDING, PaymentStatus.FAILED})


class CartEmpty(Invalid):
    """There is nothing to order."""

    code = "CART_EMPTY"


class ReservationExpired(Conflict):
    """The reservation of the order's stock has ended."""

    code = "RESERVATION_EXPIRED"


class Cancelled(Conflict):
    """The order was cancelled."""

    code = "ORDER_CANCELLED"


class Expired(Cancelled):
    """The order was cancelled because it was not paid in time."""

    code = "ORDER_EXPIRED"


@dataclass(frozen=True)
class Terms:
    """How long stock is reserved for an unpaid order, what is charged besides the goods, which
    totals can be paid, and what customers may reserve with and without a verified address.
    """

    reservation: timedelta
    charges: Charges
    payable: PayableRange
    limits: ReservationLimits
    unverified_limits: ReservationLimits


@dataclass(frozen=True)
class OrderService:
    """The use cases of orders."""

    orders: Orders
    stock: Stock
    carts: Carts
    address_book: AddressBook
    customers: Customers
    payments: Payments
    idempotency_keys: IdempotencyKeys
    audit: AuditTrail
    begin: BeginTransaction
    terms: Callable[[], Terms]
    clock: Clock
    new_id: NewId

    def place(
        self,
        caller: Caller,
        destination: Address | str,
        key: IdempotencyKey | None = None,
        precondition: Callable[[Order], None] = lambda _: None,
    ) -> Order:
        """Order everything in the caller's cart, in one transaction.

        `destination` is an address or the id of a saved one. The same key returns the same order.
        `precondition` is called with the order before it is written and may raise.
        """
        if key and (earlier := self._find_result(key)):
            return earlier
        try:
            return self._place(caller, destination, key, precondition)
        except (Invalid, Conflict, TooManyReservations):
            # a second copy of the request may have emptied the cart meanwhile
            if key and (earlier := self._find_result(key)):
                return earlier
            raise

    def list_orders(
        self, customer_id: str, status: OrderStatus | None, before: str | None, limit: int
    ) -> OrderPage:
        """Return the customer's orders with ids below `before`, newest first."""
        return self.orders.list_by_customer(customer_id, status, before, limit)

    def list_all(
        self, wanted: WantedOrders, days: Days, limit: int
    ) -> tuple[list[Order], Days | None]:
        """Return those of the next `limit` orders that are wanted, newest first, and the days that
        are left; None after the last. An id finds orders of all days.
        """
        if wanted.id:
            order = self.orders.find(wanted.id) if is_id(wanted.id) else None
            if order:
                return list(filter(wanted.has, [order])), None
            page = self.orders.list_by_customer(wanted.id, None, days.before, limit)
            found, left = list(page.orders), days.rest(page.next_before)
        else:
            found, left = self.orders.list_by_day(days, limit)
        return list(filter(wanted.has, found)), left

    def get_order(self, order_id: str, caller: Caller) -> Order:
        """Return what the caller may see of an order. Raises NotFound when that is nothing."""
        return _visible(self._find(order_id), caller)

    def get_payable_order(self, order_id: str, customer_id: str) -> Order:
        """Return the customer's order if it waits for its payment and its stock is reserved.

        Raises Cancelled, ReservationExpired, or WrongStatus when it is paid already.
        """
        order = self._find_own(order_id, customer_id)
        _require_not_cancelled(order)
        if order.status is not OrderStatus.PENDING:
            raise WrongStatus(f"An order that is {order.status} cannot be paid")
        if order.is_expired(self.clock()):
            raise ReservationExpired("The reservation has expired. Order again.")
        return order

    def open_payment(
        self, order_id: str, customer_id: str, pay_until: datetime, transaction: Transaction
    ) -> None:
        """Reserve the stock of a payable order until `pay_until`, if this is the first time that a
        payment of it is opened. The commit raises StaleWrite when the order changed meanwhile.
        """
        read = self.get_payable_order(order_id, customer_id)
        order = read.with_open_payment(pay_until, self.clock())
        self.orders.save(read, order, ("status", "pay_until"), transaction)

    def change_address(self, order_id: str, customer_id: str, changes: Mapping[str, str]) -> Order:
        """Replace the given fields of the address while the order has not left the shop."""
        read = self._find_own(order_id, customer_id)
        order = read.with_address_changes(changes, self.clock())
        if order.shipping_address == read.shipping_address:
            return read
        unchanged = ("status", "shipping_address")
        return self._save(read, order, unchanged, to_order_address_changed(order))

    def cancel(self, order_id: str, customer_id: str) -> Order:
        """Cancel the customer's order and release its stock; payment refunds it if it is paid."""
        return self._cancel(self._find_own(order_id, customer_id), Actor.CUSTOMER, customer_id)

    def ship(self, order_id: str, tracking_number: str | None, caller: Caller) -> Order:
        """Mark the order as shipped; its only seller or an admin may do that."""
        return self._fulfil(order_id, OrderStatus.SHIPPED, tracking_number, caller)

    def deliver(self, order_id: str, tracking_number: str | None, caller: Caller) -> Order:
        """Mark the order as delivered; its only seller or an admin may do that."""
        return self._fulfil(order_id, OrderStatus.DELIVERED, tracking_number, caller)

    def expire(self, order_id: str) -> Outcome:
        """Cancel an order that was not paid in time, unless it or its payment changes meanwhile.

        An order whose payment is complete is confirmed: the event of the payment is late. One whose
        payment is being refunded is postponed.
        """
        order = self._find(order_id)
        if not order.is_expired(self.clock() - GRACE):
            return Outcome.SKIPPED
        transaction = self.begin()
        status = self.payments.pin_status(order_id, transaction)
        if status is PaymentStatus.COMPLETED:
            self.confirm(order_id)
            return Outcome.CONFIRMED
        if status not in UNPAID:
            return Outcome.POSTPONED
        try:
            self._cancel(order, Actor.EXPIRY, Actor.EXPIRY, transaction=transaction)
        except StaleWrite:
            return Outcome.SKIPPED
        return Outcome.RELEASED

    def confirm(self, order_id: str) -> None:
        """Record the payment and confirm the order; a cancelled order stays cancelled."""
        self._retry_transition(order_id, self._confirm)

    def confirm_if_pending(self, order_id: str) -> bool:
        """Confirm an order whose `PaymentCompleted` was lost; returns False when it is not
        pending. Raises Cancelled.
        """
        order = self._find(order_id)
        _require_not_cancelled(order)
        if order.status is not OrderStatus.PENDING:
            return False
        self.confirm(order_id)
        return True

    def list_unconfirmed(self, order_ids: Collection[str]) -> set[str]:
        """Return those of the orders that are pending or cancelled."""
        unconfirmed = {OrderStatus.PENDING, OrderStatus.CANCELLED}
        found = self.orders.find_many(order_ids)
        return {order.id for order in found if order.status in unconfirmed}

    def mark_refunded(self, order_id: str) -> None:
        """Record the full refund; an order that has not left the shop is cancelled."""
        self._retry_transition(order_id, self._mark_refunded)

    def update_refund_summary(self, order_id: str, summary: RefundSummary) -> None:
        """Store how much was refunded and is being refunded, unless a later summary is stored."""
        self._retry_transition(order_id, lambda order: self._update_refund_summary(order, summary))

    def _place(
        self,
        caller: Caller,
        destination: Address | str,
        key: IdempotencyKey | None,
        precondition: Callable[[Order], None],
    ) -> Order:
        cart = self.carts.get_cart(caller.user_id)
        if cart.problems:
            raise ItemsUnavailable(cart.problems)
        if not cart.lines:
            raise CartEmpty("Your cart is empty")
        is_verified = self.customers.has_verified_email(caller.user_id)
        order = self._new_order(caller, cart, destination, is_verified=is_verified)
        self.terms().payable.require(order.pricing.total)
        precondition(order)
        limits = None if caller.is_admin else self._limits(is_verified=is_verified)
        self.stock.reserve(order, lambda: self._prepare(order, cart, limits, key))
        return order

    def _prepare(
        self,
        order: Order,
        cart: Cart,
        limits: ReservationLimits | None,
        key: IdempotencyKey | None,
    ) -> Transaction:
        """Return a transaction that stores the order and empties the cart."""
        transaction = self.begin()
        if key is not None:
            self.idempotency_keys.save_result(key, order.id, transaction)
        self.orders.add(order, limits, transaction)
        changed = StaleWrite("Your cart changed at the same time. Check it and order again.")
        self.carts.empty(cart, transaction, changed)
        transaction.emit(to_order_placed(order))
        return transaction

    def _new_order(
        self, caller: Caller, cart: Cart, destination: Address | str, *, is_verified: bool
    ) -> Order:
        if isinstance(destination, str):
            destination = self.address_book.find(caller.user_id, destination)
        now, terms = self.clock(), self.terms()
        return Order(
            id=self.new_id(),
            customer=Recipient(caller.user_id, caller.email, caller.first_name, is_verified),
            status=OrderStatus.PENDING,
            lines=cart.lines,
            pricing=terms.charges.price_lines(cart.lines, cart.lines[0].unit_price.currency),
            shipping_address=destination,
            timeline=(TimelineEntry(OrderStatus.PENDING, now, Actor.CUSTOMER),),
            reserved_until=now + terms.reservation,
            created_at=now,
            updated_at=now,
        )

    def _limits(self, *, is_verified: bool) -> ReservationLimits:
        """Return what a customer may reserve."""
        return self.terms().limits if is_verified else self.terms().unverified_limits

    def _find_result(self, key: IdempotencyKey) -> Order | None:
        order_id = self.idempotency_keys.find_result(key)
        return None if order_id is None else self._find(order_id)

    def _find(self, order_id: str) -> Order:
        order = self.orders.find(order_id) if is_id(order_id) else None
        if order is None:
            raise NotFound(ORDER_NOT_FOUND)
        return order

    def _find_own(self, order_id: str, customer_id: str) -> Order:
        order = self._find(order_id)
        if order.customer.user_id != customer_id:
            raise NotFound(ORDER_NOT_FOUND)
        return order

    def _retry_transition(self, order_id: str, transition: Callable[[Order], object]) -> None:
        retry_on_conflict(lambda: transition(self._find(order_id)))

    def _confirm(self, order: Order) -> None:
        if order.is_paid:
            return
        now = self.clock()
        paid = order.with_payment(now)
        if order.status is OrderStatus.CANCELLED:
            self._save(order, paid, ("status",))
        else:
            confirmed = paid.with_status(OrderStatus.CONFIRMED, now, Actor.PAYMENT)
            self._save(order, confirmed, STATE, to_order_confirmed(confirmed))

    def _mark_refunded(self, order: Order) -> None:
        if order.refunded_at is not None:
            return
        refunded = order.with_full_refund(self.clock())
        if order.can_be_cancelled:
            # only an admin can refund an order that is not cancelled
            self._cancel(order, Actor.ADMIN, Actor.PAYMENT, refunded)
        else:
            self._save(order, refunded, ("status",))

    def _update_refund_summary(self, read: Order, summary: RefundSummary) -> None:
        order = read.with_refund_summary(summary, self.clock())
        if order != read:
            self._save(read, order, ("refund_summary",))

    def _save(self, read: Order, order: Order, unchanged: Collection[str], *events: Event) -> Order:
        transaction = self.begin()
        self.orders.save(read, order, unchanged, transaction)
        for event in events:
            transaction.emit(event)
        transaction.commit()
        return order

    def _fulfil(
        self, order_id: str, status: OrderStatus, tracking_number: str | None, caller: Caller
    ) -> Order:
        read = self._find(order_id)
        _visible(read, caller)
        if not read.can_be_fulfilled_by(caller):
            raise Forbidden("Only the shop can send an order with products of several sellers")
        is_shipping = status is OrderStatus.SHIPPED
        if is_shipping and read.is_fully_refunding:
            raise WrongStatus("This order is being refunded in full, so it cannot be shipped")
        by = Actor.ADMIN if caller.is_admin else Actor.SELLER
        order = read.with_status(status, self.clock(), by, tracking_number)
        transaction = self.begin()
        self.orders.save(read, order, STATE, transaction)
        if is_shipping:
            self.stock.ship(read, transaction)
            self.payments.require_shippable(order_id, transaction)
        self._audit(read, order, caller.user_id, transaction)
        transaction.emit((to_order_shipped if is_shipping else to_order_delivered)(order))
        transaction.commit()
        return _visible(order, caller)

    def _cancel(
        self,
        read: Order,
        by: Actor,
        actor: str,
        refunded: Order | None = None,
        transaction: Transaction | None = None,
    ) -> Order:
        """Cancel the order, or its state `refunded`; `actor` is recorded in the audit trail when
        the order is paid. `transaction` may have further conditions.
        """
        order = (refunded or read).with_status(OrderStatus.CANCELLED, self.clock(), by)
        transaction = transaction or self.begin()
        self.orders.save(read, order, STATE, transaction)
        self.stock.release(read, transaction)
        if order.is_paid:
            self._audit(read, order, actor, transaction)
        transaction.emit(to_order_cancelled(order, by))
        transaction.commit()
        return order

    def _audit(self, before: Order, after: Order, actor: str, transaction: Transaction) -> None:
        self.audit.record(
            transaction,
            subject=f"order#{after.id}",
            action=f"order {after.status.lower()}",
            actor=actor,
            before=_audited(before),
            after=_audited(after),
        )


def _visible(order: Order, caller: Caller) -> Order:
    visible = order.visible_to(caller)
    if visible is None:
        raise NotFound(ORDER_NOT_FOUND)
    return visible


def _require_not_cancelled(order: Order) -> None:
    if order.status is OrderStatus.CANCELLED:
        kind = Expired if order.timeline[-1].by is Actor.EXPIRY else Cancelled
        raise kind("An order that is CANCELLED cannot be paid")


def _audited(order: Order) -> dict[str, str | None]:
    return {
        "status": order.status.value,
        "paymentStatus": order.payment_status.value,
        "trackingNumber": order.tracking_number,
    }
