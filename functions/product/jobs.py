"""The scheduled Lambda that purges withdrawn products."""

from product import wiring
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_PRODUCT = 60  # ImageKit may be slow, and a product has five pictures


@job(spare_seconds=SECONDS_PER_PRODUCT)
def purge_deleted_products(run: Run) -> Counts:
    """Purge products that were withdrawn thirty days ago; nightly, or for a date."""
    return wiring.purge().purge(run.until, run.has_time)


prepare(__name__)
