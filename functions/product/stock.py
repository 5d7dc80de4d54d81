"""Which changes of a product's stock are news to others, as the product's own table tells them.

A product becomes low once, whatever makes it so: a sale, a count, a raised threshold, or that it
was put on sale with so few. Each becoming is one StockRanLow. What then happens to its stock is
told as StockMoved, up to the change after which it is low no more.

What sellers change themselves is told as StockMoved, too, once they have a threshold: the
ProductUpdated of such a change has the stock that was read for it, and customers may have bought
some in between. A product that was withdrawn has no stock to tell of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from product.model import Product, Seller
from supermarket.contracts import StockMoved, StockRanLow
from supermarket.people import Recipient
from supermarket.transaction import BeginTransaction

type Snapshot = Mapping[str, Any] | None
"""A product as a record of the table's stream has it."""


@dataclass(frozen=True)
class StockWatch:
    """Tells of the changes it is shown. One that it is shown twice is the same event twice.
    `changed_by` is the id of the request that a product became what it is by.
    """

    product_of: Callable[[Snapshot], Product | None]
    changed_by: Callable[[Snapshot], str | None]
    begin: BeginTransaction

    def look(self, before: Snapshot, after: Snapshot) -> None:
        product = self.product_of(after)
        news = news_of(self.product_of(before), product)
        if news and product:
            transaction = self.begin()
            transaction.emit(news, event_id(product))
            transaction.commit()


def news_of(before: Product | None, after: Product | None) -> StockRanLow | StockMoved | None:
    """What there is to tell of a product that was `before` and is `after`, if anything."""
    if after is None or (before and before.stock_revision == after.stock_revision):
        return None
    was_low = before is not None and before.is_low
    if after.is_low and not was_low:
        return _ran_low(after, after.low_stock_threshold or 0)
    return _moved(after) if was_low or _is_its_sellers(before, after) else None


def event_id(product: Product) -> str:
    """The same for the same change of the same product, however often it is told of."""
    return f"{product.id}-stock-{product.stock_revision}"


def recipient(seller: Seller) -> Recipient:
    return Recipient(user_id=seller.user_id, email=seller.email, first_name=seller.first_name)


def _is_its_sellers(before: Product | None, after: Product) -> bool:
    changed = before is not None and before.revision != after.revision
    return changed and after.low_stock_threshold is not None


def _ran_low(product: Product, threshold: int) -> StockRanLow:
    return StockRanLow(
        product_id=product.id,
        seller=recipient(product.seller),
        title=product.title,
        stock=product.stock,
        threshold=threshold,
        stock_revision=product.stock_revision,
    )


def _moved(product: Product) -> StockMoved:
    return StockMoved(
        product_id=product.id,
        seller_id=product.seller.user_id,
        title=product.title,
        stock=product.stock,
        threshold=product.low_stock_threshold,
        stock_revision=product.stock_revision,
    )
