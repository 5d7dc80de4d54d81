"""What becomes of withdrawn products in the end, in memory and in DynamoDB."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from conftest import FrozenClock
from product import jobs, wiring
from product.model import Product
from product.pictures import Picture
from product.purge import RETENTION, Purge
from product.repository import WITHDRAWN_PER_PAGE, DynamoEntries, DynamoProducts, EntryRow
from product.search import SearchIndex
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.transaction import Transaction
from support.in_memory import InMemoryOutbox
from support.jobs import AContext
from support.product import (
    InMemoryEntries,
    InMemoryPictures,
    InMemoryProducts,
    a_product,
    png,
    without_stock,
)

PICTURE = Picture.of(png())


def plenty() -> bool:
    return True


@dataclass(frozen=True)
class Store:
    """Products with their words and pictures, and the job that clears them away."""

    products: DynamoProducts | InMemoryProducts
    entries: DynamoEntries | InMemoryEntries
    begin: Callable[[], Transaction]
    clock: FrozenClock
    pictures: InMemoryPictures

    @property
    def purge(self) -> Purge:
        index = SearchIndex(self.entries, self.products)
        return Purge(self.products, index, self.pictures)

    def do(self, write: Callable[[Transaction], None]) -> None:
        transaction = self.begin()
        write(transaction)
        transaction.commit()

    def sells(self, title: str = "Basmati rice") -> Product:
        product = a_product(title=title, images=self.pictures.upload("", [PICTURE, PICTURE]))
        self.do(partial(SearchIndex(self.entries, self.products).add, None, product))
        self.do(partial(self.products.add, product))
        return product

    def withdraws(self, product: Product) -> None:
        withdraw = self.products.withdraw
        self.do(partial(withdraw, product, self.clock()))

    def words(self) -> int:
        if isinstance(self.entries, InMemoryEntries):
            return len(self.entries.entries)
        return EntryRow.count("ba") + EntryRow.count("ri")

    def left(self) -> list[str]:
        moment = self.clock() + timedelta(days=999)
        return [product.id for product in self.products.withdrawn_before(moment)]

    def run(self) -> dict[str, int]:
        return dict(+self.purge.purge(self.clock(), plenty))


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest, clock: FrozenClock) -> Store:
    pictures = InMemoryPictures()
    if request.param == "in memory":
        begin = InMemoryOutbox().begin
        return Store(InMemoryProducts(), InMemoryEntries(), begin, clock, pictures)
    request.getfixturevalue("aws")
    return Store(DynamoProducts(), DynamoEntries(), DynamoTransaction, clock, pictures)


def test_a_product_is_purged_thirty_days_after_its_withdrawal(store: Store) -> None:
    product, kept = store.sells(), store.sells("Bananas")
    words_of_both = store.words()
    store.withdraws(product)
    store.clock.advance(RETENTION - timedelta(milliseconds=1))
    assert store.run() == {}
    assert store.left() == [product.id]
    assert len(store.pictures.kept) == 4
    store.clock.advance(timedelta(milliseconds=1))
    assert store.run() == {"purged": 1}
    assert store.left() == []
    assert {image.id for image in kept.images} == store.pictures.kept.keys()
    assert 0 < store.words() < words_of_both
    assert store.products.find(kept.id) == without_stock(kept)


def test_a_second_run_purges_nothing(store: Store) -> None:
    store.withdraws(store.sells())
    store.clock.advance(RETENTION)
    assert [store.run(), store.run()] == [{"purged": 1}, {}]


def test_concurrent_runs_purge_a_product_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.withdraws(store.sells())
    store.clock.advance(RETENTION)
    found = list(store.products.withdrawn_before(store.clock()))
    store.run()
    monkeypatch.setattr(store.products, "withdrawn_before", lambda _: iter(found))
    assert store.run() == {"skipped": 1}


def test_missing_pictures_do_not_prevent_a_purge(store: Store) -> None:
    product = store.sells()
    store.withdraws(product)
    store.pictures.discard(product.images)
    store.clock.advance(RETENTION)
    assert store.run() == {"purged": 1}


def test_a_product_stays_until_its_pictures_are_deleted(store: Store) -> None:
    store.withdraws(store.sells())
    store.clock.advance(RETENTION)
    store.pictures.is_down = True
    assert store.run() == {"failed": 1}
    assert len(store.left()) == 1
    store.pictures.is_down = False
    assert store.run() == {"purged": 1}
    assert store.pictures.kept == {}


def test_a_failure_does_not_stop_the_other_purges(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.sells()
    store.withdraws(first)
    store.clock.advance(timedelta(hours=1))
    for _ in range(2):
        store.withdraws(store.sells())
    store.clock.advance(RETENTION)
    remove = store.products.remove

    def fail_for_the_first(product: Product) -> bool:
        if product.id == first.id:
            raise ConnectionError("no answer")
        return remove(product)

    monkeypatch.setattr(store.products, "remove", fail_for_the_first)
    assert store.run() == {"purged": 2, "failed": 1}
    assert store.left() == [first.id]


def test_a_product_that_is_on_sale_cannot_be_purged(store: Store) -> None:
    product = store.sells()
    assert not store.products.remove(product)
    assert store.products.find(product.id) == without_stock(product)


def test_a_run_without_time_stops_and_the_next_one_continues(store: Store) -> None:
    for product in [store.sells() for _ in range(3)]:
        store.withdraws(product)
    store.clock.advance(RETENTION)
    time = iter([True, True, False])
    ended = store.purge.purge(store.clock(), lambda: next(time))
    assert +ended == {"purged": 2, "unfinished": 1}
    assert store.run() == {"purged": 1}


@pytest.mark.usefixtures("aws")
def test_more_than_a_page_is_purged_in_one_run(clock: FrozenClock) -> None:
    store = Store(DynamoProducts(), DynamoEntries(), DynamoTransaction, clock, InMemoryPictures())
    for _ in range(WITHDRAWN_PER_PAGE + 2):
        product = a_product(title="")
        store.do(partial(store.products.add, product))
        store.withdraws(product)
    clock.advance(RETENTION)
    assert store.run() == {"purged": WITHDRAWN_PER_PAGE + 2}


@pytest.mark.usefixtures("aws")
def test_the_job_runs_for_its_date(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(DynamoProducts(), DynamoEntries(), DynamoTransaction, clock, InMemoryPictures())
    monkeypatch.setattr(wiring, "purge", lambda: store.purge)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    store.withdraws(store.sells())
    clock.advance(timedelta(days=40))
    nothing = {"skipped": 0, "failed": 0, "unfinished": 0}
    early = jobs.purge_deleted_products({"date": "2026-12-21"}, AContext())
    assert early == {"purged": 0, **nothing}
    in_time = jobs.purge_deleted_products({"date": "2026-12-22"}, AContext())
    assert in_time == {"purged": 1, **nothing}
