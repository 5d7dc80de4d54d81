"""Compare the payments and settlements of some days with Razorpay's records, and repair them.

What cannot be repaired is reported (exit code 1). A run that stopped continues when the command is
called again.
"""

import argparse
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from ops.command import FAILED, SUCCESS, add_days, check_days
from ops.console import output, progress
from ops.stages import Stage
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.errors import Unavailable

if TYPE_CHECKING:
    from payment.reconciliation.model import Report

LAST_MOMENT = timedelta(milliseconds=1)
OF_THE_DAYS = ("checked", "repaired", "drift", "failed")
OF_OPEN_REFUNDS = ("synced", "unsynced", "overdue")


def run(options: argparse.Namespace, stage: Stage) -> int:
    from payment import wiring

    check_days(options)
    telemetry.begin(new_id())
    reconciliation = wiring.reconciliation(stage.razorpay)
    refunds, _ = wiring.refund_driver(stage.razorpay).run(lambda: True)
    since, until = options.since, options.until - LAST_MOMENT
    with progress() as show:
        report = reconciliation.reconcile(
            since, until, lambda: True, lambda so_far: show(_progress(so_far))
        )
    settled = wiring.settlement_sync(stage.razorpay).reconcile(since, until, lambda: True)
    output.print(_counts(report.counts, OF_THE_DAYS))
    output.print(f"Settlements: {_counts(settled, OF_THE_DAYS)}")
    output.print(f"Open refunds of all days: {_counts(refunds.counts, OF_OPEN_REFUNDS)}")
    if report.agenda is None or not report.is_finished or settled["stopped"]:
        raise Unavailable("Stopped before the end: run the same command again to continue")
    # the agenda has the findings of earlier runs of the same command, too
    found = report.agenda.found + settled["drift"] + settled["failed"]
    return FAILED if found else SUCCESS


def _progress(report: "Report") -> str:
    windows = f"window {report.compared} of {report.windows}"
    return f"{windows:<16}  {_counts(report.counts, OF_THE_DAYS)}"


def _counts(counts: Counter[str], names: tuple[str, ...]) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in names)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_days(parser, required=True)
