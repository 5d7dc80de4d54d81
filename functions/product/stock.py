"""Emits events about low stock, from changes of the product table.

A product becomes low by a sale, a count, a raised threshold, or because it was created with a stock
at its threshold. Each time it becomes low is one StockRanLow. Later changes of its stock are
StockMoved, up to the change after which it is not low any more.

Changes by the seller of a product with a threshold are StockMoved, too: the ProductUpdated of such
a change has the stock that was read for it, and sales may have changed it meanwhile. A withdrawn
product emits nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from product.events import to_event
from product.model import Product
from supermarket.contracts import StockMoved, StockRanLow
from supermarket.transaction import BeginTransaction

type Snapshot = Mapping[str, Any] | None
"""A product in the form of a stream record's image."""


@dataclass(frozen=True)
class StockMonitor:
    """Emits the event of each change. A change that is delivered twice is one event.
    `changed_by` returns the id of the request that made the change.
    """

    product_of: Callable[[Snapshot], Product | None]
    changed_by: Callable[[Snapshot], str | None]
    begin: BeginTransaction

    def observe(self, before: Snapshot, after: Snapshot) -> None:
        """Emit the event of one change, if it is one of stock."""
        product = self.product_of(after)
        event = stock_event(self.product_of(before), product)
        if event and product:
            transaction = self.begin()
            transaction.emit(event, event_id(product))
            transaction.commit()


def stock_event(before: Product | None, after: Product | None) -> StockRanLow | StockMoved | None:
    """Return the event of a change from `before` to `after`, if there is one."""
    if after is None or (before and before.stock_revision == after.stock_revision):
        return None
    was_low = before is not None and before.is_low
    if after.is_low and not was_low:
        return to_event(StockRanLow, after)
    return to_event(StockMoved, after) if was_low or _is_by_seller(before, after) else None


def event_id(product: Product) -> str:
    """Return the id of the event of a product's present stock revision."""
    return f"{product.id}-stock-{product.stock_revision}"


def _is_by_seller(before: Product | None, after: Product) -> bool:
    changed = before is not None and before.revision != after.revision
    return changed and after.low_stock_threshold is not None
