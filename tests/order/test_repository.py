"""Orders in memory and in DynamoDB: the same tests for both."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import FrozenClock
from order.model import (
    Actor,
    Order,
    OrderStatus,
    RefundSummary,
    ReservationLimits,
    TooManyReservations,
    WrongStatus,
)
from order.ports import Orders, Reservations
from order.repository import ROWS_PER_PAGE, DynamoOrders, OrderRow, ReservationsRow
from order.service import STATE
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction
from support.cloud import aws_in_memory
from support.in_memory import InMemoryTransaction
from support.order import NO_LIMITS, RESERVATION, InMemoryOrders, an_order


class Store(Orders, Reservations, Protocol):
    """Both ports of the table of orders."""


type Change = Callable[[Transaction], None]


@pytest.fixture(params=["in memory", "DynamoDB"])
def orders(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return InMemoryOrders()
    request.getfixturevalue("aws")
    return DynamoOrders()


def commit(orders: Store, *changes: Change) -> None:
    transaction: Transaction = (
        DynamoTransaction() if isinstance(orders, DynamoOrders) else InMemoryTransaction([])
    )
    for change in changes:
        change(transaction)
    transaction.commit()


def add(orders: Store, order: Order) -> Order:
    commit(orders, lambda transaction: orders.add(order, NO_LIMITS, transaction))
    return order


def list_expired(orders: Store, moment: datetime) -> list[str]:
    found = [one for shard in orders.shards for one in orders.list_expired(moment, shard)]
    return [one.order_id for one in sorted(found, key=lambda one: one.ends_at)]


def save_transition(orders: Store, read: Order, order: Order) -> None:
    commit(orders, lambda transaction: orders.save(read, order, STATE, transaction))


def save_address(orders: Store, read: Order, order: Order) -> None:
    unchanged = ("status", "shipping_address")
    commit(orders, lambda transaction: orders.save(read, order, unchanged, transaction))


def save_payment_info(orders: Store, read: Order, order: Order) -> None:
    commit(orders, lambda transaction: orders.save(read, order, ("status",), transaction))


def save_refund_summary(orders: Store, read: Order, order: Order) -> None:
    unchanged = ("refund_summary",)
    commit(orders, lambda transaction: orders.save(read, order, unchanged, transaction))


def confirmed(order: Order) -> Order:
    return order.with_payment(order.created_at).with_status(
        OrderStatus.CONFIRMED, order.created_at, Actor.PAYMENT
    )


def cancelled(order: Order) -> Order:
    return order.with_status(OrderStatus.CANCELLED, order.created_at, Actor.CUSTOMER)


def test_an_order_is_found_as_it_was_stored(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock(), lines=3))
    assert orders.find(order.id) == order


def test_an_order_of_fifty_lines_is_found_complete(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock(), lines=50))
    assert orders.find(order.id) == order


def with_refund(order: Order, revision: int) -> Order:
    summary = RefundSummary(Money(100, Currency.INR), Money(revision, Currency.INR), revision)
    return order.with_refund_summary(summary, order.created_at + timedelta(minutes=revision))


def test_a_refund_summary_is_stored_unless_it_changed_since_the_read(
    orders: Store, clock: FrozenClock
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


def test_an_unknown_order_is_not_found(orders: Store) -> None:
    assert orders.find(new_id()) is None


def test_an_id_is_used_once(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    with pytest.raises(StaleWrite):
        add(orders, an_order(clock(), "another customer", order_id=order.id))
    assert orders.find(order.id) == order


def test_a_transition_from_the_state_that_was_read_is_stored(
    orders: Store, clock: FrozenClock
) -> None:
    order = add(orders, an_order(clock(), lines=2))
    clock.advance(timedelta(minutes=1))
    moved = order.with_status(OrderStatus.CONFIRMED, clock(), Actor.PAYMENT)
    save_transition(orders, order, moved)
    assert orders.find(order.id) == moved


def test_payment_refund_and_tracking_number_are_stored(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    known = confirmed(order)
    save_transition(orders, order, known)
    clock.advance(timedelta(minutes=1))
    shipped = known.with_status(OrderStatus.SHIPPED, clock(), Actor.SELLER, "DTDC-4711")
    save_transition(orders, known, shipped)
    save_payment_info(orders, shipped, shipped.with_full_refund(clock()))
    assert orders.find(order.id) == shipped.with_full_refund(clock())


def test_payment_and_refund_that_cross_are_both_stored(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    read = cancelled(order)
    save_transition(orders, order, read)
    save_payment_info(orders, read, read.with_full_refund(clock()))
    save_payment_info(orders, read, read.with_payment(clock()))
    assert orders.find(order.id) == read.with_payment(clock()).with_full_refund(clock())


def test_payment_info_is_refused_after_a_transition(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    save_transition(orders, order, cancelled(order))
    with pytest.raises(StaleWrite):
        save_payment_info(orders, order, order.with_payment(clock()))
    assert orders.find(order.id) == cancelled(order)


def test_a_transition_is_refused_after_another_one(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    save_transition(orders, order, confirmed(order))
    with pytest.raises(StaleWrite):
        save_transition(orders, order, cancelled(order))
    assert orders.find(order.id) == confirmed(order)


def test_a_refused_transition_refuses_the_whole_transaction(
    orders: Store, clock: FrozenClock
) -> None:
    order, other = add(orders, an_order(clock())), an_order(clock(), "another customer")
    save_transition(orders, order, confirmed(order))
    with pytest.raises(StaleWrite):
        commit(
            orders,
            lambda transaction: orders.add(other, NO_LIMITS, transaction),
            lambda transaction: orders.save(order, cancelled(order), STATE, transaction),
        )
    assert orders.find(other.id) is None


def test_an_address_change_stores_nothing_else(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    moved = order.with_address_changes({"street": "1 Park Street"}, clock() + timedelta(minutes=1))
    save_address(orders, order, moved)
    assert orders.find(order.id) == moved


def test_an_address_change_is_refused_after_a_transition_or_another_change(
    orders: Store, clock: FrozenClock
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


def test_a_transition_does_not_undo_an_address_change(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    moved = order.with_address_changes({"street": "1 Park Street"}, clock())
    save_address(orders, order, moved)
    save_transition(orders, order, confirmed(order))
    assert orders.find(order.id) == confirmed(moved)


def test_orders_are_listed_newest_first_page_by_page(orders: Store, clock: FrozenClock) -> None:
    own = [add(orders, an_order(clock(), order_id=f"{n:026}")) for n in range(5)]
    add(orders, an_order(clock(), "another customer", order_id=f"{9:026}"))
    first = orders.list_by_customer("customer", None, None, 2)
    second = orders.list_by_customer("customer", None, first.next_before, 2)
    last = orders.list_by_customer("customer", None, second.next_before, 2)
    assert [*first.orders, *second.orders, *last.orders] == own[::-1]
    assert last.next_before is None


@pytest.mark.parametrize("limit", [3, 4])
def test_the_last_page_has_no_next_one(orders: Store, clock: FrozenClock, limit: int) -> None:
    for _ in range(3):
        add(orders, an_order(clock()))
    page = orders.list_by_customer("customer", None, None, limit)
    assert (len(page.orders), page.next_before) == (3, None)


def test_a_list_can_be_filtered_by_state(orders: Store, clock: FrozenClock) -> None:
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


def test_a_customer_without_orders_has_an_empty_list(orders: Store) -> None:
    page = orders.list_by_customer("customer", None, None, 20)
    assert (page.orders, page.next_before) == ((), None)


def test_expired_reservations_are_listed_oldest_first(orders: Store, clock: FrozenClock) -> None:
    kept = []
    for _ in range(3):
        kept.append(add(orders, an_order(clock())))
        clock.advance(timedelta(minutes=1))
    began = kept[0].created_at
    assert list_expired(orders, began + RESERVATION - timedelta(milliseconds=1)) == []
    assert list_expired(orders, began + RESERVATION) == [kept[0].id]
    assert list_expired(orders, clock() + RESERVATION) == [order.id for order in kept]


def test_a_shard_lists_its_reservations_oldest_first(orders: Store, clock: FrozenClock) -> None:
    for _ in range(20):
        add(orders, an_order(clock()))
        clock.advance(timedelta(minutes=1))
    for shard in orders.shards:
        ends = [one.ends_at for one in orders.list_expired(clock() + RESERVATION, shard)]
        assert ends == sorted(ends)


def test_a_postponed_reservation_is_listed_later_and_stays_as_it_is(
    orders: Store, clock: FrozenClock
) -> None:
    order, other = add(orders, an_order(clock())), add(orders, an_order(clock()))
    ended = clock() + RESERVATION
    orders.postpone(order.id, ended + timedelta(minutes=15))
    assert list_expired(orders, ended) == [other.id]
    assert list_expired(orders, ended + timedelta(minutes=15)) == [other.id, order.id]
    assert orders.find(order.id) == order


def test_a_reservation_that_is_not_open_is_not_postponed(orders: Store, clock: FrozenClock) -> None:
    order = add(orders, an_order(clock()))
    save_transition(orders, order, cancelled(order))
    orders.postpone(order.id, clock())
    assert list_expired(orders, clock() + timedelta(days=1)) == []


def test_an_extended_reservation_is_listed_at_its_new_end(
    orders: Store, clock: FrozenClock
) -> None:
    order = add(orders, an_order(clock()))
    until = clock() + timedelta(hours=1)
    opened = order.with_open_payment(until, clock())

    def save(read: Order, order: Order) -> None:
        unchanged = ("status", "pay_until")
        commit(orders, lambda transaction: orders.save(read, order, unchanged, transaction))

    save(order, opened)
    assert orders.find(order.id) == opened
    assert list_expired(orders, until - timedelta(milliseconds=1)) == []
    assert list_expired(orders, until) == [order.id]
    save(opened, opened)  # a change of nothing still requires that nothing changed
    save_transition(orders, opened, cancelled(opened))
    with pytest.raises(StaleWrite):
        save(opened, opened)


def try_to_add(orders: Store, order: Order, limits: ReservationLimits | None) -> bool:
    try:
        commit(orders, lambda transaction: orders.add(order, limits, transaction))
    except TooManyReservations:
        assert orders.find(order.id) is None
        return False
    return True


def test_a_customer_may_reserve_so_many_orders_and_pieces(
    orders: Store, clock: FrozenClock
) -> None:
    two_orders, six_pieces = ReservationLimits(2, 100), ReservationLimits(100, 6)
    assert try_to_add(orders, an_order(clock(), lines=3), two_orders)  # 1 + 2 + 3 pieces
    assert not try_to_add(orders, an_order(clock()), six_pieces)
    assert try_to_add(orders, an_order(clock(), "another customer", lines=3), six_pieces)
    second = an_order(clock())
    assert try_to_add(orders, second, two_orders)
    assert not try_to_add(orders, an_order(clock()), two_orders)
    assert try_to_add(orders, an_order(clock()), None)
    save_transition(orders, second, cancelled(second))
    assert not try_to_add(orders, an_order(clock()), two_orders)
    assert not try_to_add(
        orders, an_order(clock(), "a third one", lines=3), ReservationLimits(9, 5)
    )


@pytest.mark.parametrize("where", ["in memory", "DynamoDB"])
def test_the_counter_is_the_sum_of_the_open_orders_after_any_history(where: str) -> None:
    """Steps on copies of an order that are out of date change nothing."""

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), min_size=5, max_size=25))
    def check(history: list[tuple[int, int]]) -> None:
        with aws_in_memory() if where == "DynamoDB" else nullcontext():
            run_history(DynamoOrders() if where == "DynamoDB" else InMemoryOrders(), history)

    check()


def run_history(orders: Store, history: list[tuple[int, int]]) -> None:
    known: list[Order] = []  # every state that was read, also old ones
    now = FrozenClock()()
    for step, which in history:
        read = known[which % len(known)] if known else None
        try:
            if step <= 1 or read is None:
                limits = ReservationLimits(3, 6)
                order = an_order(now, lines=1 + which % 3)
                commit(orders, partial(orders.add, order, limits))
                known.append(order)
                continue
            changed = (confirmed, cancelled, refunded_and_cancelled, extended)[step - 2](read)
            commit(orders, partial(orders.save, read, changed, STATE))
            known.append(changed)
        except (DomainError, RuntimeError):
            pass
    stored = [found for o in {o.id for o in known} if (found := orders.find(o))]
    still_open = [order for order in stored if order.reserved_until]
    expected = (len(still_open), sum(order.pieces for order in still_open))
    assert reserved(orders) == expected
    assert expected[0] <= 3
    assert expected[1] <= 6


def reserved(orders: Store) -> tuple[int, int]:
    if isinstance(orders, InMemoryOrders):
        return orders.reserved["customer"]
    row = ReservationsRow.find("reservations#customer")
    return (int(row.orders), int(row.pieces)) if row else (0, 0)


def refunded_and_cancelled(order: Order) -> Order:
    return cancelled(order.with_full_refund(order.created_at))


def extended(order: Order) -> Order:
    if order.reserved_until is None:
        raise WrongStatus("It cannot be paid")
    return order.with_open_payment(order.created_at + timedelta(hours=1), order.created_at)


@pytest.mark.usefixtures("aws")
def test_reservations_are_spread_over_the_shards(clock: FrozenClock) -> None:
    orders = DynamoOrders()
    for _ in range(64):
        add(orders, an_order(clock()))
    sizes = [len(list(OrderRow.by_reservation.query(shard))) for shard in orders.shards]
    assert len(sizes) == 8
    assert sum(sizes) == 64
    assert max(sizes) < 32


def test_confirmed_and_cancelled_orders_have_no_reservation(
    orders: Store, clock: FrozenClock
) -> None:
    paid, given_up = add(orders, an_order(clock())), add(orders, an_order(clock()))
    save_transition(orders, paid, confirmed(paid))
    save_transition(orders, given_up, cancelled(given_up))
    assert list_expired(orders, clock() + timedelta(days=1)) == []


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
    assert indexed(orders) == [order.id]
    save_transition(orders, order, confirmed(order))
    assert indexed(orders) == []


def indexed(orders: DynamoOrders) -> list[str]:
    queries = (OrderRow.by_reservation.query(shard) for shard in orders.shards)
    return [row.order_id for query in queries for row in query]
