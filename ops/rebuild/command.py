"""Rebuild the seller dashboard from the event archive, and compare checksums.

Deletes the projections, replays all archived events to their listener, and compares the rows before
and after. New events wait in the meantime; none is lost.
"""

import argparse

from ops.command import FAILED, SUCCESS, add_yes, confirm
from ops.console import output, print_table, progress
from ops.rebuild.service import RebuildResult
from ops.stages import Stage

SHOWN_DIGITS = 16


def run(options: argparse.Namespace, stage: Stage) -> int:
    from ops import wiring

    question = f"Delete the dashboards of the stage {stage.name} and rebuild them?"
    confirm(f"{question} Sellers see gaps in the meantime.", options)
    rebuild = wiring.projection_rebuild(stage.name, stage.quiet_period_seconds)
    with progress() as show:
        result = rebuild.run(stage.archive_lag_seconds, show)
    kinds = sorted({*result.before, *result.after})
    print_table(("rows", "before", "after", "", "checksum"), [_row(result, one) for one in kinds])
    output.print(_verdict(result))
    return SUCCESS if result.is_identical else FAILED


def _row(result: RebuildResult, kind: str) -> tuple[str, ...]:
    before, after = result.before.get(kind), result.after.get(kind)
    counts = (str(one.rows if one else 0) for one in (before, after))
    digest = after.digest[:SHOWN_DIGITS] if after else ""
    return kind, *counts, "same" if before == after else "DIFFERENT", digest


def _verdict(result: RebuildResult) -> str:
    if result.is_identical:
        return "The projections are identical to those before."
    if not result.was_quiet:
        return (
            "The projections differ from those before, but there was traffic all the time, which "
            "changes rows. Only a rebuild without traffic shows whether other rows differ."
        )
    return (
        "The projections differ from those before. That is expected if events came in the "
        "meantime, or if the projections were wrong before; otherwise run the command again."
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_yes(parser)
