"""The Makefile's commands act on the stage that was named."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MAKE = shutil.which("make") or "make"
OPERATING = ("dlq", "replay", "rebuild", "job", "unsuppress")


def would_run(*arguments: str, **environment: str) -> str:
    known = {name: value for name, value in os.environ.items() if name != "STAGE"}
    done = subprocess.run(  # noqa: S603
        [MAKE, "--dry-run", "--no-print-directory", *arguments],
        cwd=PROJECT,
        env=known | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("command", OPERATING)
def test_what_operates_a_stage_means_the_local_one_when_nobody_says_which(command: str) -> None:
    assert "export STAGE=local " in would_run(command)


@pytest.mark.parametrize("command", [*OPERATING, "admin", "reconcile"])
def test_a_stage_that_is_named_is_the_one(command: str) -> None:
    for run in (would_run(command, "STAGE=prod"), would_run(command, STAGE="prod")):
        assert "export STAGE=prod " in run
        assert "local environment" not in run


@pytest.mark.parametrize("command", ["admin", "reconcile"])
def test_what_needs_an_account_means_dev_when_nobody_says_which(command: str) -> None:
    assert "export STAGE=dev " in would_run(command)


def test_a_deployment_passes_on_what_was_said_and_leaves_the_questions_to_the_command() -> None:
    run = would_run("deploy", "STAGE=prod", "PARAMETERS=AlarmEmail=me@shop.example TaxPercent=5")
    assert run.splitlines()[-1].endswith(
        "python -m deployment prod Architecture=arm64 AlarmEmail=me@shop.example TaxPercent=5"
    )
    assert "--guided" not in run


def test_who_talks_is_the_first_customer_unless_somebody_is_named() -> None:
    assert "--as" not in would_run("chat")
    assert '--as "divya@example.com"' in would_run("chat", "AS=divya@example.com")
    assert '--as "divya@example.com"' in would_run("chat", AS="divya@example.com")
