"""Removes what no product has: search entries of a change that was never committed, and pictures,
whose request crashed between the upload and the commit or between the commit and the removal, or
which ImageKit did not delete.

Younger ones may belong to a request that has not ended, or to a product that is being restored. A
picture that does not exist is no error: a run may be repeated, and two may run concurrently.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from product.ports import Checkpoint, Pictures, Products
from product.search import SearchIndex

MIN_AGE = timedelta(days=7)
PICTURES_PER_PAGE = 200
MAX_REMOVED = 500  # in one run, in case that products are missing from the table
OUTCOMES = ("undone", "removed", "failed", "unfinished")


@dataclass(frozen=True)
class OrphanSweep:
    """Compares all stored pictures with the products, page by page, beginning with the oldest. The
    checkpoint is the number of pictures that were compared and stay.
    """

    index: SearchIndex
    pictures: Pictures
    products: Products
    checkpoint: Checkpoint

    def run(self, until: datetime, has_time: Callable[[], bool]) -> Counter[str]:
        """Continue where the last run has ended, until all pictures are compared, many are removed
        or the time is up; returns the number of pictures by outcome, and of changes undone.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        outcomes["undone"] = self.index.undo_pending(until - MIN_AGE, has_time)
        position = self.checkpoint.load()
        while has_time() and outcomes["removed"] < MAX_REMOVED:
            page = self.pictures.list_oldest(position, PICTURES_PER_PAGE)
            old = [each for each in page if each.created_at <= until - MIN_AGE]
            used = self.products.list_images({each.product_id for each in old if each.product_id})
            orphans = [each.image for each in old if each.product_id and each.image.id not in used]
            failed = len(self.pictures.discard(orphans))
            removed = len(orphans) - failed
            outcomes["removed"] += removed
            outcomes["failed"] += failed
            is_last = len(old) < PICTURES_PER_PAGE
            position = 0 if is_last else position + len(old) - removed
            self.checkpoint.save(position)
            if is_last:
                return outcomes
        outcomes["unfinished"] = 1
        return outcomes
