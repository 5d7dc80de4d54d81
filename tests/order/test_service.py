"""The use cases of orders, in a shop in memory."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conftest import FrozenClock
from order.model import (
    TRANSITIONS,
    Actor,
    Order,
    OrderStatus,
    Outcome,
    PaymentStatus,
    RefundSummary,
    ReservationLimits,
    TooManyReservations,
    TotalNotPayable,
    WrongStatus,
)
from order.schemas import OrderView
from order.service import GRACE, Cancelled
from supermarket.caller import Caller, Role
from supermarket.contracts import (
    Event,
    OrderAddressChanged,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
)
from supermarket.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, RuleViolated
from supermarket.idempotency import IdempotencyKey
from supermarket.money import Currency, Money
from supermarket.people import Address
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction
from support.api import a_caller
from support.cart import dollars, rupees
from support.in_memory import Audited
from support.order import CHARGES, HOME, RESERVATION, Crash, InMemoryOrders, LittleShop

ASHA = a_caller(user_id="asha")
SELLER = a_caller(Role.SELLER, "seller")
ADMIN = a_caller(Role.ADMIN, "admin")
KEY = IdempotencyKey.of("create_order", "asha", "key-1", b"body")


@pytest.fixture
def shop(clock: FrozenClock) -> LittleShop:
    return LittleShop(clock)


def state_of(shop: LittleShop) -> object:
    """Return everything that a transaction could have changed."""
    return (
        dict(shop.orders.stored),
        dict(shop.catalogue.on_sale),
        dict(shop.catalogue.levels()),
        shop.carts.stored_cart("asha").lines,
        list(shop.outbox.events),
    )


def expired(shop: LittleShop, clock: FrozenClock) -> list[str]:
    """Return the orders that the job would cancel now, oldest first."""
    ended = clock() - GRACE
    found = [one for shard in shop.orders.shards for one in shop.orders.list_expired(ended, shard)]
    return [one.order_id for one in sorted(found, key=lambda one: one.ends_at)]


# --- placing


def test_placing_reserves_the_stock_empties_the_cart_and_emits_an_event(
    shop: LittleShop, clock: FrozenClock
) -> None:
    tea = shop.catalogue.sell(stock=10, price=rupees(120), seller_id="sanjay")
    rice = shop.catalogue.sell(stock=3, price=rupees(60), seller_id="meera")
    shop.carts.add("asha", tea.id, 2)
    shop.carts.add("asha", rice.id, 3)

    order = shop.service.place(ASHA, HOME)

    assert order == shop.orders.find(order.id)
    assert order.status is OrderStatus.PENDING
    assert [(line.product_id, line.seller_id, line.quantity) for line in order.lines] == [
        (tea.id, "sanjay", 2),
        (rice.id, "meera", 3),
    ]
    assert order.pricing.total == rupees(420)
    assert order.reserved_until == clock() + RESERVATION
    assert (shop.catalogue.stock_of(tea.id), shop.catalogue.stock_of(rice.id)) == (8, 0)
    assert (shop.catalogue.shelf_of(tea.id), shop.catalogue.shelf_of(rice.id)) == ((10, 2), (3, 3))
    assert shop.carts.stored_cart("asha").lines == ()
    (placed,) = shop.outbox.of(OrderPlaced)
    assert isinstance(placed, OrderPlaced)
    assert (placed.order_id, placed.customer.email) == (order.id, ASHA.email)
    assert placed.total.money() == rupees(420)
    assert placed.reserved_until == order.reserved_until


def test_tax_and_shipping_are_added(clock: FrozenClock) -> None:
    shop = LittleShop(clock, CHARGES)
    pricing = shop.places(ASHA).pricing
    assert pricing.tax == rupees(120).percent(Decimal(18))
    assert pricing.total.minor == 12000 + 2160 + 4900


def test_an_empty_cart_cannot_be_ordered(shop: LittleShop) -> None:
    with pytest.raises(Invalid):
        shop.service.place(ASHA, HOME)


def test_only_the_customer_s_own_saved_addresses_can_be_used(shop: LittleShop) -> None:
    office = Address("7 Residency Road", "Pune", "Maharashtra", "411001", "IN")
    shop.address_book.saved["asha", "office"] = office
    shop.address_book.saved["ravi", "home"] = HOME
    shop.carts.add("asha", shop.catalogue.sell().id, 1)
    with pytest.raises(NotFound):
        shop.service.place(ASHA, "home")
    assert shop.service.place(ASHA, "office").shipping_address == office


def test_every_unavailable_item_is_reported_and_nothing_is_reserved(shop: LittleShop) -> None:
    removed, sold_out, scarce, dearer, fine = (shop.catalogue.sell(stock=5) for _ in range(5))
    for product in (removed, sold_out, scarce, dearer, fine):
        shop.carts.add("asha", product.id, 2)
    shop.catalogue.withdraw(removed)
    shop.catalogue.restock(sold_out, 0)
    shop.catalogue.restock(scarce, 1)
    shop.catalogue.reprice(dearer, rupees(999))
    before = state_of(shop)
    with pytest.raises(Conflict) as refused:
        shop.service.place(ASHA, HOME)
    assert {error.field: (error.code, error.message) for error in refused.value.errors} == {
        f"items.{removed.id}": ("NOT_FOR_SALE", "No longer for sale"),
        f"items.{sold_out.id}": ("OUT_OF_STOCK", "Sold out"),
        f"items.{scarce.id}": ("OUT_OF_STOCK", "Only 1 left in stock"),
        f"items.{dearer.id}": (
            "PRICE_CHANGED",
            "The price was 120.00 INR and is now 999.00 INR; set the quantity again to accept it",
        ),
    }
    assert state_of(shop) == before


def test_a_lower_price_must_be_accepted_too(shop: LittleShop) -> None:
    tea = shop.catalogue.sell(price=rupees(100))
    shop.carts.add("asha", tea.id, 1)
    shop.catalogue.reprice(tea, rupees(90))
    with pytest.raises(Conflict):
        shop.service.place(ASHA, HOME)
    shop.carts.change("asha", tea.id, 1)
    assert shop.service.place(ASHA, HOME).pricing.total == rupees(90)


def test_mixed_currencies_are_refused(shop: LittleShop) -> None:
    tea, coffee = shop.catalogue.sell(), shop.catalogue.sell()
    shop.carts.add("asha", tea.id, 1)
    shop.carts.add("asha", coffee.id, 1)
    shop.catalogue.reprice(coffee, dollars(1))
    before = state_of(shop)
    with pytest.raises(Conflict):
        shop.service.place(ASHA, HOME)
    assert state_of(shop) == before


@pytest.mark.parametrize("read", ["the cart", "the stock"])
@pytest.mark.parametrize(
    ("happens", "code"),
    [
        ("reprice", "PRICE_CHANGED"),
        ("restock", "OUT_OF_STOCK"),
        ("withdraw", "NOT_FOR_SALE"),
        ("cart", None),
    ],
)
def test_a_change_after_a_read_is_refused(
    shop: LittleShop, read: str, happens: str, code: str | None
) -> None:
    tea, rice = shop.catalogue.sell(stock=5), shop.catalogue.sell(stock=5)
    shop.carts.add("asha", tea.id, 2)
    shop.carts.add("asha", rice.id, 2)
    events: dict[str, Callable[[], object]] = {
        "reprice": lambda: shop.catalogue.reprice(tea, rupees(999)),
        "restock": lambda: shop.catalogue.restock(tea, 1),
        "withdraw": lambda: shop.catalogue.withdraw(tea),
        "cart": lambda: shop.carts.add("asha", tea.id, 1),
    }

    def happen() -> None:
        events[happens]()

    def happen_at_the_next_read() -> None:
        shop.inventory.levels.meanwhile = happen

    # the cart shows the levels, and placing the order reads them again
    shop.inventory.levels.meanwhile = happen if read == "the cart" else happen_at_the_next_read
    with pytest.raises(Conflict) as refused:
        shop.service.place(ASHA, HOME)
    expected = [(f"items.{tea.id}", code)] if code else []
    assert [(error.field, error.code) for error in refused.value.errors] == expected
    assert refused.value.code == ("ITEMS_UNAVAILABLE" if code else "STALE_WRITE")
    assert shop.orders.stored == {}
    assert shop.outbox.events == []
    assert shop.catalogue.stock_of(rice.id) == 5
    assert len(shop.carts.stored_cart("asha").lines) == 2


def test_a_crash_while_placing_leaves_nothing_behind(shop: LittleShop) -> None:
    shop.carts.add("asha", shop.catalogue.sell().id, 1)
    before = state_of(shop)
    shop.is_crashing = True
    with pytest.raises(Crash):
        shop.service.place(ASHA, HOME, KEY)
    assert state_of(shop) == before
    shop.is_crashing = False
    assert shop.service.place(ASHA, HOME, KEY).status is OrderStatus.PENDING


# --- idempotency


def test_the_same_key_returns_the_same_order(shop: LittleShop) -> None:
    shop.carts.add("asha", shop.catalogue.sell().id, 1)
    first = shop.service.place(ASHA, HOME, KEY)
    assert shop.service.place(ASHA, HOME, KEY) == first
    assert len(shop.orders.stored) == len(shop.outbox.of(OrderPlaced)) == 1


def test_the_same_key_with_another_body_is_refused(shop: LittleShop) -> None:
    shop.carts.add("asha", shop.catalogue.sell().id, 1)
    shop.service.place(ASHA, HOME, KEY)
    with pytest.raises(RuleViolated):
        shop.service.place(ASHA, HOME, IdempotencyKey(KEY.scope, "another fingerprint"))


def test_a_refused_order_does_not_use_its_key(shop: LittleShop) -> None:
    with pytest.raises(Invalid):
        shop.service.place(ASHA, HOME, KEY)
    shop.carts.add("asha", shop.catalogue.sell().id, 1)
    assert shop.service.place(ASHA, HOME, KEY).status is OrderStatus.PENDING


@pytest.mark.parametrize("moment", ["before the cart is read", "after everything was read"])
def test_two_copies_of_a_request_at_once_create_one_order(shop: LittleShop, moment: str) -> None:
    shop.carts.add("asha", shop.catalogue.sell().id, 1)
    winner: list[Order] = []
    is_first = moment == "before the cart is read"
    owner, name = (shop.carts.carts if is_first else shop.address_book), "find"
    original = getattr(owner, name)

    def call_after_a_copy(*arguments: object) -> object:
        setattr(owner, name, original)
        winner.append(shop.service.place(ASHA, HOME, KEY))
        return original(*arguments) if is_first else HOME

    setattr(owner, name, call_after_a_copy)
    destination = HOME if is_first else "home"
    assert [shop.service.place(ASHA, destination, KEY)] == winner
    assert len(shop.orders.stored) == 1


# --- reading


def test_only_customer_sellers_and_admins_see_an_order(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert shop.service.get_order(order.id, ASHA) == order
    assert shop.service.get_order(order.id, a_caller(Role.SELLER, "seller")).lines == order.lines
    assert shop.service.get_order(order.id, a_caller(Role.ADMIN)) == order
    for stranger in (a_caller(), a_caller(Role.SELLER)):
        with pytest.raises(NotFound):
            shop.service.get_order(order.id, stranger)


@pytest.mark.parametrize("order_id", ["nonsense", "0" * 26, "x" * 5000])
def test_unknown_and_malformed_ids_are_not_found(shop: LittleShop, order_id: str) -> None:
    with pytest.raises(NotFound):
        shop.service.get_order(order_id, ASHA)


# --- paying


def test_only_the_customer_s_own_pending_order_can_be_paid(
    shop: LittleShop, clock: FrozenClock
) -> None:
    order = shop.places(ASHA)
    assert shop.service.get_payable_order(order.id, "asha") == order
    with pytest.raises(NotFound):
        shop.service.get_payable_order(order.id, "ravi")
    clock.advance(RESERVATION)
    with pytest.raises(Conflict, match="expired"):
        shop.service.get_payable_order(order.id, "asha")
    shop.service.confirm(order.id)
    with pytest.raises(Conflict, match="CONFIRMED"):
        shop.service.get_payable_order(order.id, "asha")


def test_a_completed_payment_confirms_the_order_once(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    shop.service.confirm(order.id)
    shop.service.confirm(order.id)
    confirmed = shop.orders.stored[order.id]
    assert (confirmed.status, confirmed.reserved_until) == (OrderStatus.CONFIRMED, None)
    assert [(step.status, step.by) for step in confirmed.timeline] == [
        (OrderStatus.PENDING, Actor.CUSTOMER),
        (OrderStatus.CONFIRMED, Actor.PAYMENT),
    ]
    assert len(shop.outbox.of(OrderConfirmed)) == 1


def test_a_late_payment_does_not_restore_a_cancelled_order(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    cancelled = shop.service.cancel(order.id, "asha")
    for _ in range(2):
        shop.service.confirm(order.id)
    known = shop.orders.stored[order.id]
    assert known.status is OrderStatus.CANCELLED
    assert known.timeline == cancelled.timeline
    assert known.payment_status is PaymentStatus.REFUND_PENDING
    assert shop.outbox.of(OrderConfirmed) == []


def test_a_payment_of_an_unknown_order_is_an_error(shop: LittleShop) -> None:
    with pytest.raises(NotFound):
        shop.service.confirm("0" * 26)


def test_only_a_pending_order_is_confirmed_if_pending(shop: LittleShop) -> None:
    pending, cancelled = shop.places(ASHA), brought_to(shop, OrderStatus.CANCELLED)
    assert shop.service.confirm_if_pending(pending.id) is True
    assert shop.orders.stored[pending.id].status is OrderStatus.CONFIRMED
    assert shop.service.confirm_if_pending(pending.id) is False
    with pytest.raises(Cancelled):
        shop.service.confirm_if_pending(cancelled.id)
    assert shop.orders.stored[cancelled.id] == cancelled
    assert len(shop.outbox.of(OrderConfirmed)) == 1


class ConcurrentOrders(InMemoryOrders):
    """Runs another change between the read and the next write."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile: Callable[[], object] | None = meanwhile

    def save(
        self, read: Order, order: Order, unchanged: Collection[str], transaction: Transaction
    ) -> None:
        if meanwhile := self._meanwhile:
            self._meanwhile = None
            meanwhile()
        super().save(read, order, unchanged, transaction)


def run_before_the_next_write(shop: LittleShop, meanwhile: Callable[[], object]) -> None:
    orders = ConcurrentOrders(meanwhile)
    orders.stored, orders.reserved = shop.orders.stored, shop.orders.reserved
    shop.service = replace(shop.service, orders=orders)


def test_two_confirmations_at_once_confirm_once(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    run_before_the_next_write(shop, lambda: shop.service.confirm(order.id))
    shop.service.confirm(order.id)
    assert len(shop.outbox.of(OrderConfirmed)) == 1


def test_a_confirmation_during_a_cancellation_records_the_payment(
    shop: LittleShop,
) -> None:
    order = shop.places(ASHA)
    run_before_the_next_write(shop, lambda: shop.service.cancel(order.id, "asha"))
    shop.service.confirm(order.id)
    assert shop.orders.stored[order.id].status is OrderStatus.CANCELLED
    assert shop.orders.stored[order.id].payment_status is PaymentStatus.REFUND_PENDING
    assert shop.outbox.of(OrderConfirmed) == []


def test_an_expiry_during_a_payment_changes_nothing(shop: LittleShop, clock: FrozenClock) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    clock.advance(RESERVATION + GRACE)
    run_before_the_next_write(shop, lambda: shop.service.confirm(order.id))
    assert shop.service.expire(order.id) is Outcome.SKIPPED
    assert shop.orders.stored[order.id].status is OrderStatus.CONFIRMED
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 6


def test_an_order_whose_payment_is_complete_is_confirmed_instead_of_cancelled(
    shop: LittleShop, clock: FrozenClock
) -> None:
    """The event of the payment may be late for any length of time."""
    order = shop.places(ASHA, stock=10, quantity=4)
    shop.payments.states[order.id] = PaymentStatus.COMPLETED
    clock.advance(timedelta(days=1))
    assert shop.service.expire(order.id) is Outcome.CONFIRMED
    assert shop.orders.stored[order.id].status is OrderStatus.CONFIRMED
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 6
    shop.service.confirm(order.id)  # the event arrives
    assert len(shop.outbox.of(OrderConfirmed)) == 1


@pytest.mark.parametrize("status", [PaymentStatus.REFUND_PENDING, PaymentStatus.REFUNDED])
def test_an_order_whose_money_goes_back_waits_for_the_events(
    shop: LittleShop, clock: FrozenClock, status: PaymentStatus
) -> None:
    order = shop.places(ASHA)
    shop.payments.states[order.id] = status
    clock.advance(RESERVATION + GRACE)
    before = state_of(shop)
    assert shop.service.expire(order.id) is Outcome.POSTPONED
    assert state_of(shop) == before


@pytest.mark.parametrize("status", [PaymentStatus.PENDING, PaymentStatus.FAILED])
def test_an_order_with_an_unpaid_payment_expires(
    shop: LittleShop, clock: FrozenClock, status: PaymentStatus
) -> None:
    order = shop.places(ASHA)
    shop.payments.states[order.id] = status
    clock.advance(RESERVATION + GRACE)
    assert shop.service.expire(order.id) is Outcome.RELEASED


@pytest.mark.parametrize("status", [PaymentStatus.COMPLETED, PaymentStatus.FAILED])
def test_an_order_whose_payment_changes_during_the_expiry_is_not_cancelled(
    shop: LittleShop, clock: FrozenClock, status: PaymentStatus
) -> None:
    order = shop.places(ASHA)
    clock.advance(RESERVATION + GRACE)
    before = state_of(shop)
    shop.payments.meanwhile = lambda: shop.payments.states.update({order.id: status})
    assert shop.service.expire(order.id) is Outcome.SKIPPED
    assert state_of(shop) == before


@pytest.mark.parametrize("moment", ["before the check", "after the check"])
def test_an_order_whose_refund_is_not_known_yet_is_not_shipped(
    shop: LittleShop, moment: str
) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)

    def refund() -> None:
        shop.payments.states[order.id] = PaymentStatus.REFUND_PENDING

    if moment == "before the check":
        refund()
    else:
        shop.payments.meanwhile = refund
    before = state_of(shop)
    with pytest.raises(WrongStatus if moment == "before the check" else StaleWrite):
        shop.service.ship(order.id, None, SELLER)
    assert state_of(shop) == before


# --- payments and reservations


def open_payment(shop: LittleShop, order: Order, until: timedelta) -> Order:
    transaction = shop.begin()
    pay_until = shop.service.clock() + until
    shop.service.open_payment(order.id, order.customer.user_id, pay_until, transaction)
    transaction.commit()
    return shop.orders.stored[order.id]


def test_the_first_payment_extends_the_reservation_and_no_other_does(
    shop: LittleShop, clock: FrozenClock
) -> None:
    order = shop.places(ASHA)
    assert OrderView.model_validate(order).payment.pay_until is None
    clock.advance(RESERVATION - timedelta(seconds=1))
    opened = open_payment(shop, order, timedelta(minutes=12))
    assert opened.reserved_until == opened.pay_until == clock() + timedelta(minutes=12)
    assert OrderView.model_validate(opened).payment.pay_until == opened.pay_until
    clock.advance(timedelta(minutes=11))
    assert open_payment(shop, order, timedelta(minutes=12)) == opened
    clock.advance(timedelta(minutes=1) + GRACE - timedelta(seconds=1))
    assert shop.service.expire(order.id) is Outcome.SKIPPED
    clock.advance(timedelta(seconds=1))
    assert expired(shop, clock) == [order.id]
    assert shop.service.expire(order.id) is Outcome.RELEASED
    assert OrderView.model_validate(shop.orders.stored[order.id]).payment.pay_until is None


def test_no_payment_is_opened_for_an_order_that_is_cancelled_meanwhile(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    run_before_the_next_write(shop, lambda: shop.service.cancel(order.id, "asha"))
    with pytest.raises(StaleWrite):
        open_payment(shop, order, RESERVATION)
    with pytest.raises(Cancelled):
        open_payment(shop, order, RESERVATION)
    assert shop.orders.stored[order.id].pay_until is None


@pytest.mark.parametrize(
    ("price", "message"),
    [
        (rupees(0), r"1\.00 INR.*1\.00 INR is missing"),
        (Money(50, Currency.INR), r"1\.00 INR.*0\.50 INR is missing"),
        (Money(50_000_001, Currency.INR), r"500000\.00 INR.*0\.01 INR is too much"),
        (Money(99, Currency.USD), r"1\.00 USD.*0\.01 USD is missing"),
    ],
)
def test_a_total_that_cannot_be_paid_is_refused_with_the_difference(
    shop: LittleShop, price: Money, message: str
) -> None:
    product = shop.catalogue.sell(price=price)
    shop.carts.add("asha", product.id, 1)
    before = state_of(shop)
    with pytest.raises(TotalNotPayable, match=message):
        shop.service.place(ASHA, HOME)
    assert state_of(shop) == before


@pytest.mark.parametrize("minor", [100, 50_000_000])
def test_the_smallest_and_the_largest_total_can_be_ordered(shop: LittleShop, minor: int) -> None:
    product = shop.catalogue.sell(price=Money(minor, Currency.INR))
    shop.carts.add("asha", product.id, 1)
    assert shop.service.place(ASHA, HOME).pricing.total.minor == minor


# --- limits


def limited(clock: FrozenClock, orders: int = 3, pieces: int = 10) -> LittleShop:
    return LittleShop(
        clock,
        limits=ReservationLimits(orders, pieces),
        unverified=ReservationLimits(orders - 1, pieces - 4),
    )


def place_until_refused(shop: LittleShop, customer: Caller, quantity: int = 1) -> int:
    for placed in range(100):
        try:
            shop.places(customer, quantity=quantity)
        except TooManyReservations:
            return placed
    return 100


def test_open_orders_are_limited_and_more_so_without_a_verified_address(
    clock: FrozenClock,
) -> None:
    shop = limited(clock)
    shop.customers.verified = {"ravi"}
    assert place_until_refused(shop, ASHA) == 2
    assert place_until_refused(shop, a_caller(user_id="ravi")) == 3
    assert place_until_refused(shop, ADMIN) == 100


def test_reserved_pieces_are_limited_whatever_one_order_has(clock: FrozenClock) -> None:
    shop = limited(clock, orders=100)
    assert place_until_refused(shop, ASHA, quantity=5) == 1
    # the refused pieces are still in the cart
    assert place_until_refused(shop, a_caller(user_id="ravi"), quantity=7) == 0


@pytest.mark.parametrize("how", ["cancelled", "expired", "paid", "refunded"])
def test_an_order_that_is_not_open_any_more_makes_room(clock: FrozenClock, how: str) -> None:
    shop = limited(clock, orders=2)
    order = shop.places(ASHA)
    with pytest.raises(TooManyReservations) as refused:
        shop.places(ASHA)
    assert refused.value.code == "TOO_MANY_RESERVATIONS"
    assert refused.value.retry_after == RESERVATION.total_seconds()
    if how == "cancelled":
        shop.service.cancel(order.id, "asha")
    elif how == "expired":
        clock.advance(RESERVATION + GRACE)
        shop.service.expire(order.id)
    elif how == "paid":
        shop.service.confirm(order.id)
    else:
        shop.service.mark_refunded(order.id)
    assert shop.orders.reserved["asha"] == (0, 0)
    for _ in range(2):  # events that arrive again make no more room
        shop.service.confirm(order.id)
        shop.service.mark_refunded(order.id)
    assert shop.orders.reserved["asha"] == (0, 0)
    assert shop.service.place(ASHA, HOME).status is OrderStatus.PENDING


# --- cancelling and expiring


def test_cancelling_releases_the_stock_and_emits_an_event(shop: LittleShop) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    cancelled = shop.service.cancel(order.id, "asha")
    assert cancelled == shop.orders.stored[order.id]
    assert (cancelled.status, cancelled.reserved_until) == (OrderStatus.CANCELLED, None)
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 10
    (event,) = shop.outbox.of(OrderCancelled)
    assert isinstance(event, OrderCancelled)
    assert (event.cancelled_by, event.was_paid) == ("customer", False)


def test_cancelling_releases_the_stock_of_a_withdrawn_product(shop: LittleShop) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    shop.catalogue.withdraw(shop.catalogue.on_sale[order.lines[0].product_id])
    shop.service.cancel(order.id, "asha")
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 10
    assert shop.catalogue.shelf_of(order.lines[0].product_id) == (10, 0)


def test_shipping_removes_the_reserved_stock_from_the_shelf(shop: LittleShop) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    shop.service.confirm(order.id)
    assert shop.catalogue.shelf_of(order.lines[0].product_id) == (10, 4)
    shop.service.ship(order.id, None, SELLER)
    assert shop.catalogue.shelf_of(order.lines[0].product_id) == (6, 0)
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 6
    shop.service.deliver(order.id, None, SELLER)
    assert shop.catalogue.shelf_of(order.lines[0].product_id) == (6, 0)


def test_shipping_removes_the_stock_of_a_withdrawn_product(shop: LittleShop) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    shop.service.confirm(order.id)
    shop.catalogue.withdraw(shop.catalogue.on_sale[order.lines[0].product_id])
    shop.service.ship(order.id, None, SELLER)
    assert shop.catalogue.shelf_of(order.lines[0].product_id) == (6, 0)


def test_an_order_is_cancelled_once_and_only_by_its_customer(shop: LittleShop) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    with pytest.raises(NotFound):
        shop.service.cancel(order.id, "ravi")
    shop.service.cancel(order.id, "asha")
    with pytest.raises(Conflict):
        shop.service.cancel(order.id, "asha")
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 10
    assert len(shop.outbox.of(OrderCancelled)) == 1


def test_cancelling_a_paid_order_releases_the_stock_and_makes_a_refund_pending(
    shop: LittleShop,
) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    shop.service.confirm(order.id)
    cancelled = shop.service.cancel(order.id, "asha")
    assert cancelled == shop.orders.stored[order.id]
    assert cancelled.payment_status is PaymentStatus.REFUND_PENDING
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 10
    (event,) = shop.outbox.of(OrderCancelled)
    assert isinstance(event, OrderCancelled)
    assert (event.cancelled_by, event.was_paid) == ("customer", True)


def test_the_cancellation_of_a_paid_order_is_audited(shop: LittleShop) -> None:
    by_asha, by_refund = (brought_to(shop, OrderStatus.CONFIRMED) for _ in range(2))
    unpaid = shop.places(ASHA)
    shop.service.cancel(unpaid.id, "asha")
    assert shop.audit.entries == []
    shop.service.cancel(by_asha.id, "asha")
    shop.service.mark_refunded(by_refund.id)
    number = {"trackingNumber": None}
    before = {"status": "CONFIRMED", "paymentStatus": "COMPLETED", **number}
    refunding = {"status": "CANCELLED", "paymentStatus": "REFUND_PENDING", **number}
    refunded = {"status": "CANCELLED", "paymentStatus": "REFUNDED", **number}
    assert shop.audit.entries == [
        Audited(f"order#{by_asha.id}", "order cancelled", "asha", before, refunding),
        Audited(f"order#{by_refund.id}", "order cancelled", "payment", before, refunded),
    ]


@pytest.mark.parametrize("status", [OrderStatus.SHIPPED, OrderStatus.DELIVERED])
def test_a_shipped_order_cannot_be_cancelled(shop: LittleShop, status: OrderStatus) -> None:
    order = brought_to(shop, status)
    before = state_of(shop)
    with pytest.raises(Conflict, match=status):
        shop.service.cancel(order.id, "asha")
    assert state_of(shop) == before


# --- refunds


def test_the_refund_of_a_cancelled_order_is_recorded_once(
    shop: LittleShop, clock: FrozenClock
) -> None:
    order = shop.places(ASHA)
    shop.service.confirm(order.id)
    shop.service.cancel(order.id, "asha")
    shop.service.mark_refunded(order.id)
    closed = shop.orders.stored[order.id]
    clock.advance(timedelta(hours=1))
    shop.service.mark_refunded(order.id)
    shop.service.confirm(order.id)
    assert shop.orders.stored[order.id] == closed
    assert closed.payment_status is PaymentStatus.REFUNDED
    assert len(shop.outbox.of(OrderCancelled)) == 1


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.CONFIRMED])
def test_a_refunded_order_that_was_not_shipped_is_cancelled(
    shop: LittleShop, status: OrderStatus
) -> None:
    order = brought_to(shop, status)
    shop.service.mark_refunded(order.id)
    shop.service.confirm(order.id)
    known = shop.orders.stored[order.id]
    assert (known.status, known.timeline[-1].by) == (OrderStatus.CANCELLED, Actor.ADMIN)
    assert known.payment_status is PaymentStatus.REFUNDED
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 10
    (event,) = shop.outbox.of(OrderCancelled)
    assert isinstance(event, OrderCancelled)
    assert event.cancelled_by == "admin"


@pytest.mark.parametrize("status", [OrderStatus.SHIPPED, OrderStatus.DELIVERED])
def test_a_refunded_order_that_was_shipped_keeps_its_state(
    shop: LittleShop, status: OrderStatus
) -> None:
    order = brought_to(shop, status)
    shop.service.mark_refunded(order.id)
    known = shop.orders.stored[order.id]
    assert (known.status, known.payment_status) == (status, PaymentStatus.REFUNDED)
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 9
    assert shop.outbox.of(OrderCancelled) == []


def test_a_refund_during_shipping_leaves_the_order_shipped(
    shop: LittleShop,
) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    run_before_the_next_write(shop, lambda: shop.service.ship(order.id, None, SELLER))
    shop.service.mark_refunded(order.id)
    known = shop.orders.stored[order.id]
    assert (known.status, known.payment_status) == (OrderStatus.SHIPPED, PaymentStatus.REFUNDED)
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 9


# --- shipping and delivering


def brought_to(shop: LittleShop, status: OrderStatus) -> Order:
    """Return an order of Asha for one of ten pieces, in the state."""
    order = shop.places(ASHA, stock=10)
    if status is OrderStatus.CANCELLED:
        shop.service.cancel(order.id, "asha")
    if status in {OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED}:
        shop.service.confirm(order.id)
    if status in {OrderStatus.SHIPPED, OrderStatus.DELIVERED}:
        shop.service.ship(order.id, None, SELLER)
    if status is OrderStatus.DELIVERED:
        shop.service.deliver(order.id, None, SELLER)
    return shop.orders.stored[order.id]


@pytest.mark.parametrize(
    ("refunded", "pending", "can_be_shipped"), [(0, 9, True), (0, 10, False), (4, 6, False)]
)
def test_an_order_that_is_fully_refunding_cannot_be_shipped(
    shop: LittleShop, refunded: int, pending: int, *, can_be_shipped: bool
) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    tenth = order.pricing.total.minor // 10
    amounts = [Money(tenths * tenth, Currency.INR) for tenths in (refunded, pending)]
    shop.service.update_refund_summary(order.id, RefundSummary(amounts[0], amounts[1], 3))
    shown = shop.service.get_order(order.id, ASHA)
    status = PaymentStatus.COMPLETED if can_be_shipped else PaymentStatus.REFUND_PENDING
    assert shown.payment_status is status
    if can_be_shipped:
        shop.service.ship(order.id, None, SELLER)
        return
    with pytest.raises(Conflict):
        shop.service.ship(order.id, None, SELLER)
    # the refund failed
    nothing = Money.zero(Currency.INR)
    shop.service.update_refund_summary(order.id, RefundSummary(nothing, nothing, 4))
    assert shop.service.ship(order.id, None, SELLER).status is OrderStatus.SHIPPED


def test_a_partial_refund_is_visible_to_the_customer_only(shop: LittleShop) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    summary = RefundSummary(Money.zero(Currency.INR), Money(100, Currency.INR), 3)
    shop.service.update_refund_summary(order.id, summary)
    assert shop.service.get_order(order.id, ASHA).refund_summary == summary
    assert shop.service.get_order(order.id, SELLER).refund_summary is None


def test_a_seller_sees_that_an_order_is_fully_refunding_without_the_amounts(
    shop: LittleShop,
) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    shop.service.update_refund_summary(
        order.id, RefundSummary(Money.zero(Currency.INR), order.pricing.total, 3)
    )
    for caller in (ASHA, SELLER):
        seen = shop.service.get_order(order.id, caller)
        assert seen.payment_status is PaymentStatus.REFUND_PENDING
        # the amounts include tax, shipping and lines of other sellers
        assert (OrderView.model_validate(seen).refunds is None) is (caller is SELLER)


@pytest.mark.parametrize(("caller", "by"), [(SELLER, Actor.SELLER), (ADMIN, Actor.ADMIN)])
def test_an_order_is_shipped_and_delivered_by_its_seller_or_an_admin(
    shop: LittleShop, caller: Caller, by: Actor
) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    shipped = shop.service.ship(order.id, "DTDC-4711", caller)
    delivered = shop.service.deliver(order.id, None, caller)
    assert (shipped.status, delivered.status) == (OrderStatus.SHIPPED, OrderStatus.DELIVERED)
    known = shop.orders.stored[order.id]
    assert [step.by for step in known.timeline[-2:]] == [by, by]
    assert known.tracking_number == "DTDC-4711"
    (left,), (arrived,) = shop.outbox.of(OrderShipped), shop.outbox.of(OrderDelivered)
    assert isinstance(left, OrderShipped)
    assert isinstance(arrived, OrderDelivered)
    assert left.tracking_number == arrived.tracking_number == "DTDC-4711"
    assert left.lines[0].seller_id == "seller"
    assert (left.placed_at, left.shipped_at) == (order.created_at, known.timeline[-2].at)


def test_shipping_and_delivering_are_audited(shop: LittleShop) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    shop.service.ship(order.id, "DTDC-4711", SELLER)
    shop.service.deliver(order.id, None, ADMIN)
    subject, number = f"order#{order.id}", "trackingNumber"
    paid = {"paymentStatus": "COMPLETED"}
    assert shop.audit.entries == [
        Audited(
            subject,
            "order shipped",
            "seller",
            {"status": "CONFIRMED", **paid, number: None},
            {"status": "SHIPPED", **paid, number: "DTDC-4711"},
        ),
        Audited(
            subject,
            "order delivered",
            "admin",
            {"status": "SHIPPED", **paid, number: "DTDC-4711"},
            {"status": "DELIVERED", **paid, number: "DTDC-4711"},
        ),
    ]


def test_a_crash_while_shipping_changes_nothing(shop: LittleShop) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    before = state_of(shop)
    shop.is_crashing = True
    with pytest.raises(Crash):
        shop.service.ship(order.id, None, SELLER)
    assert state_of(shop) == before
    assert shop.audit.entries == []


@pytest.mark.parametrize("act", ["ship", "deliver"])
@pytest.mark.parametrize("status", OrderStatus)
def test_shipping_and_delivering_follow_the_transitions(
    shop: LittleShop, act: str, status: OrderStatus
) -> None:
    order = brought_to(shop, status)
    to = {"ship": OrderStatus.SHIPPED, "deliver": OrderStatus.DELIVERED}[act]
    before = state_of(shop)
    if to in TRANSITIONS[status]:
        assert getattr(shop.service, act)(order.id, None, SELLER).status is to
    else:
        with pytest.raises(Conflict, match=status):
            getattr(shop.service, act)(order.id, None, SELLER)
        assert state_of(shop) == before


@pytest.mark.parametrize("act", ["ship", "deliver"])
def test_a_seller_of_some_lines_cannot_ship_or_deliver_the_order(
    shop: LittleShop, act: str
) -> None:
    order = shop.places(ASHA, sellers=("seller", "meera"))
    shop.service.confirm(order.id)
    if act == "deliver":
        shop.service.ship(order.id, None, ADMIN)
    before = state_of(shop)
    with pytest.raises(Forbidden):
        getattr(shop.service, act)(order.id, None, SELLER)
    with pytest.raises(NotFound):
        getattr(shop.service, act)(order.id, None, a_caller(Role.SELLER, "ravi"))
    assert state_of(shop) == before
    assert getattr(shop.service, act)(order.id, None, ADMIN).lines == order.lines


def test_a_seller_who_ships_gets_only_the_seller_s_view(clock: FrozenClock) -> None:
    shop = LittleShop(clock, CHARGES)
    order = brought_to(shop, OrderStatus.CONFIRMED)
    assert shop.service.ship(order.id, None, SELLER).pricing.total == order.pricing.subtotal


def test_a_shipping_during_a_cancellation_is_refused(shop: LittleShop) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    run_before_the_next_write(shop, lambda: shop.service.cancel(order.id, "asha"))
    with pytest.raises(StaleWrite):
        shop.service.ship(order.id, None, SELLER)
    assert shop.orders.stored[order.id].status is OrderStatus.CANCELLED
    assert [entry.action for entry in shop.audit.entries] == ["order cancelled"]
    assert shop.outbox.of(OrderShipped) == []


def test_a_crash_while_cancelling_changes_nothing(shop: LittleShop) -> None:
    order = brought_to(shop, OrderStatus.CONFIRMED)
    before = state_of(shop)
    shop.is_crashing = True
    with pytest.raises(Crash):
        shop.service.cancel(order.id, "asha")
    assert state_of(shop) == before
    assert shop.audit.entries == []


def test_an_expired_reservation_is_released_once(shop: LittleShop, clock: FrozenClock) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    clock.advance(RESERVATION + GRACE - timedelta(milliseconds=1))
    assert expired(shop, clock) == []
    assert shop.service.expire(order.id) is Outcome.SKIPPED
    clock.advance(timedelta(milliseconds=1))
    assert expired(shop, clock) == [order.id]
    assert shop.service.expire(order.id) is Outcome.RELEASED
    assert shop.service.expire(order.id) is Outcome.SKIPPED
    assert expired(shop, clock) == []
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 10
    (event,) = shop.outbox.of(OrderCancelled)
    assert isinstance(event, OrderCancelled)
    assert event.cancelled_by == "expiry"


def test_an_order_that_was_paid_in_its_last_second_is_not_cancelled(
    shop: LittleShop, clock: FrozenClock
) -> None:
    order = shop.places(ASHA)
    clock.advance(RESERVATION - timedelta(seconds=1))
    assert shop.service.get_payable_order(order.id, "asha") == order
    clock.advance(timedelta(seconds=30))  # the event of its payment is on its way
    assert expired(shop, clock) == []
    assert shop.service.expire(order.id) is Outcome.SKIPPED
    with pytest.raises(Conflict, match="expired"):
        shop.service.get_payable_order(order.id, "asha")
    shop.service.confirm(order.id)
    assert shop.orders.stored[order.id].status is OrderStatus.CONFIRMED


# --- address


def test_an_address_change_is_stored_and_emits_an_event(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    changed = shop.service.change_address(order.id, "asha", {"street": "1 Park Street"})
    assert changed == shop.orders.stored[order.id]
    assert changed.shipping_address.city == HOME.city
    (event,) = shop.outbox.of(OrderAddressChanged)
    assert isinstance(event, OrderAddressChanged)
    assert (event.seller_ids, event.shipping_address.street) == (["seller"], "1 Park Street")


def test_the_same_address_is_no_change(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert shop.service.change_address(order.id, "asha", {"street": HOME.street}) == order
    assert shop.outbox.of(OrderAddressChanged) == []


def test_the_address_of_another_customer_s_order_cannot_be_changed(shop: LittleShop) -> None:
    with pytest.raises(NotFound):
        shop.service.change_address(shop.places(ASHA).id, "ravi", {"street": "Thief Lane"})


class StaleOrders(InMemoryOrders):
    """Reads an order as it was before its last change."""

    def __init__(self, stored: dict[str, Order], stale: Order) -> None:
        super().__init__()
        self.stored = stored
        self._stale = stale

    def find(self, order_id: str) -> Order | None:
        return self._stale


def test_of_two_address_changes_at_once_one_is_refused(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    shop.service.change_address(order.id, "asha", {"street": "1 Park Street"})
    shop.service = replace(shop.service, orders=StaleOrders(shop.orders.stored, order))
    with pytest.raises(StaleWrite):
        shop.service.change_address(order.id, "asha", {"city": "Kolkata"})
    assert shop.orders.stored[order.id].shipping_address.city == HOME.city


# --- conservation


EVENT_OF: dict[OrderStatus, type[Event]] = {
    OrderStatus.PENDING: OrderPlaced,
    OrderStatus.CONFIRMED: OrderConfirmed,
    OrderStatus.SHIPPED: OrderShipped,
    OrderStatus.DELIVERED: OrderDelivered,
    OrderStatus.CANCELLED: OrderCancelled,
}


FEW = ReservationLimits(2, 6)


class StockIsConserved(RuleBasedStateMachine):
    """After any sequence of use cases and crashes open orders hold what they reserved, and shipped
    ones have taken it from the shelf.
    """

    @initialize(stocks=st.lists(st.integers(0, 8), min_size=1, max_size=3))
    def open_shop(self, stocks: list[int]) -> None:
        self.clock = FrozenClock()
        self.shop = LittleShop(self.clock, limits=FEW, unverified=FEW)
        self.begun_with = {self.shop.catalogue.sell(stock).id: stock for stock in stocks}
        self.orders: list[Order] = []

    def attempt(self, act: Callable[[], object], *, crash: bool = False) -> None:
        self.shop.is_crashing = crash
        try:
            act()
        except (DomainError, Crash):
            pass
        finally:
            self.shop.is_crashing = False

    @rule(data=st.data(), quantity=st.integers(1, 4), crash=st.booleans())
    def place(self, data: st.DataObject, quantity: int, crash: bool) -> None:
        for product_id in data.draw(st.sets(st.sampled_from(sorted(self.begun_with)), min_size=1)):
            self.attempt(partial(self.shop.carts.add, "asha", product_id, quantity))
        self.attempt(lambda: self.orders.append(self.shop.service.place(ASHA, HOME)), crash=crash)

    @rule(data=st.data(), crash=st.booleans())
    def cancel(self, data: st.DataObject, crash: bool) -> None:
        order_id = self.some_order(data)
        self.attempt(lambda: self.shop.service.cancel(order_id, "asha"), crash=crash)

    @rule(data=st.data(), crash=st.booleans())
    def confirm(self, data: st.DataObject, crash: bool) -> None:
        order_id = self.some_order(data)
        self.attempt(lambda: self.shop.service.confirm(order_id), crash=crash)

    @rule(data=st.data(), crash=st.booleans())
    def refund(self, data: st.DataObject, crash: bool) -> None:
        order_id = self.some_order(data)
        self.attempt(lambda: self.shop.service.mark_refunded(order_id), crash=crash)

    @rule(data=st.data(), crash=st.booleans(), act=st.sampled_from(["ship", "deliver"]))
    def fulfil(self, data: st.DataObject, crash: bool, act: str) -> None:
        order_id, fulfil = self.some_order(data), getattr(self.shop.service, act)
        self.attempt(lambda: fulfil(order_id, None, SELLER), crash=crash)

    @rule(minutes=st.integers(0, 20), crash=st.booleans())
    def expire(self, minutes: int, crash: bool) -> None:
        self.clock.advance(timedelta(minutes=minutes))
        for order_id in expired(self.shop, self.clock):
            self.attempt(partial(self.shop.service.expire, order_id), crash=crash)

    @rule(data=st.data(), crash=st.booleans())
    def open_payment(self, data: st.DataObject, crash: bool) -> None:
        order_id, until = self.some_order(data), self.clock() + RESERVATION

        def act() -> None:
            transaction = self.shop.begin()
            self.shop.service.open_payment(order_id, "asha", until, transaction)
            transaction.commit()

        self.attempt(act, crash=crash)

    def some_order(self, data: st.DataObject) -> str:
        ids = [order.id for order in self.orders] or ["0" * 26]
        return data.draw(st.sampled_from(ids))

    @invariant()
    def every_unit_is_in_stock_or_ordered(self) -> None:
        reserved = self.ordered(OrderStatus.PENDING, OrderStatus.CONFIRMED)
        shipped = self.ordered(OrderStatus.SHIPPED, OrderStatus.DELIVERED)
        for product_id, stock in self.begun_with.items():
            on_hand = stock - shipped[product_id]
            assert self.shop.catalogue.shelf_of(product_id) == (on_hand, reserved[product_id])
            assert self.shop.catalogue.stock_of(product_id) == on_hand - reserved[product_id] >= 0

    def ordered(self, *statuses: OrderStatus) -> Counter[str]:
        """Return the quantity of each product in the orders with these statuses."""
        found: Counter[str] = Counter()
        for order in self.shop.orders.stored.values():
            if order.status in statuses:
                found.update({line.product_id: line.quantity for line in order.lines})
        return found

    @invariant()
    def what_a_customer_reserves_is_counted_and_limited(self) -> None:
        stored = self.shop.orders.stored.values()
        open_orders = [order for order in stored if order.status is OrderStatus.PENDING]
        pieces = sum(line.quantity for order in open_orders for line in order.lines)
        assert self.shop.orders.reserved["asha"] == (len(open_orders), pieces)
        assert len(open_orders) <= FEW.orders
        assert pieces <= FEW.pieces

    @invariant()
    def every_transition_has_an_event(self) -> None:
        steps = [
            step.status for order in self.shop.orders.stored.values() for step in order.timeline
        ]
        for status, event in EVENT_OF.items():
            assert len(self.shop.outbox.of(event)) == steps.count(status)

    @invariant()
    def fulfilments_and_cancellations_of_paid_orders_are_audited(self) -> None:
        expected = Counter(
            f"order#{event.order_id}"
            for event in self.shop.outbox.events
            if isinstance(event, OrderShipped | OrderDelivered)
            or (isinstance(event, OrderCancelled) and event.was_paid)
        )
        assert Counter(entry.subject for entry in self.shop.audit.entries) == expected

    @invariant()
    def confirmed_and_fulfilled_orders_are_paid(self) -> None:
        for order in self.shop.orders.stored.values():
            if order.status is OrderStatus.CONFIRMED:
                assert order.payment_status is PaymentStatus.COMPLETED
            if order.status in {OrderStatus.SHIPPED, OrderStatus.DELIVERED}:
                assert order.is_paid

    @invariant()
    def timelines_follow_the_transitions(self) -> None:
        for order in self.shop.orders.stored.values():
            history = [step.status for step in order.timeline]
            assert all(after in TRANSITIONS[before] for before, after in pairwise(history))
            assert history[-1] is order.status


TestStockIsConserved = StockIsConserved.TestCase
