"""Run a scheduled job now and print its counts, or list the jobs.

Every job can be run twice.
"""

import argparse
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from ops.aws import client, functions_of, invoking_client
from ops.command import SUCCESS
from ops.console import print_table, progress
from ops.stages import Stage
from supermarket.errors import BadGateway, NotFound


def run(options: argparse.Namespace, stage: Stage) -> int:
    jobs = sorted(scheduled_jobs(stage.name))
    functions = {name: function for name, _, function in jobs}
    if not options.job:
        print_table(("job", "schedule"), [(name, schedule) for name, schedule, _ in jobs])
        return SUCCESS
    if options.job not in functions:
        raise NotFound(f"There is no job {options.job!r}, only {', '.join(functions)}")
    with progress() as show:
        show(f"{options.job} is running")
        counts = run_job(options.job, functions[options.job], options.date)
    print_table(("count", "value"), [(name, str(value)) for name, value in counts.items()])
    return SUCCESS


def scheduled_jobs(stage: str) -> Iterator[tuple[str, str, str]]:
    """Yield the jobs of a stage: name (`<domain>.<function>`), schedule and deployed name. A job is
    a function with a schedule and a handler `<domain>.jobs.<function>`.
    """
    schedules = dict(_schedules())
    for function in functions_of(stage):
        if schedule := schedules.get(function["FunctionArn"]):
            yield function["Handler"].replace(".jobs.", "."), schedule, function["FunctionName"]


def run_job(name: str, function: str, day: date | None) -> dict[str, Any]:
    """Run a job, for a day if one is given; returns its counts when it has finished.

    Raises BadGateway when the job fails.
    """
    payload = json.dumps({"date": day.isoformat()} if day else {}).encode()
    response = invoking_client().invoke(FunctionName=function, Payload=payload)
    result: dict[str, Any] = json.loads(response["Payload"].read()) or {}
    if "FunctionError" in response:
        reason = f"{result.get('errorType')}: {result.get('errorMessage')}"
        raise BadGateway(f"{name} failed: {reason}")
    return result


def _schedules() -> Iterator[tuple[str, str]]:
    """Yield pairs of a function (ARN) and its schedule."""
    scheduler = client("scheduler")
    for page in scheduler.get_paginator("list_schedules").paginate():
        for one in page["Schedules"]:
            found = scheduler.get_schedule(Name=one["Name"], GroupName=one["GroupName"])
            yield one["Target"]["Arn"], found["ScheduleExpression"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="<domain>.<function>; without it, list the jobs")
    text = "the shop's day to run for, such as 2026-11-22 (default: as the schedule does)"
    parser.add_argument("--date", type=date.fromisoformat, metavar="DAY", help=text)
