"""The scheduled Lambdas that check each day's totals and report each week to the sellers."""

from datetime import timedelta

from seller_dashboard import wiring
from seller_dashboard.projections.model import Period
from supermarket.days import day_of
from supermarket.errors import Invalid
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_BATCH = 60


@job(spare_seconds=SECONDS_PER_BATCH)
def check_daily_totals(run: Run) -> Counts:
    """Check the day before; runs several times a night, until the day is done. With a date: check
    that day, even if it was done before.
    """
    day = run.day or run.today - timedelta(days=1)
    return wiring.daily_totals_check().run(
        day, run.has_time, again=run.day is not None, is_over=day < day_of(run.now)
    )


@job(spare_seconds=SECONDS_PER_BATCH)
def report_week(run: Run) -> Counts:
    """Report the week before; runs several times on Mondays, until the week is done. With a date:
    report the week before that of the date, even if it was done before.

    Raises Invalid when that week is not over.
    """
    week = Period.week_before(run.today)
    if week.last >= day_of(run.now):
        # the report would lack days, and a report is sent once only
        raise Invalid(f"The week from {week.first} to {week.last} is not over")
    return wiring.weekly_reports().run(week, run.has_time, again=run.day is not None)


prepare(__name__)
