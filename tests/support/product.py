"""The catalogue's ports in memory, and products and pictures for tests."""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from product.gateways import InventoryStock
from product.model import (
    Availability,
    Document,
    Entry,
    Filters,
    Image,
    Page,
    PendingChange,
    Position,
    Product,
    SellerDecision,
    SellerPage,
    Sort,
    StoredPicture,
    Window,
)
from product.pictures import Picture
from product.search import SearchIndex
from product.service import ProductService
from product.words import KeyRange
from supermarket.clock import Clock, creation_time, iso, new_id, utc_now
from supermarket.errors import DomainError, Unavailable
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction
from support.in_memory import (
    InMemoryAuditTrail,
    InMemoryIdempotencyKeys,
    InMemoryOutbox,
    in_memory,
)
from support.inventory import inventory_in_memory

SELLER = Recipient("01JDSE11ER0000000000000000", "ravi@example.com", "Ravi")


def a_product(**values: Any) -> Product:
    """Return a product with default values, except for the given fields."""
    moment = datetime(2026, 11, 22, 12, 0, 0, 123000, tzinfo=UTC)
    usual: dict[str, Any] = {
        "id": new_id(),
        "title": "Basmati rice",
        "description": "Long grains, aged two years",
        "price": Money(49900, Currency.INR),
        "seller": SELLER,
        "images": (),
        "stock": 5,
        "on_hand": 5,
        "shown": Availability(in_stock=True),
        "category": "Rice & Grains",
        "low_stock_threshold": None,
        "revision": 1,
        "created_at": moment,
        "updated_at": moment,
    }
    return Product(**(usual | values))


def without_stock(product: Product) -> Product:
    """Return the product as it is stored: the inventory has its stock."""
    return replace(product, stock=0, on_hand=0, reserved=0, stock_revision=0, shelf_revision=0)


def png(width: int = 2, height: int = 2, size: int = 0) -> bytes:
    """The bytes of a PNG, made up with random ones to `size`."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + b"\x7f" * width for _ in range(min(height, 64))))
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return content.ljust(size, b"\0")


class InMemoryProducts:
    """`Products` in a dictionary. `meanwhile` happens right after each read."""

    def __init__(self) -> None:
        self._all: dict[str, Product] = {}
        self._withdrawn: dict[str, datetime] = {}
        self.meanwhile: Callable[[], None] = lambda: None
        self.documents_read = 0

    def find(self, product_id: str) -> Product | None:
        product = None if product_id in self._withdrawn else self._all.get(product_id)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return product

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        found = self._find_stored(product_ids)
        return {each: found[each] for each in found if not found[each].is_hidden}

    def list_images(self, product_ids: Iterable[str]) -> set[str]:
        found = [self._all[each] for each in set(product_ids) & self._all.keys()]
        return {image.id for product in found for image in product.images}

    def documents(self, product_ids: Iterable[str]) -> list[Document]:
        products = self._find_stored(product_ids).values()
        self.documents_read += len(products)
        return [Document.of(product) for product in products]

    def page(self, filters: Filters, sort: Sort, after: Position | None, limit: int) -> Page:
        on_sale = self.find_many(self._all).values()
        places = sorted(
            ((_place(product, sort), product) for product in on_sale if filters.matches(product)),
            key=lambda pair: pair[0],
            reverse=sort is not Sort.CHEAPEST,
        )
        if after is not None:
            forward = sort is Sort.CHEAPEST
            places = [
                p for p in places if (p[0] > after["place"]) is forward and p[0] != after["place"]
            ]
        shown = tuple(product for _, product in places[:limit])
        return Page(shown, {"place": places[limit - 1][0]} if len(places) > limit else None)

    def add(self, product: Product, transaction: Transaction) -> None:
        in_memory(transaction).add(lambda: product.id not in self._all, lambda: self._put(product))

    def change(self, before: Product, after: Product, transaction: Transaction) -> None:
        in_memory(transaction).add(
            lambda: self._is_latest(before),
            lambda: self._put(replace(after, shown=self._all[after.id].shown)),
            StaleWrite(),
        )

    def list_by_seller(self, seller_id: str, place: str | None, limit: int) -> SellerPage:
        own = [
            each
            for each in self._find_stored(self._all).values()
            if each.seller.user_id == seller_id
        ]
        left = sorted(
            (each for each in own if place is None or each.id > place), key=lambda each: each.id
        )
        page = tuple(left[:limit])
        return SellerPage(page, page[-1].id if len(left) > limit else None)

    def hide(self, product: Product, transaction: Transaction) -> None:
        self._set_hidden(product, transaction, is_hidden=True)

    def unhide(self, product: Product, transaction: Transaction) -> None:
        self._set_hidden(product, transaction, is_hidden=False)

    def show_availability(
        self, product: Product, availability: Availability, transaction: Transaction
    ) -> None:
        def is_later() -> bool:
            shown = self._find_stored([product.id]).get(product.id)
            return shown is not None and shown.shown.revision < availability.revision

        in_memory(transaction).add(
            is_later,
            lambda: self._put(replace(self._all[product.id], shown=availability)),
            StaleWrite(),
        )

    def withdraw(self, product: Product, now: datetime, transaction: Transaction) -> None:
        in_memory(transaction).add(
            lambda: self._is_latest(product),
            lambda: self._withdrawn.update({product.id: now}),
            StaleWrite(),
        )

    def withdrawn_before(self, moment: datetime) -> Iterator[Product]:
        due = [each for each, withdrawn_at in self._withdrawn.items() if withdrawn_at <= moment]
        yield from [self._all[each] for each in due]

    def remove(self, product: Product) -> bool:
        if self._withdrawn.pop(product.id, None) is None:
            return False
        del self._all[product.id]
        return True

    def _find_stored(self, product_ids: Iterable[str]) -> dict[str, Product]:
        found = set(product_ids) & self._all.keys() - self._withdrawn.keys()
        return {each: self._all[each] for each in found}

    def _set_hidden(self, product: Product, transaction: Transaction, *, is_hidden: bool) -> None:
        changed = replace(product, is_hidden=is_hidden, revision=product.revision + 1)
        in_memory(transaction).add(
            lambda: self._is_latest(product),
            lambda: self._put(replace(changed, shown=self._all[product.id].shown)),
            StaleWrite(),
        )

    def _put(self, product: Product) -> None:
        self._all[product.id] = without_stock(product)

    def _is_latest(self, product: Product) -> bool:
        present = self._all[product.id]
        return product.id not in self._withdrawn and present.revision == product.revision


class InMemorySellers:
    """`Sellers` in a dictionary."""

    def __init__(self) -> None:
        self.decisions: dict[str, SellerDecision] = {}

    def record(self, decision: SellerDecision) -> SellerDecision | None:
        stored = self.decisions.get(decision.seller_id)
        if stored is None or stored.revision < decision.revision:
            self.decisions[decision.seller_id] = decision
            return decision
        return stored if stored.revision == decision.revision else None

    def save(self, decision: SellerDecision) -> bool:
        is_latest = self._is_latest(decision)
        if is_latest:
            self.decisions[decision.seller_id] = decision
        return is_latest

    def require(
        self, decision: SellerDecision, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        in_memory(transaction).add(lambda: self._is_latest(decision), lambda: None, on_conflict)

    def _is_latest(self, decision: SellerDecision) -> bool:
        return self.decisions[decision.seller_id].revision == decision.revision


class InMemoryEntries:
    """`Entries` in a dictionary, from entry to revision."""

    def __init__(self) -> None:
        self.entries: dict[Entry, int] = {}
        self.change_of: dict[Entry, str] = {}
        self.pending: dict[str, PendingChange] = {}
        self.windows_read = 0

    def windows(
        self, key_ranges: Sequence[KeyRange], start: str | None, limit: int
    ) -> list[Window]:
        self.windows_read += len(key_ranges)
        return [self._window(key_range, start, limit) for key_range in key_ranges]

    def _window(self, key_range: KeyRange, start: str | None, limit: int) -> Window:
        def place(entry: Entry) -> str:
            return entry.product_id if key_range.exact else f"{entry.word}#{entry.product_id}"

        within = sorted(
            (entry for entry in self.entries if key_range.contains(entry.word)), key=place
        )
        left = [entry for entry in within if start is None or place(entry) >= start]
        following = place(left[limit - 1]) + "~" if len(left) >= limit else None
        return Window(key_range, tuple(left[:limit]), following)

    def add(self, words: Iterable[str], product: Product, transaction: Transaction) -> None:
        change = PendingChange(new_id(), product.id, frozenset(words))
        self.pending[change.id] = change
        for word in change.words:
            entry = Entry(word, product.id)
            self.entries[entry], self.change_of[entry] = product.revision, change.id
        in_memory(transaction).add(lambda: True, lambda: self._commit(change))

    def _commit(self, change: PendingChange) -> None:
        self.pending.pop(change.id, None)

    def list_pending(self, moment: datetime) -> Iterator[PendingChange]:
        old = [each for each in self.pending.values() if creation_time(each.id) <= moment]
        yield from old

    def undo(self, change: PendingChange, words: Iterable[str]) -> None:
        for entry in [Entry(word, change.product_id) for word in words]:
            if entry in self.entries and self.change_of[entry] <= change.id:
                del self.entries[entry]
        self._commit(change)

    def remove_outdated(self, words: Iterable[str], product: Product) -> None:
        for word in words:
            if self.entries.get(Entry(word, product.id), product.revision + 1) <= product.revision:
                del self.entries[Entry(word, product.id)]

    def remove_all(self, words: Iterable[str], product: Product) -> None:
        for word in words:
            self.entries.pop(Entry(word, product.id), None)


class InMemoryPictures:
    """`Pictures` in a dictionary, which a test can take down."""

    def __init__(self) -> None:
        self.kept: dict[str, Picture] = {}
        self.stored: dict[str, StoredPicture] = {}
        self.is_down = False

    def upload(self, product_id: str, pictures: Sequence[Picture]) -> tuple[Image, ...]:
        if self.is_down:
            raise Unavailable("The image service does not answer")
        named = {new_id(): picture for picture in pictures}
        self.kept |= named
        images = tuple(
            Image(f"https://pictures/{key}", f"https://small/{key}", key) for key in named
        )
        for image in images:
            self.stored[image.id] = StoredPicture(image, product_id or None, utc_now())
        return images

    def discard(self, images: Sequence[Image]) -> Sequence[Image]:
        if self.is_down:
            return images
        for image in images:
            self.kept.pop(image.id, None)
            self.stored.pop(image.id, None)
        return ()

    def list_oldest(self, skip: int, limit: int) -> Sequence[StoredPicture]:
        if self.is_down:
            raise Unavailable("The image service does not answer")
        return [*self.stored.values()][skip : skip + limit]


class Shop:
    """The service on ports in memory, and the ports, for tests to look into."""

    def __init__(self, clock: Clock) -> None:
        self.products = InMemoryProducts()
        self.entries = InMemoryEntries()
        self.pictures = InMemoryPictures()
        self.audit = InMemoryAuditTrail()
        self.outbox = InMemoryOutbox()
        self.inventory = inventory_in_memory(self.outbox, clock)
        self.pauses: list[int] = []
        self.service = ProductService(
            products=self.products,
            stock=InventoryStock(self.inventory.service),
            index=SearchIndex(self.entries, self.products),
            pictures=self.pictures,
            audit=self.audit,
            idempotency_keys=InMemoryIdempotencyKeys(clock),
            begin=self.outbox.begin,
            clock=clock,
            new_id=new_id,
            pause=self.pauses.append,
        )


def _place(product: Product, sort: Sort) -> str:
    by_price = sort in {Sort.CHEAPEST, Sort.DEAREST}
    order = f"{product.price.minor:012d}" if by_price else iso(product.created_at)
    return f"{order}#{product.id}"
