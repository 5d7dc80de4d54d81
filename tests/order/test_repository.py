"""Orders in memory and in DynamoDB: the same tests for both."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from conftest import FrozenClock
from order.model import Actor, Order, OrderStatus, RefundSummary
from order.ports import Orders
from order.repository import ROWS_PER_PAGE, DynamoOrders, OrderRow
from order.service import STATE
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction
from support.in_memory import InMemoryTransaction
from support.order import RESERVATION, InMemoryOrders, an_order

type Change = Callable[[Transaction], None]


@pytest.fixture(params=["in memory", "DynamoDB"])
def orders(request: pytest.FixtureRequest) -> Orders:
    if request.param == "in memory":
        return InMemoryOrders()
    request.getfixturevalue("aws")
    return DynamoOrders()


def commit(orders: Orders, *changes: Change) -> None:
    transaction: Transaction = (
        DynamoTransaction() if isinstance(orders, DynamoOrders) else InMemoryTransaction([])
    )
    for change in changes:
        change(transaction)
    transaction.commit()


def add(orders: Orders, order: Order) -> Order:
    commit(orders, lambda transaction: orders.add(order, transaction))
    return order


def save_transition(orders: Orders, read: Order, order: Order) -> None:
    commit(orders, lambda transaction: orders.save(read, order, STATE, transaction))


def save_address(orders: Orders, read: Order, order: Order) -> None:
    unchanged = ("status", "shipping_address")
    commit(orders, lambda transaction: orders.save(read, order, unchanged, transaction))


def save_payment_info(orders: Orders, read: Order, order: Order) -> None:
    commit(orders, lambda transaction: orders.save(read, order, ("status",), transaction))


def save_refund_summary(orders: Orders, read: Order, order: Order) -> None:
    unchanged = ("refund_summary",)
    commit(orders, lambda transaction: orders.save(read, order, unchanged, transaction))


def confirmed(order: Order) -> Order:
    return order.with_payment(order.created_at).with_status(
        OrderStatus.CONFIRMED, order.created_at, Actor.PAYMENT
    )


def cancelled(order: Order) -> Order:
    return order.with_status(OrderStatus.CANCELLED, order.created_at, Actor.CUSTOMER)


def test_an_order_is_found_as_it_was_stored(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock(), lines=3))
    assert orders.find(order.id) == order


def test_an_order_of_fifty_lines_is_found_complete(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock(), lines=50))
    assert orders.find(order.id) == order


def with_refund(order: Order, revision: int) -> Order:
    summary = RefundSummary(Money(100, Currency.INR), Money(revision, Currency.INR), revision)
    return order.with_refund_summary(summary, order.created_at + timedelta(minutes=revision))


def test_a_refund_summary_is_stored_unless_it_changed_since_the_read(
    orders: Orders, clock: FrozenClock
) -> None:
    order = add(orders, an_order(clock()))
    for newer in (with_refund(order, 3), with_refund(order, 4)):
        read = orders.find(order.id)
        assert read is not None
        save_refund_summary(orders, read, newer)
        assert orders.find(order.id) == newer
    with pytest.raises(StaleWrite):
        save_refund_summary(orders, order, with_refund(order, 5))
    with pytest.raises(StaleWrite):
        save_transition(orders, order, confirmed(order))
    kept = orders.find(order.id)
    assert kept is not None
    save_transition(orders, kept, confirmed(kept))
    assert orders.find(order.id) == confirmed(kept)


def test_an_unknown_order_is_not_found(orders: Orders) -> None:
    assert orders.find(new_id()) is None


def test_an_id_is_used_once(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    with pytest.raises(StaleWrite):
        add(orders, an_order(clock(), "another customer", order_id=order.id))
    assert orders.find(order.id) == order


def test_a_transition_from_the_state_that_was_read_is_stored(
    orders: Orders, clock: FrozenClock
) -> None:
    order = add(orders, an_order(clock(), lines=2))
    clock.advance(timedelta(minutes=1))
    moved = order.with_status(OrderStatus.CONFIRMED, clock(), Actor.PAYMENT)
    save_transition(orders, order, moved)
    assert orders.find(order.id) == moved


def test_payment_refund_and_tracking_number_are_stored(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    known = confirmed(order)
    save_transition(orders, order, known)
    clock.advance(timedelta(minutes=1))
    shipped = known.with_status(OrderStatus.SHIPPED, clock(), Actor.SELLER, "DTDC-4711")
    save_transition(orders, known, shipped)
    save_payment_info(orders, shipped, shipped.with_full_refund(clock()))
    assert orders.find(order.id) == shipped.with_full_refund(clock())


def test_payment_and_refund_that_cross_are_both_stored(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    read = cancelled(order)
    save_transition(orders, order, read)
    save_payment_info(orders, read, read.with_full_refund(clock()))
    save_payment_info(orders, read, read.with_payment(clock()))
    assert orders.find(order.id) == read.with_payment(clock()).with_full_refund(clock())


def test_payment_info_is_refused_after_a_transition(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    save_transition(orders, order, cancelled(order))
    with pytest.raises(StaleWrite):
        save_payment_info(orders, order, order.with_payment(clock()))
    assert orders.find(order.id) == cancelled(order)


def test_a_transition_is_refused_after_another_one(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    save_transition(orders, order, confirmed(order))
    with pytest.raises(StaleWrite):
        save_transition(orders, order, cancelled(order))
    assert orders.find(order.id) == confirmed(order)


def test_a_refused_transition_refuses_the_whole_transaction(
    orders: Orders, clock: FrozenClock
) -> None:
    order, other = add(orders, an_order(clock())), an_order(clock())
    save_transition(orders, order, confirmed(order))
    with pytest.raises(StaleWrite):
        commit(
            orders,
            lambda transaction: orders.add(other, transaction),
            lambda transaction: orders.save(order, cancelled(order), STATE, transaction),
        )
    assert orders.find(other.id) is None


def test_an_address_change_stores_nothing_else(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    moved = order.with_address_changes({"street": "1 Park Street"}, clock() + timedelta(minutes=1))
    save_address(orders, order, moved)
    assert orders.find(order.id) == moved


def test_an_address_change_is_refused_after_a_transition_or_another_change(
    orders: Orders, clock: FrozenClock
) -> None:
    moved, changed = add(orders, an_order(clock())), add(orders, an_order(clock()))
    save_transition(orders, moved, cancelled(moved))
    address = {"street": "1 Park Street"}
    save_address(orders, changed, changed.with_address_changes(address, clock()))
    for order in (moved, changed):
        before = orders.find(order.id)
        with pytest.raises(StaleWrite):
            save_address(orders, order, order.with_address_changes({"city": "Kolkata"}, clock()))
        assert orders.find(order.id) == before


def test_a_transition_does_not_undo_an_address_change(orders: Orders, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    moved = order.with_address_changes({"street": "1 Park Street"}, clock())
    save_address(orders, order, moved)
    save_transition(orders, order, confirmed(order))
    assert orders.find(order.id) == confirmed(moved)


def test_orders_are_listed_newest_first_page_by_page(orders: Orders, clock: FrozenClock) -> None:
    own = [add(orders, an_order(clock(), order_id=f"{n:026}")) for n in range(5)]
    add(orders, an_order(clock(), "another customer", order_id=f"{9:026}"))
    first = orders.list_by_customer("customer", None, None, 2)
    second = orders.list_by_customer("customer", None, first.next_before, 2)
    last = orders.list_by_customer("customer", None, second.next_before, 2)
    assert [*first.orders, *second.orders, *last.orders] == own[::-1]
    assert last.next_before is None


@pytest.mark.parametrize("limit", [3, 4])
def test_the_last_page_has_no_next_one(orders: Orders, clock: FrozenClock, limit: int) -> None:
    for _ in range(3):
        add(orders, an_order(clock()))
    page = orders.list_by_customer("customer", None, None, limit)
    assert (len(page.orders), page.next_before) == (3, None)


def test_a_list_can_be_filtered_by_state(orders: Orders, clock: FrozenClock) -> None:
    kept = [add(orders, an_order(clock(), order_id=f"{n:026}")) for n in range(6)]
    for order in kept[::2]:
        save_transition(orders, order, cancelled(order))
    expected = [order.id for order in kept[::2]][::-1]
    first = orders.list_by_customer("customer", OrderStatus.CANCELLED, None, 2)
    assert [order.id for order in first.orders] == expected[:2]
    second = orders.list_by_customer("customer", OrderStatus.CANCELLED, first.next_before, 2)
    assert [order.id for order in second.orders] == expected[2:]
    assert second.next_before is None
    assert orders.list_by_customer("customer", OrderStatus.SHIPPED, None, 2).orders == ()


def test_a_customer_without_orders_has_an_empty_list(orders: Orders) -> None:
    page = orders.list_by_customer("customer", None, None, 20)
    assert (page.orders, page.next_before) == ((), None)


def test_expired_reservations_are_listed_oldest_first(orders: Orders, clock: FrozenClock) -> None:
    kept = []
    for _ in range(3):
        kept.append(add(orders, an_order(clock())))
        clock.advance(timedelta(minutes=1))
    began = kept[0].created_at
    assert orders.list_expired(began + RESERVATION - timedelta(milliseconds=1), 10) == []
    assert orders.list_expired(began + RESERVATION, 10) == [kept[0].id]
    later = clock() + RESERVATION
    assert orders.list_expired(later, 10) == [order.id for order in kept]
    assert orders.list_expired(later, 2) == [order.id for order in kept[:2]]


def test_confirmed_and_cancelled_orders_have_no_reservation(
    orders: Orders, clock: FrozenClock
) -> None:
    paid, given_up = add(orders, an_order(clock())), add(orders, an_order(clock()))
    save_transition(orders, paid, confirmed(paid))
    save_transition(orders, given_up, cancelled(given_up))
    assert orders.list_expired(clock() + timedelta(days=1), 10) == []


@pytest.mark.usefixtures("aws")
def test_a_filtered_list_reads_a_limited_number_of_orders(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order.repository.ROWS_PER_PAGE", 3)
    assert ROWS_PER_PAGE > 3
    orders = DynamoOrders()
    kept = [add(orders, an_order(clock(), order_id=f"{n:026}")) for n in range(5)]
    save_transition(orders, kept[0], cancelled(kept[0]))
    first = orders.list_by_customer("customer", OrderStatus.CANCELLED, None, 2)
    assert (first.orders, first.next_before) == ((), kept[2].id)
    second = orders.list_by_customer("customer", OrderStatus.CANCELLED, first.next_before, 2)
    assert [order.id for order in second.orders] == [kept[0].id]
    assert second.next_before is None


@pytest.mark.usefixtures("aws")
def test_an_old_order_stays_readable_when_the_rules_of_addresses_change(
    clock: FrozenClock,
) -> None:
    orders, order = DynamoOrders(), an_order(clock())
    old = replace(order, shipping_address=replace(order.shipping_address, zip="once valid"))
    assert orders.find(add(orders, old).id) == old


@pytest.mark.usefixtures("aws")
def test_only_open_reservations_are_in_the_index(clock: FrozenClock) -> None:
    orders, order = DynamoOrders(), an_order(clock())
    add(orders, order)
    assert [row.order_id for row in OrderRow.by_reservation.query("open")] == [order.id]
    save_transition(orders, order, confirmed(order))
    assert list(OrderRow.by_reservation.query("open")) == []
