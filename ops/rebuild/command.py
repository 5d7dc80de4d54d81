"""Makes a stage's dashboards anew from the archive: `python -m ops.rebuild.command --help`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from supermarket.clock import positive_seconds
from supermarket.errors import DomainError

if TYPE_CHECKING:
    from ops.rebuild.service import Outcome

ENVIRONMENT = ("STAGE", "AWS_REGION")
IDENTICAL, STOPPED, DIFFERENT = 0, 1, 2
SHOWN_DIGITS = 16
RUN_IT_AGAIN = (
    "The dashboards may lack sales until the same command has come to its end: run it again. It "
    "begins anew, whatever it finds; until then no day is rolled up and no week reported."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when all came out as it was, 2 when something differs, 1 when it stopped."""
    options = _parser().parse_args(arguments)
    if missing := [name for name in ENVIRONMENT if not os.environ.get(name)]:
        return _failed(f"Set {' and '.join(missing)} in the environment")
    if not options.yes:
        return _failed(
            f"This drops the dashboards of the stage {os.environ['STAGE']} and builds them anew; "
            "sellers see gaps meanwhile. Say --yes (make rebuild YES=1) if you mean it."
        )
    for ending in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C does, so that the listener goes on
        signal.signal(ending, signal.default_int_handler)
    try:
        outcome = _rebuild(options)
    except DomainError as error:
        return _failed(f"\n{error.message}\n{RUN_IT_AGAIN}")
    except (BotoCoreError, ClientError) as error:
        return _failed(f"\nAWS says: {error}\n{RUN_IT_AGAIN}")
    except KeyboardInterrupt:
        return _failed(f"\nStopped. {RUN_IT_AGAIN}")
    sys.stdout.write(f"\n{_report(outcome)}\n")
    return IDENTICAL if outcome.is_identical else DIFFERENT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.rebuild.command",
        description="Drop the sellers' projections, replay every event of the archive to their "
        "listener, and compare checksums. New events wait meanwhile; none is lost. STAGE and "
        "AWS_REGION say where; AWS_ENDPOINT_URL leads to a local cloud.",
    )
    parser.add_argument("--yes", action="store_true", help="that is what is wanted")
    parser.add_argument(
        "--calm",
        type=positive_seconds,
        default=60,
        metavar="SECONDS",
        help="how long the queue has to be empty at the end, since SQS counts a little late; or, "
        "20 times as long, nearly empty (default: %(default)s)",
    )
    parser.add_argument(
        "--archive-lag",
        type=float,
        default=600,
        metavar="SECONDS",
        help="how far the archive may be behind the bus (default: %(default)s, as on AWS)",
    )
    return parser


def _rebuild(options: argparse.Namespace) -> "Outcome":
    # the table's name is read from the environment on import, which was looked at only now
    from ops import wiring

    return wiring.rebuilding(options.calm).run(options.archive_lag, _tell)


def _tell(progress: str) -> None:
    sys.stdout.write(f"\r{progress:<70}" if sys.stdout.isatty() else f"{progress}\n")
    sys.stdout.flush()


def _report(outcome: "Outcome") -> str:
    lines = [f"{'rows':<20} {'before':>8} {'after':>8}  checksum"]
    for kind in sorted({*outcome.before, *outcome.after}):
        was, now = outcome.before.get(kind), outcome.after.get(kind)
        told = now.digest[:SHOWN_DIGITS] if now else ""
        counts = f"{was.rows if was else 0:>8} {now.rows if now else 0:>8}"
        lines.append(f"{kind:<20} {counts}  {'same' if was == now else 'DIFFERENT':<9} {told}")
    return "\n".join([*lines, _verdict(outcome)])


def _verdict(outcome: "Outcome") -> str:
    if outcome.is_identical:
        return "The projections are identical to those before."
    if not outcome.was_quiet:
        return (
            "The projections differ from those before, but traffic went on all the time: rows that "
            "it touched must differ. Only a rebuild while all is quiet can tell whether others do."
        )
    return (
        "The projections differ from those before. That is as it should be if events came in "
        "meanwhile, or if what was there before was wrong; else run it again."
    )


def _failed(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return STOPPED


if __name__ == "__main__":
    sys.exit(main())
