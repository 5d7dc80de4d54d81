"""The scheduled Lambdas that check each day's sums and tell sellers of each week."""

from datetime import timedelta

from seller_dashboard import wiring
from seller_dashboard.reports import Week
from supermarket.errors import Invalid
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_SELLER = 60
SECONDS_PER_PAGE = 60


@job(spare_seconds=SECONDS_PER_SELLER)
def roll_up_day(run: Run) -> Counts:
    """Runs at night, some hours in a row, for the day before, until that is done. For a date: for
    that day, whether it was done or not.
    """
    day = run.day or run.today - timedelta(days=1)
    return wiring.roll_up().roll_up(
        day, run.has_time, again=run.day is not None, is_over=day < run.now.date()
    )


@job(spare_seconds=SECONDS_PER_PAGE)
def report_week(run: Run) -> Counts:
    """Runs on Mondays, some hours in a row, for the week before, until that is done. For a date:
    for the last week that was over when the date's week began, whether it was done or not.
    """
    week = Week.before(run.today)
    if week.period.last >= run.now.date():
        # told now, it would lack days, and never be told again
        raise Invalid(f"The week from {week.first} to {week.period.last} is not over")
    return wiring.weekly_reports().report(week, run.has_time, again=run.day is not None)


prepare(__name__)
