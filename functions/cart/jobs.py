"""The scheduled Lambda of carts."""

from cart import wiring
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_PAGE = 30


@job(spare_seconds=SECONDS_PER_PAGE)
def remind_of_abandoned_carts(run: Run) -> Counts:
    """Reminds of idle carts, every hour; for a date, of carts that were idle at its end."""
    return wiring.reminders().remind(run.until, run.has_time)


prepare(__name__)
