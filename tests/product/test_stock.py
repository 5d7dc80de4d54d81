"""What lists show of the stock, and its events: by rule, and from the stream of the inventory."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.model import StockRequest
from inventory.wiring import inventory_service
from product import streams, wiring
from product.model import Availability, Changes, Draft, Product, ShownLevel, StockChange
from supermarket import telemetry
from supermarket.caller import Caller, Role
from supermarket.clock import is_id, new_id, utc_now
from supermarket.contracts import ProductUpdated, StockMoved, StockRanLow
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.streams import BatchFailed
from support.api import a_caller
from support.product import Shop
from support.streams import records_of

RICE = Draft(title="Rice", price=Money(100, Currency.INR), stock=9, low_stock_threshold=5)


def low_at_five() -> tuple[Shop, Product]:
    shop = Shop(utc_now)
    return shop, shop.service.create(RICE, [], a_caller(Role.SELLER))


def a_level(product: Product, stock: int, revision: int, *, by_seller: bool = False) -> ShownLevel:
    availability = Availability(stock > 0, stock <= 5, revision)
    return ShownLevel(product.id, stock, availability, by_seller)


def stock_events(shop: Shop) -> list[tuple[str, int, int]]:
    """The name, the stock and the revision of each stock event."""
    return [
        (event.NAME, event.stock, event.stock_revision)
        for event in shop.outbox.events
        if isinstance(event, StockRanLow | StockMoved)
    ]


@pytest.mark.parametrize(
    ("levels", "emitted"),
    [
        ([9], []),
        ([5], [("StockRanLow", 5, 0)]),
        ([9, 6], []),
        ([9, 0], [("StockRanLow", 0, 1)]),
        ([6, 5, 4], [("StockRanLow", 5, 1), ("StockMoved", 4, 2)]),
        ([5, 6, 9], [("StockRanLow", 5, 0), ("StockMoved", 6, 1)]),
        ([5, 6, 5], [("StockRanLow", 5, 0), ("StockMoved", 6, 1), ("StockRanLow", 5, 2)]),
    ],
)
def test_sales_and_releases_of_low_stock_emit_events(
    levels: list[int], emitted: list[tuple[str, int, int]]
) -> None:
    shop, product = low_at_five()
    for revision, stock in enumerate(levels):
        shop.service.update_availability(a_level(product, stock, revision))
    assert stock_events(shop) == emitted


def test_stock_changes_by_the_seller_always_emit_an_event() -> None:
    shop, product = low_at_five()
    shop.service.update_availability(a_level(product, 20, 1, by_seller=True))
    assert stock_events(shop) == [("StockMoved", 20, 1)]


def test_a_stock_event_names_seller_product_and_threshold() -> None:
    shop, product = low_at_five()
    shop.service.update_availability(a_level(product, 2, 1))
    (event,) = shop.outbox.of(StockRanLow)
    assert isinstance(event, StockRanLow)
    assert (event.product_id, event.title, event.threshold) == (product.id, product.title, 5)
    assert event.seller.email == product.seller.email


def test_lists_show_whether_there_is_stock() -> None:
    shop, product = low_at_five()
    for revision, stock in enumerate((0, 3, 9, 0)):
        shop.service.update_availability(a_level(product, stock, revision))
        found = shop.products.find(product.id)
        assert found is not None
        assert (found.shown.in_stock, found.shown.is_low) == (stock > 0, stock <= 5)


def test_an_earlier_level_than_the_shown_one_is_ignored() -> None:
    shop, product = low_at_five()
    shop.service.update_availability(a_level(product, 3, 7))
    for revision in (7, 6, 0):
        shop.service.update_availability(a_level(product, 9, revision, by_seller=True))
    assert stock_events(shop) == [("StockRanLow", 3, 7)]


def test_a_withdrawn_product_emits_nothing() -> None:
    shop, product = low_at_five()
    shop.service.delete(product.id, a_caller(Role.ADMIN))
    shop.service.update_availability(a_level(product, 0, 1, by_seller=True))
    assert stock_events(shop) == []


def test_a_level_that_another_one_overtakes_is_not_shown() -> None:
    shop, product = low_at_five()
    later = partial(shop.service.update_availability, a_level(product, 3, 8))
    shop.products.meanwhile = later
    shop.service.update_availability(a_level(product, 0, 7))
    found = shop.products.find(product.id)
    assert found is not None
    assert found.shown == Availability(in_stock=True, is_low=True, revision=8)
    assert stock_events(shop) == [("StockRanLow", 3, 8)]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=25), st.data())
def test_repeated_levels_are_the_same_events_and_the_last_one_is_shown(
    stocks: list[int], data: st.DataObject
) -> None:
    shop, product = low_at_five()
    levels = [a_level(product, stock, revision) for revision, stock in enumerate(stocks)]
    at = 0
    while at < len(levels):
        for level in levels[at - data.draw(st.integers(0, at)) : at + 1]:
            shop.service.update_availability(level)
        at += 1
    found = shop.products.find(product.id)
    assert found is not None
    assert (found.shown.in_stock, found.shown.is_low) == (stocks[-1] > 0, stocks[-1] <= 5)
    ran_low = sum(
        low and not before for before, low in pairwise([False, *(stock <= 5 for stock in stocks)])
    )
    names = {event[0::2] for event in stock_events(shop)}
    assert sum(name == "StockRanLow" for name, _ in names) == ran_low


def test_catalogue_events_carry_the_threshold_and_the_stock() -> None:
    shop, product = low_at_five()
    shop.service.update(product.id, Changes(low_stock_threshold=7), [], a_caller(Role.ADMIN))
    (event,) = shop.outbox.of(ProductUpdated)
    assert isinstance(event, ProductUpdated)
    assert (event.low_stock_threshold, event.stock) == (7, 9)


@dataclass
class Market:
    """The catalogue and the inventory in DynamoDB, and the stream between them."""

    seller: Caller
    delivered: int = 0

    def create(self, stock: int, threshold: int | None = 5) -> Product:
        draft = Draft("Rice", RICE.price, stock=stock, low_stock_threshold=threshold)
        return wiring.product_service().create(draft, [], self.seller)

    def sell(self, product: Product, *quantities: int) -> None:
        """Reserve stock for an order for each quantity."""
        for quantity in quantities:
            request = StockRequest(product.id, product.price, quantity)
            inventory_service().commit_reserving(new_id(), [request], DynamoTransaction)

    def change(self, product: Product, change: StockChange) -> None:
        wiring.product_service().change_stock(product.id, change, self.seller)

    def records(self) -> list[dict[str, Any]]:
        """The records that were not delivered yet."""
        records = records_of("inventory", "bucket#")[self.delivered :]
        self.delivered += len(records)
        return records

    def shown(self, product: Product) -> Availability:
        found = wiring.product_service().products.find(product.id)
        assert found is not None
        return found.shown


@pytest.fixture
def market(aws: None) -> Market:
    return Market(a_caller(Role.SELLER))


def deliver(records: list[dict[str, Any]]) -> None:
    assert streams.watch_stock({"Records": records}, None) == {"batchItemFailures": []}


def outbox() -> dict[str, tuple[str, int]]:
    """The name and the stock of each stock event, by its id."""
    rows = [row for row in OutboxRow.scan() if row.detail_type.startswith("Stock")]
    return {
        row.event_id: (row.detail_type, json.loads(row.detail)["data"]["stock"]) for row in rows
    }


def test_changes_that_come_one_by_one_emit_the_crossing_and_later_changes(market: Market) -> None:
    product = market.create(7)
    market.sell(product, 1, 2, 3)
    for record in market.records():
        deliver([record])
    assert outbox() == {
        f"{product.id}-stock-2": ("StockRanLow", 4),
        f"{product.id}-stock-3": ("StockMoved", 1),
    }
    assert market.shown(product) == Availability(in_stock=True, is_low=True, revision=2)


def test_changes_in_one_batch_emit_the_last_level(market: Market) -> None:
    product = market.create(7)
    market.sell(product, 1, 2, 3)
    deliver(market.records())
    assert outbox() == {f"{product.id}-stock-3": ("StockRanLow", 1)}


def test_a_release_above_the_threshold_ends_low_stock(market: Market) -> None:
    product, order_id = market.create(7), new_id()
    request = StockRequest(product.id, product.price, 3)
    inventory_service().commit_reserving(order_id, [request], DynamoTransaction)
    deliver(market.records())
    transaction = DynamoTransaction()
    inventory_service().release(order_id, transaction)
    transaction.commit()
    deliver(market.records())
    assert outbox()[f"{product.id}-stock-2"] == ("StockMoved", 7)
    assert not market.shown(product).is_low


@pytest.mark.parametrize(("threshold", "name"), [(10, "StockRanLow"), (3, "StockMoved")])
def test_another_threshold_emits_an_event(market: Market, threshold: int, name: str) -> None:
    product = market.create(8)
    deliver(market.records())
    changes = Changes(low_stock_threshold=threshold)
    wiring.product_service().update(product.id, changes, [], market.seller)
    deliver(market.records())
    assert outbox() == {f"{product.id}-stock-1": (name, 8)}


def test_a_lowered_or_removed_threshold_ends_low_stock(market: Market) -> None:
    for threshold in (3, None):
        product = market.create(4)
        deliver(market.records())
        assert market.shown(product).is_low
        changes = Changes(low_stock_threshold=threshold)
        wiring.product_service().update(product.id, changes, [], market.seller)
        deliver(market.records())
        assert not market.shown(product).is_low
        assert outbox()[f"{product.id}-stock-1"] == ("StockMoved", 4)


def test_a_change_of_other_fields_emits_no_stock_event(market: Market) -> None:
    product = market.create(4, threshold=None)
    wiring.product_service().update(product.id, Changes(title="Brown rice"), [], market.seller)
    deliver(market.records())
    assert outbox() == {}


def test_without_a_threshold_only_the_availability_is_shown(market: Market) -> None:
    product = market.create(2, threshold=None)
    market.sell(product, 1, 1)
    deliver(market.records())
    assert outbox() == {}
    assert market.shown(product) == Availability(in_stock=False, is_low=False, revision=2)


def test_changes_of_several_products_are_shown_for_each(market: Market) -> None:
    products = [market.create(stock) for stock in (6, 1, 9)]
    for product in products:
        market.sell(product, 1)
    deliver(market.records())
    shown = [market.shown(product) for product in products]
    assert [(each.in_stock, each.is_low) for each in shown] == [
        (True, True),
        (False, True),
        (True, False),
    ]
    assert [len(history(product)) for product in products] == [2, 2, 2]


def test_a_product_with_several_buckets_is_shown_as_a_whole(market: Market) -> None:
    product = market.create(16)
    assert inventory_service().split(product.id)
    market.sell(product, 4, 4, 4)
    deliver(market.records())
    assert outbox() == {
        f"{product.id}-stock-{inventory_service().get_level(product.id).changes}": (
            "StockRanLow",
            4,
        )
    }


def test_a_repeated_batch_changes_nothing(market: Market) -> None:
    product = market.create(7)
    market.sell(product, 1, 2, 3)
    records = market.records()
    deliver(records)
    first, shown, movements = outbox(), market.shown(product), history(product)
    deliver(records * 2)
    for record in records:
        deliver([record])
    assert (outbox(), market.shown(product), history(product)) == (first, shown, movements)
    assert len(movements) == 4


def test_an_ordinary_sale_reads_nothing_and_writes_only_the_history(market: Market) -> None:
    product = market.create(9)
    deliver(market.records())
    market.sell(product, 1)
    assert calls_of(lambda: deliver(market.records())) == ["BatchWriteItem"]


def test_stock_events_carry_the_id_of_the_request(market: Market) -> None:
    telemetry.begin("request of the seller")
    product = market.create(7)
    telemetry.begin("request of a buyer")
    market.sell(product, 3)
    telemetry.begin("request that counts")
    market.change(product, StockChange(counted=9))
    for record in market.records():
        deliver([record])
    rows = [row for row in OutboxRow.scan() if row.detail_type.startswith("Stock")]
    emitted = {row.event_id: json.loads(row.detail)["metadata"] for row in rows}
    assert [emitted[event_id]["correlationId"] for event_id in sorted(emitted)] == [
        "request of a buyer",
        "request that counts",
    ]


def test_a_change_without_a_request_id_emits_an_event(market: Market) -> None:
    market.create(3)
    records = market.records()
    for record in records:
        record["dynamodb"]["NewImage"]["cause"]["M"]["request"] = {"S": ""}
    deliver(records)
    (row,) = [row for row in OutboxRow.scan() if row.detail_type == "StockRanLow"]
    assert is_id(json.loads(row.detail)["metadata"]["correlationId"])


def test_a_withdrawn_product_has_a_history_and_emits_nothing(market: Market) -> None:
    product, order_id = market.create(7), new_id()
    request = StockRequest(product.id, product.price, 3)
    inventory_service().commit_reserving(order_id, [request], DynamoTransaction)
    wiring.product_service().delete(product.id, market.seller)
    transaction = DynamoTransaction()
    inventory_service().release(order_id, transaction)
    transaction.commit()
    deliver(market.records())
    assert outbox() == {}
    assert history(product) == ["RELEASED", "RESERVED", "OPENED"]


def test_a_product_that_fails_fails_only_its_own_changes(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing, other = market.create(7), market.create(7)
    for product in (failing, other, failing):
        market.sell(product, 2)
    update = type(wiring.product_service()).update_availability

    def update_others(service: Any, level: ShownLevel) -> None:
        if level.product_id == failing.id:
            raise ConnectionError("no answer")
        update(service, level)

    monkeypatch.setattr(type(wiring.product_service()), "update_availability", update_others)
    records = market.records()
    failed = streams.watch_stock({"Records": records}, None)["batchItemFailures"]
    own = [each["dynamodb"] for each in records]
    assert [each["itemIdentifier"] for each in failed] == [
        each["SequenceNumber"] for each in own if each["Keys"]["subject"]["S"] == failing.id
    ]
    assert outbox() == {f"{other.id}-stock-1": ("StockRanLow", 5)}
    assert len(history(failing)) == 3


def test_an_invalid_record_is_reported_and_the_others_are_handled(market: Market) -> None:
    broken, other = market.create(7), market.create(7)
    market.sell(broken, 2)
    market.sell(other, 2)
    records = market.records()
    records[2]["dynamodb"]["NewImage"]["onHand"] = {"N": "many"}
    failed = streams.watch_stock({"Records": records}, None)["batchItemFailures"]
    numbers = [records[place]["dynamodb"]["SequenceNumber"] for place in (0, 2)]
    assert [each["itemIdentifier"] for each in failed] == numbers
    assert outbox() == {f"{other.id}-stock-1": ("StockRanLow", 5)}
    assert (len(history(broken)), len(history(other))) == (1, 2)


def test_a_batch_of_which_every_record_fails_is_an_error(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no answer")

    market.sell(market.create(7), 2)
    records = market.records()
    monkeypatch.setattr(DynamoTransaction, "commit", fail)
    with pytest.raises(BatchFailed):
        streams.watch_stock({"Records": records}, None)


def history(product: Product) -> list[str]:
    """The kinds of a product's movements, newest first."""
    page = inventory_service().list_movements(product.id, None, 100)
    return [movement.kind.value for movement in page.movements]


def calls_of(action: Callable[[], object]) -> list[str]:
    """Return the calls of DynamoDB that an action makes."""
    calls: list[str] = []

    def save(model: Any, **_: Any) -> None:
        calls.append(model.name)

    events = database().client.meta.events
    events.register("before-call.dynamodb", save)
    try:
        action()
    finally:
        events.unregister("before-call.dynamodb", save)
    return calls
