"""Reconciles a range of days by hand: `python -m ops.reconcile --help`."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from supermarket import telemetry
from supermarket.clock import iso, new_id
from supermarket.errors import DomainError

if TYPE_CHECKING:
    from payment.reconciliation.model import Report

RAZORPAY = "https://api.razorpay.com"
ENVIRONMENT = ("STAGE", "AWS_REGION")
CLEAN, STOPPED, DRIFT = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when both sides agree (by now), 2 when they do not, 1 when it stopped."""
    options = _parser().parse_args(arguments)
    if missing := [name for name in ENVIRONMENT if not os.environ.get(name)]:
        return _failed(f"Set {' and '.join(missing)} in the environment")
    if options.since >= options.until:
        return _failed("The range ends before it begins")
    try:
        report = _reconcile(options)
    except DomainError as error:
        return _failed(error.message)
    if report.checkpoint is None or not report.is_finished:
        return _failed("\nStopped on the way; the same command goes on from here")
    sys.stdout.write(f"\n{_summary(report)}\n{_refunds(report)}\n")
    # what an earlier run of the same command found before it stopped counts as well
    return DRIFT if report.checkpoint.found else CLEAN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.reconcile",
        description="Hold the shop's payments of some days against Razorpay's records. "
        "STAGE and AWS_REGION say where; AWS_ENDPOINT_URL leads to a local cloud.",
    )
    parser.add_argument("--from", dest="since", required=True, type=_start, help="day, in UTC")
    parser.add_argument(
        "--to", dest="until", required=True, type=_end, help="last day, which is included"
    )
    parser.add_argument(
        "--razorpay",
        default=os.environ.get("RAZORPAY_BASE_URL") or RAZORPAY,
        help="where Razorpay answers (default: %(default)s)",
    )
    return parser


def _start(text: str) -> datetime:
    """A day's beginning, or the very moment that is given."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _end(text: str) -> datetime:
    """A day's last millisecond, or the very moment that is given."""
    is_a_day = len(text) == len("2026-11-22")
    return _start(text) + (timedelta(days=1, milliseconds=-1) if is_a_day else timedelta())


def _reconcile(options: argparse.Namespace) -> "Report":
    # the tables' names are read from the environment on import, which was looked at only now
    from payment import wiring

    telemetry.begin(new_id())
    reconciliation = wiring.reconciliation(options.razorpay.rstrip("/"))
    return reconciliation.reconcile(options.since, options.until, lambda: True, _progress)


def _progress(report: "Report") -> None:
    at = report.checkpoint
    if at is None:
        return
    line = f"{iso(at.since)[:10]} to {iso(at.until)[:10]}  {at.phase:<12}  {_summary(report)}"
    sys.stdout.write(f"\r{line}" if sys.stdout.isatty() else f"{line}\n")
    sys.stdout.flush()


def _summary(report: "Report") -> str:
    counts = report.counts
    told = ("checked", "repaired", "drift", "failed")
    return ", ".join(f"{counts[name]} {name}" for name in told)


def _refunds(report: "Report") -> str:
    """Of the whole shop, whatever days were asked for."""
    counts = report.counts
    told = ("synced", "unsynced", "overdue")
    return "Open refunds: " + ", ".join(f"{counts[name]} {name}" for name in told)


def _failed(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return STOPPED


if __name__ == "__main__":
    sys.exit(main())
