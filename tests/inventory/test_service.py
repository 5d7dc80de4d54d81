"""Use cases of stock, over the ports in memory and in DynamoDB alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import pytest

from conftest import FrozenClock
from inventory.model import (
    BucketChange,
    Movement,
    MovementKind,
    Offer,
    StockLevel,
    StockRequest,
)
from inventory.repository import DynamoMovements, DynamoReservations, DynamoStockLevels
from inventory.service import (
    ATTEMPTS,
    InventoryService,
    LinesUnavailable,
    OrderTooLarge,
    StockBusy,
)
from inventory.wiring import bucket_change
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Busy, Conflict, NotFound
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.streams import Change
from supermarket.transaction import Transaction
from support.in_memory import InMemoryOutbox
from support.inventory import OFFER, inventory_in_memory
from support.streams import records_of

SELLER = "seller"
MILLISECOND = timedelta(milliseconds=1)
DEARER = Offer(Money(60000, Currency.INR))

type Meanwhile = Callable[[], object]


@dataclass(frozen=True)
class Stock:
    """The service, its use cases in a transaction of their own, and the changes that the stream
    delivers.
    """

    service: InventoryService
    begin: Callable[[], Transaction]
    changes: Callable[[], list[BucketChange]]

    def open(self, on_hand: int, offer: Offer = OFFER) -> str:
        product_id = new_id()
        self.do(partial(self.service.open, product_id, on_hand, offer, SELLER))
        return product_id

    def reserve(self, *quantities: tuple[str, int], price: Money = OFFER.price) -> str:
        order_id = new_id()
        requests = [StockRequest(product_id, price, n) for product_id, n in quantities]
        self.service.commit_reserving(order_id, requests, self.begin)
        return order_id

    def do(self, write: Callable[[Transaction], object]) -> None:
        transaction = self.begin()
        write(transaction)
        transaction.commit()

    def of(self, product_id: str) -> tuple[int, int, int]:
        level = self.level(product_id)
        return level.on_hand, level.reserved, level.available

    def level(self, product_id: str) -> StockLevel:
        return self.service.get_level(product_id)

    def available(self, product_id: str) -> list[int]:
        return [bucket.available for bucket in self.level(product_id).buckets]

    def movements(self, product_id: str, limit: int = 100) -> list[Movement]:
        """Record what the stream delivers, and return all pages."""
        self.service.record(self.changes())
        found: list[Movement] = []
        before: str | None = None
        while True:
            page = self.service.list_movements(product_id, before, limit)
            assert len(page.movements) <= limit
            found += page.movements
            before = page.next_before
            if before is None:
                return found


class Hooks:
    """What a test puts in place of chance and waiting."""

    def __init__(self) -> None:
        self.chosen: Iterator[int] = iter(())
        self.pauses: list[int] = []

    def choose(self, below: int) -> int:
        """Return the next chosen number, then 1, which splits nothing, or the only bucket."""
        return next(self.chosen, 1) % below


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture(params=["in memory", "DynamoDB"])
def stock(request: pytest.FixtureRequest, hooks: Hooks, clock: FrozenClock) -> Stock:
    if request.param == "in memory":
        outbox = InMemoryOutbox()
        memory = inventory_in_memory(outbox, clock)
        service = replace(memory.service, choose=hooks.choose, pause=hooks.pauses.append)
        return Stock(service, outbox.begin, lambda: memory.levels.changes)
    request.getfixturevalue("aws")
    service = InventoryService(
        levels=DynamoStockLevels(),
        reservations=DynamoReservations(),
        movements=DynamoMovements(),
        begin=DynamoTransaction,
        choose=hooks.choose,
        pause=hooks.pauses.append,
        request_id=lambda: "request",
        clock=clock,
    )
    return Stock(service, DynamoTransaction, streamed)


def streamed() -> list[BucketChange]:
    records = records_of("inventory", "bucket#")
    return [bucket_change(Change.from_record(record)) for record in records]


@dataclass
class Interrupted:
    """Prepares transactions; the n-th of `meanwhile` happens right before the n-th commit."""

    begin: Callable[[], Transaction]
    meanwhile: Iterator[Meanwhile]
    patch: pytest.MonkeyPatch
    prepared: int = 0

    def __call__(self) -> Transaction:
        transaction, meanwhile = self.begin(), next(self.meanwhile, None)
        commit = transaction.commit
        self.prepared += 1

        def interrupted() -> None:
            if meanwhile:
                meanwhile()
            commit()

        self.patch.setattr(transaction, "commit", interrupted)
        return transaction


def test_a_new_product_has_its_stock_on_hand(stock: Stock) -> None:
    product = stock.open(5)
    assert stock.of(product) == (5, 0, 5)
    assert stock.level(product).offer == OFFER


def test_a_product_without_stock_rows_is_not_found(stock: Stock) -> None:
    with pytest.raises(NotFound):
        stock.level(new_id())


def test_reserving_and_releasing_leave_what_is_on_hand(stock: Stock) -> None:
    rice, tea = stock.open(5), stock.open(2)
    order = stock.reserve((rice, 3), (tea, 2))
    assert stock.of(rice) == (5, 3, 2)
    assert stock.of(tea) == (2, 2, 0)
    stock.do(partial(stock.service.release, order))
    assert stock.of(rice) == (5, 0, 5)


def test_shipping_removes_the_reserved_stock(stock: Stock) -> None:
    rice = stock.open(5)
    order = stock.reserve((rice, 3))
    stock.do(partial(stock.service.ship, order))
    assert stock.of(rice) == (2, 0, 2)


@pytest.mark.parametrize("first", ["release", "ship"])
def test_what_an_order_holds_is_given_back_or_shipped_once(stock: Stock, first: str) -> None:
    rice = stock.open(5)
    order = stock.reserve((rice, 3))
    stock.do(partial(getattr(stock.service, first), order))
    after = stock.of(rice)
    for again in (stock.service.release, stock.service.ship):
        with pytest.raises(StaleWrite):
            stock.do(partial(again, order))
    assert stock.of(rice) == after


def test_two_closings_of_one_order_at_the_same_time_have_one_effect(stock: Stock) -> None:
    rice = stock.open(5)
    order = stock.reserve((rice, 3))
    first, second = stock.begin(), stock.begin()
    stock.service.release(order, first)
    stock.service.ship(order, second)
    first.commit()
    with pytest.raises(StaleWrite):
        second.commit()
    assert stock.of(rice) == (5, 0, 5)


def test_nothing_is_reserved_when_one_line_is_unavailable(stock: Stock) -> None:
    rice, tea = stock.open(5), stock.open(1)
    with pytest.raises(LinesUnavailable) as refusal:
        stock.reserve((rice, 3), (tea, 2))
    (fault,) = refusal.value.errors
    assert (fault.field, fault.code) == (f"items.{tea}", "OUT_OF_STOCK")
    assert stock.of(rice) == (5, 0, 5)


def test_another_price_and_a_withdrawn_product_are_unavailable(stock: Stock) -> None:
    rice = stock.open(5)
    with pytest.raises(LinesUnavailable) as refusal:
        stock.reserve((rice, 1), price=Money(100, Currency.INR))
    assert [fault.code for fault in refusal.value.errors] == ["PRICE_CHANGED"]
    withdrawn = Offer(OFFER.price, is_on_sale=False)
    stock.do(partial(stock.service.change_offer, rice, withdrawn, SELLER))
    with pytest.raises(LinesUnavailable) as refusal:
        stock.reserve((rice, 1))
    assert [fault.code for fault in refusal.value.errors] == ["NOT_FOR_SALE"]


def busy_with(product_id: str) -> Meanwhile:
    """Return what fails as the commit does while another transaction holds the product."""

    def fail() -> None:
        raise StockBusy(product_id)

    return fail


def test_a_sale_that_leaves_enough_overtakes_no_order(
    stock: Stock, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(5)
    sale = partial(stock.reserve, (rice, 3))
    prepare = Interrupted(stock.begin, iter([sale]), monkeypatch)
    stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 2)], prepare)
    assert stock.of(rice) == (5, 5, 0)
    assert (prepare.prepared, hooks.pauses) == (1, [])


def test_an_order_that_was_overtaken_by_a_sale_of_the_last_one_is_unavailable(
    stock: Stock, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(3)
    sale = partial(stock.reserve, (rice, 2))
    prepare = Interrupted(stock.begin, iter([sale]), monkeypatch)
    with pytest.raises(LinesUnavailable) as refusal:
        stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 2)], prepare)
    assert [fault.message for fault in refusal.value.errors] == ["Only 1 left in stock"]
    assert (prepare.prepared, hooks.pauses) == (2, [0])
    assert stock.of(rice) == (3, 2, 1)


def test_an_order_that_was_overtaken_in_its_bucket_takes_from_another_one(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(8)
    stock.service.split(rice)
    sale = partial(stock.reserve, (rice, 4))
    prepare = Interrupted(stock.begin, iter([sale]), monkeypatch)
    stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 3)], prepare)
    assert prepare.prepared == 2
    assert sorted(stock.available(rice)) == [0, 1]


def test_an_order_that_was_overtaken_by_a_price_change_is_unavailable(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(3)
    change = partial(stock.do, partial(stock.service.change_offer, rice, DEARER, SELLER))
    prepare = Interrupted(stock.begin, iter([change]), monkeypatch)
    with pytest.raises(LinesUnavailable) as refusal:
        stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 2)], prepare)
    assert [fault.code for fault in refusal.value.errors] == ["PRICE_CHANGED"]
    assert stock.of(rice) == (3, 0, 3)


def test_a_busy_product_is_tried_again_and_not_split_at_once(
    stock: Stock, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(100)
    prepare = Interrupted(stock.begin, iter([busy_with(rice)] * 3), monkeypatch)
    stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 2)], prepare)
    assert (prepare.prepared, hooks.pauses) == (4, [0, 1, 2])
    assert stock.available(rice) == [98]


def test_a_busy_product_is_split_after_some_conflicts(
    stock: Stock, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(100)
    only_bucket, no_split, split, second_bucket = 0, 1, 0, 1
    hooks.chosen = iter([only_bucket, no_split, only_bucket, split, second_bucket])
    prepare = Interrupted(stock.begin, iter([busy_with(rice)] * 2), monkeypatch)
    stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 2)], prepare)
    assert stock.of(rice) == (100, 2, 98)
    assert len(stock.available(rice)) == 16
    assert stock.level(rice).buckets[1].reserved == 2


def test_a_product_that_stays_busy_ends_in_busy_and_reserves_nothing(
    stock: Stock, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(5)
    prepare = Interrupted(stock.begin, iter([busy_with(rice)] * ATTEMPTS), monkeypatch)
    with pytest.raises(Busy, match="Many customers are ordering this product") as refusal:
        stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 2)], prepare)
    assert type(refusal.value) is Busy
    assert prepare.prepared == len(hooks.pauses) == ATTEMPTS
    assert max(hooks.pauses) < ATTEMPTS / 2, "the pauses do not double for ever"
    assert stock.of(rice) == (5, 0, 5)


def test_a_conflict_of_the_callers_own_writes_is_raised_at_once(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(5)

    def fail() -> None:
        raise Conflict("The cart was changed at the same time")

    prepare = Interrupted(stock.begin, iter([fail]), monkeypatch)
    with pytest.raises(Conflict, match="The cart was changed"):
        stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 2)], prepare)
    assert prepare.prepared == 1


def test_an_order_reserves_once(stock: Stock) -> None:
    rice, order_id = stock.open(5), new_id()
    requests = [StockRequest(rice, OFFER.price, 2)]
    stock.service.commit_reserving(order_id, requests, stock.begin)
    with pytest.raises(RuntimeError):  # no caller gives two orders one id
        stock.service.commit_reserving(order_id, requests, stock.begin)
    assert stock.of(rice) == (5, 2, 3)


def test_a_count_includes_reserved_goods_and_loses_no_sale_in_between(stock: Stock) -> None:
    rice = stock.open(5)
    stock.reserve((rice, 3))
    counting = stock.begin()
    stock.service.count(rice, 10, SELLER, counting)
    stock.reserve((rice, 1))
    counting.commit()
    assert stock.of(rice) == (10, 4, 6)


def test_a_count_below_what_is_reserved_leaves_nothing_to_sell(stock: Stock) -> None:
    rice = stock.open(5)
    stock.reserve((rice, 3))
    stock.do(partial(stock.service.count, rice, 2, SELLER))
    assert stock.of(rice) == (2, 3, 0)


def test_what_is_shipped_beyond_a_count_is_missing_until_it_is_added_or_counted(
    stock: Stock,
) -> None:
    rice = stock.open(5)
    orders = [stock.reserve((rice, 3)), stock.reserve((rice, 2))]
    stock.do(partial(stock.service.count, rice, 2, SELLER))
    assert stock.of(rice) == (2, 5, 0)
    for order, on_hand, reserved in zip(orders, (-1, -3), (2, 0), strict=True):
        stock.do(partial(stock.service.ship, order))
        assert stock.of(rice) == (on_hand, reserved, 0)
    stock.do(partial(stock.service.add, rice, 4, SELLER))  # three of them were shipped before
    assert stock.of(rice) == (1, 0, 1)
    last = stock.reserve((rice, 1))
    stock.do(partial(stock.service.count, rice, 0, SELLER))
    stock.do(partial(stock.service.ship, last))
    with pytest.raises(Conflict):
        stock.do(partial(stock.service.add, rice, -1, SELLER))
    stock.do(partial(stock.service.count, rice, 6, SELLER))
    assert stock.of(rice) == (6, 0, 6)


def test_what_a_count_misses_in_one_bucket_is_not_sold_from_another(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(8)
    stock.service.split(rice)
    cancelled, _ = (stock.reserve((rice, 4)) for _ in range(2))
    stock.do(partial(stock.service.count, rice, 5, SELLER))
    stock.do(partial(stock.service.release, cancelled))
    assert (stock.available(rice), stock.of(rice)) == ([-3, 4], (5, 4, 1))
    sold: list[str] = []

    def sell_the_last() -> None:
        if not sold:
            sold.append(stock.reserve((rice, 1)))

    prepare = Interrupted(stock.begin, iter([sell_the_last] * 3), monkeypatch)
    with pytest.raises(LinesUnavailable):
        stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 1)], prepare)
    assert len(sold) == 1
    assert (stock.available(rice), stock.of(rice)) == ([0, 0], (5, 5, 0))
    assert sum(each.on_hand for each in stock.movements(rice)) == 5


def test_orders_that_were_read_before_a_count_take_nothing_that_is_missing(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(8)
    stock.service.split(rice)
    cancelled = stock.reserve((rice, 3))

    def count_and_cancel() -> None:
        stock.do(partial(stock.service.count, rice, 1, SELLER))
        stock.do(partial(stock.service.release, cancelled))
        assert stock.available(rice) == [-2, 3]

    def order_one(meanwhile: Meanwhile) -> None:
        prepare = Interrupted(stock.begin, iter([meanwhile]), monkeypatch)
        stock.service.commit_reserving(new_id(), [StockRequest(rice, OFFER.price, 1)], prepare)

    with pytest.raises(LinesUnavailable):
        order_one(lambda: order_one(count_and_cancel))
    assert stock.of(rice) == (1, 1, 0)


def test_a_count_that_a_shipment_overtook_is_stale(stock: Stock) -> None:
    rice = stock.open(5)
    order = stock.reserve((rice, 3))
    counting = stock.begin()
    stock.service.count(rice, 10, SELLER, counting)
    stock.do(partial(stock.service.ship, order))
    with pytest.raises(StaleWrite):
        counting.commit()
    assert stock.of(rice) == (2, 0, 2)


def test_two_counts_of_the_same_number_do_not_add_up(stock: Stock) -> None:
    rice = stock.open(5)
    first, second = stock.begin(), stock.begin()
    stock.service.count(rice, 8, SELLER, first)
    stock.service.count(rice, 8, SELLER, second)
    first.commit()
    with pytest.raises(StaleWrite):
        second.commit()
    assert stock.of(rice) == (8, 0, 8)


def test_additions_at_the_same_time_add_up(stock: Stock) -> None:
    rice = stock.open(5)
    first, second = stock.begin(), stock.begin()
    stock.service.add(rice, 3, SELLER, first)
    stock.service.add(rice, -2, SELLER, second)
    first.commit()
    second.commit()
    assert stock.of(rice) == (6, 0, 6)


def test_stock_that_was_sold_in_between_cannot_be_taken_off_the_shelf(stock: Stock) -> None:
    rice = stock.open(5)
    taking = stock.begin()
    stock.service.add(rice, -4, SELLER, taking)
    stock.reserve((rice, 3))
    with pytest.raises(StaleWrite):
        taking.commit()
    assert stock.of(rice) == (5, 3, 2)


def test_a_change_of_nothing_is_possible(stock: Stock) -> None:
    rice = stock.open(5)
    stock.do(partial(stock.service.add, rice, 0, SELLER))
    stock.do(partial(stock.service.count, rice, 5, SELLER))
    assert stock.of(rice) == (5, 0, 5)


def test_sales_leave_the_number_of_shelf_changes(stock: Stock) -> None:
    rice = stock.open(5)
    order = stock.reserve((rice, 1))
    stock.do(partial(stock.service.release, stock.reserve((rice, 1))))
    assert (stock.level(rice).changes, stock.level(rice).shelf_changes) == (3, 0)
    stock.do(partial(stock.service.ship, order))
    stock.do(partial(stock.service.count, rice, 9, SELLER))
    stock.do(partial(stock.service.add, rice, -1, SELLER))
    assert (stock.level(rice).changes, stock.level(rice).shelf_changes) == (6, 3)


def test_a_split_moves_available_stock_and_changes_no_total(stock: Stock) -> None:
    rice = stock.open(11)
    stock.reserve((rice, 3))
    shelf_changes = stock.level(rice).shelf_changes
    assert stock.service.split(rice)
    assert stock.available(rice) == [4, 4]
    assert stock.of(rice) == (11, 3, 8)
    assert stock.level(rice).shelf_changes == shelf_changes
    assert not stock.service.split(rice), "there is too little for a third bucket"


def test_a_split_takes_from_the_fullest_bucket(stock: Stock) -> None:
    rice = stock.open(8)
    stock.service.split(rice)
    stock.reserve((rice, 4))  # bucket 1
    stock.do(partial(stock.service.add, rice, 18, SELLER))
    stock.reserve((rice, 13))  # bucket 0, the next to which is bucket 1 with 9
    stock.do(partial(stock.service.add, rice, 8, SELLER))
    before = stock.available(rice)
    assert stock.service.split(rice)
    assert sum(stock.available(rice)) == sum(before)
    assert max(stock.available(rice)) < max(before)


def test_a_product_is_split_into_at_most_sixteen_buckets(stock: Stock) -> None:
    rice = stock.open(1000)
    assert [stock.service.split(rice) for _ in range(3)] == [True, False, False]
    assert len(stock.available(rice)) == 16
    assert min(stock.available(rice)) == 62
    assert stock.of(rice) == (1000, 0, 1000)


def test_a_split_that_a_sale_overtook_is_tried_again(
    stock: Stock, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(8)
    begin = Interrupted(stock.begin, iter([partial(stock.reserve, (rice, 5))]), monkeypatch)
    assert not replace(stock.service, begin=begin).split(rice)
    assert (begin.prepared, hooks.pauses) == (1, [0])
    assert stock.available(rice) == [3]
    tea = stock.open(100)
    begin = Interrupted(stock.begin, iter([partial(stock.reserve, (tea, 90))]), monkeypatch)
    assert replace(stock.service, begin=begin).split(tea)
    assert stock.available(tea) == [5, 5]


def test_of_two_splits_at_the_same_time_one_is_done(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(100)
    begin = Interrupted(stock.begin, iter([partial(stock.service.split, rice)]), monkeypatch)
    assert not replace(stock.service, begin=begin).split(rice)
    assert len(stock.available(rice)) == 16
    assert stock.of(rice) == (100, 0, 100)


def test_an_order_takes_from_several_buckets_and_returns_to_them(stock: Stock) -> None:
    rice = stock.open(8)
    stock.service.split(rice)
    order = stock.reserve((rice, 6))
    assert stock.of(rice) == (8, 6, 2)
    stock.do(partial(stock.service.release, order))
    assert stock.available(rice) == [4, 4]


def test_a_price_change_reaches_every_bucket(stock: Stock) -> None:
    rice = stock.open(8)
    stock.service.split(rice)
    dearer = replace(DEARER, threshold=2)
    stock.do(partial(stock.service.change_offer, rice, dearer, SELLER))
    stock.reserve((rice, 8), price=dearer.price)
    assert stock.level(rice).offer == dearer


def test_a_price_change_that_a_split_overtook_is_stale(stock: Stock) -> None:
    rice = stock.open(8)
    changing = stock.begin()
    stock.service.change_offer(rice, DEARER, SELLER, changing)
    stock.service.split(rice)
    with pytest.raises(StaleWrite):
        changing.commit()


def test_a_count_over_several_buckets_makes_its_number_the_total(stock: Stock) -> None:
    rice = stock.open(8)
    stock.service.split(rice)
    stock.reserve((rice, 2))
    for counted in (20, 3, 2, 1, 50):
        stock.do(partial(stock.service.count, rice, counted, SELLER))
        assert stock.of(rice) == (counted, 2, max(0, counted - 2))


def test_the_same_offer_is_not_written_again(stock: Stock) -> None:
    rice = stock.open(8)
    transaction = stock.begin()
    stock.service.change_offer(rice, OFFER, SELLER, transaction)
    assert stock.level(rice).changes == 0


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_movements_are_listed_newest_first_in_pages(
    stock: Stock, clock: FrozenClock, limit: int
) -> None:
    rice, tea = stock.open(5), stock.open(1)
    clock.advance(MILLISECOND)
    order = stock.reserve((rice, 3))
    stock.do(partial(stock.service.ship, order))  # in the same millisecond
    clock.advance(MILLISECOND)
    returned = stock.reserve((rice, 1))
    stock.do(partial(stock.service.release, returned))
    clock.advance(MILLISECOND)
    stock.do(partial(stock.service.count, rice, 7, SELLER))
    stock.do(partial(stock.service.add, rice, -2, "admin"))
    found = stock.movements(rice, limit)
    assert [(each.kind.value, each.on_hand, each.reserved, each.by) for each in found] == [
        ("ADDED", -2, 0, "admin"),
        ("COUNTED", 5, 0, SELLER),
        ("RELEASED", 0, -1, returned),
        ("RESERVED", 0, 1, returned),
        ("SHIPPED", -3, -3, order),
        ("RESERVED", 0, 3, order),
        ("OPENED", 5, 0, SELLER),
    ]
    assert found[0].at == clock.now
    assert [each.kind for each in stock.movements(tea, limit)] == [MovementKind.OPENED]
    assert stock.movements(new_id(), limit) == []


def test_a_change_that_is_delivered_twice_is_one_movement(stock: Stock) -> None:
    rice = stock.open(5)
    stock.reserve((rice, 3))
    stock.service.record(stock.changes())
    stock.service.record(stock.changes() * 2)
    assert len(stock.movements(rice)) == 2


def test_offers_and_splits_are_no_movements(stock: Stock) -> None:
    rice = stock.open(8)
    stock.do(partial(stock.service.change_offer, rice, DEARER, SELLER))
    stock.service.split(rice)
    assert [each.kind for each in stock.movements(rice)] == [MovementKind.OPENED]
    assert {each.cause.kind for each in stock.changes()} == {
        *(MovementKind.OPENED, MovementKind.OFFERED, MovementKind.SPLIT)
    }


def test_recording_nothing_is_possible(stock: Stock) -> None:
    stock.service.record([])


def test_the_level_after_an_ordinary_sale_matters_to_nobody_else(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rice = stock.open(5)
    order = stock.reserve((rice, 3))
    stock.do(partial(stock.service.ship, order))
    monkeypatch.setattr(type(stock.service.levels), "find_many", None)  # nothing is read
    assert stock.service.changed_level(stock.changes()[1:]) is None


def test_a_level_that_matters_is_the_last_one(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    low = replace(OFFER, threshold=2)
    rice = stock.open(5, low)
    for _ in range(3):
        stock.reserve((rice, 1))
    sold_out = stock.open(1)
    order = stock.reserve((sold_out, 1))
    stock.do(partial(stock.service.release, order))
    counted = stock.open(5)
    stock.do(partial(stock.service.count, counted, 6, SELLER))
    stock.reserve((counted, 1))
    changes = {
        each: [change for change in stock.changes() if change.product_id == each]
        for each in (rice, sold_out, counted)
    }
    levels = {each: stock.level(each) for each in changes}
    monkeypatch.setattr(type(stock.service.levels), "find_many", None)  # nothing is read
    changed_level = stock.service.changed_level
    assert changed_level(changes[rice][1:3]) is None
    assert changed_level(changes[rice][1:]) == levels[rice]
    assert changed_level(changes[sold_out][1:]) == levels[sold_out]
    assert changed_level(changes[counted][1:]) == levels[counted]
    assert changed_level(changes[counted][2:]) is None


def test_the_level_of_several_buckets_is_read(stock: Stock) -> None:
    rice = stock.open(8)
    stock.service.split(rice)
    stock.reserve((rice, 1))
    stock.reserve((rice, 1))
    assert stock.service.changed_level(stock.changes()[-1:]) == stock.level(rice)


def test_lists_show_the_total_of_several_buckets(stock: Stock) -> None:
    rice, tea = stock.open(64), stock.open(5)
    stock.service.split(rice)
    stock.reserve((rice, 40), (tea, 2))

    def listed() -> list[tuple[int, int, int]]:
        totals = stock.service.find_totals([rice, tea, new_id()])
        assert {each.offer for each in totals.values()} == {OFFER}
        levels = (totals[rice], totals[tea])
        return [(each.on_hand, each.reserved, each.available) for each in levels]

    assert listed() == [(64, 0, 64), (5, 2, 3)], "as of the split"
    before = stock.level(rice)
    stock.do(partial(stock.service.count, rice, 30, SELLER))
    stock.service.changed_level(stock.changes())
    assert stock.of(rice) == (30, 40, 0)
    assert listed() == [(30, 40, 0), (5, 2, 3)]
    stock.service.levels.save_total(before)
    assert listed() == [(30, 40, 0), (5, 2, 3)], "an earlier total changes nothing"


def test_kinds_of_movements_are_stable_names_on_the_wire() -> None:
    assert [kind.value for kind in MovementKind] == [kind.name for kind in MovementKind]


def test_an_order_that_needs_too_many_writes_is_refused_with_what_to_do(stock: Stock) -> None:
    products = [stock.open(9) for _ in range(46)]
    for product in products:
        stock.service.split(product)
    with pytest.raises(OrderTooLarge, match="Order fewer products"):
        stock.reserve(*((product, 8) for product in products))
    assert stock.of(products[0]) == (9, 0, 9)
