"""The scheduled Lambdas that purge withdrawn products and remove what belongs to none."""

from product import wiring
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_PRODUCT = 60  # ImageKit may be slow, and a product has five pictures
SECONDS_PER_PAGE = 180  # of at most fifty pictures to delete, five at the same time


@job(spare_seconds=SECONDS_PER_PRODUCT)
def purge_deleted_products(run: Run) -> Counts:
    """Purge products that were withdrawn thirty days ago; nightly, or for a date."""
    return wiring.purge().purge(run.until, run.has_time)


@job(spare_seconds=SECONDS_PER_PAGE)
def remove_orphans(run: Run) -> Counts:
    """Remove search entries and pictures that no product has; nightly, continuing where the last
    run has ended.
    """
    return wiring.orphan_sweep().run(run.until, run.has_time)


prepare(__name__)
