"""Orders in memory and in DynamoDB: the same tests for both."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from conftest import FrozenClock
from order.model import Actor, Order, OrderStatus, Returns
from order.repository import EXAMINED_PER_PAGE, DynamoOrders, OrderRow
from order.service import Moved, Orders
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
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


def keep(orders: Orders, order: Order) -> Order:
    commit(orders, lambda transaction: orders.add(order, transaction))
    return order


def move(orders: Orders, read: Order, moved: Order) -> None:
    commit(orders, lambda transaction: orders.move(read, moved, transaction))


def redirect(orders: Orders, read: Order, redirected: Order) -> None:
    commit(orders, lambda transaction: orders.redirect(read, redirected, transaction))


def settle(orders: Orders, read: Order, settled: Order) -> None:
    commit(orders, lambda transaction: orders.settle(read, settled, transaction))


def confirmed(order: Order) -> Order:
    return order.paid(order.created_at).moved(
        OrderStatus.CONFIRMED, order.created_at, Actor.PAYMENT
    )


def cancelled(order: Order) -> Order:
    return order.moved(OrderStatus.CANCELLED, order.created_at, Actor.CUSTOMER)


def test_an_order_comes_back_as_it_was_kept(orders: Orders, clock: FrozenClock) -> None:
    order = keep(orders, an_order(clock(), lines=3))
    assert orders.find(order.id) == order


def test_an_order_of_fifty_lines_comes_back_whole(orders: Orders, clock: FrozenClock) -> None:
    order = keep(orders, an_order(clock(), lines=50))
    assert orders.find(order.id) == order


def returning(order: Order, revision: int) -> Order:
    returns = Returns(Money(100, Currency.INR), Money(revision, Currency.INR), revision)
    return order.returning(returns, order.created_at + timedelta(minutes=revision))


def test_news_of_a_refund_are_kept_and_older_ones_refused(
    orders: Orders, clock: FrozenClock
) -> None:
    order = keep(orders, an_order(clock()))
    for newer in (returning(order, 3), returning(order, 4)):
        read = orders.find(order.id)
        assert read is not None
        commit(orders, lambda transaction: orders.note_returns(read, newer, transaction))  # noqa: B023
        assert orders.find(order.id) == newer
    with pytest.raises(Moved):
        commit(
            orders,
            lambda transaction: orders.note_returns(order, returning(order, 5), transaction),
        )
    with pytest.raises(Moved):
        move(orders, order, confirmed(order))
    kept = orders.find(order.id)
    assert kept is not None
    move(orders, kept, confirmed(kept))
    assert orders.find(order.id) == confirmed(kept)


def test_what_was_never_ordered_is_not_found(orders: Orders) -> None:
    assert orders.find(new_id()) is None


def test_an_id_is_used_once(orders: Orders, clock: FrozenClock) -> None:
    order = keep(orders, an_order(clock()))
    with pytest.raises(Moved):
        keep(orders, an_order(clock(), "somebody else", order_id=order.id))
    assert orders.find(order.id) == order


def test_an_order_moves_from_the_state_it_was_read_in(orders: Orders, clock: FrozenClock) -> None:
    order = keep(orders, an_order(clock(), lines=2))
    clock.advance(timedelta(minutes=1))
    moved = order.moved(OrderStatus.CONFIRMED, clock(), Actor.PAYMENT)
    move(orders, order, moved)
    assert orders.find(order.id) == moved


def test_what_is_known_of_an_order_only_later_is_kept(orders: Orders, clock: FrozenClock) -> None:
    order = keep(orders, an_order(clock()))
    known = confirmed(order)
    move(orders, order, known)
    clock.advance(timedelta(minutes=1))
    shipped = known.tracked("DTDC-4711").moved(OrderStatus.SHIPPED, clock(), Actor.SELLER)
    move(orders, known, shipped)
    settle(orders, shipped, shipped.refunded(clock()))
    assert orders.find(order.id) == shipped.refunded(clock())


def test_news_of_the_money_that_cross_each_other_are_both_kept(
    orders: Orders, clock: FrozenClock
) -> None:
    order = keep(orders, an_order(clock()))
    read = cancelled(order)
    move(orders, order, read)
    settle(orders, read, read.refunded(clock()))
    settle(orders, read, read.paid(clock()))
    assert orders.find(order.id) == read.paid(clock()).refunded(clock())


def test_news_of_the_money_are_refused_once_the_order_has_moved(
    orders: Orders, clock: FrozenClock
) -> None:
    order = keep(orders, an_order(clock()))
    move(orders, order, cancelled(order))
    with pytest.raises(Moved):
        settle(orders, order, order.paid(clock()))
    assert orders.find(order.id) == cancelled(order)


def test_an_order_that_has_moved_is_not_moved_again(orders: Orders, clock: FrozenClock) -> None:
    order = keep(orders, an_order(clock()))
    move(orders, order, confirmed(order))
    with pytest.raises(Moved):
        move(orders, order, cancelled(order))
    assert orders.find(order.id) == confirmed(order)


def test_a_refused_move_takes_the_whole_transaction_with_it(
    orders: Orders, clock: FrozenClock
) -> None:
    order, other = keep(orders, an_order(clock())), an_order(clock())
    move(orders, order, confirmed(order))
    with pytest.raises(Moved):
        commit(
            orders,
            lambda transaction: orders.add(other, transaction),
            lambda transaction: orders.move(order, cancelled(order), transaction),
        )
    assert orders.find(other.id) is None


def test_an_address_changes_alone(orders: Orders, clock: FrozenClock) -> None:
    order = keep(orders, an_order(clock()))
    redirected = order.redirected({"street": "1 Park Street"}, clock() + timedelta(minutes=1))
    redirect(orders, order, redirected)
    assert orders.find(order.id) == redirected


def test_an_address_does_not_change_after_a_move_or_another_change(
    orders: Orders, clock: FrozenClock
) -> None:
    moved, changed = keep(orders, an_order(clock())), keep(orders, an_order(clock()))
    move(orders, moved, cancelled(moved))
    redirect(orders, changed, changed.redirected({"street": "1 Park Street"}, clock()))
    for order in (moved, changed):
        before = orders.find(order.id)
        with pytest.raises(Moved):
            redirect(orders, order, order.redirected({"city": "Kolkata"}, clock()))
        assert orders.find(order.id) == before


def test_a_move_does_not_undo_an_address_change(orders: Orders, clock: FrozenClock) -> None:
    order = keep(orders, an_order(clock()))
    redirected = order.redirected({"street": "1 Park Street"}, clock())
    redirect(orders, order, redirected)
    move(orders, order, confirmed(order))
    assert orders.find(order.id) == confirmed(redirected)


def test_orders_are_listed_newest_first_page_by_page(orders: Orders, clock: FrozenClock) -> None:
    own = [keep(orders, an_order(clock(), order_id=f"{n:026}")) for n in range(5)]
    keep(orders, an_order(clock(), "somebody else", order_id=f"{9:026}"))
    first = orders.of_customer("customer", None, None, 2)
    second = orders.of_customer("customer", None, first.next_before, 2)
    last = orders.of_customer("customer", None, second.next_before, 2)
    assert [*first.orders, *second.orders, *last.orders] == own[::-1]
    assert last.next_before is None


@pytest.mark.parametrize("limit", [3, 4])
def test_the_last_page_has_no_next_one(orders: Orders, clock: FrozenClock, limit: int) -> None:
    for _ in range(3):
        keep(orders, an_order(clock()))
    page = orders.of_customer("customer", None, None, limit)
    assert (len(page.orders), page.next_before) == (3, None)


def test_a_list_can_be_of_one_state(orders: Orders, clock: FrozenClock) -> None:
    kept = [keep(orders, an_order(clock(), order_id=f"{n:026}")) for n in range(6)]
    for order in kept[::2]:
        move(orders, order, cancelled(order))
    expected = [order.id for order in kept[::2]][::-1]
    first = orders.of_customer("customer", OrderStatus.CANCELLED, None, 2)
    assert [order.id for order in first.orders] == expected[:2]
    second = orders.of_customer("customer", OrderStatus.CANCELLED, first.next_before, 2)
    assert [order.id for order in second.orders] == expected[2:]
    assert second.next_before is None
    assert orders.of_customer("customer", OrderStatus.SHIPPED, None, 2).orders == ()


def test_somebody_without_orders_has_an_empty_list(orders: Orders) -> None:
    page = orders.of_customer("customer", None, None, 20)
    assert (page.orders, page.next_before) == ((), None)


def test_reservations_are_found_oldest_first_when_they_have_run_out(
    orders: Orders, clock: FrozenClock
) -> None:
    kept = []
    for _ in range(3):
        kept.append(keep(orders, an_order(clock())))
        clock.advance(timedelta(minutes=1))
    began = kept[0].created_at
    assert orders.reserved_before(began + RESERVATION - timedelta(milliseconds=1), 10) == []
    assert orders.reserved_before(began + RESERVATION, 10) == [kept[0].id]
    later = clock() + RESERVATION
    assert orders.reserved_before(later, 10) == [order.id for order in kept]
    assert orders.reserved_before(later, 2) == [order.id for order in kept[:2]]


def test_what_is_confirmed_or_cancelled_is_no_reservation_any_more(
    orders: Orders, clock: FrozenClock
) -> None:
    paid, given_up = keep(orders, an_order(clock())), keep(orders, an_order(clock()))
    move(orders, paid, confirmed(paid))
    move(orders, given_up, cancelled(given_up))
    assert orders.reserved_before(clock() + timedelta(days=1), 10) == []


@pytest.mark.usefixtures("aws")
def test_a_filtered_list_examines_a_bounded_number_of_orders(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order.repository.EXAMINED_PER_PAGE", 3)
    assert EXAMINED_PER_PAGE > 3
    orders = DynamoOrders()
    kept = [keep(orders, an_order(clock(), order_id=f"{n:026}")) for n in range(5)]
    move(orders, kept[0], cancelled(kept[0]))
    first = orders.of_customer("customer", OrderStatus.CANCELLED, None, 2)
    assert (first.orders, first.next_before) == ((), kept[2].id)
    second = orders.of_customer("customer", OrderStatus.CANCELLED, first.next_before, 2)
    assert [order.id for order in second.orders] == [kept[0].id]
    assert second.next_before is None


@pytest.mark.usefixtures("aws")
def test_an_old_order_stays_readable_when_the_rules_of_addresses_change(
    clock: FrozenClock,
) -> None:
    orders, order = DynamoOrders(), an_order(clock())
    old = replace(order, shipping_address=replace(order.shipping_address, zip="once valid"))
    assert orders.find(keep(orders, old).id) == old


@pytest.mark.usefixtures("aws")
def test_only_open_reservations_are_in_the_index(clock: FrozenClock) -> None:
    orders, order = DynamoOrders(), an_order(clock())
    keep(orders, order)
    assert [row.order_id for row in OrderRow.by_reservation.query("open")] == [order.id]
    move(orders, order, confirmed(order))
    assert list(OrderRow.by_reservation.query("open")) == []
