"""Clears away what is left of products that were withdrawn a while ago.

Pictures that are gone already, words that lead nowhere and rows that somebody else removed are no
errors: a run may be repeated, and two may go on at once. A product's row is removed last, so what
failed is found again by the next run.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from product.model import Product
from product.service import Index, Pictures
from supermarket import telemetry

KEPT_FOR = timedelta(days=30)
OUTCOMES = ("purged", "skipped", "failed", "unfinished")


class Withdrawn(Protocol):
    """The products that are no longer on sale."""

    def withdrawn_before(self, moment: datetime) -> Iterator[Product]:
        """Those that were withdrawn up to `moment`, the oldest first; read page by page."""

    def remove(self, product: Product) -> bool:
        """Forget one for good; whether it was still there."""


@dataclass(frozen=True)
class Purge:
    """Removes pictures, words and rows of withdrawn products."""

    withdrawn: Withdrawn
    index: Index
    pictures: Pictures

    def purge(self, until: datetime, has_time: Callable[[], bool]) -> Counter[str]:
        """Clear away what was withdrawn thirty days before `until`; how many came to what."""
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        for product in self.withdrawn.withdrawn_before(until - KEPT_FOR):
            if not has_time():
                outcomes["unfinished"] = 1
                break
            outcomes[self._outcome(product)] += 1
        return outcomes

    def _outcome(self, product: Product) -> str:
        try:
            if self.pictures.discard(product.images):
                return "failed"
            self.index.forget(product, None)
            return "purged" if self.withdrawn.remove(product) else "skipped"
        except Exception:
            telemetry.logger.exception("product not purged", extra={"product_id": product.id})
            return "failed"
