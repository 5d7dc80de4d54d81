"""Products and the search index in DynamoDB."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial, reduce
from itertools import batched
from operator import and_
from typing import Any, Self

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from product.model import (
    MAX_MINOR,
    Availability,
    Document,
    Entry,
    Filters,
    Page,
    Position,
    Product,
    Sort,
    category_key,
)
from product.words import PREFIX_LENGTH, KeyRange
from supermarket.clock import iso
from supermarket.dynamo.batches import delete_many, put_many
from supermarket.dynamo.rows import Mapped, Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write
from supermarket.money import Currency
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

ALL_PRODUCTS = "products"
SEPARATOR = "#"
LAST = "~"  # sorts after every character of an id
STALE = "The product was changed at the same time. Try again."

# a list with filters reads at most this many items: the products that it filters, and the stock of
# those on the page
MAX_ITEMS = 120
WITHDRAWN_PER_PAGE = 25

# the inventory has the stock
STOCK = frozenset({"shown", "stock", "on_hand", "reserved", "stock_revision", "shelf_revision"})
# a sale changes none of these, so that it does not write to the indexes
SHOWN = ("product", "inStock")

_revision, _minor = Path("product.revision"), Path("product.price.minor")
_currency = Path("product.price.currency")


class ProductRow(Row):
    """A product without its stock. Whether there is any and it is low, as of the change number
    `stock_revision`, changes without the other fields.

    A withdrawn product keeps its row for a while, for orders and returns, and leaves the lists
    because `newest` and `cheapest` are removed.
    """

    Meta = table("product")

    product_id = UnicodeAttribute(hash_key=True, attr_name="productId")
    product = Mapped[Product](Product, exclude=STOCK)
    in_stock = BooleanAttribute(attr_name="inStock")
    is_low = BooleanAttribute(null=True, attr_name="isLow")
    stock_revision = NumberAttribute(null=True, attr_name="stockRevision")
    deleted_at = UnicodeAttribute(null=True, attr_name="deletedAt")
    withdrawn = UnicodeAttribute(null=True)
    words = UnicodeSetAttribute(null=True)
    title_words = UnicodeSetAttribute(null=True, attr_name="titleWords")
    seller = UnicodeAttribute()
    category = UnicodeAttribute(null=True)
    shelf = UnicodeAttribute()
    newest = UnicodeAttribute(null=True)
    price_shelf = UnicodeAttribute(attr_name="priceShelf")
    price_category = UnicodeAttribute(null=True, attr_name="priceCategory")
    cheapest = UnicodeAttribute(null=True)

    by_newest = index("byNewest", "shelf", "newest", attributes=SHOWN)
    by_category_newest = index("byCategoryNewest", "category", "newest", attributes=SHOWN)
    by_seller = index("bySeller", "seller", "newest", attributes=SHOWN)
    by_price = index("byPrice", "priceShelf", "cheapest", attributes=SHOWN)
    by_category_price = index("byCategoryPrice", "priceCategory", "cheapest", attributes=SHOWN)
    by_deletion = index("byDeletion", "withdrawn", "deletedAt", keys_only=True)

    @classmethod
    def of(cls, product: Product) -> Self:
        document = Document.of(product)
        category, currency = category_key(product.category), product.price.currency
        return cls(
            product.id,
            product=product,
            in_stock=product.shown.in_stock,
            is_low=product.shown.is_low,
            stock_revision=product.shown.revision,
            words=set(document.words) or None,
            title_words=set(document.title_words) or None,
            seller=product.seller.user_id,
            category=category,
            shelf=ALL_PRODUCTS,
            newest=_place(iso(product.created_at), product.id),
            price_shelf=currency.value,
            price_category=category and _price_category(category, currency),
            cheapest=_place(_sortable(product.price.minor), product.id),
        )

    def read(self) -> Product:
        # an index has no more than `in_stock`
        revision = int(self.stock_revision or 0)
        shown = Availability(self.in_stock, bool(self.is_low), revision)
        return replace(self.product, shown=shown)

    def document(self) -> Document:
        words, title_words = frozenset(self.words or ()), frozenset(self.title_words or ())
        return Document(self.read(), words, title_words)


class EntryRow(Row):
    """A word and a product that contains it, partitioned by the first letters of the word."""

    Meta = table("search")

    prefix = UnicodeAttribute(hash_key=True)
    entry = UnicodeAttribute(range_key=True)
    revision = NumberAttribute()

    @classmethod
    def of(cls, word: str, product: Product) -> Self:
        entry = f"{word}{SEPARATOR}{product.id}"
        return cls(word[:PREFIX_LENGTH], entry, revision=product.revision)


@dataclass(frozen=True)
class IndexQuery:
    """The index query of a list: partition, direction, range of sort keys, and filter."""

    index: Any
    key: str
    forward: bool = False
    key_range: Condition | None = None
    filter: Condition | None = None

    @classmethod
    def of(cls, filters: Filters, sort: Sort) -> "IndexQuery":
        if sort in {Sort.CHEAPEST, Sort.DEAREST} and filters.currency is not None:
            return _query_by_price(filters, filters.currency, forward=sort is Sort.CHEAPEST)
        chosen, key = ProductRow.by_newest, ALL_PRODUCTS
        if filters.seller_id is not None:
            chosen, key = ProductRow.by_seller, filters.seller_id
        elif filters.category is not None:
            chosen, key = ProductRow.by_category_newest, filters.category
        return cls(chosen, key, filter=_all(_conditions(filters)))

    @property
    def place_name(self) -> str:
        return str(type(self.index).place.attr_name)

    def rows(self, place: str | None, limit: int) -> tuple[list[ProductRow], str | None]:
        """Return the matches among the next `limit` rows, and the position of the last row read."""
        start = None
        if place is not None:
            start = {
                "productId": {"S": place.rpartition(SEPARATOR)[2]},
                type(self.index).key.attr_name: {"S": self.key},
                self.place_name: {"S": place},
            }
        results = self.index.query(
            self.key,
            self.key_range,
            self.filter,
            scan_index_forward=self.forward,
            last_evaluated_key=start,
            page_size=limit,
        )
        items = next(results.page_iter)["Items"]
        key = results.page_iter.last_evaluated_key
        rows = [ProductRow.from_raw_data(item) for item in items]
        return rows, key[self.place_name]["S"] if key else None


class DynamoProducts:
    """`Products` and `WithdrawnProducts` in DynamoDB."""

    def find(self, product_id: str) -> Product | None:
        row = ProductRow.find(product_id)
        return _on_sale(row) if row else None

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        rows = ProductRow.find_many((product_id,) for product_id in product_ids)
        return {product.id: product for row in rows if (product := _on_sale(row))}

    def documents(self, product_ids: Iterable[str]) -> list[Document]:
        keys = ((product_id,) for product_id in product_ids)
        rows = ProductRow.find_many(keys, consistent=False)
        return [row.document() for row in rows if _on_sale(row)]

    def page(self, filters: Filters, sort: Sort, after: Position | None, limit: int) -> Page:
        query = IndexQuery.of(filters, sort)
        place: str | None = after["place"] if after else None
        # one more than the page holds: whether there is a next page
        filtered = max(MAX_ITEMS // 2, MAX_ITEMS - limit)
        matches, place = query.rows(place, limit + 1 if query.filter is None else filtered)
        if len(matches) > limit:
            place = getattr(matches[limit - 1], query.place_name)
        products = tuple(row.read() for row in matches[:limit])
        return Page(products, {"place": place} if place else None)

    def add(self, product: Product, transaction: Transaction) -> None:
        new = ProductRow.product_id.does_not_exist()
        DynamoTransaction.of(transaction).put(ProductRow.of(product), condition=new)

    def change(self, before: Product, after: Product, transaction: Transaction) -> None:
        _update(before, _update_actions(after), transaction)

    def withdraw(self, product: Product, now: datetime, transaction: Transaction) -> None:
        actions = [
            ProductRow.newest.remove(),
            ProductRow.cheapest.remove(),
            ProductRow.deleted_at.set(iso(now)),
            ProductRow.withdrawn.set(ALL_PRODUCTS),
            _revision.set(product.revision + 1),
        ]
        _update(product, actions, transaction)

    def show_availability(
        self, product: Product, availability: Availability, transaction: Transaction
    ) -> None:
        actions = [
            ProductRow.in_stock.set(availability.in_stock),
            ProductRow.is_low.set(availability.is_low),
            ProductRow.stock_revision.set(availability.revision),
        ]
        is_later = ProductRow.deleted_at.does_not_exist() & (
            ProductRow.stock_revision < availability.revision
        )
        row = ProductRow(product.id)
        DynamoTransaction.of(transaction).update(row, actions, is_later, StaleWrite(STALE))

    def withdrawn_before(self, moment: datetime) -> Iterator[Product]:
        until = ProductRow.deleted_at <= iso(moment)
        found = ProductRow.by_deletion.query(ALL_PRODUCTS, until, page_size=WITHDRAWN_PER_PAGE)
        for page in batched(found, WITHDRAWN_PER_PAGE, strict=False):
            ids = [(row.product_id,) for row in page]
            yield from (row.read() for row in ProductRow.find_many(ids))

    def remove(self, product: Product) -> bool:
        is_withdrawn = ProductRow.deleted_at.exists()
        return try_write(lambda: ProductRow(product.id).delete(is_withdrawn))


class DynamoEntries:
    """`Entries` in DynamoDB."""

    def window(
        self, key_range: KeyRange, after: str | None, limit: int
    ) -> tuple[list[Entry], str | None]:
        prefix = key_range.text[:PREFIX_LENGTH]
        beginning = key_range.text + SEPARATOR if key_range.exact else key_range.text
        results = EntryRow.query(
            prefix,
            EntryRow.entry.startswith(beginning),
            last_evaluated_key={"prefix": {"S": prefix}, "entry": {"S": after}} if after else None,
            page_size=limit,
        )
        items = next(results.page_iter)["Items"]
        key = results.page_iter.last_evaluated_key
        entries = [Entry(*item["entry"]["S"].split(SEPARATOR)) for item in items]
        return entries, key["entry"]["S"] if key else None

    def add(self, words: Iterable[str], product: Product) -> None:
        put_many(EntryRow.of(word, product) for word in words)

    def remove_outdated(self, words: Iterable[str], product: Product) -> None:
        # a later change may have added a word again, so each delete has a condition, which batches
        # do not support
        for row in (EntryRow.of(word, product) for word in words):
            try_write(partial(row.delete, EntryRow.revision <= product.revision))

    def remove_all(self, words: Iterable[str], product: Product) -> None:
        delete_many(EntryRow.of(word, product) for word in words)


def _query_by_price(filters: Filters, currency: Currency, *, forward: bool) -> IndexQuery:
    lowest = _sortable(filters.lowest or 0)
    highest = _sortable(MAX_MINOR if filters.highest is None else filters.highest)
    prices = ProductRow.cheapest.between(lowest, highest + LAST)
    # the keys decide about the price
    condition = _all(_conditions(Filters(in_stock=filters.in_stock)))
    if filters.category is None:
        return IndexQuery(ProductRow.by_price, currency.value, forward, prices, condition)
    key = _price_category(filters.category, currency)
    return IndexQuery(ProductRow.by_category_price, key, forward, prices, condition)


def _conditions(filters: Filters) -> Iterator[Condition]:
    if filters.currency is not None:
        yield _currency == filters.currency.value
    if filters.lowest is not None:
        yield _minor >= filters.lowest
    if filters.highest is not None:
        yield _minor <= filters.highest
    if filters.in_stock:
        yield ProductRow.in_stock == True  # noqa: E712 - a condition


def _all(conditions: Iterable[Condition]) -> Condition | None:
    found = list(conditions)
    return reduce(and_, found) if found else None


def _update(before: Product, actions: Sequence[Action], transaction: Transaction) -> None:
    """Update a product on condition that `before` is its latest revision and on sale."""
    latest = ProductRow.deleted_at.does_not_exist() & (_revision == before.revision)
    row = ProductRow(before.id)
    DynamoTransaction.of(transaction).update(row, actions, latest, StaleWrite(STALE))


def _update_actions(after: Product) -> list[Action]:
    """Return the actions that write `after`, except for what is shown of its stock."""
    values = ProductRow.of(after).attribute_values
    return [
        attribute.remove() if values.get(name) is None else attribute.set(values[name])
        for name, attribute in ProductRow.get_attributes().items()
        if name not in {"product_id", "in_stock", "is_low", "stock_revision"}
    ]


def _on_sale(row: ProductRow) -> Product | None:
    """Return the product of a row unless it was withdrawn."""
    return None if row.deleted_at else row.read()


def _place(order: str, product_id: str) -> str:
    return f"{order}{SEPARATOR}{product_id}"


def _sortable(minor: int) -> str:
    return f"{minor:0{len(str(MAX_MINOR))}d}"


def _price_category(category: str, currency: Currency) -> str:
    return f"{currency.value}{SEPARATOR}{category}"
