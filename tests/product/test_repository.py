"""Products and the entries of the search, in memory and in DynamoDB alike."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from product import repository
from product.model import Availability, Entry, Filters, Image, Position, Product, Sort
from product.ports import Entries, Products
from product.repository import DynamoEntries, DynamoProducts
from product.words import KeyRange
from supermarket.aws import client
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction
from support.cloud import aws_in_memory
from support.in_memory import InMemoryOutbox
from support.product import (
    SELLER,
    InMemoryEntries,
    InMemoryProducts,
    a_product,
    without_stock,
)


@dataclass(frozen=True)
class Store:
    products: Products
    entries: Entries
    begin: Callable[[], Transaction]

    def add(self, *products: Product) -> None:
        for product in products:
            self.do(partial(self.products.add, product))

    def show(self, product: Product, availability: Availability) -> None:
        self.do(partial(self.products.show_availability, product, availability))

    def enter(self, words: Sequence[str], product: Product) -> None:
        self.do(partial(self.entries.add, words, product))

    def do(self, write: Callable[[Transaction], None]) -> None:
        transaction = self.begin()
        write(transaction)
        transaction.commit()


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return Store(InMemoryProducts(), InMemoryEntries(), InMemoryOutbox().begin)
    request.getfixturevalue("aws")
    return Store(DynamoProducts(), DynamoEntries(), DynamoTransaction)


FULL = a_product(
    images=(Image("https://i/1", "https://t/1", "1"), Image("https://i/2", "https://t/2", "2")),
    low_stock_threshold=3,
)
BARE = a_product(title="!!!", description="", category=None, shown=Availability())


@pytest.mark.parametrize("product", [FULL, BARE], ids=["full", "bare"])
def test_a_product_is_read_as_it_was_added(store: Store, product: Product) -> None:
    store.add(product)
    stored = without_stock(product)
    assert store.products.find(product.id) == stored
    assert store.products.find_many([product.id, product.id, new_id()]) == {product.id: stored}
    (document,) = store.products.documents([product.id, new_id()])
    assert document.product == stored


def test_a_document_has_the_words_of_title_and_description(store: Store) -> None:
    store.add(product := a_product(title="Green apples", description="Crisp and sour"))
    (document,) = store.products.documents([product.id])
    assert document.title_words == {"green", "apples", "appl"}
    assert document.words == {"green", "apples", "appl", "crisp", "sour"}


def test_no_ids_find_nothing(store: Store) -> None:
    assert store.products.find_many([]) == {}
    assert store.products.find(new_id()) is None
    assert store.products.documents([]) == []


def test_more_products_than_one_batch_holds_are_found(store: Store) -> None:
    store.add(*(many := [a_product() for _ in range(101)]))
    assert len(store.products.find_many([product.id for product in many])) == 101


def test_a_change_writes_the_differences(store: Store) -> None:
    store.add(FULL)
    after = replace(BARE, id=FULL.id, revision=2, updated_at=FULL.updated_at + timedelta(seconds=1))
    store.do(partial(store.products.change, FULL, after))
    # the stream of the stock decides what is shown of it
    assert store.products.find(FULL.id) == without_stock(replace(after, shown=FULL.shown))


def test_a_change_of_an_older_revision_is_refused(store: Store) -> None:
    store.add(product := a_product())
    first, second = (replace(product, title=title, revision=2) for title in ("First", "Second"))
    store.do(partial(store.products.change, product, first))
    with pytest.raises(StaleWrite):
        store.do(partial(store.products.change, product, second))
    assert store.products.find(product.id) == without_stock(first)


def test_a_withdrawn_product_is_in_no_list(store: Store) -> None:
    store.add(product := a_product(), other := a_product())
    now = product.updated_at
    store.do(partial(store.products.withdraw, product, now))
    assert store.products.find(product.id) is None
    assert store.products.find_many([product.id, other.id]) == {other.id: without_stock(other)}
    assert [each.product.id for each in store.products.documents([product.id, other.id])] == [
        other.id
    ]
    for filters, sort in EVERY_LIST:
        assert listed(store, filters, sort) == [other.id]


def test_the_pictures_of_withdrawn_products_are_listed_too(store: Store) -> None:
    store.add(FULL, bare := replace(BARE, id=new_id()))
    store.do(partial(store.products.withdraw, FULL, FULL.updated_at))
    assert store.products.list_images([FULL.id, bare.id, new_id()]) == {"1", "2"}
    assert store.products.list_images([]) == set()


def test_a_withdrawn_product_accepts_no_changes(store: Store) -> None:
    store.add(product := a_product())
    now = product.updated_at
    store.do(partial(store.products.withdraw, product, now))
    after = replace(product, revision=product.revision + 2)
    again = replace(product, revision=product.revision + 1)
    for before in (product, again):
        with pytest.raises(StaleWrite):
            store.do(partial(store.products.change, before, after))
    with pytest.raises(StaleWrite):
        store.show(product, Availability(in_stock=False, revision=1))
    assert store.products.find(product.id) is None


def test_the_availability_of_a_later_change_is_shown(store: Store) -> None:
    store.add(product := a_product())
    latest = Availability(in_stock=False, is_low=True, revision=7)
    store.show(product, latest)
    for revision in (7, 6, 0):
        with pytest.raises(StaleWrite):
            store.show(product, Availability(in_stock=True, revision=revision))
    found = store.products.find(product.id)
    assert found == without_stock(replace(product, shown=latest))
    assert listed(store, Filters(in_stock=True), Sort.NEWEST) == []
    store.show(product, Availability(in_stock=True, revision=8))
    assert listed(store, Filters(in_stock=True), Sort.NEWEST) == [product.id]


def test_a_change_of_other_fields_keeps_the_availability(store: Store) -> None:
    store.add(product := a_product())
    shown = Availability(in_stock=False, is_low=True, revision=7)
    store.show(product, shown)
    after = replace(product, title="Brown rice", revision=2)
    store.do(partial(store.products.change, product, after))
    assert store.products.find(product.id) == without_stock(replace(after, shown=shown))


def test_the_availability_changes_during_a_change_of_other_fields(store: Store) -> None:
    store.add(product := a_product())
    changing = store.begin()
    after = replace(product, title="Brown rice", revision=2)
    store.products.change(product, after, changing)
    store.show(product, Availability(in_stock=False, revision=1))
    changing.commit()
    found = store.products.find(product.id)
    assert found is not None
    assert (found.title, found.shown.in_stock) == ("Brown rice", False)


EVERY_LIST = [
    (Filters(), Sort.NEWEST),
    (Filters(category="rice & grains"), Sort.NEWEST),
    (Filters(seller_id=SELLER.user_id), Sort.NEWEST),
    (Filters(currency=Currency.INR), Sort.CHEAPEST),
    (Filters(currency=Currency.INR), Sort.DEAREST),
    (Filters(category="rice & grains", currency=Currency.INR), Sort.CHEAPEST),
]


def listed(store: Store, filters: Filters, sort: Sort, limit: int = 100) -> list[str]:
    """The ids of a list, read page by page."""
    ids: list[str] = []
    position: Position | None = None
    while True:
        page = store.products.page(filters, sort, position, limit)
        assert len(page.products) <= limit
        ids += [product.id for product in page.products]
        position = page.next
        if position is None:
            return ids


def a_shelf() -> list[Product]:
    """Products that differ in all that lists tell apart, some of them made at the same moment."""
    born = a_product().created_at
    return [
        a_product(
            title=f"Product {number}",
            price=Money(100 + number * 37 % 5 * 100, [Currency.INR, Currency.USD][number % 2]),
            category=["Rice & Grains", "  rice &  GRAINS", "Tea", None][number % 4],
            shown=Availability(in_stock=bool(number % 3)),
            seller=[SELLER, replace(SELLER, user_id=OTHER_SELLER)][number % 7 == 0],
            created_at=born + timedelta(seconds=number // 2),
        )
        for number in range(24)
    ]


OTHER_SELLER = new_id()

ORDERS: dict[Sort, Callable[[Product], Any]] = {
    Sort.NEWEST: lambda product: (product.created_at, product.id),
    Sort.CHEAPEST: lambda product: (product.price.minor, product.id),
    Sort.DEAREST: lambda product: (product.price.minor, product.id),
}

LISTS = [
    *EVERY_LIST,
    (Filters(in_stock=True), Sort.NEWEST),
    (Filters(category="tea", in_stock=True), Sort.NEWEST),
    (Filters(currency=Currency.USD), Sort.NEWEST),
    (Filters(currency=Currency.INR, lowest=200, highest=400), Sort.NEWEST),
    (Filters(currency=Currency.INR, lowest=200, highest=400), Sort.CHEAPEST),
    (Filters(currency=Currency.USD, lowest=200, in_stock=True), Sort.DEAREST),
    (Filters(currency=Currency.USD, highest=300, category="rice & grains"), Sort.DEAREST),
    (Filters(currency=Currency.INR, highest=50), Sort.CHEAPEST),
    (Filters(seller_id=OTHER_SELLER), Sort.NEWEST),
    (Filters(category="nothing at all"), Sort.NEWEST),
]


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_a_list_contains_each_match_once_in_order(store: Store, limit: int) -> None:
    shelf = a_shelf()
    store.add(*shelf)
    for filters, sort in LISTS:
        admitted = sorted(filter(filters.matches, shelf), key=ORDERS[sort])
        expected = [product.id for product in admitted]
        if sort is not Sort.CHEAPEST:
            expected.reverse()
        assert listed(store, filters, sort, limit) == expected, (filters, sort)


SHOP_LISTS = [
    (Filters(), Sort.NEWEST),
    (Filters(in_stock=True), Sort.NEWEST),
    (Filters(currency=Currency.INR), Sort.CHEAPEST),
    (Filters(currency=Currency.INR, lowest=200), Sort.DEAREST),
]
PLACES = st.tuples(st.integers(0, 9), st.integers(1, 4))  # when it was created, and its price


def placed(place: tuple[int, int]) -> Product:
    seconds, price = place
    return a_product(
        created_at=a_product().created_at + timedelta(seconds=seconds),
        price=Money(price * 100, Currency.INR),
        shown=Availability(in_stock=seconds != 3),
    )


@contextmanager
def an_empty_store(*, in_memory: bool) -> Iterator[Store]:
    if in_memory:
        yield Store(InMemoryProducts(), InMemoryEntries(), InMemoryOutbox().begin)
        return
    with aws_in_memory(), pytest.MonkeyPatch.context() as patch:
        # so little from each shard that a page often ends within one of them
        for name, value in (("SHARE", 0.5), ("MARGIN", 0), ("MAX_ITEMS", 16)):
            patch.setattr(repository, name, value)
        yield Store(DynamoProducts(), DynamoEntries(), DynamoTransaction)


@settings(max_examples=15)
@given(
    places=st.lists(PLACES, max_size=20),
    changes=st.lists(st.tuples(PLACES, st.integers(0, 40)), max_size=6),
    shown=st.sampled_from(SHOP_LISTS),
    limit=st.integers(1, 8),
    in_memory=st.booleans(),
)
def test_a_list_of_the_shop_is_complete_and_in_order_while_products_come_and_go(
    places: list[tuple[int, int]],
    changes: list[tuple[tuple[int, int], int]],
    shown: tuple[Filters, Sort],
    limit: int,
    in_memory: bool,
) -> None:
    """After each page a product is added, and perhaps one is withdrawn."""
    filters, sort = shown
    stay = {product.id: product for product in map(placed, places)}
    other: dict[str, Product] = {}
    found: list[Product] = []
    position: Position | None = None
    with an_empty_store(in_memory=in_memory) as store:
        store.add(*stay.values())
        while True:
            page = store.products.page(filters, sort, position, limit)
            found += page.products
            position = page.next
            if position is None:
                break
            assert len(page.products) == limit or filters.are_given
            if changes:
                place, number = changes.pop()
                new = placed(place)
                other[new.id] = new
                store.add(new)
                if number < len(stay):
                    gone = stay.pop([*stay][number])
                    other[gone.id] = gone
                    store.do(partial(store.products.withdraw, gone, gone.updated_at))
    order = ORDERS[sort]
    assert found == sorted(found, key=order, reverse=sort is not Sort.CHEAPEST)
    ids = [product.id for product in found]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= stay.keys() | other.keys()
    assert {each.id for each in filter(filters.matches, stay.values())} <= set(ids)


@pytest.mark.usefixtures("aws")
def test_no_index_has_all_products_in_one_partition() -> None:
    store = Store(DynamoProducts(), DynamoEntries(), DynamoTransaction)
    for number in range(24):
        seller = replace(SELLER, user_id=new_id())
        product = a_product(seller=seller, category=f"Rice {number}")
        store.add(product, gone := replace(product, id=new_id()))
        store.do(partial(store.products.withdraw, gone, gone.updated_at))
    dynamo, name = client("dynamodb"), "supermarket-test-product"
    for index in dynamo.describe_table(TableName=name)["Table"]["GlobalSecondaryIndexes"]:
        key = index["KeySchema"][0]["AttributeName"]
        items = dynamo.scan(TableName=name, IndexName=index["IndexName"])["Items"]
        sizes = Counter(item[key]["S"] for item in items)
        assert sizes.total() == 24
        assert max(sizes.values()) <= 18, index["IndexName"]


def test_the_last_full_page_has_no_next_cursor(store: Store) -> None:
    store.add(*(a_product() for _ in range(4)))
    page = store.products.page(Filters(), Sort.NEWEST, None, 4)
    assert (len(page.products), page.next) == (4, None)


def test_a_changed_product_changes_its_position_in_lists(store: Store) -> None:
    store.add(product := a_product(price=Money(100, Currency.INR), category="Tea"))
    after = replace(product, price=Money(300, Currency.USD), category="Coffee", revision=2)
    store.do(partial(store.products.change, product, after))
    assert listed(store, Filters(currency=Currency.INR), Sort.CHEAPEST) == []
    assert listed(store, Filters(category="tea"), Sort.NEWEST) == []
    dollars = Filters(category="coffee", currency=Currency.USD, lowest=300, highest=300)
    assert listed(store, dollars, Sort.CHEAPEST) == [product.id]


def entered(store: Store, key_range: KeyRange, limit: int = 100) -> list[Entry]:
    found: list[Entry] = []
    after: str | None = None
    while True:
        [window] = store.entries.windows([key_range], after, limit)
        assert len(window.entries) <= limit
        found += window.entries
        after = window.next
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_entries_are_read_in_order_and_in_windows(store: Store, limit: int) -> None:
    one, other = sorted((a_product(), a_product()), key=lambda product: product.id)
    store.enter(["appl", "apple", "apricot", "a", "चीनी"], one)
    store.enter(["apple", "ap"], other)
    assert entered(store, KeyRange("app"), limit) == [
        Entry("appl", one.id),
        Entry("apple", one.id),
        Entry("apple", other.id),
    ]
    assert entered(store, KeyRange("ap", exact=True), limit) == [Entry("ap", other.id)]
    assert entered(store, KeyRange("a", exact=True), limit) == [Entry("a", one.id)]
    assert entered(store, KeyRange("ची"), limit) == [Entry("चीनी", one.id)]
    assert entered(store, KeyRange("pear"), limit) == []


def test_outdated_entries_are_removed_and_newer_ones_stay(store: Store) -> None:
    first = a_product(revision=1)
    store.enter(["apple", "pear"], first)
    third = replace(first, revision=3)
    store.enter(["pear"], third)
    store.entries.remove_outdated(["apple", "pear", "plum"], first)
    assert entered(store, KeyRange("apple")) == []
    assert entered(store, KeyRange("pear")) == [Entry("pear", first.id)]


def test_all_entries_of_a_product_are_removed_together(store: Store) -> None:
    product, other = a_product(), a_product()
    words = [f"word{number}" for number in range(60)]
    store.enter(words, product)
    store.enter(words[:1], other)
    store.entries.remove_all([*words, "never"], product)
    assert entered(store, KeyRange("wo")) == [Entry("word0", other.id)]
