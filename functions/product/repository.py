"""Products and the search index in DynamoDB."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial, reduce
from heapq import merge
from itertools import batched
from math import ceil
from operator import and_, attrgetter, gt, lt
from typing import Any, Self
from zlib import crc32

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
    PendingChange,
    Position,
    Product,
    SellerDecision,
    SellerPage,
    Sort,
    Window,
    category_key,
)
from product.words import PREFIX_LENGTH, KeyRange
from supermarket.clock import creation_time, iso, new_id
from supermarket.dynamo.batches import delete_many, put_many
from supermarket.dynamo.rows import Mapped, Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write, update_if
from supermarket.errors import DomainError
from supermarket.money import Currency
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

ALL_PRODUCTS = "products"
PENDING = "pending"  # longer than the first letters of a word
SEPARATOR = "#"
SELLER = "seller#"
LAST, LAST_CHARACTER = "~", "\U0010ffff"  # sort after all characters of ids, and of words
# the partitions of an index by a key that most products share
SHARDS = tuple(str(number) for number in range(4))
# of each shard's part of a page that is read at first, and items besides: enough for 19 in 20 pages
SHARE, MARGIN = 1.5, 2
STALE = "The product was changed at the same time. Try again."
# a list with filters reads at most this many items: the products that it filters, and one or two
# with the stock of each on the page
MAX_ITEMS = 120
STOCK_ITEMS = 2
WITHDRAWN_PER_PAGE = 25
PENDING_PER_PAGE = 25

# the inventory has the stock
STOCK = frozenset({"shown", "stock", "on_hand", "reserved", "stock_revision", "shelf_revision"})
EXCLUDED = STOCK | {"is_hidden"}  # an attribute of the row has it
# the keys of the lists that a hidden product is not in
LISTED = ("shelf", "category", "price_shelf", "price_category")
# a sale changes none of these, so that it does not write to the indexes
SHOWN = ("product", "inStock")

_revision, _minor = Path("product.revision"), Path("product.price.minor")
_currency, _decided = Path("product.price.currency"), Path("decision.revision")

type Item = dict[str, Any]
"""A product's item in an index, in DynamoDB's form."""


class ProductRow(Row):
    """A product without its stock. Whether there is any and it is low, as of the change number
    `stock_revision`, changes without the other fields.

    A withdrawn product keeps its row for a while, for orders and returns, and leaves the lists
    because `newest` and `cheapest` are removed; `withdrawn` is then its shard. A hidden one lacks
    the keys of `LISTED` and stays in its seller's list.
    """

    Meta = table("product")

    product_id = UnicodeAttribute(hash_key=True, attr_name="productId")
    product = Mapped[Product](Product, exclude=EXCLUDED)
    in_stock = BooleanAttribute(attr_name="inStock")
    is_low = BooleanAttribute(null=True, attr_name="isLow")
    stock_revision = NumberAttribute(null=True, attr_name="stockRevision")
    is_hidden = BooleanAttribute(null=True, attr_name="isHidden")
    deleted_at = UnicodeAttribute(null=True, attr_name="deletedAt")
    withdrawn = UnicodeAttribute(null=True)
    words = UnicodeSetAttribute(null=True)
    title_words = UnicodeSetAttribute(null=True, attr_name="titleWords")
    seller = UnicodeAttribute()
    category = UnicodeAttribute(null=True)
    shelf = UnicodeAttribute(null=True)
    newest = UnicodeAttribute(null=True)
    price_shelf = UnicodeAttribute(null=True, attr_name="priceShelf")
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
            shelf=_sharded(ALL_PRODUCTS, product.id),
            newest=_place(iso(product.created_at), product.id),
            price_shelf=_sharded(currency.value, product.id),
            price_category=category and _price_category(category, currency),
            cheapest=_place(_sortable(product.price.minor), product.id),
        )

    def read(self) -> Product:
        # an index has no more than `in_stock`
        revision = int(self.stock_revision or 0)
        shown = Availability(self.in_stock, bool(self.is_low), revision)
        return replace(self.product, shown=shown, is_hidden=bool(self.is_hidden))

    def document(self) -> Document:
        words, title_words = frozenset(self.words or ()), frozenset(self.title_words or ())
        return Document(self.read(), words, title_words)


class SellerRow(Row):
    """`seller#<id>`: the latest decision about a seller."""

    Meta = table("product")

    product_id = UnicodeAttribute(hash_key=True, attr_name="productId")
    decision = Mapped[SellerDecision](SellerDecision)


class EntryRow(Row):
    """A word and a product that contains it, partitioned by the first letters of the word."""

    Meta = table("search")

    prefix = UnicodeAttribute(hash_key=True)
    entry = UnicodeAttribute(range_key=True)
    revision = NumberAttribute()
    added_at = NumberAttribute(attr_name="at")

    @classmethod
    def of(cls, word: str, product_id: str) -> Self:
        return cls(word[:PREFIX_LENGTH], f"{word}{SEPARATOR}{product_id}")


class PendingChangeRow(Row):
    """`pending#<shard>`: the words that were entered for a change of a product. The transaction of
    the change deletes it.
    """

    Meta = table("search")

    prefix = UnicodeAttribute(hash_key=True)
    entry = UnicodeAttribute(range_key=True)  # the change's id
    change = Mapped[PendingChange](PendingChange)

    @classmethod
    def of(cls, change: PendingChange) -> Self:
        shard = _sharded(PENDING, change.product_id)
        return cls(shard, change.id, change=change)


class CheckpointRow(Row):
    """The checkpoint of the sweep of pictures."""

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True, default="orphaned-pictures")
    position = NumberAttribute()


@dataclass(frozen=True)
class IndexQuery:
    """The index query of a list: partitions, direction, range of sort keys, and filter."""

    index: Any
    keys: Sequence[str]
    forward: bool = False
    key_range: Condition | None = None
    filter: Condition | None = None

    @classmethod
    def of(cls, filters: Filters, sort: Sort) -> "IndexQuery":
        if sort in {Sort.CHEAPEST, Sort.DEAREST} and filters.currency is not None:
            return _query_by_price(filters, filters.currency, forward=sort is Sort.CHEAPEST)
        condition = _all(_conditions(filters))
        if filters.seller_id is not None:
            return cls(ProductRow.by_seller, [filters.seller_id], filter=condition)
        if filters.category is not None:
            return cls(ProductRow.by_category_newest, [filters.category], filter=condition)
        return cls(ProductRow.by_newest, _all_shards(ALL_PRODUCTS), filter=condition)

    def page(self, place: str | None, limit: int, most: int) -> tuple[list[Product], str | None]:
        """Return at most `limit` products after a place, reading at most so many items, and where
        the next page begins.
        """
        number = limit + 1  # whether there is a next page
        most_of_each = most // len(self.keys)
        share = most_of_each
        if self.filter is None:
            share = min(share, number, ceil(SHARE * number / len(self.keys)) + MARGIN)
        items, end = self._read(place, share)
        more = min(number - len(items), most_of_each - share)
        if end is not None and more > 0:
            found, end = self._read(end, more)
            items += found
        if len(items) > limit:
            end = self._place_of(items[limit - 1])
        return [ProductRow.from_raw_data(item).read() for item in items[:limit]], end

    def _read(self, place: str | None, share: int) -> tuple[list[Item], str | None]:
        """Read `share` items of each partition, and return the matches among them up to the place
        that was reached in all partitions, with that place.
        """
        # one after the other: each thread would need a connection of its own in a cold start
        parts = [self.read_partition(place, share, key) for key in self.keys]
        found = [item for items, _ in parts for item in items]
        found.sort(key=self._place_of, reverse=not self.forward)
        ends = [end for _, end in parts if end is not None]
        if not ends:
            return found, None
        nearest, is_beyond = (min, gt) if self.forward else (max, lt)
        end = nearest(ends)
        return [item for item in found if not is_beyond(self._place_of(item), end)], end

    def read_partition(
        self, place: str | None, limit: int, key: str
    ) -> tuple[list[Item], str | None]:
        """Return the matches among the next items of a partition, and the place of the last one
        that was read.
        """
        start = None
        if place is not None:
            start = {
                "productId": {"S": place.rpartition(SEPARATOR)[2]},
                type(self.index).key.attr_name: {"S": key},
                self._place_name: {"S": place},
            }
        results = self.index.query(
            key,
            self.key_range,
            self.filter,
            scan_index_forward=self.forward,
            last_evaluated_key=start,
            page_size=limit,
        )
        items = next(results.page_iter)["Items"]
        last = results.page_iter.last_evaluated_key
        return items, self._place_of(last) if last else None

    @property
    def _place_name(self) -> str:
        return str(type(self.index).place.attr_name)

    def _place_of(self, item: Item) -> str:
        return str(item[self._place_name]["S"])


class DynamoProducts:
    """`Products` and `WithdrawnProducts` in DynamoDB."""

    def find(self, product_id: str) -> Product | None:
        row = ProductRow.find(product_id)
        return row.read() if row and not row.deleted_at else None

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        rows = ProductRow.find_many((product_id,) for product_id in product_ids)
        return {product.id: product for row in rows if (product := _on_sale(row))}

    def list_images(self, product_ids: Iterable[str]) -> set[str]:
        rows = ProductRow.find_many((product_id,) for product_id in product_ids)
        return {image.id for row in rows for image in row.product.images}

    def documents(self, product_ids: Iterable[str]) -> list[Document]:
        keys = ((product_id,) for product_id in product_ids)
        rows = ProductRow.find_many(keys, consistent=False)
        return [row.document() for row in rows if not row.deleted_at]

    def page(self, filters: Filters, sort: Sort, after: Position | None, limit: int) -> Page:
        place = after["place"] if after else None
        most = max(MAX_ITEMS // (1 + STOCK_ITEMS), MAX_ITEMS - STOCK_ITEMS * limit)
        query = IndexQuery.of(filters, sort)
        products, end = query.page(place, limit, most if filters.are_given else sys.maxsize)
        return Page(tuple(products), {"place": end} if end else None)

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
            ProductRow.withdrawn.set(_shard(product.id)),
            _next(product),
        ]
        _update(product, actions, transaction)

    def list_by_seller(self, seller_id: str, place: str | None, limit: int) -> SellerPage:
        own = IndexQuery(ProductRow.by_seller, [seller_id])
        items, end = own.read_partition(place, limit, seller_id)
        rows = ProductRow.find_many((item["productId"]["S"],) for item in items)
        return SellerPage(tuple(row.read() for row in rows if not row.deleted_at), end)

    def hide(self, product: Product, transaction: Transaction) -> None:
        attributes = ProductRow.get_attributes()
        actions = [attributes[name].remove() for name in LISTED]
        _update(product, [*actions, ProductRow.is_hidden.set(True), _next(product)], transaction)

    def unhide(self, product: Product, transaction: Transaction) -> None:
        attributes, values = ProductRow.get_attributes(), ProductRow.of(product).attribute_values
        actions = [attributes[name].set(values[name]) for name in LISTED if values.get(name)]
        _update(product, [*actions, ProductRow.is_hidden.remove(), _next(product)], transaction)

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
        shards = (
            ProductRow.by_deletion.query(shard, until, page_size=WITHDRAWN_PER_PAGE)
            for shard in SHARDS
        )
        found = merge(*shards, key=attrgetter("deleted_at"))
        for page in batched(found, WITHDRAWN_PER_PAGE, strict=False):
            ids = [(row.product_id,) for row in page]
            yield from (row.read() for row in ProductRow.find_many(ids))

    def remove(self, product: Product) -> bool:
        is_withdrawn = ProductRow.deleted_at.exists()
        return try_write(lambda: ProductRow(product.id).delete(is_withdrawn))


class DynamoSellers:
    """`Sellers` in DynamoDB."""

    def record(self, decision: SellerDecision) -> SellerDecision | None:
        row = _seller_row(decision)
        row.decision = decision
        is_later = SellerRow.product_id.does_not_exist() | (_decided < decision.revision)
        if try_write(lambda: row.save(is_later)):
            return decision
        stored = SellerRow.find(row.product_id)
        is_same = stored is not None and stored.decision.revision == decision.revision
        return stored.decision if stored and is_same else None

    def save(self, decision: SellerDecision) -> bool:
        is_latest = _decided == decision.revision
        action = SellerRow.decision.set(decision)
        return update_if(_seller_row(decision), [action], is_latest)

    def require(
        self, decision: SellerDecision, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        is_latest = _decided == decision.revision
        row = _seller_row(decision)
        DynamoTransaction.of(transaction).condition_check(row, is_latest, on_conflict)


class DynamoCheckpoint:
    """`Checkpoint` in DynamoDB."""

    def load(self) -> int:
        row = CheckpointRow.find(CheckpointRow().id)
        return int(row.position) if row else 0

    def save(self, position: int) -> None:
        CheckpointRow(position=position).save()


class DynamoEntries:
    """`Entries` in DynamoDB."""

    def windows(
        self, key_ranges: Sequence[KeyRange], start: str | None, limit: int
    ) -> list[Window]:
        with ThreadPoolExecutor(len(key_ranges)) as pool:
            return list(pool.map(lambda key_range: _window(key_range, start, limit), key_ranges))

    def add(self, words: Iterable[str], product: Product, transaction: Transaction) -> None:
        change = PendingChange(new_id(), product.id, frozenset(words))
        entries = [EntryRow.of(word, product.id) for word in change.words]
        for entry in entries:
            entry.revision, entry.added_at = product.revision, _seconds(change)
        put_many([PendingChangeRow.of(change), *entries])
        DynamoTransaction.of(transaction).delete(PendingChangeRow.of(change))

    def list_pending(self, moment: datetime) -> Iterator[PendingChange]:
        for shard in _all_shards(PENDING):
            for row in PendingChangeRow.query(shard, page_size=PENDING_PER_PAGE):
                if creation_time(row.entry) > moment:
                    break
                yield row.change

    def undo(self, change: PendingChange, words: Iterable[str]) -> None:
        is_old = EntryRow.added_at <= _seconds(change)
        for row in (EntryRow.of(word, change.product_id) for word in words):
            try_write(partial(row.delete, is_old))
        PendingChangeRow.of(change).delete()

    def remove_outdated(self, words: Iterable[str], product: Product) -> None:
        # a later change may have added a word again, so each delete has a condition, which batches
        # do not support
        for row in (EntryRow.of(word, product.id) for word in words):
            try_write(partial(row.delete, EntryRow.revision <= product.revision))

    def remove_all(self, words: Iterable[str], product: Product) -> None:
        delete_many(EntryRow.of(word, product.id) for word in words)


def _seller_row(decision: SellerDecision) -> SellerRow:
    return SellerRow(SELLER + decision.seller_id)


def _seconds(change: PendingChange) -> int:
    return int(creation_time(change.id).timestamp())


def _window(key_range: KeyRange, start: str | None, limit: int) -> Window:
    text, word = key_range.text, key_range.text + SEPARATOR if key_range.exact else ""
    first, last = word + (start or ""), word + LAST
    if not key_range.exact:
        first, last = start or text, text + LAST_CHARACTER
    within = EntryRow.entry.between(first, last)
    results = EntryRow.query(text[:PREFIX_LENGTH], within, page_size=limit)
    items = next(results.page_iter)["Items"]
    key = results.page_iter.last_evaluated_key
    entries = tuple(Entry(*item["entry"]["S"].split(SEPARATOR)) for item in items)
    return Window(key_range, entries, key["entry"]["S"].removeprefix(word) + LAST if key else None)


def _query_by_price(filters: Filters, currency: Currency, *, forward: bool) -> IndexQuery:
    lowest = _sortable(filters.lowest or 0)
    highest = _sortable(MAX_MINOR if filters.highest is None else filters.highest)
    prices = ProductRow.cheapest.between(lowest, highest + LAST)
    # the keys decide about the price
    condition = _all(_conditions(Filters(in_stock=filters.in_stock)))
    if filters.category is None:
        keys = _all_shards(currency.value)
        return IndexQuery(ProductRow.by_price, keys, forward, prices, condition)
    keys = [_price_category(filters.category, currency)]
    return IndexQuery(ProductRow.by_category_price, keys, forward, prices, condition)


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


def _next(product: Product) -> Action:
    return _revision.set(product.revision + 1)


def _update_actions(after: Product) -> list[Action]:
    """Return the actions that write `after`, except for what is shown of its stock."""
    values = ProductRow.of(after).attribute_values
    return [
        attribute.remove() if values.get(name) is None else attribute.set(values[name])
        for name, attribute in ProductRow.get_attributes().items()
        if name not in {"product_id", "in_stock", "is_low", "stock_revision"}
    ]


def _on_sale(row: ProductRow) -> Product | None:
    """Return the product of a row unless it was withdrawn or is hidden."""
    return None if row.deleted_at or row.is_hidden else row.read()


def _shard(product_id: str) -> str:
    return SHARDS[crc32(product_id.encode()) % len(SHARDS)]


def _sharded(key: str, product_id: str) -> str:
    """Return the product's partition of an index whose key would be the same for many."""
    return f"{key}{SEPARATOR}{_shard(product_id)}"


def _all_shards(key: str) -> list[str]:
    return [f"{key}{SEPARATOR}{shard}" for shard in SHARDS]


def _place(order: str, product_id: str) -> str:
    return f"{order}{SEPARATOR}{product_id}"


def _sortable(minor: int) -> str:
    return f"{minor:0{len(str(MAX_MINOR))}d}"


def _price_category(category: str, currency: Currency) -> str:
    return f"{currency.value}{SEPARATOR}{category}"
