"""The command that lists scheduled jobs and runs one."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from ops import aws, job
from support.ops import ops

ARN = "arn:aws:lambda:ap-south-1:123456789012:function:"


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    """A stage `test` with a job and an endpoint, beside another stage with the same job."""
    session = botocore.session.get_session()
    clients: dict[str, Any] = {
        name: session.create_client(name, region_name="ap-south-1")
        for name in ("lambda", "scheduler")
    }
    for module in (aws, job):
        monkeypatch.setattr(module, "client", clients.__getitem__)
    monkeypatch.setattr(job, "invoking_client", lambda: clients["lambda"])
    with ExitStack() as active:
        found = {name: active.enter_context(Stubber(one)) for name, one in clients.items()}
        found["scheduler"].add_response(
            "list_schedules",
            {
                "Schedules": [
                    a_schedule("one", "CheckDailyTotals"),
                    a_schedule("two", "CheckDailyTotalsOfOthers"),
                ]
            },
        )
        for name in ("one", "two"):
            found["scheduler"].add_response(
                "get_schedule",
                {"ScheduleExpression": "cron(0 1 * * ? *)"},
                {"Name": name, "GroupName": "default"},
            )
        functions = [
            a_function("CheckDailyTotals", "seller_dashboard.jobs.check_daily_totals", "test"),
            a_function(
                "CheckDailyTotalsOfOthers", "seller_dashboard.jobs.check_daily_totals", "other"
            ),
            a_function("GetCart", "cart.endpoints.get_cart", "test"),
        ]
        found["lambda"].add_response("list_functions", {"Functions": functions})
        yield found


def a_schedule(name: str, function: str) -> dict[str, Any]:
    return {"Name": name, "GroupName": "default", "Target": {"Arn": ARN + function}}


def a_function(name: str, handler: str, stage: str) -> dict[str, Any]:
    return {
        "FunctionName": name,
        "FunctionArn": ARN + name,
        "Handler": handler,
        "Environment": {"Variables": {"STAGE": stage}},
    }


def respond(stub: Stubber, payload: bytes, expected: bytes, **more: str) -> None:
    body = StreamingBody(io.BytesIO(payload), len(payload))
    given = {"FunctionName": "CheckDailyTotals", "Payload": expected}
    stub.add_response("invoke", {"Payload": body, **more}, given)


@pytest.mark.usefixtures("stubs")
def test_without_a_name_the_jobs_of_the_stage_and_their_schedules_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ops("job") == 0
    [_, row] = capsys.readouterr().out.splitlines()
    assert row.split(None, 1) == ["seller_dashboard.check_daily_totals", "cron(0 1 * * ? *)"]


def test_a_job_runs_for_a_date_and_its_counts_are_printed(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    respond(stubs["lambda"], b'{"sellers": 3, "days": 12}', b'{"date": "2026-11-22"}')
    assert ops("job", "seller_dashboard.check_daily_totals", "--date", "2026-11-22") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [["count", "value"], ["sellers", "3"], ["days", "12"]]


def test_without_a_date_a_job_runs_as_its_schedule_does(stubs: dict[str, Stubber]) -> None:
    respond(stubs["lambda"], b"null", b"{}")
    assert ops("job", "seller_dashboard.check_daily_totals") == 0


def test_the_failure_of_a_job_is_reported(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    fault = json.dumps({"errorType": "ValueError", "errorMessage": "no such day"}).encode()
    respond(stubs["lambda"], fault, b"{}", FunctionError="Unhandled")
    assert ops("job", "seller_dashboard.check_daily_totals") == 1
    assert "ValueError: no such day" in capsys.readouterr().err


@pytest.mark.usefixtures("stubs")
def test_an_unknown_job_is_reported_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert ops("job", "cart.dust") == 1
    assert "only seller_dashboard.check_daily_totals" in capsys.readouterr().err


def test_an_invalid_date_is_refused() -> None:
    with pytest.raises(SystemExit) as end:
        ops("job", "seller_dashboard.check_daily_totals", "--date", str(datetime.now(UTC)))
    assert end.value.code == 2
