"""The use cases of the catalogue: create, change, list, search, delete, change stock."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from product.events import to_event
from product.model import (
    Availability,
    Changes,
    Draft,
    Image,
    MovementPage,
    Page,
    Position,
    Product,
    Selection,
    ShownLevel,
    StockChange,
)
from product.ports import Pictures, Products, Stock
from product.search import SearchIndex
from supermarket import telemetry
from supermarket.audit import AuditTrail, Facts
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId, is_id
from supermarket.contracts import (
    ProductCreated,
    ProductDeleted,
    ProductUpdated,
    StockMoved,
    StockRanLow,
)
from supermarket.errors import Invalid, NotFound
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, run_once
from supermarket.people import Recipient
from supermarket.preconditions import IfMatch
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import BeginTransaction, Transaction

if TYPE_CHECKING:
    from product.pictures import Picture

ATTEMPTS = 10


@dataclass(frozen=True)
class ProductService:
    """The use cases of the catalogue."""

    products: Products
    stock: Stock
    index: SearchIndex
    pictures: Pictures
    audit: AuditTrail
    idempotency_keys: IdempotencyKeys
    begin: BeginTransaction
    clock: Clock
    new_id: NewId
    pause: Callable[[int], None]

    def create(
        self,
        draft: Draft,
        pictures: "Sequence[Picture]",
        caller: Caller,
        key: IdempotencyKey | None = None,
    ) -> Product:
        """Create a product with all of its pictures, or nothing. The same key returns the same
        product.
        """
        return run_once(
            self.idempotency_keys,
            key,
            lambda: self._create(draft, pictures, caller, key),
            self.get_product,
        )

    def get_product(self, product_id: str) -> Product:
        """Return a product that is on sale. Raises NotFound."""
        product = self.find_many([product_id]).get(product_id)
        if product is None:
            raise NotFound("Product not found")
        return product

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        """Return the products that are on sale by their ids, in one consistent read."""
        ids = [product_id for product_id in product_ids if is_id(product_id)]
        with self.stock.reading(ids):
            found = self.products.find_many(ids)
            return {product.id: product for product in self.stock.fill(found.values())}

    def list_products(self, selection: Selection, after: Position | None, limit: int) -> Page:
        """Return a page of a list or of a search."""
        if selection.text:
            page = self.index.search(selection, after, limit)
        else:
            page = self.products.page(selection.filters, selection.sort, after, limit)
        is_own = selection.filters.seller_id is not None
        fill = self.stock.fill if is_own else self.stock.fill_list
        return replace(page, products=tuple(fill(page.products)))

    def update(
        self,
        product_id: str,
        changes: Changes,
        pictures: "Sequence[Picture]",
        caller: Caller,
        if_match: IfMatch | None = None,
    ) -> Product:
        """Change a product. Concurrent changes are not lost. Raises PreconditionFailed when
        `if_match` has another version.
        """
        if not changes and not pictures:
            raise Invalid("Send at least one field to change")
        self._own(product_id, caller, if_match).check_images(changes, len(pictures))
        added = self.pictures.upload(product_id, pictures) if pictures else ()

        def attempt() -> tuple[Product, Product]:
            before = self._own(product_id, caller, if_match)
            after = before.changed(changes, added, self.clock())
            transaction = self.begin()
            self.index.add(before, after, transaction)
            self.products.change(before, after, transaction)
            self.stock.change_offer(after, caller.user_id, transaction)
            self._audit(transaction, "product changed", caller, before, after)
            transaction.emit(to_event(ProductUpdated, after))
            transaction.commit()
            return before, after

        with self._discarding_on_failure(product_id, added):
            before, after = self._retrying(attempt)
        try:
            self.index.remove(before, after)
        finally:
            self.pictures.discard([image for image in before.images if image not in after.images])
        return after

    def change_stock(
        self,
        product_id: str,
        change: StockChange,
        caller: Caller,
        if_match: IfMatch | None = None,
        also: Callable[[Transaction], None] = lambda _: None,
    ) -> Product:
        """Count what is on hand, reserved goods included, or add to it. `also` adds writes to the
        transaction. Raises PreconditionFailed when `if_match` has another version.
        """

        def attempt() -> None:
            before = self._own(product_id, caller, if_match)
            transaction = self.begin()
            same_shelf = if_match is not None
            self.stock.change(before, change, caller.user_id, transaction, same_shelf=same_shelf)
            after = before.on_hand + change.added if change.counted is None else change.counted
            restocked = replace(before, on_hand=after)
            self._audit(transaction, "product restocked", caller, before, restocked)
            also(transaction)
            transaction.commit()

        self._retrying(attempt)
        return self.get_product(product_id)

    def list_stock_movements(
        self, product_id: str, caller: Caller, before: str | None, limit: int
    ) -> MovementPage:
        """Return how the stock of the caller's product moved, from the id `before` on back."""
        self._own(product_id, caller)
        return self.stock.list_movements(product_id, before, limit)

    def update_availability(self, level: ShownLevel) -> None:
        """Show in the lists whether there is any stock, and emit StockRanLow when it has become
        low, StockMoved for later changes and those by the seller. The same change is one event.
        """
        product, availability = self.products.find(level.product_id), level.availability
        if product is None or availability.revision <= product.shown.revision:
            return
        transaction = self.begin()
        facts = replace(product, stock=level.stock, stock_revision=availability.revision)
        event = _stock_event(facts, level)
        if event is not None:
            transaction.emit(event, f"{product.id}-stock-{availability.revision}")
        if _flags(availability) != _flags(product.shown):
            self.products.show_availability(product, availability, transaction)
        elif event is None:
            return
        with suppress(StaleWrite):  # a later level is shown, or the product was withdrawn
            transaction.commit()

    def delete(self, product_id: str, caller: Caller) -> None:
        """Withdraw a product; past orders keep their own copy of it. The purge removes later what
        cannot be removed now.
        """
        product = self._retrying(lambda: self._withdraw(product_id, caller))
        try:
            self.index.remove(product, None)
        finally:
            # left-over index entries do no harm, pictures do
            self.pictures.discard(product.images)

    def _create(
        self,
        draft: Draft,
        pictures: "Sequence[Picture]",
        caller: Caller,
        key: IdempotencyKey | None,
    ) -> Product:
        now = self.clock()
        product_id = self.new_id()
        images = self.pictures.upload(product_id, pictures) if pictures else ()
        product = Product(
            id=product_id,
            seller=Recipient(caller.user_id, caller.email, caller.first_name),
            images=images,
            revision=1,
            created_at=now,
            updated_at=now,
            on_hand=draft.stock,
            shown=Availability(in_stock=draft.stock > 0),
            **vars(draft),
        )
        with self._discarding_on_failure(product_id, images):
            # words first: entries without a product do no harm, one without entries is not found
            transaction = self.begin()
            self.index.add(None, product, transaction)
            self.products.add(product, transaction)
            self.stock.open(product, transaction)
            transaction.emit(to_event(ProductCreated, product))
            if key:
                self.idempotency_keys.save_result(key, product_id, transaction)
            transaction.commit()
        return product

    def _own(self, product_id: str, caller: Caller, if_match: IfMatch | None = None) -> Product:
        product = self.get_product(product_id)
        product.require_editor(caller)
        if if_match is not None:
            if_match.check(product.version)
        return product

    def _withdraw(self, product_id: str, caller: Caller) -> Product:
        product = self._own(product_id, caller)
        transaction = self.begin()
        self.products.withdraw(product, self.clock(), transaction)
        self.stock.change_offer(product, caller.user_id, transaction, on_sale=False)
        self._audit(transaction, "product withdrawn", caller, product, None)
        withdrawn = replace(product, revision=product.revision + 1)
        transaction.emit(to_event(ProductDeleted, withdrawn))
        transaction.commit()
        return product

    def _audit(
        self,
        transaction: Transaction,
        action: str,
        caller: Caller,
        before: Product,
        after: Product | None,
    ) -> None:
        """Record what an admin changes of another person's product."""
        if caller.is_admin:
            self.audit.record(
                transaction,
                subject=f"product#{before.id}",
                action=action,
                actor=caller.user_id,
                before=_audited(before),
                after=_audited(after) if after else {},
            )

    def _retrying[Outcome](self, attempt: Callable[[], Outcome]) -> Outcome:
        # in each round one of the concurrent changes is committed
        return retry_on_conflict(attempt, attempts=ATTEMPTS, pause=self.pause)

    @contextmanager
    def _discarding_on_failure(self, product_id: str, images: Sequence[Image]) -> Iterator[None]:
        """Delete uploaded pictures when the change that needs them fails."""
        try:
            yield
        except Exception:
            # where this fails, too, the sweep of orphans removes them
            with telemetry.warn_on_failure("pictures not discarded"):
                if images:
                    # a commit whose answer was lost may have succeeded: pictures in use stay
                    used = self.products.list_images([product_id])
                    self.pictures.discard([image for image in images if image.id not in used])
            raise


def _stock_event(product: Product, level: ShownLevel) -> StockRanLow | StockMoved | None:
    """Return the event of a level that follows the one that is shown, if there is one."""
    if level.availability.is_low and not product.shown.is_low:
        return to_event(StockRanLow, product)
    if product.shown.is_low or level.by_seller:
        return to_event(StockMoved, product)
    return None


def _flags(availability: Availability) -> tuple[bool, bool]:
    return availability.in_stock, availability.is_low


def _audited(product: Product) -> Facts:
    """Return the product's fields for the audit trail."""
    return {
        "title": product.title,
        "description": product.description,
        "minor": product.price.minor,
        "currency": product.price.currency.value,
        "onHand": product.on_hand,
        "category": product.category,
        "lowStockThreshold": product.low_stock_threshold,
        "images": " ".join(image.id for image in product.images),
        "revision": product.revision,
    }
