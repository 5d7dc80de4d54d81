"""Runs a scheduled job now, for a date if it takes one: `python -m ops.jobs --help`."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date

from ops.command import DONE, WHERE, end


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when the job has run, 1 when it could not or failed."""
    options = _parser().parse_args(arguments)
    return end(lambda: _run(options) if options.job else _list())


def _list() -> int:
    from ops import wiring

    jobs = wiring.scheduled_jobs().all()
    width = max((len(job.name) for job in jobs), default=0)
    for job in jobs:
        sys.stdout.write(f"{job.name:<{width}}  {job.schedule}\n")
    return DONE


def _run(options: argparse.Namespace) -> int:
    from ops import wiring

    report = wiring.scheduled_jobs().run(options.job, options.date)
    width = max((len(name) for name in report), default=0)
    for name, value in report.items():
        sys.stdout.write(f"{name:<{width}}  {value}\n")
    if not report:
        sys.stdout.write("Done; it does not report.\n")
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.jobs",
        description="Run a scheduled job of the deployed stage now and wait for its report; each "
        f"is safe to run twice. {WHERE}",
    )
    parser.add_argument(
        "job", nargs="?", help="<domain>.<function>; without it, the jobs and their schedules"
    )
    parser.add_argument(
        "--date", type=date.fromisoformat, help="the day it runs for, in UTC: 2026-11-22"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
