"""Send archived events to one consumer again, and wait until it has handled them.

Only projections accept replays: another consumer would repeat its actions. On AWS the archive has
an event up to ten minutes after the bus, and at most ten replays run at a time.
"""

import argparse

from ops.command import SUCCESS, add_days, check_days
from ops.console import output, progress
from ops.stages import Stage
from supermarket.clock import iso


def run(options: argparse.Namespace, stage: Stage) -> int:
    from ops import wiring

    check_days(options)
    replays = wiring.replays(stage.quiet_period_seconds)
    with progress() as show:
        for at in replays.run(options.consumer, options.since, options.until):
            show(str(at))
    traffic = "" if at.is_empty else ". Traffic continues, so its queue was never empty"
    days = f"from {iso(at.since)} to {iso(at.until)}"
    output.print(f"{options.consumer} has handled the events {days} (replay {at.name}){traffic}")
    return SUCCESS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("consumer", help="the consumer that gets the events: seller_dashboard")
    add_days(parser, required=False, default=" (default: all days of the archive)")
