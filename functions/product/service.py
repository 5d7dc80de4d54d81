"""The use cases of the catalogue: create, change, list, search, delete, change stock."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from product.events import to_event
from product.model import Changes, Draft, Image, Page, Position, Product, Selection, StockChange
from product.pictures import Picture
from product.ports import Pictures, Products
from product.search import SearchIndex
from supermarket.audit import AuditTrail, Facts
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId, is_id
from supermarket.contracts import ProductCreated, ProductDeleted, ProductUpdated
from supermarket.errors import DomainError, Invalid, NotFound
from supermarket.money import Money
from supermarket.people import Recipient
from supermarket.retry import retry_on_conflict
from supermarket.transaction import BeginTransaction, Transaction

ATTEMPTS = 10


@dataclass(frozen=True)
class ProductService:
    """The use cases of the catalogue."""

    products: Products
    index: SearchIndex
    pictures: Pictures
    audit: AuditTrail
    begin: BeginTransaction
    clock: Clock
    new_id: NewId
    pause: Callable[[int], None]

    def create(self, draft: Draft, pictures: Sequence[Picture], caller: Caller) -> Product:
        """Create a product with all of its pictures, or nothing."""
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
            **vars(draft),
        )
        with self._discarding_on_failure(product_id, images):
            # words first: entries without a product do no harm, one without entries is not found
            self.index.add(None, product)
            transaction = self.begin()
            self.products.add(product, transaction)
            transaction.emit(to_event(ProductCreated, product))
            transaction.commit()
        return product

    def get_product(self, product_id: str) -> Product:
        """Return a product that is on sale. Raises NotFound."""
        product = self.products.find(product_id) if is_id(product_id) else None
        if product is None:
            raise NotFound("Product not found")
        return product

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        """Return the products that are on sale by their ids, in one consistent read."""
        return self.products.find_many(filter(is_id, product_ids))

    def list_products(self, selection: Selection, after: Position | None, limit: int) -> Page:
        """Return a page of a list or of a search."""
        if selection.text:
            return self.index.search(selection, after, limit)
        return self.products.page(selection.filters, selection.sort, after, limit)

    def update(
        self, product_id: str, changes: Changes, pictures: Sequence[Picture], caller: Caller
    ) -> Product:
        """Change a product. Concurrent changes are not lost."""
        if not changes and not pictures:
            raise Invalid("Send at least one field to change")
        self._own(product_id, caller).check_images(changes, len(pictures))
        added = self.pictures.upload(product_id, pictures) if pictures else ()

        def change(product: Product) -> Product:
            return product.changed(changes, added, self.clock())

        def write(before: Product, after: Product, transaction: Transaction) -> None:
            self.index.add(before, after)
            self.products.change(before, after, transaction)

        with self._discarding_on_failure(product_id, added):
            before, after = self._revise(product_id, caller, "product changed", change, write)
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
        also: Callable[[Transaction], None] = lambda _: None,
    ) -> Product:
        """Set or add stock, which is never negative. `also` adds writes to the transaction."""
        counted = change.counted is not None
        write_stock = self.products.change if counted else self.products.add_stock

        def write(before: Product, after: Product, transaction: Transaction) -> None:
            write_stock(before, after, transaction)
            also(transaction)

        def restock(product: Product) -> Product:
            return product.with_stock(change.apply(product.stock), self.clock())

        return self._revise(product_id, caller, "product restocked", restock, write)[1]

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

    def reserve_stock(
        self,
        product_id: str,
        price: Money,
        quantity: int,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        """Lower the stock in `transaction`, on condition that it suffices, the product has
        this price and is on sale.
        """
        self.products.reserve_stock(product_id, price, quantity, transaction, on_conflict)

    def release_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        """Raise the stock in `transaction`, also of a withdrawn product."""
        self.products.release_stock(product_id, quantity, transaction)

    def _own(self, product_id: str, caller: Caller) -> Product:
        product = self.get_product(product_id)
        product.require_editor(caller)
        return product

    def _revise(
        self,
        product_id: str,
        caller: Caller,
        action: str,
        change: Callable[[Product], Product],
        write: Callable[[Product, Product, Transaction], None],
    ) -> tuple[Product, Product]:
        """Apply a change to the latest revision; returns the product before and after it."""

        def attempt() -> tuple[Product, Product]:
            before = self._own(product_id, caller)
            after = change(before)
            transaction = self.begin()
            write(before, after, transaction)
            self._audit(transaction, action, caller, before, after)
            transaction.emit(to_event(ProductUpdated, after))
            transaction.commit()
            return before, after

        return self._retrying(attempt)

    def _withdraw(self, product_id: str, caller: Caller) -> Product:
        product = self._own(product_id, caller)
        transaction = self.begin()
        self.products.withdraw(product, self.clock(), transaction)
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
            if images:
                # a commit whose answer was lost may have succeeded: pictures in use stay
                product = self.products.find(product_id)
                shown = product.images if product else ()
                self.pictures.discard([image for image in images if image not in shown])
            raise


def _audited(product: Product) -> Facts:
    """Return the product's fields for the audit trail."""
    return {
        "title": product.title,
        "description": product.description,
        "minor": product.price.minor,
        "currency": product.price.currency.value,
        "stock": product.stock,
        "category": product.category,
        "lowStockThreshold": product.low_stock_threshold,
        "images": " ".join(image.id for image in product.images),
        "revision": product.revision,
    }
