"""Scheduled jobs are found by their handlers and run by hand."""

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

from ops import jobs, scheduled_jobs

ARN = "arn:aws:lambda:ap-south-1:123456789012:function:"


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    """A stage `test` with a job and an endpoint, beside another stage with the same job."""
    session = botocore.session.get_session()
    clients: dict[str, Any] = {
        name: session.create_client(name, region_name="ap-south-1")
        for name in ("lambda", "scheduler")
    }
    monkeypatch.setattr(scheduled_jobs, "client", clients.__getitem__)
    monkeypatch.setattr(scheduled_jobs, "_patient_client", lambda: clients["lambda"])
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


def answer(stub: Stubber, payload: bytes, expected: bytes, **more: str) -> None:
    body = StreamingBody(io.BytesIO(payload), len(payload))
    given = {"FunctionName": "CheckDailyTotals", "Payload": expected}
    stub.add_response("invoke", {"Payload": body, **more}, given)


@pytest.mark.usefixtures("stubs")
def test_without_a_name_the_stages_jobs_and_their_schedules_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert jobs.main([]) == 0
    assert capsys.readouterr().out == "seller_dashboard.check_daily_totals  cron(0 1 * * ? *)\n"


def test_a_job_runs_for_a_date_and_its_report_is_told(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    answer(stubs["lambda"], b'{"sellers": 3, "days": 12}', b'{"date": "2026-11-22"}')
    assert jobs.main(["seller_dashboard.check_daily_totals", "--date", "2026-11-22"]) == 0
    assert capsys.readouterr().out == "sellers  3\ndays     12\n"


def test_without_a_date_the_job_chooses(stubs: dict[str, Stubber]) -> None:
    answer(stubs["lambda"], b"null", b"{}")
    assert jobs.main(["seller_dashboard.check_daily_totals"]) == 0


def test_a_job_that_fails_is_told(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    fault = json.dumps({"errorType": "ValueError", "errorMessage": "no such day"}).encode()
    answer(stubs["lambda"], fault, b"{}", FunctionError="Unhandled")
    assert jobs.main(["seller_dashboard.check_daily_totals"]) == 1
    assert "ValueError: no such day" in capsys.readouterr().err


@pytest.mark.usefixtures("stubs")
def test_an_unknown_job_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert jobs.main(["cart.dust"]) == 1
    assert "only seller_dashboard.check_daily_totals" in capsys.readouterr().err


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(SystemExit):
        jobs.main(["seller_dashboard.check_daily_totals", "--date", str(datetime.now(UTC))])
