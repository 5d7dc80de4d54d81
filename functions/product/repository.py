"""Products and the search index in DynamoDB."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import batched
from typing import Any, Self

from pynamodb.attributes import (
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.expressions.condition import And, Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from product.model import (
    MAX_MINOR,
    Document,
    Entry,
    Filters,
    Image,
    Page,
    Position,
    Product,
    Seller,
    Sort,
    category_key,
)
from product.words import PREFIX_LENGTH, KeyRange
from supermarket import telemetry
from supermarket.clock import from_iso, iso
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction

ALL_PRODUCTS = "products"
SEPARATOR = "#"
LAST = "~"  # sorts after every character of an id

# a list with filters reads at most this many products in this many queries
EVALUATED = 100
MAX_QUERIES = 5
WITHDRAWN_PER_PAGE = 25


class ByNewest(GlobalSecondaryIndex["ProductRow"]):
    """All products by age."""

    class Meta:
        index_name = "byNewest"
        projection = AllProjection()

    key = UnicodeAttribute(hash_key=True, attr_name="shelf")
    place = UnicodeAttribute(range_key=True, attr_name="newest")


class ByCategoryNewest(GlobalSecondaryIndex["ProductRow"]):
    """The products of a category, by age."""

    class Meta:
        index_name = "byCategoryNewest"
        projection = AllProjection()

    key = UnicodeAttribute(hash_key=True, attr_name="category")
    place = UnicodeAttribute(range_key=True, attr_name="newest")


class BySeller(GlobalSecondaryIndex["ProductRow"]):
    """The products of a seller, by age."""

    class Meta:
        index_name = "bySeller"
        projection = AllProjection()

    key = UnicodeAttribute(hash_key=True, attr_name="seller")
    place = UnicodeAttribute(range_key=True, attr_name="newest")


class ByPrice(GlobalSecondaryIndex["ProductRow"]):
    """The products of a currency, by price."""

    class Meta:
        index_name = "byPrice"
        projection = AllProjection()

    key = UnicodeAttribute(hash_key=True, attr_name="priceShelf")
    place = UnicodeAttribute(range_key=True, attr_name="cheapest")


class ByCategoryPrice(GlobalSecondaryIndex["ProductRow"]):
    """The products of a category and a currency, by price."""

    class Meta:
        index_name = "byCategoryPrice"
        projection = AllProjection()

    key = UnicodeAttribute(hash_key=True, attr_name="priceCategory")
    place = UnicodeAttribute(range_key=True, attr_name="cheapest")


class ByDeletion(GlobalSecondaryIndex["ProductRow"]):
    """The withdrawn products by the time of their withdrawal."""

    class Meta:
        index_name = "byDeletion"
        projection = KeysOnlyProjection()

    withdrawn = UnicodeAttribute(hash_key=True)
    deleted_at = UnicodeAttribute(range_key=True, attr_name="deletedAt")


class ProductRow(Row):
    """A product. A withdrawn product keeps its row for a while, for orders and returns, and leaves
    the lists because `newest` and `cheapest` are removed.
    """

    Meta = table("product")

    product_id = UnicodeAttribute(hash_key=True, attr_name="productId")
    title = UnicodeAttribute()
    description = UnicodeAttribute()
    minor = NumberAttribute(attr_name="priceMinor")
    currency = UnicodeAttribute()
    seller = UnicodeAttribute()
    seller_email = UnicodeAttribute(attr_name="sellerEmail")
    seller_first_name = UnicodeAttribute(attr_name="sellerFirstName")
    images = Mapped[tuple[Image, ...]](tuple[Image, ...])
    stock = NumberAttribute()
    category = UnicodeAttribute(null=True)
    category_name = UnicodeAttribute(null=True, attr_name="categoryName")
    low_stock_threshold = NumberAttribute(null=True, attr_name="lowStockThreshold")
    revision = NumberAttribute()
    stock_revision = NumberAttribute(null=True, attr_name="stockRevision")
    changed_by = UnicodeAttribute(null=True, attr_name="changedBy")
    created_at = UnicodeAttribute(attr_name="createdAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")
    deleted_at = UnicodeAttribute(null=True, attr_name="deletedAt")
    withdrawn = UnicodeAttribute(null=True)
    words = UnicodeSetAttribute(null=True)
    title_words = UnicodeSetAttribute(null=True, attr_name="titleWords")
    shelf = UnicodeAttribute()
    newest = UnicodeAttribute(null=True)
    price_shelf = UnicodeAttribute(attr_name="priceShelf")
    price_category = UnicodeAttribute(null=True, attr_name="priceCategory")
    cheapest = UnicodeAttribute(null=True)

    by_newest = ByNewest()
    by_category_newest = ByCategoryNewest()
    by_seller = BySeller()
    by_price = ByPrice()
    by_category_price = ByCategoryPrice()
    by_deletion = ByDeletion()

    @classmethod
    def of(cls, product: Product) -> Self:
        document = Document.of(product)
        category = category_key(product.category)
        currency = product.price.currency
        return cls(
            product.id,
            title=product.title,
            description=product.description,
            minor=product.price.minor,
            currency=currency.value,
            seller=product.seller.user_id,
            seller_email=product.seller.email,
            seller_first_name=product.seller.first_name,
            images=product.images,
            stock=product.stock,
            category=category,
            category_name=product.category,
            low_stock_threshold=product.low_stock_threshold,
            revision=product.revision,
            stock_revision=product.stock_revision,
            changed_by=telemetry.correlation_id(),
            created_at=iso(product.created_at),
            updated_at=iso(product.updated_at),
            words=set(document.words) or None,
            title_words=set(document.title_words) or None,
            shelf=ALL_PRODUCTS,
            newest=_place(iso(product.created_at), product.id),
            price_shelf=currency.value,
            price_category=category and _price_category(category, currency),
            cheapest=_place(_sortable(product.price.minor), product.id),
        )

    def product(self) -> Product:
        return Product(
            id=self.product_id,
            title=self.title,
            description=self.description,
            price=Money(int(self.minor), Currency(self.currency)),
            seller=Seller(self.seller, self.seller_email, self.seller_first_name),
            images=self.images,
            stock=int(self.stock),
            category=self.category_name,
            low_stock_threshold=_whole(self.low_stock_threshold),
            revision=int(self.revision),
            created_at=from_iso(self.created_at),
            updated_at=from_iso(self.updated_at),
            stock_revision=int(self.stock_revision or 0),
        )

    def document(self) -> Document:
        words, title_words = frozenset(self.words or ()), frozenset(self.title_words or ())
        return Document(self.product(), words, title_words)


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
    forward: bool
    key_range: Condition | None = None
    filter: Condition | None = None

    @classmethod
    def of(cls, filters: Filters, sort: Sort) -> "IndexQuery":
        if sort in {Sort.CHEAPEST, Sort.DEAREST} and filters.currency is not None:
            return _query_by_price(filters, filters.currency, forward=sort is Sort.CHEAPEST)
        condition = _all([*_priced(filters), *_in_stock(filters)])
        if filters.seller_id is not None:
            return cls(ProductRow.by_seller, filters.seller_id, forward=False, filter=condition)
        if filters.category is not None:
            key = filters.category
            return cls(ProductRow.by_category_newest, key, forward=False, filter=condition)
        return cls(ProductRow.by_newest, ALL_PRODUCTS, forward=False, filter=condition)

    @property
    def key_name(self) -> str:
        return str(type(self.index).key.attr_name)

    @property
    def place_name(self) -> str:
        return str(type(self.index).place.attr_name)

    def start(self, place: str | None) -> dict[str, dict[str, str]] | None:
        """Return the exclusive start key of a position."""
        if place is None:
            return None
        return {
            "productId": {"S": place.rpartition(SEPARATOR)[2]},
            self.key_name: {"S": self.key},
            self.place_name: {"S": place},
        }

    def rows(self, place: str | None, limit: int) -> tuple[list[ProductRow], str | None]:
        """Return the matches among the next `limit` rows, and the position of the last row read."""
        results = self.index.query(
            self.key,
            self.key_range,
            self.filter,
            scan_index_forward=self.forward,
            last_evaluated_key=self.start(place),
            page_size=limit,
        )
        items = next(results.page_iter)["Items"]
        key = results.page_iter.last_evaluated_key
        return (
            [ProductRow.from_raw_data(item) for item in items],
            key[self.place_name]["S"] if key else None,
        )


class DynamoProducts:
    """`Products`, `Documents` and `WithdrawnProducts` in DynamoDB."""

    def find(self, product_id: str) -> Product | None:
        try:
            row = ProductRow.get(product_id, consistent_read=True)
        except ProductRow.DoesNotExist:
            return None
        return _on_sale(row)

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        rows = ProductRow.batch_get(list(dict.fromkeys(product_ids)), consistent_read=True)
        return {product.id: product for row in rows if (product := _on_sale(row))}

    def documents(self, product_ids: Iterable[str]) -> list[Document]:
        rows = ProductRow.batch_get(list(dict.fromkeys(product_ids)))
        return [row.document() for row in rows if _on_sale(row)]

    def page(self, filters: Filters, sort: Sort, after: Position | None, limit: int) -> Page:
        query = IndexQuery.of(filters, sort)
        place: str | None = after["place"] if after else None
        matches: list[ProductRow] = []
        for _ in range(MAX_QUERIES):
            # one more than the page holds: whether there is a next page
            rows, place = query.rows(place, limit + 1 if query.filter is None else EVALUATED)
            matches += rows
            if place is None or len(matches) > limit:
                break
        if len(matches) > limit:
            place = getattr(matches[limit - 1], query.place_name)
        products = tuple(row.product() for row in matches[:limit])
        return Page(products, {"place": place} if place else None)

    def add(self, product: Product, transaction: Transaction) -> None:
        new = ProductRow.product_id.does_not_exist()
        DynamoTransaction.of(transaction).put(ProductRow.of(product), condition=new)

    def change(
        self, before: Product, after: Product, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        actions = _update_actions(before, after)
        latest = _is_latest(before)
        DynamoTransaction.of(transaction).update(
            ProductRow(before.id), actions, latest, on_conflict
        )

    def add_stock(
        self, before: Product, after: Product, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        added = after.stock - before.stock
        actions = [
            ProductRow.stock.add(added),
            _count_stock_change(before, after),
            _record_request(),
            ProductRow.revision.set(after.revision),
            ProductRow.updated_at.set(iso(after.updated_at)),
        ]
        there = _is_latest(before) & (ProductRow.stock >= -added)
        DynamoTransaction.of(transaction).update(ProductRow(before.id), actions, there, on_conflict)

    def withdraw(
        self, product: Product, now: datetime, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        actions = [
            ProductRow.newest.remove(),
            ProductRow.cheapest.remove(),
            ProductRow.deleted_at.set(iso(now)),
            ProductRow.withdrawn.set(ALL_PRODUCTS),
            ProductRow.revision.set(product.revision + 1),
        ]
        latest = _is_latest(product)
        DynamoTransaction.of(transaction).update(
            ProductRow(product.id), actions, latest, on_conflict
        )

    def reserve_stock(
        self,
        product_id: str,
        price: Money,
        quantity: int,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        as_shown = (
            (ProductRow.stock >= quantity)
            & (ProductRow.minor == price.minor)
            & (ProductRow.currency == price.currency.value)
            & ProductRow.deleted_at.does_not_exist()
        )
        actions = [
            ProductRow.stock.add(-quantity),
            ProductRow.stock_revision.add(1),
            _record_request(),
        ]
        DynamoTransaction.of(transaction).update(
            ProductRow(product_id), actions, as_shown, on_conflict
        )

    def release_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        actions = [
            ProductRow.stock.add(quantity),
            ProductRow.stock_revision.add(1),
            _record_request(),
        ]
        DynamoTransaction.of(transaction).update(ProductRow(product_id), actions)

    def withdrawn_before(self, moment: datetime) -> Iterator[Product]:
        until = ProductRow.deleted_at <= iso(moment)
        found = ProductRow.by_deletion.query(ALL_PRODUCTS, until, page_size=WITHDRAWN_PER_PAGE)
        for page in batched(found, WITHDRAWN_PER_PAGE, strict=False):
            ids = [row.product_id for row in page]
            yield from (row.product() for row in ProductRow.batch_get(ids, consistent_read=True))

    def remove(self, product: Product) -> bool:
        is_withdrawn = ProductRow.deleted_at.exists()
        return try_write(lambda: ProductRow(product.id).delete(is_withdrawn))


def product_of(image: Mapping[str, Any] | None) -> Product | None:
    """Return the product of a stream record's image; None when it is not on sale."""
    return _on_sale(ProductRow.from_raw_data(dict(image))) if image else None


def changed_by(image: Mapping[str, Any] | None) -> str | None:
    """Return the id of the request that made the change of a stream record's image."""
    return (image or {}).get("changedBy", {}).get("S") or None


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
        with EntryRow.batch_write() as batch:
            for word in words:
                batch.save(EntryRow.of(word, product))

    def remove_outdated(self, words: Iterable[str], product: Product) -> None:
        # a later change may have added a word again, so each delete has a condition, which batches
        # do not support
        for row in (EntryRow.of(word, product) for word in words):
            try_write(partial(row.delete, EntryRow.revision <= product.revision))

    def remove_all(self, words: Iterable[str], product: Product) -> None:
        with EntryRow.batch_write() as batch:
            for word in words:
                batch.delete(EntryRow.of(word, product))


def _query_by_price(filters: Filters, currency: Currency, *, forward: bool) -> IndexQuery:
    lowest = _sortable(filters.lowest or 0)
    highest = _sortable(MAX_MINOR if filters.highest is None else filters.highest)
    condition = _all(_in_stock(filters))
    index: Any = ProductRow.by_price
    key = currency.value
    if filters.category is not None:
        index, key = ProductRow.by_category_price, _price_category(filters.category, currency)
    return IndexQuery(
        index, key, forward, ProductRow.cheapest.between(lowest, highest + LAST), condition
    )


def _priced(filters: Filters) -> Iterator[Condition]:
    if filters.currency is not None:
        yield ProductRow.currency == filters.currency.value
    if filters.lowest is not None:
        yield ProductRow.minor >= filters.lowest
    if filters.highest is not None:
        yield ProductRow.minor <= filters.highest


def _in_stock(filters: Filters) -> Iterator[Condition]:
    if filters.in_stock:
        yield ProductRow.stock > 0


def _all(conditions: Iterable[Condition]) -> Condition | None:
    joined: Condition | None = None
    for condition in conditions:
        joined = condition if joined is None else And(joined, condition)
    return joined


def _is_latest(product: Product) -> Condition:
    on_sale = ProductRow.deleted_at.does_not_exist()
    return And(ProductRow.revision == product.revision, on_sale)


def _update_actions(before: Product, after: Product) -> list[Action]:
    """Return the actions that write `after`; the stock, which sales change, only if it differs."""
    values = ProductRow.of(after).attribute_values
    unchanged = {"product_id", "stock_revision"} | (
        {"stock"} if after.stock == before.stock else set()
    )
    written = [
        attribute.remove() if values.get(name) is None else attribute.set(values[name])
        for name, attribute in ProductRow.get_attributes().items()
        if name not in unchanged
    ]
    return [*written, _count_stock_change(before, after)]


def _count_stock_change(before: Product, after: Product) -> Action:
    """Return the action that raises the stock revision if the stock changes."""
    return ProductRow.stock_revision.add(after.stock_revision - before.stock_revision)


def _stock_actions(added: int) -> list[Action]:
    return [ProductRow.stock.add(added), ProductRow.stock_revision.add(1), _record_request()]


def _record_request() -> Action:
    """Return the action that stores the request's id for the stream's reader."""
    return ProductRow.changed_by.set(telemetry.correlation_id())


def _on_sale(row: ProductRow) -> Product | None:
    """Return the product of a row unless it was withdrawn. Stock that is released after the purge
    creates a row without a title.
    """
    return None if row.deleted_at or "title" not in row.attribute_values else row.product()


def _place(order: str, product_id: str) -> str:
    return f"{order}{SEPARATOR}{product_id}"


def _sortable(minor: int) -> str:
    return f"{minor:0{len(str(MAX_MINOR))}d}"


def _price_category(category: str, currency: Currency) -> str:
    return f"{currency.value}{SEPARATOR}{category}"


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
