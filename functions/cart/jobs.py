"""The scheduled Lambda that looks for carts that were left."""

from cart import wiring
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_PAGE = 30


@job(spare_seconds=SECONDS_PER_PAGE)
def remind_of_abandoned_carts(run: Run) -> Counts:
    """Runs every hour. For a date: of the carts that were left for a day when it ended."""
    return wiring.reminders().remind(run.until, run.has_time)


prepare(__name__)
