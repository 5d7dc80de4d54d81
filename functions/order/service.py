"""Use cases of orders: place, look at, redirect, confirm, ship, deliver, cancel, let unpaid ones
expire, and hear that their money went back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from order.facts import (
    address_changed,
    order_cancelled,
    order_confirmed,
    order_delivered,
    order_placed,
    order_shipped,
)
from order.model import (
    Actor,
    Charges,
    Order,
    OrderLine,
    OrderStatus,
    Returns,
    Step,
)
from supermarket.audit import AuditTrail
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId, is_id
from supermarket.contracts import Event
from supermarket.errors import Conflict, DomainError, FieldError, Forbidden, Invalid, NotFound
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys
from supermarket.money import Money
from supermarket.people import Address, Recipient
from supermarket.transaction import BeginTransaction, Transaction

NO_SUCH_ORDER = "There is no such order"
NOT_TO_BE_HAD = "Some items cannot be had as they are in your cart. Nothing was ordered."
JUST_MISSED = "was just sold out, changed its price or went off sale; look at your cart again"
CART_CHANGED = "Your cart changed at this very moment. Look at it and order again."
MIXED_CURRENCIES = "One order has one currency. Remove the items of the other one from your cart."
GOING_BACK = "The money for this order is going back to its customer, so it is not sent."
NOT_ALL_YOURS = "Other sellers have a part in this order, so that the shop sends it."
# what was paid in the last second may still be on its way here
GRACE = timedelta(minutes=2)
THE_CLOCK, PAYMENT = "expiry", "payment"


ANNOUNCED: dict[OrderStatus, Callable[[Order], Event]] = {
    OrderStatus.SHIPPED: order_shipped,
    OrderStatus.DELIVERED: order_delivered,
}


class Moved(Conflict):
    """The order is no longer as it was read: somebody else was faster."""

    code = "MOVED"


class Cancelled(Conflict):
    """The order is gone for good."""

    code = "CANCELLED"


class Expired(Cancelled):
    """The order is gone for good, since it was not paid in time."""


@dataclass(frozen=True)
class OrderPage:
    """Some of a customer's orders; `next_before` is where the next page begins, if there is
    one.
    """

    orders: tuple[Order, ...]
    next_before: str | None


@dataclass(frozen=True)
class Terms:
    """What the shop is configured to: how long stock is reserved, and what is charged on top."""

    reservation: timedelta
    charges: Charges


class Seller(Protocol):
    """Who sells a product."""

    @property
    def user_id(self) -> str: ...


class Product(Protocol):
    """What an order needs to know of a product."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def seller(self) -> Seller: ...
    @property
    def price(self) -> Money: ...
    @property
    def stock(self) -> int: ...


class Catalogue(Protocol):
    """The products, and their stock inside a transaction."""

    def find_many(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Those that are on sale, by id."""

    def take_stock(
        self, product: Product, quantity: int, transaction: Transaction, refused: DomainError
    ) -> None:
        """Refused unless the stock is there, at the price of `product`, and it is on sale."""

    def return_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        """Give back what was taken."""


class CartLine(Protocol):
    """A product in a cart, with the price that its owner knows."""

    @property
    def product_id(self) -> str: ...
    @property
    def quantity(self) -> int: ...
    @property
    def price_when_added(self) -> Money: ...


class Cart(Protocol):
    """What somebody means to buy."""

    @property
    def lines(self) -> Sequence[CartLine]: ...


class Carts(Protocol):
    """The carts, to be emptied inside a transaction."""

    def contents(self, user_id: str) -> Cart:
        """The cart of this user; without lines when there is none."""

    def empty(self, cart: Cart, transaction: Transaction, refused: DomainError) -> None:
        """Refused unless the cart is still as it was read."""


class AddressBook(Protocol):
    """The addresses that customers have saved."""

    def find(self, user_id: str, address_id: str) -> Address:
        """NotFound when this user has no such address."""


class Orders(Protocol):
    """The orders that were ever placed."""

    def find(self, order_id: str) -> Order | None:
        """The order as it is now."""

    def of_customer(
        self, user_id: str, status: OrderStatus | None, before: str | None, limit: int
    ) -> OrderPage:
        """The customer's orders, newest first, with ids lower than `before`."""

    def reserved_before(self, moment: datetime, limit: int) -> list[str]:
        """Ids of orders whose reservation ran out by `moment`, the oldest first."""

    def add(self, order: Order, transaction: Transaction) -> None:
        """A new order; its id must be new too."""

    def move(self, read: Order, moved: Order, transaction: Transaction) -> None:
        """From one state to another; refused with Moved unless it still is in the one read, with
        no news of its money's way back since.
        """

    def settle(self, read: Order, settled: Order, transaction: Transaction) -> None:
        """News of its money alone; refused with Moved unless it still is in the state read."""

    def note_returns(self, read: Order, noted: Order, transaction: Transaction) -> None:
        """News of its money's way back; refused with Moved when there are newer ones."""

    def redirect(self, read: Order, redirected: Order, transaction: Transaction) -> None:
        """Another address; refused with Moved unless state and address still are as read."""


class OrderService:
    """All that can be done with orders."""

    def __init__(
        self,
        *,
        orders: Orders,
        catalogue: Catalogue,
        carts: Carts,
        address_book: AddressBook,
        idempotency_keys: IdempotencyKeys,
        audit: AuditTrail,
        begin: BeginTransaction,
        terms: Callable[[], Terms],
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._orders = orders
        self._catalogue = catalogue
        self._carts = carts
        self._address_book = address_book
        self._idempotency_keys = idempotency_keys
        self._audit = audit
        self._begin = begin
        self._terms = terms
        self._clock = clock
        self._new_id = new_id

    def place(
        self,
        caller: Caller,
        destination: Address | str,
        key: IdempotencyKey | None = None,
        examine: Callable[[Order], None] = lambda _: None,
    ) -> Order:
        """Order all that is in the caller's cart: all of it is written, or nothing is.

        `destination` is an address or the id of a saved one. The same key gets the same order.
        `examine` sees the very order that is about to be written, and raises what speaks against
        it.
        """
        if key is None:
            return self._place(caller, destination, None, examine)
        if earlier := self._result_of(key):
            return earlier
        try:
            return self._place(caller, destination, key, examine)
        except (Invalid, Conflict):
            # the same request, sent twice, may have won meanwhile: then the cart is empty by now
            if earlier := self._result_of(key):
                return earlier
            raise

    def page_of(
        self, customer_id: str, status: OrderStatus | None, before: str | None, limit: int
    ) -> OrderPage:
        """The customer's own orders, newest first."""
        return self._orders.of_customer(customer_id, status, before, limit)

    def look_at(self, order_id: str, caller: Caller) -> Order:
        """As much of the order as is the caller's to see; NotFound when that is nothing."""
        return _seen(self._find(order_id), caller)

    def payable(self, order_id: str, customer_id: str) -> Order:
        """The customer's own order, if it waits for its payment and its stock is still held."""
        order = self._own(order_id, customer_id)
        _refuse_if_gone(order)
        if order.status is not OrderStatus.PENDING:
            raise Conflict(f"An order that is {order.status} cannot be paid")
        if order.is_expired(self._clock()):
            raise Conflict("The reservation has run out. Order again.")
        return order

    def redirect(self, order_id: str, customer_id: str, changes: Mapping[str, str]) -> Order:
        """Change the given fields of the address, as long as that is allowed."""
        read = self._own(order_id, customer_id)
        redirected = read.redirected(changes, self._clock())
        if redirected.shipping_address == read.shipping_address:
            return read
        transaction = self._begin()
        self._orders.redirect(read, redirected, transaction)
        transaction.emit(address_changed(redirected))
        transaction.commit()
        return redirected

    def cancel(self, order_id: str, customer_id: str) -> Order:
        """Call the customer's own order off; its stock is back at once, its money is refunded."""
        return self._cancel(self._own(order_id, customer_id), Actor.CUSTOMER, customer_id)

    def ship(self, order_id: str, tracking_number: str | None, caller: Caller) -> Order:
        """Everything in the order leaves: said by the one seller of all of it, or by an admin."""
        return self._fulfil(order_id, OrderStatus.SHIPPED, tracking_number, caller)

    def deliver(self, order_id: str, tracking_number: str | None, caller: Caller) -> Order:
        """The order has reached its customer: said by those who may ship it."""
        return self._fulfil(order_id, OrderStatus.DELIVERED, tracking_number, caller)

    def expired(self, limit: int) -> list[str]:
        """Ids of orders whose stock was reserved long enough."""
        return self._orders.reserved_before(self._clock() - GRACE, limit)

    def expire(self, order_id: str) -> bool:
        """Give back what an order reserved in vain; False when somebody else has moved it on."""
        order = self._find(order_id)
        if not order.is_expired(self._clock() - GRACE):
            return False
        try:
            self._cancel(order, Actor.EXPIRY, THE_CLOCK)
        except Moved:
            return False
        return True

    def confirm(self, order_id: str) -> None:
        """The payment is complete. Forward only: an order that is past this stays as it is, and
        one that is cancelled stays cancelled, and knows of the money that is owed.
        """
        self._advance(order_id, self._confirm)

    def confirm_waiting(self, order_id: str) -> bool:
        """The same for an order whose news of that got lost; False when it waits for none,
        Cancelled when it is gone.
        """
        order = self._find(order_id)
        _refuse_if_gone(order)
        if order.status is not OrderStatus.PENDING:
            return False
        self.confirm(order_id)
        return True

    def refund(self, order_id: str) -> None:
        """All the money went back to the customer: what has not left the shop is called off."""
        self._advance(order_id, self._refund)

    def follow_refunds(self, order_id: str, returns: Returns) -> None:
        """So much of its money is back, or on its way, by now; what is older than that is passed
        over.
        """
        self._advance(order_id, lambda order: self._note_returns(order, returns))

    def _place(
        self,
        caller: Caller,
        destination: Address | str,
        key: IdempotencyKey | None,
        examine: Callable[[Order], None],
    ) -> Order:
        cart = self._carts.contents(caller.user_id)
        if not cart.lines:
            raise Invalid("Your cart is empty")
        products = self._catalogue.find_many(line.product_id for line in cart.lines)
        _refuse_what_cannot_be_had(cart, products)
        order = self._new_order(caller, cart, products, self._address(caller, destination))
        examine(order)
        transaction = self._begin()
        if key is not None:
            self._idempotency_keys.save_result(key, order.id, transaction)
        self._orders.add(order, transaction)
        self._carts.empty(cart, transaction, Conflict(CART_CHANGED))
        for line in order.lines:
            product = products[line.product_id]
            missed = Conflict(NOT_TO_BE_HAD, (_fault(line.product_id, JUST_MISSED),))
            self._catalogue.take_stock(product, line.quantity, transaction, missed)
        transaction.emit(order_placed(order))
        transaction.commit()
        return order

    def _new_order(
        self, caller: Caller, cart: Cart, products: Mapping[str, Product], address: Address
    ) -> Order:
        now, terms = self._clock(), self._terms()
        lines = tuple(_order_line(line, products[line.product_id]) for line in cart.lines)
        return Order(
            id=self._new_id(),
            customer=Recipient(caller.user_id, caller.email, caller.first_name),
            status=OrderStatus.PENDING,
            lines=lines,
            pricing=terms.charges.price(lines, lines[0].unit_price.currency),
            shipping_address=address,
            timeline=(Step(OrderStatus.PENDING, now, Actor.CUSTOMER),),
            reserved_until=now + terms.reservation,
            created_at=now,
            updated_at=now,
        )

    def _address(self, caller: Caller, destination: Address | str) -> Address:
        if isinstance(destination, Address):
            return destination
        return self._address_book.find(caller.user_id, destination)

    def _result_of(self, key: IdempotencyKey) -> Order | None:
        order_id = self._idempotency_keys.find_result(key)
        return None if order_id is None else self._find(order_id)

    def _find(self, order_id: str) -> Order:
        order = self._orders.find(order_id) if is_id(order_id) else None
        if order is None:
            raise NotFound(NO_SUCH_ORDER)
        return order

    def _own(self, order_id: str, customer_id: str) -> Order:
        order = self._find(order_id)
        if order.customer.user_id != customer_id:
            raise NotFound(NO_SUCH_ORDER)
        return order

    def _advance(self, order_id: str, step: Callable[[Order], object]) -> None:
        try:
            step(self._find(order_id))
        except Moved:
            # states only move forward, so looking again comes to an end
            self._advance(order_id, step)

    def _confirm(self, order: Order) -> None:
        if order.is_paid:
            return
        now = self._clock()
        paid = order.paid(now)
        if order.status is OrderStatus.CANCELLED:
            self._settle(order, paid)
            return
        confirmed = paid.moved(OrderStatus.CONFIRMED, now, Actor.PAYMENT)
        transaction = self._begin()
        self._orders.move(order, confirmed, transaction)
        transaction.emit(order_confirmed(confirmed))
        transaction.commit()

    def _refund(self, order: Order) -> None:
        if order.refunded_at is not None:
            return
        refunded = order.refunded(self._clock())
        if order.can_be_cancelled:
            # nobody but an admin can have given back what was paid for a living order
            self._cancel(order, Actor.ADMIN, PAYMENT, refunded)
        else:
            self._settle(order, refunded)

    def _note_returns(self, order: Order, returns: Returns) -> None:
        noted = order.returning(returns, self._clock())
        if noted == order:
            return
        transaction = self._begin()
        self._orders.note_returns(order, noted, transaction)
        transaction.commit()

    def _settle(self, read: Order, settled: Order) -> None:
        transaction = self._begin()
        self._orders.settle(read, settled, transaction)
        transaction.commit()

    def _fulfil(
        self, order_id: str, status: OrderStatus, tracking_number: str | None, caller: Caller
    ) -> Order:
        order = self._find(order_id)
        _seen(order, caller)
        if not order.is_fulfilled_by(caller):
            raise Forbidden(NOT_ALL_YOURS)
        if status is OrderStatus.SHIPPED and order.is_going_back:
            raise Conflict(GOING_BACK)
        by = Actor.ADMIN if caller.is_admin else Actor.SELLER
        moved = order.tracked(tracking_number).moved(status, self._clock(), by)
        transaction = self._begin()
        self._orders.move(order, moved, transaction)
        self._write_down(order, moved, caller.user_id, transaction)
        transaction.emit(ANNOUNCED[status](moved))
        transaction.commit()
        return _seen(moved, caller)

    def _cancel(self, order: Order, by: Actor, actor: str, learned: Order | None = None) -> Order:
        """`actor` is for the audit trail, which is told if there was money; `learned` is the order
        with news of it.
        """
        cancelled = (learned or order).moved(OrderStatus.CANCELLED, self._clock(), by)
        transaction = self._begin()
        self._orders.move(order, cancelled, transaction)
        for line in order.lines:
            self._catalogue.return_stock(line.product_id, line.quantity, transaction)
        if cancelled.is_paid:
            self._write_down(order, cancelled, actor, transaction)
        transaction.emit(order_cancelled(cancelled, by))
        transaction.commit()
        return cancelled

    def _write_down(
        self, before: Order, after: Order, actor: str, transaction: Transaction
    ) -> None:
        self._audit.record(
            transaction,
            subject=f"order#{after.id}",
            action=f"order {after.status.lower()}",
            actor=actor,
            before=_audited(before),
            after=_audited(after),
        )


def _seen(order: Order, caller: Caller) -> Order:
    seen = order.as_seen_by(caller)
    if seen is None:
        raise NotFound(NO_SUCH_ORDER)
    return seen


def _refuse_if_gone(order: Order) -> None:
    if order.status is OrderStatus.CANCELLED:
        gone = Expired if order.timeline[-1].by is Actor.EXPIRY else Cancelled
        raise gone("An order that is CANCELLED cannot be paid")


def _audited(order: Order) -> dict[str, str | None]:
    return {
        "status": order.status.value,
        "paymentStatus": order.payment_status.value,
        "trackingNumber": order.tracking_number,
    }


def _refuse_what_cannot_be_had(cart: Cart, products: Mapping[str, Product]) -> None:
    """Say of every line at fault what is wrong; the transaction itself could only say which."""
    faults = [
        _fault(line.product_id, reason)
        for line in cart.lines
        if (reason := _why_not(line, products.get(line.product_id)))
    ]
    if faults:
        raise Conflict(NOT_TO_BE_HAD, tuple(faults))
    if len({product.price.currency for product in products.values()}) > 1:
        raise Conflict(MIXED_CURRENCIES)


def _why_not(line: CartLine, product: Product | None) -> str | None:
    if product is None:
        return "is no longer for sale"
    if product.stock == 0:
        return "is sold out"
    if product.stock < line.quantity:
        return f"only {product.stock} left"
    if product.price != line.price_when_added:
        return f"now costs {_in_words(product.price)}; set its quantity again to accept that"
    return None


def _fault(product_id: str, reason: str) -> FieldError:
    return FieldError(f"items.{product_id}", reason)


def _order_line(line: CartLine, product: Product) -> OrderLine:
    return OrderLine(
        product.id, product.title, product.seller.user_id, line.quantity, product.price
    )


def _in_words(price: Money) -> str:
    return f"{price.amount:.2f} {price.currency}"
