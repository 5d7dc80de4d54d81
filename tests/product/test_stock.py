"""Stock events: by rule, for any sequence of changes, and from the table's own stream."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from product import streams, wiring
from product.model import Changes, Draft, Product, StockChange
from product.ports import Products
from product.repository import DynamoProducts, ProductRow, changed_by, product_of
from product.stock import StockMonitor, event_id, stock_event
from supermarket import telemetry
from supermarket.caller import Role
from supermarket.clock import is_id
from supermarket.contracts import ProductUpdated, StockMoved, StockRanLow
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict
from supermarket.money import Currency, Money
from supermarket.streams import BatchFailed
from supermarket.transaction import Transaction
from support.api import a_caller
from support.cloud import client
from support.in_memory import InMemoryOutbox
from support.product import InMemoryProducts, Shop, a_product

REFUSED = Conflict("refused")
TABLE = "supermarket-test-product"


def low_at(threshold: int | None, stock: int, **values: Any) -> Product:
    return a_product(low_stock_threshold=threshold, stock=stock, **values)


def sold(product: Product, stock: int) -> Product:
    """With another stock, which its seller had no part in."""
    return replace(product, stock=stock, stock_revision=product.stock_revision + 1)


@pytest.mark.parametrize(
    ("before", "after", "emitted"),
    [
        (6, 5, StockRanLow),
        (9, 0, StockRanLow),
        (9, 6, None),
        (5, 4, StockMoved),
        (5, 6, StockMoved),
        (6, 9, None),
    ],
)
def test_sales_and_releases_of_low_stock_emit_events(
    before: int, after: int, emitted: type | None
) -> None:
    product = low_at(5, stock=before)
    news = stock_event(product, sold(product, after))
    assert type(news) is (emitted or type(None))
    assert news is None or (news.stock, news.threshold, news.stock_revision) == (after, 5, 1)


def test_without_a_threshold_no_event_is_emitted() -> None:
    product = low_at(None, stock=1)
    assert stock_event(product, sold(product, 0)) is None
    assert stock_event(product, product.with_stock(5, NOON)) is None


def test_a_product_created_at_its_threshold_is_low_at_once() -> None:
    assert isinstance(stock_event(None, low_at(5, stock=5)), StockRanLow)
    assert stock_event(None, low_at(5, stock=6)) is None


def test_a_threshold_that_is_raised_above_the_stock_makes_it_low() -> None:
    product = low_at(5, stock=8)
    raised = product.changed(Changes(low_stock_threshold=10), (), NOON)
    assert isinstance(stock_event(product, raised), StockRanLow)
    first = low_at(None, stock=8)
    set_for_the_first_time = first.changed(Changes(low_stock_threshold=10), (), NOON)
    assert isinstance(stock_event(first, set_for_the_first_time), StockRanLow)


@pytest.mark.parametrize("threshold", [3, None])
def test_a_lowered_or_removed_threshold_ends_low_stock(threshold: int | None) -> None:
    product = low_at(5, stock=4)
    news = stock_event(product, product.changed(Changes(low_stock_threshold=threshold), (), NOON))
    assert isinstance(news, StockMoved)
    assert (news.stock, news.threshold) == (4, threshold)


def test_changes_of_other_fields_emit_no_stock_event() -> None:
    product = low_at(5, stock=4)
    assert stock_event(product, product.changed(Changes(title="Brown rice"), (), NOON)) is None


def test_stock_changes_by_the_seller_always_emit_an_event() -> None:
    """The seller's own ProductUpdated knows nothing of the sales in between."""
    product = low_at(5, stock=8)
    news = stock_event(product, product.with_stock(20, NOON))
    assert isinstance(news, StockMoved)
    assert (news.stock, news.stock_revision) == (20, 1)


def test_a_withdrawn_product_emits_no_stock_event() -> None:
    assert stock_event(low_at(5, stock=8), None) is None
    assert stock_event(None, None) is None


def test_a_stock_event_names_seller_and_product() -> None:
    product = low_at(5, stock=6)
    news = stock_event(product, sold(product, 2))
    assert isinstance(news, StockRanLow)
    assert (news.product_id, news.title) == (product.id, product.title)
    assert news.seller.email == product.seller.email


stocks = st.lists(
    st.tuples(st.integers(0, 9), st.one_of(st.none(), st.integers(0, 9)), st.booleans()),
    min_size=1,
    max_size=25,
)


def history(moves: list[tuple[int, int | None, bool]]) -> list[tuple[Product | None, Product]]:
    """A product from its beginning: what it was and what it became, change by change."""
    (stock, threshold, _), *rest = moves
    product = low_at(threshold, stock)
    records: list[tuple[Product | None, Product]] = [(None, product)]
    for stock, threshold, by_seller in rest:
        if by_seller:
            after = product.changed(Changes(stock=stock, low_stock_threshold=threshold), (), NOON)
        else:
            after = sold(product, stock)
        records.append((product, after))
        product = after
    return records


def emitted(records: list[tuple[Product | None, Product]]) -> dict[str, StockRanLow | StockMoved]:
    """The events by their id, as the outbox and every consumer have them."""
    return {
        event_id(after): news for before, after in records if (news := stock_event(before, after))
    }


@given(stocks, st.data())
def test_repeated_and_reordered_records_are_the_same_events(
    moves: list[tuple[int, int | None, bool]], data: st.DataObject
) -> None:
    records = history(moves)
    repeated = data.draw(st.permutations(records + data.draw(st.lists(st.sampled_from(records)))))
    assert emitted(repeated) == emitted(records)


@given(stocks)
def test_each_low_stock_emits_one_event_and_the_latest_has_the_present_stock(
    moves: list[tuple[int, int | None, bool]],
) -> None:
    records = history(moves)
    states = [False, *(after.is_low for _, after in records)]
    became_low = sum(not was and low for was, low in pairwise(states))
    events = emitted(records).values()
    assert sum(isinstance(event, StockRanLow) for event in events) == became_low
    # the highest stock revision shows whether the product is low
    latest = max(events, key=lambda event: event.stock_revision, default=None)
    believed = (
        latest is not None and latest.threshold is not None and latest.stock <= latest.threshold
    )
    assert believed == records[-1][1].is_low


@given(stocks, st.data())
def test_a_consumer_of_all_catalogue_events_knows_which_products_are_low(
    moves: list[tuple[int, int | None, bool]], data: st.DataObject
) -> None:
    """A ProductUpdated may tell of a stock that was read some sales earlier; the highest stock
    revision is right all the same, whichever of two that are alike is believed.
    """
    records = history(moves)
    received: list[tuple[int, int, int | None]] = [
        (event.stock_revision, event.stock, event.threshold) for event in emitted(records).values()
    ]
    sales_since = 0
    for before, after in records:
        if before is not None and before.revision == after.revision:
            sales_since += 1
            continue
        stale_by = data.draw(st.integers(0, sales_since))
        stock = data.draw(st.integers(0, 9)) if stale_by else after.stock
        received.append((after.stock_revision - stale_by, stock, after.low_stock_threshold))
        sales_since = 0
    shuffled = data.draw(st.permutations(received))
    _, stock, threshold = max(shuffled, key=lambda news: news[0])
    assert (threshold is not None and stock <= threshold) == records[-1][1].is_low


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> tuple[Products, Callable[[], Transaction]]:
    if request.param == "in memory":
        return InMemoryProducts(), InMemoryOutbox().begin
    request.getfixturevalue("aws")
    return DynamoProducts(), DynamoTransaction


def test_every_change_of_the_stock_is_counted(
    store: tuple[Products, Callable[[], Transaction]],
) -> None:
    products, begin = store

    def do(write: Callable[[Transaction], None]) -> Product:
        transaction = begin()
        write(transaction)
        transaction.commit()
        found = products.find(product.id)
        assert found is not None
        return found

    product = low_at(5, stock=50)
    seen = [do(partial(products.add, product))]
    seen.append(
        do(partial(products.reserve_stock, product.id, product.price, 2, on_conflict=REFUSED))
    )
    seen.append(do(partial(products.release_stock, product.id, 1)))
    for after, write in (
        (seen[-1].with_stock(60, NOON), products.add_stock),
        (seen[-1].with_stock(60, NOON).with_stock(7, NOON), products.change),
    ):
        seen.append(do(partial(write, seen[-1], after)))
    raised = seen[-1].changed(Changes(low_stock_threshold=6), (), NOON)
    seen.append(do(partial(products.change, seen[-1], raised)))
    renamed = seen[-1].changed(Changes(title="Brown rice"), (), NOON)
    seen.append(do(partial(products.change, seen[-1], renamed)))
    assert [(each.stock, each.stock_revision) for each in seen] == [
        *((50, 0), (48, 1), (49, 2), (60, 3), (7, 4), (7, 5), (7, 5)),
    ]


def test_sales_between_read_and_write_are_counted(
    store: tuple[Products, Callable[[], Transaction]],
) -> None:
    products, begin = store
    product = low_at(5, stock=50)
    for write in (
        partial(products.add, product),
        partial(products.reserve_stock, product.id, product.price, 2, on_conflict=REFUSED),
        partial(products.add_stock, product, product.with_stock(60, NOON)),
    ):
        transaction = begin()
        write(transaction)
        transaction.commit()
    found = products.find(product.id)
    assert found is not None
    assert (found.stock, found.stock_revision) == (58, 2)


@pytest.mark.usefixtures("aws")
def test_a_row_without_a_stock_revision_starts_at_zero() -> None:
    products = DynamoProducts()
    transaction = DynamoTransaction()
    products.add(product := low_at(5, stock=6), transaction)
    transaction.commit()
    ProductRow(product.id).update([ProductRow.stock_revision.remove()])
    assert products.find(product.id) == product
    transaction = DynamoTransaction()
    products.reserve_stock(product.id, product.price, 1, transaction, REFUSED)
    transaction.commit()
    assert products.find(product.id) == sold(product, 5)


def test_catalogue_events_carry_threshold_and_stock_revision(clock: FrozenClock) -> None:
    shop, seller = Shop(clock), a_caller(Role.SELLER)
    draft = Draft(title="Rice", price=Money(100, Currency.INR), stock=9, low_stock_threshold=5)
    product = shop.service.create(draft, [], seller)
    shop.service.change_stock(product.id, StockChange(added=1), seller)
    shop.service.update(product.id, Changes(low_stock_threshold=7), [], seller)
    facts = [event for event in shop.outbox.events if isinstance(event, ProductUpdated)]
    assert [(fact.low_stock_threshold, fact.stock_revision) for fact in facts] == [(5, 1), (7, 2)]


class Table:
    """The product table, and the records that its stream has of what is done to it."""

    def __init__(self) -> None:
        self.products = DynamoProducts()
        self.records: list[dict[str, Any]] = []

    def do(self, product_id: str, write: Callable[[Transaction], None]) -> None:
        before = self._image(product_id)
        transaction = DynamoTransaction()
        write(transaction)
        transaction.commit()
        self._record(before, self._image(product_id))

    def sell_out_of(self, stock: int, *quantities: int) -> Product:
        """A product that is low at five, and so many bought of it, one time after the other."""
        product = low_at(5, stock)
        self.do(product.id, partial(self.products.add, product))
        for quantity in quantities:
            self.do(
                product.id,
                partial(
                    self.products.reserve_stock,
                    product.id,
                    product.price,
                    quantity,
                    on_conflict=REFUSED,
                ),
            )
        return product

    def drop(self, product_id: str) -> None:
        before = self._image(product_id)
        ProductRow(product_id).delete()
        self._record(before, None)

    def _image(self, product_id: str) -> dict[str, Any] | None:
        key = {"productId": {"S": product_id}}
        image: dict[str, Any] | None = (
            client("dynamodb").get_item(TableName=TABLE, Key=key).get("Item")
        )
        return image

    def _record(self, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        images = {"OldImage": before, "NewImage": after}
        change = {name: image for name, image in images.items() if image is not None}
        name = "INSERT" if before is None else "MODIFY" if after else "REMOVE"
        number = str(len(self.records) + 1)
        self.records.append(
            {"eventName": name, "dynamodb": {"SequenceNumber": number, "Keys": {}, **change}}
        )


@pytest.fixture
def table(aws: None, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(
        wiring, "stock_monitor", lambda: StockMonitor(product_of, changed_by, DynamoTransaction)
    )
    return Table()


def outbox() -> dict[str, tuple[str, int]]:
    """What each event tells: its name, and the stock."""
    rows = list(OutboxRow.scan())
    return {
        row.event_id: (row.detail_type, json.loads(row.detail)["data"]["stock"]) for row in rows
    }


def test_the_stream_emits_the_crossing_and_later_changes(table: Table) -> None:
    product = table.sell_out_of(7, 1, 2, 3)
    assert streams.watch_stock({"Records": table.records}, None) == {"batchItemFailures": []}
    assert outbox() == {
        f"{product.id}-stock-2": ("StockRanLow", 4),
        f"{product.id}-stock-3": ("StockMoved", 1),
    }


def test_stock_events_carry_the_id_of_the_request(table: Table) -> None:
    product = low_at(5, 7)
    telemetry.begin("request of the seller")
    table.do(product.id, partial(table.products.add, product))
    telemetry.begin("request of a buyer")
    table.do(
        product.id,
        partial(table.products.reserve_stock, product.id, product.price, 3, on_conflict=REFUSED),
    )
    telemetry.begin("request that cancels")
    table.do(product.id, partial(table.products.release_stock, product.id, 1))
    telemetry.begin("request that counts")
    counted = replace(product, stock=9, stock_revision=product.stock_revision + 1)
    table.do(product.id, partial(table.products.add_stock, product, counted))
    streams.watch_stock({"Records": table.records}, None)
    emitted = {row.event_id: json.loads(row.detail)["metadata"] for row in OutboxRow.scan()}
    assert [emitted[event_id]["correlationId"] for event_id in sorted(emitted)] == [
        "request of a buyer",
        "request that cancels",
        "request that counts",
    ]


def test_a_change_without_a_request_id_emits_an_event(table: Table) -> None:
    table.sell_out_of(7, 2)
    for record in table.records:
        for image in ("OldImage", "NewImage"):
            record["dynamodb"].get(image, {}).pop("changedBy", None)
    assert streams.watch_stock({"Records": table.records}, None) == {"batchItemFailures": []}
    (row,) = OutboxRow.scan()
    assert is_id(json.loads(row.detail)["metadata"]["correlationId"])


def test_a_repeated_batch_emits_nothing_new(table: Table) -> None:
    table.sell_out_of(7, 1, 2, 3)
    streams.watch_stock({"Records": table.records}, None)
    first = outbox()
    streams.watch_stock({"Records": table.records * 2}, None)
    assert outbox() == first
    assert len(first) == 2


def test_a_withdrawn_product_emits_nothing_when_stock_is_released(table: Table) -> None:
    product = table.sell_out_of(7)
    withdraw = partial(table.products.withdraw, product, NOON)
    table.do(product.id, withdraw)
    table.do(product.id, partial(table.products.release_stock, product.id, 3))
    table.drop(product.id)
    table.do(product.id, partial(table.products.release_stock, product.id, 3))
    names = [record["eventName"] for record in table.records]
    assert names == ["INSERT", "MODIFY", "MODIFY", "REMOVE", "INSERT"]
    assert streams.watch_stock({"Records": table.records}, None) == {"batchItemFailures": []}
    assert outbox() == {}
    assert table.products.find(product.id) is None, "what has only a stock is no product"
    assert table.products.find_many([product.id]) == {}


def test_an_invalid_record_is_reported_and_the_others_are_handled(table: Table) -> None:
    product = table.sell_out_of(7, 1, 2)
    table.records[1]["dynamodb"]["NewImage"]["stock"] = {"N": "many"}
    answer = streams.watch_stock({"Records": table.records}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert outbox() == {f"{product.id}-stock-2": ("StockRanLow", 4)}


def test_a_batch_of_which_every_record_fails_is_an_error(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no answer")

    table.sell_out_of(7, 2)
    monkeypatch.setattr(DynamoTransaction, "commit", refuse)
    with pytest.raises(BatchFailed):
        streams.watch_stock({"Records": table.records[-1:]}, None)
