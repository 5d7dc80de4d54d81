"""Lets a projection hear the past again: `python -m ops.replay.command --help`."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ops.command import DONE, WHERE, beginning, end, ending
from supermarket.clock import iso, positive_seconds

if TYPE_CHECKING:
    from ops.replay.model import ReplayProgress


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when the consumer has taken the last event, 1 when it did not come to it."""
    options = _parser().parse_args(arguments)
    return end(lambda: _replay(options))


def _replay(options: argparse.Namespace) -> int:
    from ops import wiring

    replays = wiring.replays(options.calm)
    progress = replays.run(options.consumer, options.since, options.until, tell)
    done = progress.replay
    traffic = "" if progress.is_quiet else "; traffic goes on, so its queue is never empty"
    sys.stdout.write(
        f"\n{options.consumer} has heard all of {iso(done.since)} to {iso(done.until)}"
        f" (replay {done.name}{traffic})\n"
    )
    return DONE


def tell(progress: "ReplayProgress") -> None:
    """One line that goes on changing; in a file, a line each."""
    replay = progress.replay
    line = f"{replay.state:<10} {replay.share:4.0%} replayed, {progress.waiting} wait in the queue"
    sys.stdout.write(f"\r{line:<60}" if sys.stdout.isatty() else f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.replay.command",
        description="Send events of the archive to one consumer again. Only projections take "
        "replays: whoever acts on events would act twice. On AWS the archive has an event up to "
        f"ten minutes after the bus, and at most ten replays run at a time. {WHERE}",
    )
    parser.add_argument("consumer", help="whose rule gets them, such as seller_dashboard")
    parser.add_argument(
        "--from", dest="since", type=beginning, help="day, in UTC (default: as far back as it goes)"
    )
    parser.add_argument(
        "--to", dest="until", type=ending, help="last day, which is included (default: now)"
    )
    parser.add_argument(
        "--calm",
        type=positive_seconds,
        default=60,
        metavar="SECONDS",
        help="how long its queue has to be empty at the end, since SQS counts a little late; or, "
        "20 times as long, nearly empty (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
