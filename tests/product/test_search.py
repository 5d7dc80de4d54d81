"""Search: every match is found once, in order, by however many windows and pages it takes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from product import search
from product.model import Availability, Document, Filters, Position, Product, Selection, Sort
from product.search import SearchIndex
from product.words import SearchQuery, words_of
from supermarket.clock import new_id
from supermarket.money import Currency, Money
from support.in_memory import InMemoryOutbox
from support.product import InMemoryEntries, InMemoryProducts, a_product

BORN = a_product().created_at


class Found:
    """An index over some products, and all that a search finds in it."""

    def __init__(self, *products: Product) -> None:
        self.products = InMemoryProducts()
        self.entries = InMemoryEntries()
        self.index = SearchIndex(self.entries, self.products)
        for product in products:
            self.add(product)

    def add(self, product: Product) -> None:
        transaction = InMemoryOutbox().begin()
        self.index.add(None, product, transaction)
        self.products.add(product, transaction)
        transaction.commit()

    def by(self, text: str, limit: int = 10, **selection: Any) -> list[str]:
        term = Selection(**({"sort": Sort.RELEVANCE} | selection), text=text)
        titles: list[str] = []
        position: Position | None = None
        for _ in range(1000):
            page = self.index.search(term, position, limit)
            assert len(page.products) <= limit
            titles += [product.title for product in page.products]
            position = page.next
            if position is None:
                return titles
        raise AssertionError("the list does not end")


def test_all_words_must_match_in_title_or_description() -> None:
    found = Found(
        a_product(title="Green tea", description="From Assam"),
        a_product(title="Black tea", description="From Nilgiri"),
    )
    assert found.by("tea assam") == ["Green tea"]
    assert sorted(found.by("tea")) == ["Black tea", "Green tea"]
    assert found.by("tea coffee") == []
    assert found.by("!!!") == []


def test_matches_in_the_title_come_first_and_the_newest_of_them_first() -> None:
    later = [BORN + timedelta(minutes=number) for number in range(4)]
    found = Found(
        a_product(title="Old rice", created_at=later[0]),
        a_product(title="New rice", created_at=later[1]),
        a_product(title="Flour", description="Milled from rice", created_at=later[2]),
        a_product(title="Kheer", description="A rice pudding", created_at=later[3]),
    )
    assert found.by("rice") == ["New rice", "Old rice", "Kheer", "Flour"]
    assert found.by("rice", sort=Sort.NEWEST) == ["Kheer", "Flour", "New rice", "Old rice"]


def test_matches_can_be_sorted_by_price_and_filtered() -> None:
    prices = {"Cheap rice": 100, "Dear rice": 300, "Fair rice": 200}
    found = Found(
        *(a_product(title=each, price=Money(prices[each], Currency.INR)) for each in prices),
        a_product(title="Rice abroad", price=Money(200, Currency.USD)),
        a_product(title="No rice", shown=Availability(), price=Money(200, Currency.INR)),
    )
    rupees = Filters(currency=Currency.INR, in_stock=True)
    by_price = ["Cheap rice", "Fair rice", "Dear rice"]
    assert found.by("rice", filters=rupees, sort=Sort.CHEAPEST, limit=1) == by_price
    assert found.by("rice", filters=rupees, sort=Sort.DEAREST) == by_price[::-1]
    assert found.by("rice", filters=replace(rupees, lowest=150, highest=250)) == ["Fair rice"]
    assert found.by("rice", filters=Filters(category="tea")) == []


def test_orphaned_and_outdated_entries_are_ignored() -> None:
    found = Found(product := a_product(title="Tea"))
    transaction = InMemoryOutbox().begin()
    found.entries.add(["coffee", "tea"], a_product(), transaction)
    found.entries.add(["coffee"], product, transaction)
    assert found.by("coffee") == []
    assert found.by("tea") == ["Tea"]


def test_a_changed_product_is_found_by_its_new_words_before_and_after_the_removal_of_old_ones() -> (
    None
):
    found = Found(before := a_product(title="Green tea", description=""))
    after = replace(before, title="Black tea", revision=2)
    transaction = InMemoryOutbox().begin()
    found.index.add(before, after, transaction)
    assert found.by("green") == ["Green tea"]
    found.products.change(before, after, transaction)
    transaction.commit()
    assert (found.by("green"), found.by("black")) == ([], ["Black tea"])
    found.index.remove(before, after)
    assert (found.by("black"), found.by("tea")) == (["Black tea"], ["Black tea"])
    assert {entry.word for entry in found.entries.entries} == {"black", "tea"}


def test_a_late_removal_keeps_words_that_were_added_again() -> None:
    found = Found(first := a_product(title="Green tea", description=""))
    second = replace(first, title="Black tea", revision=2)
    third = replace(first, title="Green tea", revision=3)
    transaction = InMemoryOutbox().begin()
    found.index.add(first, second, transaction)
    found.index.add(second, third, transaction)
    found.index.remove(first, second)
    assert "green" in {entry.word for entry in found.entries.entries}


def test_a_description_is_found_by_its_last_word() -> None:
    words = [f"word{number}" for number in range(280)]
    found = Found(a_product(title="Long story", description=" ".join(words)))
    assert found.by("word279") == ["Long story"]


def test_paging_is_stable_when_earlier_products_change() -> None:
    moments = [BORN + timedelta(minutes=number) for number in range(5)]
    found = Found(*(a_product(title=f"Rice {at:%M}", created_at=at) for at in moments))
    rice = Selection(text="rice", sort=Sort.RELEVANCE)
    first = found.index.search(rice, None, 2)
    found.add(a_product(title="Rice of now", created_at=BORN + timedelta(hours=1)))
    rest = found.index.search(rice, first.next, 10)
    titles = [product.title for product in (*first.products, *rest.products)]
    assert titles == [f"Rice {at:%M}" for at in reversed(moments)]


VOCABULARY = ["rice", "rices", "ricer", "riced", "tea", "teas", "apple", "apples", "the", "चाय"]
SENTENCES = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=5).map(" ".join)
CATALOGUES = st.lists(st.tuples(SENTENCES, SENTENCES), max_size=12)


@pytest.fixture
def narrow_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 3)


@pytest.mark.usefixtures("narrow_windows")
def test_a_word_of_many_products_is_read_window_by_window() -> None:
    found = Found(*(a_product(title=f"Rice {number}", description="") for number in range(20)))
    assert sorted(found.by("rice", limit=7)) == sorted(f"Rice {number}" for number in range(20))


@pytest.mark.usefixtures("narrow_windows")
def test_a_request_reads_a_bounded_number_of_windows() -> None:
    found = Found(
        *(a_product(title=title, description="") for title in ["Rice", "Tea"] * 50),
        last := a_product(title="Ricebran tea", description=""),
    )
    page = found.index.search(Selection(text="tea rice", sort=Sort.RELEVANCE), None, 10)
    assert page.products == ()
    assert page.next is not None
    assert found.entries.windows_read <= 2 * search.ROUNDS
    assert found.by("tea rice") == [last.title]


@pytest.mark.parametrize("text", ["organic tea", "tea organic", "organic tea chai"])
def test_the_rarest_word_is_the_one_with_the_fewest_entries(text: str) -> None:
    """Finding B8: 3,001 products with the longer word, and one of them with both."""
    others = a_product(title="Organic", description="chai")
    found = Found(*(replace(others, id=new_id()) for _ in range(3_001)))
    found.add(a_product(title="Organic tea", description="chai"))
    page = found.index.search(Selection(text=text, sort=Sort.RELEVANCE), None, 10)
    assert [product.title for product in page.products] == ["Organic tea"]
    assert page.next is None
    assert found.entries.windows_read <= 3
    assert found.products.documents_read == 1


@pytest.mark.usefixtures("narrow_windows")
@pytest.mark.parametrize("text", ["organic chai tea", "chai organic tea"])
def test_what_long_lists_have_in_common_is_on_the_first_page(text: str) -> None:
    titles = ["Organic tea", "Chai tea"]
    found = Found(
        *(a_product(title=title, description="") for title in titles for _ in range(40)),
        a_product(title="Organic chai tea", description=""),
    )
    page = found.index.search(Selection(text=text, sort=Sort.RELEVANCE), None, 10)
    assert [product.title for product in page.products] == ["Organic chai tea"]
    assert found.entries.windows_read <= 5
    assert found.products.documents_read == 1


@pytest.mark.usefixtures("narrow_windows")
def test_products_that_lack_a_word_are_not_read() -> None:
    titles = ["Organic tea", "Chai tea"] * 4
    found = Found(
        *(a_product(title=title, description="") for title in titles),
        a_product(title="Organic chai tea", description=""),
        *(a_product(title=title, description="") for title in titles),
    )
    page = found.index.search(Selection(text="organic chai tea", sort=Sort.RELEVANCE), None, 10)
    assert [product.title for product in page.products] == ["Organic chai tea"]
    assert found.products.documents_read <= 4


@settings(max_examples=150)
@given(
    catalogue=CATALOGUES,
    typed=SENTENCES,
    limit=st.integers(1, 12),
    window=st.integers(1, 40),
    sort=st.sampled_from(Sort),
)
def test_paging_returns_each_match_exactly_once(
    catalogue: list[tuple[str, str]], typed: str, limit: int, window: int, sort: Sort
) -> None:
    products = [
        a_product(title=f"{title} {number}", description=description)
        for number, (title, description) in enumerate(catalogue)
    ]
    wish = SearchQuery.of(typed)
    expected = [each.title for each in products if wish.is_in(Document.of(each).words)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(search, "WINDOW", window)
        assert sorted(Found(*products).by(typed, limit, sort=sort)) == sorted(expected)


TITLES = st.text(min_size=1, max_size=40)


@given(st.lists(TITLES, min_size=1, max_size=5), st.data())
def test_every_product_is_found_by_any_word_of_its_title(
    titles: list[str], data: st.DataObject
) -> None:
    found = Found(*(a_product(title=title, description="") for title in titles))
    title = data.draw(st.sampled_from(titles))
    words = [word for word in words_of(title) if word in Document.of(a_product(title=title)).words]
    if words:
        assert title in found.by(data.draw(st.sampled_from(words)))
