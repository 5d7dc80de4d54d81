"""The sweep of what no product has: pictures and words, in memory and in DynamoDB."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ulid import ULID

import support.product
from conftest import FrozenClock
from product import jobs, orphans, repository, wiring
from product.model import Document, Product
from product.orphans import MIN_AGE, OrphanSweep
from product.pictures import Picture
from product.ports import Checkpoint, Entries, Products
from product.repository import DynamoCheckpoint, DynamoEntries, DynamoProducts
from product.search import SearchIndex
from supermarket.aws import client
from supermarket.clock import new_id, utc_now
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Unavailable
from supermarket.transaction import Transaction
from support.cloud import aws_in_memory
from support.in_memory import InMemoryOutbox
from support.jobs import AContext
from support.product import (
    InMemoryEntries,
    InMemoryPictures,
    InMemoryProducts,
    a_product,
    png,
)

PICTURE = Picture.of(png())


class Killed(BaseException):
    """The Lambda was killed."""


@dataclass
class InMemoryCheckpoint:
    """`Checkpoint` in a number."""

    position: int = 0

    def load(self) -> int:
        return self.position

    def save(self, position: int) -> None:
        self.position = position


@dataclass
class Store:
    """Products, their pictures and the sweep, which is killed before the call with the number
    `killed_before`.
    """

    products: Products
    entries: InMemoryEntries | DynamoEntries
    checkpoint: Checkpoint
    begin: Callable[[], Transaction]
    pictures: InMemoryPictures = field(default_factory=InMemoryPictures)
    killed_before: int | None = None

    def sell(self, pictures: int) -> Product:
        product_id = new_id()
        images = self.pictures.upload(product_id, [PICTURE] * pictures)
        product = a_product(id=product_id, images=images)
        self.do(partial(self.products.add, product))
        return product

    def leave(self, product_id: str | None = None) -> str:
        """Upload a picture that no product gets; returns its id."""
        [image] = self.pictures.upload(product_id or new_id(), [PICTURE])
        return image.id

    def do(self, write: Callable[[Transaction], None]) -> None:
        transaction = self.begin()
        write(transaction)
        transaction.commit()

    def sweep(self, age: timedelta = MIN_AGE) -> dict[str, int]:
        ports = [self.entries, self.pictures, self.products, self.checkpoint]
        entries, pictures, products, checkpoint = (_Mortal(port, self) for port in ports)
        index = SearchIndex(cast("Entries", entries), cast("Products", products))
        sweep = OrphanSweep(index, pictures, products, checkpoint)
        return dict(+sweep.run(utc_now() + age, lambda: True))

    def words(self) -> dict[str, set[str]]:
        """The words of each product that has entries."""
        found = defaultdict(set)
        if isinstance(self.entries, InMemoryEntries):
            for entry in self.entries.entries:
                found[entry.product_id].add(entry.word)
        else:
            for item in client("dynamodb").scan(TableName="supermarket-test-search")["Items"]:
                if "change" not in item:
                    word, product_id = item["entry"]["S"].split("#")
                    found[product_id].add(word)
        return found


@dataclass
class _Mortal:
    port: Any
    store: Store

    def __getattr__(self, name: str) -> Any:
        if self.store.killed_before is not None:
            if self.store.killed_before == 0:
                raise Killed
            self.store.killed_before -= 1
        return getattr(self.port, name)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(orphans, "PICTURES_PER_PAGE", 3)
    if request.param == "in memory":
        return an_empty_store()
    request.getfixturevalue("aws")
    return an_empty_dynamo()


def an_empty_store() -> Store:
    begin = InMemoryOutbox().begin
    return Store(InMemoryProducts(), InMemoryEntries(), InMemoryCheckpoint(), begin)


def an_empty_dynamo() -> Store:
    return Store(DynamoProducts(), DynamoEntries(), DynamoCheckpoint(), DynamoTransaction)


def test_pictures_that_no_product_has_are_removed(store: Store) -> None:
    first, orphan = store.sell(2), store.leave()
    replaced, second = store.leave(first.id), store.sell(3)
    withdrawn = store.sell(1)
    store.do(partial(store.products.withdraw, withdrawn, withdrawn.updated_at))
    left = {image.id for each in (first, second, withdrawn) for image in each.images}
    assert store.pictures.kept.keys() == left | {orphan, replaced}
    assert store.sweep() == {"removed": 2}
    assert store.pictures.kept.keys() == left
    assert store.sweep() == {}


def test_a_picture_of_an_upload_in_progress_stays(store: Store) -> None:
    orphan = store.leave()
    assert store.sweep(MIN_AGE - timedelta(minutes=1)) == {}
    assert store.pictures.kept.keys() == {orphan}


def test_a_file_of_another_origin_stays(store: Store) -> None:
    store.leave()
    [other] = store.pictures.upload("", [PICTURE])
    assert store.sweep() == {"removed": 1}
    assert store.pictures.kept.keys() == {other.id}


def test_a_picture_that_could_not_be_deleted_is_removed_by_a_later_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        store.leave()
    monkeypatch.setattr(store.pictures, "discard", lambda images: images)
    assert store.sweep() == {"failed": 4}
    monkeypatch.undo()
    assert store.sweep() == {"removed": 4}


def test_one_run_removes_a_bounded_number(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "MAX_REMOVED", 4)
    kept = [image.id for image in store.sell(1).images]
    for _ in range(10):
        store.leave()
    assert store.sweep() == {"removed": 5, "unfinished": 1}
    assert store.sweep() == {"removed": 5}
    assert list(store.pictures.kept) == kept


def test_an_outage_ends_the_run_and_the_next_one_continues(store: Store) -> None:
    store.leave()
    store.pictures.is_down = True
    with pytest.raises(Unavailable):
        store.sweep()
    store.pictures.is_down = False
    assert store.sweep() == {"removed": 1}


def test_a_run_may_be_killed_at_any_point(store: Store) -> None:
    """Each run is killed one call later than the one before; then one ends."""
    left = set()
    store.entries.add(["rice"], a_product(), store.begin())
    for number in range(12):
        if number % 3:
            left |= {image.id for image in store.sell(1).images}
        else:
            store.leave()
    for calls in range(25):
        store.killed_before = calls
        try:
            store.sweep()
        except Killed:
            assert left <= store.pictures.kept.keys()
            store.leave()
    store.killed_before = None
    store.sweep()  # to the end of the pictures, and once from their beginning
    store.sweep()
    assert store.pictures.kept.keys() == left
    assert store.words() == {}


WORDS = st.lists(st.sampled_from(["green", "black", "tea", "chai"]), min_size=1, max_size=3)


@settings(max_examples=25)
@given(
    history=st.lists(st.tuples(WORDS, st.booleans()), min_size=1, max_size=5),
    in_progress=WORDS,
    in_memory=st.booleans(),
)
def test_only_the_words_of_the_product_are_left(
    history: list[tuple[list[str], bool]], in_progress: list[str], in_memory: bool
) -> None:
    """A product is created and changed; some changes are not committed, and of the last one the
    commit follows the sweep.
    """
    now = [utc_now() - timedelta(days=100)]
    with nullcontext() if in_memory else aws_in_memory(), pytest.MonkeyPatch.context() as patch:
        store = an_empty_store() if in_memory else an_empty_dynamo()
        for module in (repository, support.product):
            patch.setattr(module, "new_id", lambda: str(ULID.from_datetime(now[0])))
        index, product = SearchIndex(store.entries, store.products), None
        for words, is_committed in [*history, (in_progress, False)]:
            now[0] += timedelta(days=8)
            transaction, after = store.begin(), changed(product, words)
            index.add(product, after, transaction)
            if product is None:
                store.products.add(after, transaction)
            else:
                store.products.change(product, after, transaction)
            if is_committed:
                transaction.commit()
                index.remove(product or after, after)
                product = after
        index.undo_pending(now[0] - MIN_AGE, lambda: True)
        transaction.commit()
        index.remove(product or after, after)
        assert store.words() == {after.id: Document.of(after).words}
        assert not list(store.entries.list_pending(now[0]))


def test_a_word_that_an_overlapping_change_has_committed_stays(store: Store) -> None:
    product = store.sell(0)
    index = SearchIndex(store.entries, store.products)
    first, second = (changed(product, [word, "tea"]) for word in ("green", "black"))
    winning, losing = store.begin(), store.begin()
    index.add(product, first, winning)
    index.add(product, second, losing)  # the entry of `tea` is now its own
    store.products.change(product, first, winning)
    winning.commit()
    store.sweep()
    assert "tea" in store.words()[product.id]
    assert "black" not in store.words()[product.id]


def changed(product: Product | None, words: list[str]) -> Product:
    title = " ".join(words)
    if product is None:
        return a_product(title=title, description="")
    return replace(product, title=title, revision=product.revision + 1)


def test_two_runs_at_the_same_time_remove_the_same_pictures(store: Store) -> None:
    kept = {image.id for image in store.sell(2).images}
    for _ in range(5):
        store.leave()
    list_images, overtaken = store.products.list_images, [True]

    def overtake(product_ids: Any) -> set[str]:
        if overtaken.pop():
            overtaken.append(False)
            store.sweep()
        else:
            overtaken.append(False)
        return list_images(product_ids)

    store.products.list_images = overtake  # type: ignore[method-assign]
    store.sweep()
    store.sweep()
    assert store.pictures.kept.keys() == kept


@pytest.mark.usefixtures("aws")
def test_the_job_continues_until_its_time_is_up(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = an_empty_dynamo()
    index = SearchIndex(store.entries, store.products)
    sweep = OrphanSweep(index, store.pictures, store.products, store.checkpoint)
    store.leave()
    old = {
        key: replace(each, created_at=clock() - MIN_AGE)
        for key, each in store.pictures.stored.items()
    }
    monkeypatch.setattr(store.pictures, "stored", old)
    monkeypatch.setattr(wiring, "orphan_sweep", lambda: sweep)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    done = {"undone": 0, "removed": 1, "failed": 0, "unfinished": 0}
    assert jobs.remove_orphans({}, AContext()) == done
