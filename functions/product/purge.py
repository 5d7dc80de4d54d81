"""Purges products that were withdrawn some time ago: pictures, search entries and rows.

Pictures, entries and rows that do not exist are no errors: a run may be repeated, and two may run
concurrently. A product's row is removed last, so that the next run finds what failed.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from product.model import Product
from product.ports import Pictures, WithdrawnProducts
from product.search import SearchIndex
from supermarket import telemetry

RETENTION = timedelta(days=30)
OUTCOMES = ("purged", "skipped", "failed", "unfinished")


@dataclass(frozen=True)
class Purge:
    """Removes pictures, search entries and rows of withdrawn products."""

    withdrawn: WithdrawnProducts
    index: SearchIndex
    pictures: Pictures

    def purge(self, until: datetime, has_time: Callable[[], bool]) -> Counter[str]:
        """Purge the products that were withdrawn thirty days before `until`; returns the number of
        products by outcome.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        for product in self.withdrawn.withdrawn_before(until - RETENTION):
            if not has_time():
                outcomes["unfinished"] = 1
                break
            outcomes[self._purge(product)] += 1
        return outcomes

    def _purge(self, product: Product) -> str:
        try:
            if self.pictures.discard(product.images):
                return "failed"
            self.index.remove(product, None)
            return "purged" if self.withdrawn.remove(product) else "skipped"
        except Exception:
            telemetry.logger.exception("product not purged", extra={"product_id": product.id})
            return "failed"
