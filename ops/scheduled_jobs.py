"""The scheduled Lambdas of a stage as they are deployed: which there are, when, and run now."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from botocore.config import Config

from ops.bus_topology import client
from supermarket import aws
from supermarket.errors import BadGateway, NotFound

LONGEST_RUN_SECONDS = 900  # of any Lambda


@dataclass(frozen=True)
class ScheduledJob:
    """A Lambda that a clock starts: `<domain>.<function>`, its deployed name, and when it runs."""

    name: str
    function: str
    schedule: str


class DeployedJobs:
    """Found by their handlers, `<domain>.jobs.<function>`, among the functions of the stage."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def all(self) -> list[ScheduledJob]:
        return sorted(self._found(), key=lambda job: job.name)

    def run(self, name: str, day: date | None) -> dict[str, Any]:
        """Its report; returns when it is done."""
        function = self._named(name).function
        payload = json.dumps({"date": day.isoformat()} if day else {})
        answer = _patient_client().invoke(FunctionName=function, Payload=payload.encode())
        said = json.loads(answer["Payload"].read() or "null")
        if "FunctionError" in answer:
            raise BadGateway(f"{name} failed: {said.get('errorType')}: {said.get('errorMessage')}")
        return said if isinstance(said, dict) else {}

    def _named(self, name: str) -> ScheduledJob:
        jobs = {job.name: job for job in self.all()}
        if name not in jobs:
            raise NotFound(f"There is no job {name!r}, only {', '.join(jobs)}")
        return jobs[name]

    def _found(self) -> Iterator[ScheduledJob]:
        schedules = dict(self._schedules())
        for page in client("lambda").get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                if function["FunctionArn"] in schedules and self._is_ours(function):
                    yield ScheduledJob(
                        name=function["Handler"].replace(".jobs.", "."),
                        function=function["FunctionName"],
                        schedule=schedules[function["FunctionArn"]],
                    )

    def _is_ours(self, function: dict[str, Any]) -> bool:
        variables = function.get("Environment", {}).get("Variables", {})
        return bool(variables.get("STAGE") == self._stage)

    def _schedules(self) -> Iterator[tuple[str, str]]:
        scheduler = client("scheduler")
        for page in scheduler.get_paginator("list_schedules").paginate():
            for summary in page["Schedules"]:
                schedule = scheduler.get_schedule(
                    Name=summary["Name"], GroupName=summary["GroupName"]
                )
                yield summary["Target"]["Arn"], schedule["ScheduleExpression"]


@cache
def _patient_client() -> Any:
    """Waits as long as a function may run, and never starts it a second time."""
    config = Config(read_timeout=LONGEST_RUN_SECONDS, retries={"total_max_attempts": 1})
    return aws.client("lambda", config)
