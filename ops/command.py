"""What the commands share: exit codes, options for days, and confirmation."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from supermarket.errors import DomainError, Invalid

SUCCESS, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def add_days(parser: argparse.ArgumentParser, *, required: bool, default: str = "") -> None:
    """Add `--from` and `--to`, a range of days in UTC, both included: `options.since` is its first
    moment, and `options.until` the first moment after it; None without the option.
    """
    text = f"a day in UTC, such as 2026-11-22{default}"
    keys: dict[str, Any] = {"required": required, "metavar": "DAY", "help": text}
    parser.add_argument("--from", dest="since", type=first_day, **keys)
    parser.add_argument("--to", dest="until", type=last_day, **keys)


def check_days(options: argparse.Namespace) -> None:
    """Raises Invalid when `--to` is before `--from`."""
    if options.since and options.until and options.since >= options.until:
        raise Invalid("--to is before --from")


def first_day(text: str) -> datetime:
    """Parse a day; returns its first moment."""
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def last_day(text: str) -> datetime:
    """Parse a day; returns the first moment after it."""
    return first_day(text) + timedelta(days=1)


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def confirm(question: str, options: argparse.Namespace) -> None:
    """Ask before something irreversible. Raises a DomainError unless the answer is yes."""
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise Invalid("Nothing was done: confirm with --yes (make: YES=1)")
    if input(f"{question} [y/N] ").strip().lower() != "y":
        raise DomainError("Nothing was done")
