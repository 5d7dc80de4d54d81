"""Stages are found in samconfig.toml and in the file of the local cloud."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deployment import Refused, stack
from ops import cli, stages
from ops.stages import Stage, find_stage
from supermarket.errors import Unavailable
from support.ops import ops

Serve = Callable[[Starlette, str], str]

SAMCONFIG = """
[dev.global.parameters]
region = "eu-west-1"
profile = "shop-dev"

[dev.deploy.parameters]
stack_name = "supermarket-dev"

[prod.global.parameters]
region = "ap-south-1"

[prod.deploy.parameters]
stack_name = "supermarket-prod"
"""


@pytest.fixture(autouse=True)
def _samconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "samconfig.toml"
    file.write_text(SAMCONFIG)
    monkeypatch.setattr(stack, "SAMCONFIG", file)
    monkeypatch.setattr(cli, "find_stage", find_stage)


def test_a_stage_on_aws_has_the_region_and_profile_of_samconfig(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of another account")
    stage = find_stage("dev")
    assert (stage.region, stage.stack) == ("eu-west-1", "supermarket-dev")
    with stage.selected():
        assert os.environ["STAGE"] == "dev"
        assert os.environ["AWS_REGION"] == os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
        assert os.environ["AWS_PROFILE"] == "shop-dev"
        assert "AWS_ACCESS_KEY_ID" not in os.environ, "it would overrule the profile"
    assert os.environ["AWS_REGION"] == "us-east-1"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "of another account"
    assert "AWS_PROFILE" not in os.environ


def test_without_a_profile_the_operators_own_credentials_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with find_stage("prod").selected():
        assert os.environ["AWS_PROFILE"] == "mine"
        assert "AWS_ACCESS_KEY_ID" in os.environ


def test_an_unknown_stage_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused):
        find_stage("pord")
    assert ops("job", "--stage", "pord") == 2
    assert "pord" in capsys.readouterr().err


def endpoints(tmp_path: Path, aws: str) -> Path:
    file = tmp_path / "endpoints.json"
    known = {"stage": "local", "region": "us-east-1", "aws": aws, "razorpay": "http://razorpay"}
    file.write_text(json.dumps(known))
    return file


def test_the_local_stage_has_the_endpoints_of_the_local_cloud(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Route("/_ministack/health", lambda _: PlainTextResponse("ok"))
    address = serve(Starlette(routes=[health]), "")
    stage = find_stage("local", endpoints(tmp_path, address))
    assert (stage.stack, stage.razorpay) == ("supermarket-local", "http://razorpay")
    assert (stage.quiet_period_seconds, stage.archive_lag_seconds) == (3, 0)
    monkeypatch.setenv("AWS_PROFILE", "shop-prod")
    with stage.selected():
        assert os.environ["AWS_ENDPOINT_URL"] == address
        assert os.environ["AWS_DEFAULT_REGION"] == "us-east-1"
        assert os.environ["AWS_ACCESS_KEY_ID"] == "test"
        assert "AWS_PROFILE" not in os.environ


def test_without_a_local_cloud_the_operator_is_asked_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing.json"
    with pytest.raises(Unavailable):
        find_stage("local", missing)
    assert ops("job", "--stage", "local", "--endpoints", str(missing)) == 1
    assert "make run" in capsys.readouterr().err


def test_a_local_cloud_that_was_killed_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not respond"):
        find_stage("local", endpoints(tmp_path, "http://127.0.0.1:9"))


def test_a_stage_keeps_the_environment_when_a_command_fails() -> None:
    before = dict(os.environ)
    with pytest.raises(ZeroDivisionError), Stage("x", "eu-west-1", "stack").selected():
        raise ZeroDivisionError
    assert dict(os.environ) == before


def test_the_default_file_is_the_one_that_make_run_writes() -> None:
    assert stages.ENDPOINTS.parts[-2:] == (".local", "endpoints.json")
