"""What can be done with products: putting them on sale, changing, finding and selling them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from product.model import (
    Changes,
    Draft,
    Filters,
    Image,
    Page,
    Position,
    Product,
    Selection,
    Seller,
    Sort,
    StockChange,
    is_product_id,
)
from product.pictures import Picture
from product.stock import recipient
from supermarket.audit import AuditTrail, Facts
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId
from supermarket.contracts import (
    Amount,
    ProductCreated,
    ProductDeleted,
    ProductFacts,
    ProductUpdated,
)
from supermarket.errors import Conflict, DomainError, Invalid, NotFound
from supermarket.transaction import BeginTransaction, Transaction

ATTEMPTS = 10


class Outdated(Conflict):
    """The product was changed by somebody else since it was read."""

    code = "OUTDATED"


OUTDATED = Outdated("Somebody else changed this product at this very moment. Try again.")


class Products(Protocol):
    """The products that are on sale. Reads are consistent, lists may lag a little behind."""

    def find(self, product_id: str) -> Product | None:
        """The product, if it is on sale."""

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        """Those of the ids that are on sale, in one read."""

    def page(self, filters: Filters, sort: Sort, after: Position | None, limit: int) -> Page:
        """A page of the products that `filters` admit."""

    def add(self, product: Product, transaction: Transaction) -> None:
        """Put a new product on sale."""

    def change(
        self, before: Product, after: Product, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Write what differs; stock is written as counted if `after` differs in it. Refused when
        `before` is no longer the latest revision.
        """

    def add_stock(
        self, before: Product, after: Product, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Move the stock by the difference of the two, whatever was sold in between. Refused when
        there is not enough, or `before` is no longer the latest revision.
        """

    def withdraw(
        self, product: Product, now: datetime, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Take a product off sale for good; refused unless it is still this revision."""

    def take_stock(
        self, product: Product, quantity: int, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Lower the stock if it is there, the price is still this one, and it is on sale."""

    def return_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        """Raise the stock, also of what was withdrawn."""


class Index(Protocol):
    """Finds products by their words."""

    def admit(self, before: Product | None, after: Product) -> None:
        """Make `after` findable, before it is there."""

    def forget(self, before: Product, after: Product | None) -> None:
        """Drop what led to `before` and does not lead to `after`."""

    def page(self, selection: Selection, after: Position | None, limit: int) -> Page:
        """A page of the products with all the words of the selection's text."""


class Pictures(Protocol):
    """Where pictures are kept."""

    def upload(self, product_id: str, pictures: Sequence[Picture]) -> tuple[Image, ...]:
        """Keep all of them or none; Unavailable when the place does not answer."""

    def discard(self, images: Sequence[Image]) -> Sequence[Image]:
        """Remove them, if they are there; those that could not be removed now, which is reported
        and no error.
        """


@dataclass(frozen=True)
class ProductService:
    """The use cases of the catalogue."""

    products: Products
    index: Index
    pictures: Pictures
    audit: AuditTrail
    begin: BeginTransaction
    clock: Clock
    new_id: NewId
    pause: Callable[[int], None]

    def create(self, draft: Draft, pictures: Sequence[Picture], caller: Caller) -> Product:
        """Put a product on sale, with its pictures or not at all."""
        now = self.clock()
        product_id = self.new_id()
        images = self.pictures.upload(product_id, pictures) if pictures else ()
        product = Product(
            id=product_id,
            seller=Seller(caller.user_id, caller.email, caller.first_name),
            images=images,
            revision=1,
            created_at=now,
            updated_at=now,
            **vars(draft),
        )
        with self._discarding_on_failure(product_id, images):
            self._put_on_sale(product)
        return product

    def one(self, product_id: str) -> Product:
        """The product that is on sale under this id."""
        product = self.products.find(product_id) if is_product_id(product_id) else None
        if product is None:
            raise NotFound("There is no such product")
        return product

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        """Those of the ids that are on sale, in one consistent read."""
        return self.products.find_many(filter(is_product_id, product_ids))

    def select(self, selection: Selection, after: Position | None, limit: int) -> Page:
        """A page of a list, found by text or not."""
        if selection.text:
            return self.index.page(selection, after, limit)
        return self.products.page(selection.filters, selection.sort, after, limit)

    def update(
        self, product_id: str, changes: Changes, pictures: Sequence[Picture], caller: Caller
    ) -> Product:
        """Change a product; if others change it at the same time, no change is lost."""
        if changes == Changes() and not pictures:
            raise Invalid("There is nothing to change")
        self._own(product_id, caller).require_room(changes, len(pictures))
        added = self.pictures.upload(product_id, pictures) if pictures else ()

        def change(product: Product) -> Product:
            return product.changed(changes, added, self.clock())

        def write(before: Product, after: Product, transaction: Transaction) -> None:
            self.index.admit(before, after)
            self.products.change(before, after, transaction, OUTDATED)

        with self._discarding_on_failure(product_id, added):
            before, after = self._revise(product_id, caller, "product changed", change, write)
        try:
            self.index.forget(before, after)
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
        """Count the stock anew, or move it; it never falls below zero. What `also` adds happens
        with the change, or not at all.
        """
        keep = self.products.change if change.counted is not None else self.products.add_stock

        def write(before: Product, after: Product, transaction: Transaction) -> None:
            keep(before, after, transaction, OUTDATED)
            also(transaction)

        _, after = self._revise(
            product_id,
            caller,
            "product restocked",
            lambda product: product.restocked(change.of(product.stock), self.clock()),
            write,
        )
        return after

    def delete(self, product_id: str, caller: Caller) -> None:
        """Take a product off sale for good; orders of the past keep their own copy of it.

        What cannot be cleared away at once, the purge clears away later.
        """
        product = self._retrying(lambda: self._withdraw(product_id, caller))
        try:
            self.index.forget(product, None)
        finally:
            # index entries that are left over are harmless, pictures are not
            self.pictures.discard(product.images)

    def take_stock(
        self, product: Product, quantity: int, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Add to `transaction`: the stock goes down, if there is enough of it, the price is still
        `product.price`, and the product is on sale.
        """
        self.products.take_stock(product, quantity, transaction, on_conflict)

    def return_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        """Add to `transaction`: the stock goes up, whatever became of the product."""
        self.products.return_stock(product_id, quantity, transaction)

    def _own(self, product_id: str, caller: Caller) -> Product:
        product = self.one(product_id)
        product.require_editor(caller)
        return product

    def _put_on_sale(self, product: Product) -> None:
        # words first: those of a product that never came to be lead nowhere, which does no harm,
        # while a product without words would never be found
        self.index.admit(None, product)
        transaction = self.begin()
        self.products.add(product, transaction)
        transaction.emit(_facts(ProductCreated, product))
        transaction.commit()

    def _revise(
        self,
        product_id: str,
        caller: Caller,
        action: str,
        change: Callable[[Product], Product],
        write: Callable[[Product, Product, Transaction], None],
    ) -> tuple[Product, Product]:
        """The product before and after a change that was made to its latest revision."""

        def attempt() -> tuple[Product, Product]:
            before = self._own(product_id, caller)
            after = change(before)
            transaction = self.begin()
            write(before, after, transaction)
            self._audit(transaction, action, caller, before, after)
            transaction.emit(_facts(ProductUpdated, after))
            transaction.commit()
            return before, after

        return self._retrying(attempt)

    def _withdraw(self, product_id: str, caller: Caller) -> Product:
        product = self._own(product_id, caller)
        transaction = self.begin()
        self.products.withdraw(product, self.clock(), transaction, OUTDATED)
        self._audit(transaction, "product withdrawn", caller, product, None)
        transaction.emit(
            ProductDeleted(
                product_id=product.id,
                seller_id=product.seller.user_id,
                revision=product.revision + 1,
            )
        )
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
        """Sellers look after their own products; what an admin does to one is written down."""
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
        """Each round somebody's change goes through, so after a few rounds everybody's has."""
        for number in range(ATTEMPTS - 1):
            try:
                return attempt()
            except Outdated:
                self.pause(number)
        return attempt()

    @contextmanager
    def _discarding_on_failure(self, product_id: str, images: Sequence[Image]) -> Iterator[None]:
        """Remove uploaded pictures again if what they were uploaded for does not happen."""
        try:
            yield
        except Exception:
            if images:
                # a commit whose answer got lost may have happened: what is shown stays
                product = self.products.find(product_id)
                shown = product.images if product else ()
                self.pictures.discard([image for image in images if image not in shown])
            raise


def _facts[Kind: ProductFacts](kind: type[Kind], product: Product) -> Kind:
    return kind(
        product_id=product.id,
        seller=recipient(product.seller),
        title=product.title,
        price=Amount.of(product.price),
        stock=product.stock,
        category=product.category,
        revision=product.revision,
        low_stock_threshold=product.low_stock_threshold,
        stock_revision=product.stock_revision,
    )


def _audited(product: Product) -> Facts:
    """What the audit trail keeps of a product: all that its seller says of it."""
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
