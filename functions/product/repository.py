"""Products and the words they are found by, in DynamoDB."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any, Self

from pynamodb.attributes import (
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.exceptions import DeleteError
from pynamodb.expressions.condition import And, Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from product.model import (
    MAX_MINOR,
    Filters,
    Image,
    Page,
    Position,
    Product,
    Seller,
    Sort,
    category_key,
)
from product.search import Document, Entry
from product.words import PREFIX_LENGTH, Reach
from supermarket import telemetry
from supermarket.clock import from_iso, iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import error_code
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction

SHELF = "products"
SEPARATOR = "#"
LAST = "~"  # sorts after every character of an id

# a list that filters looks at this many products in this many queries, however few of them fit
EVALUATED = 100
ROUNDS = 5
WITHDRAWN_PER_PAGE = 25
REFUSED = "ConditionalCheckFailedException"


class ByNewest(GlobalSecondaryIndex["ProductRow"]):
    """All products, by age."""

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
    """Only the products that were withdrawn, by when that was."""

    class Meta:
        index_name = "byDeletion"
        projection = KeysOnlyProjection()

    withdrawn = UnicodeAttribute(hash_key=True)
    deleted_at = UnicodeAttribute(range_key=True, attr_name="deletedAt")


class ImageMap(MapAttribute[str, str]):
    """A picture within its product's row."""

    url = UnicodeAttribute()
    thumbnail = UnicodeAttribute()
    id = UnicodeAttribute()


class ProductRow(Row):
    """A product. One that was withdrawn keeps its row for a while, for orders and returns, and
    leaves the lists by losing `newest` and `cheapest`.
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
    images = ListAttribute(of=ImageMap)
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
            images=[_image_map(image) for image in product.images],
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
            shelf=SHELF,
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
            images=tuple(Image(image.url, image.thumbnail, image.id) for image in self.images),
            stock=int(self.stock),
            category=self.category_name,
            low_stock_threshold=_whole(self.low_stock_threshold),
            revision=int(self.revision),
            created_at=from_iso(self.created_at),
            updated_at=from_iso(self.updated_at),
            # rows from before it was counted have none
            stock_revision=int(self.stock_revision or 0),
        )

    def document(self) -> Document:
        words, title_words = frozenset(self.words or ()), frozenset(self.title_words or ())
        return Document(self.product(), words, title_words)


class EntryRow(Row):
    """A word and a product that has it. Words that begin alike lie together."""

    Meta = table("search")

    prefix = UnicodeAttribute(hash_key=True)
    entry = UnicodeAttribute(range_key=True)
    revision = NumberAttribute()

    @classmethod
    def of(cls, word: str, product: Product) -> Self:
        entry = f"{word}{SEPARATOR}{product.id}"
        return cls(word[:PREFIX_LENGTH], entry, revision=product.revision)


@dataclass(frozen=True)
class Aisle:
    """The index that a list walks along, how far and which way, and what it passes over."""

    index: Any
    key: str
    forward: bool
    within: Condition | None = None
    passing: Condition | None = None

    @classmethod
    def of(cls, filters: Filters, sort: Sort) -> "Aisle":
        if sort in {Sort.CHEAPEST, Sort.DEAREST} and filters.currency is not None:
            return _aisle_by_price(filters, filters.currency, forward=sort is Sort.CHEAPEST)
        passing = _all([*_priced(filters), *_in_stock(filters)])
        if filters.seller_id is not None:
            return cls(ProductRow.by_seller, filters.seller_id, forward=False, passing=passing)
        if filters.category is not None:
            key = filters.category
            return cls(ProductRow.by_category_newest, key, forward=False, passing=passing)
        return cls(ProductRow.by_newest, SHELF, forward=False, passing=passing)

    @property
    def key_name(self) -> str:
        return str(type(self.index).key.attr_name)

    @property
    def place_name(self) -> str:
        return str(type(self.index).place.attr_name)

    def start(self, place: str | None) -> dict[str, dict[str, str]] | None:
        """DynamoDB's form of a place to go on from."""
        if place is None:
            return None
        return {
            "productId": {"S": place.rpartition(SEPARATOR)[2]},
            self.key_name: {"S": self.key},
            self.place_name: {"S": place},
        }

    def rows(self, place: str | None, limit: int) -> tuple[list[ProductRow], str | None]:
        """What fits among the next `limit` rows, and the place of the last one looked at."""
        results = self.index.query(
            self.key,
            self.within,
            self.passing,
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
    """`Products` of the service, `Documents` of the search, `Withdrawn` of the purge."""

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
        aisle = Aisle.of(filters, sort)
        place: str | None = after["place"] if after else None
        fitting: list[ProductRow] = []
        for _ in range(ROUNDS):
            # one more than is shown tells whether there is a next page
            rows, place = aisle.rows(place, limit + 1 if aisle.passing is None else EVALUATED)
            fitting += rows
            if place is None or len(fitting) > limit:
                break
        if len(fitting) > limit:
            place = getattr(fitting[limit - 1], aisle.place_name)
        products = tuple(row.product() for row in fitting[:limit])
        return Page(products, {"place": place} if place else None)

    def add(self, product: Product, transaction: Transaction) -> None:
        new = ProductRow.product_id.does_not_exist()
        DynamoTransaction.of(transaction).put(ProductRow.of(product), condition=new)

    def change(
        self, before: Product, after: Product, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        actions = _rewriting(before, after)
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
            _stock_moved(before, after),
            _changing(),
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
            ProductRow.withdrawn.set(SHELF),
            ProductRow.revision.set(product.revision + 1),
        ]
        latest = _is_latest(product)
        DynamoTransaction.of(transaction).update(
            ProductRow(product.id), actions, latest, on_conflict
        )

    def take_stock(
        self, product: Product, quantity: int, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        as_shown = (
            (ProductRow.stock >= quantity)
            & (ProductRow.minor == product.price.minor)
            & (ProductRow.currency == product.price.currency.value)
            & ProductRow.deleted_at.does_not_exist()
        )
        sold = [ProductRow.stock.add(-quantity), ProductRow.stock_revision.add(1), _changing()]
        DynamoTransaction.of(transaction).update(
            ProductRow(product.id), sold, as_shown, on_conflict
        )

    def return_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        returned = [ProductRow.stock.add(quantity), ProductRow.stock_revision.add(1), _changing()]
        DynamoTransaction.of(transaction).update(ProductRow(product_id), returned)

    def withdrawn_before(self, moment: datetime) -> Iterator[Product]:
        until = ProductRow.deleted_at <= iso(moment)
        found = ProductRow.by_deletion.query(SHELF, until, page_size=WITHDRAWN_PER_PAGE)
        for page in batched(found, WITHDRAWN_PER_PAGE, strict=False):
            ids = [row.product_id for row in page]
            yield from (row.product() for row in ProductRow.batch_get(ids, consistent_read=True))

    def remove(self, product: Product) -> bool:
        try:
            ProductRow(product.id).delete(ProductRow.deleted_at.exists())
        except DeleteError as refused:
            if error_code(refused) != REFUSED:
                raise
            return False
        return True


def product_of(image: Mapping[str, Any] | None) -> Product | None:
    """The product that a record of the table's stream shows; None when it is not on sale."""
    return _on_sale(ProductRow.from_raw_data(dict(image))) if image else None


def changed_by(image: Mapping[str, Any] | None) -> str | None:
    """The id of the request that last changed what a record of the table's stream shows."""
    return (image or {}).get("changedBy", {}).get("S") or None


class DynamoEntries:
    """`Entries` of the search."""

    def window(self, reach: Reach, after: str | None, limit: int) -> tuple[list[Entry], str | None]:
        prefix = reach.text[:PREFIX_LENGTH]
        beginning = reach.text + SEPARATOR if reach.exact else reach.text
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
        # a change that followed may have entered a word again, so each is removed on a condition,
        # which DynamoDB does not have for batches
        for word in words:
            try:
                EntryRow.of(word, product).delete(EntryRow.revision <= product.revision)
            except DeleteError as refused:
                if error_code(refused) != REFUSED:
                    raise

    def remove_all(self, words: Iterable[str], product: Product) -> None:
        with EntryRow.batch_write() as batch:
            for word in words:
                batch.delete(EntryRow.of(word, product))


def _aisle_by_price(filters: Filters, currency: Currency, *, forward: bool) -> Aisle:
    lowest = _sortable(filters.lowest or 0)
    highest = _sortable(MAX_MINOR if filters.highest is None else filters.highest)
    passing = _all(_in_stock(filters))
    index: Any = ProductRow.by_price
    key = currency.value
    if filters.category is not None:
        index, key = ProductRow.by_category_price, _price_category(filters.category, currency)
    return Aisle(index, key, forward, ProductRow.cheapest.between(lowest, highest + LAST), passing)


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


def _rewriting(before: Product, after: Product) -> list[Action]:
    """Everything but the stock, which customers change meanwhile, unless the seller set it."""
    values = ProductRow.of(after).attribute_values
    left = {"product_id", "stock_revision"} | ({"stock"} if after.stock == before.stock else set())
    written = [
        attribute.remove() if values.get(name) is None else attribute.set(values[name])
        for name, attribute in ProductRow.get_attributes().items()
        if name not in left
    ]
    return [*written, _stock_moved(before, after)]


def _stock_moved(before: Product, after: Product) -> Action:
    """One more change of the stock, if it is one, whatever was sold in between."""
    return ProductRow.stock_revision.add(after.stock_revision - before.stock_revision)


def _changing() -> Action:
    """The id of the request whose doing this is, for what the stream's reader makes of it."""
    return ProductRow.changed_by.set(telemetry.correlation_id())


def _on_sale(row: ProductRow) -> Product | None:
    """The product of a row, unless it was withdrawn; stock that came back after even its row was
    purged makes a row that has nothing else.
    """
    return None if row.deleted_at or "title" not in row.attribute_values else row.product()


def _image_map(image: Image) -> ImageMap:
    fields = {"url": image.url, "thumbnail": image.thumbnail, "id": image.id}
    return ImageMap(**fields)


def _place(order: str, product_id: str) -> str:
    return f"{order}{SEPARATOR}{product_id}"


def _sortable(minor: int) -> str:
    return f"{minor:0{len(str(MAX_MINOR))}d}"


def _price_category(category: str, currency: Currency) -> str:
    return f"{currency.value}{SEPARATOR}{category}"


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
