"""The scheduled Lambda that clears away what is left of withdrawn products."""

from product import wiring
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_PRODUCT = 60  # ImageKit may be slow, and a product has five pictures


@job(spare_seconds=SECONDS_PER_PRODUCT)
def purge_deleted_products(run: Run) -> Counts:
    """Runs every night. For a date: what was withdrawn up to thirty days before its end."""
    return wiring.purge().purge(run.until, run.has_time)


prepare(__name__)
