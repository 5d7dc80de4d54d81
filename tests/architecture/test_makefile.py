"""The Makefile's targets pass their variables to the commands."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MAKE = shutil.which("make") or "make"
NAMES = ("STAGE", "AS", "PASSWORD")
OUTER = {*NAMES, "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}  # of a `make test` around this
OPERATING = ("dlq", "replay", "rebuild", "reconcile", "job", "admin", "users", "unsuppress")
STUB = """#!/usr/bin/env python3
import json, os, sys
print(json.dumps([sys.argv[1:], {name: os.environ.get(name) for name in %r}]))
"""


@dataclass(frozen=True)
class Call:
    """The arguments of a program, and the environment variables that the commands read."""

    arguments: list[str]
    variables: dict[str, str | None]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in the place of Python, which prints how it was called."""
    stub = tmp_path_factory.mktemp("bin") / "python"
    stub.write_text(STUB % (NAMES,))
    stub.chmod(0o755)
    return stub


def make(python: Path, *arguments: str, **environment: str) -> Call:
    """Run a target without its prerequisites; returns the last call of Python."""
    inherited = {name: value for name, value in os.environ.items() if name not in OUTER}
    done = subprocess.run(  # noqa: S603 - our own program
        [
            MAKE,
            "--no-print-directory",
            "-o",
            "setup",
            "-o",
            "build",
            f"PYTHON={python}",
            *arguments,
        ],
        cwd=PROJECT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return Call(*json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("target", OPERATING)
def test_a_target_runs_the_command_of_its_name_on_the_given_stage(
    python: Path, target: str
) -> None:
    by_argument, by_environment = (
        make(python, target, "STAGE=prod"),
        make(python, target, STAGE="prod"),
    )
    assert by_argument == by_environment
    assert by_argument.arguments[:3] == ["-m", "ops", target]
    assert by_argument.variables["STAGE"] == "prod"


def test_without_a_stage_a_command_uses_its_own_default(python: Path) -> None:
    assert make(python, "dlq").variables["STAGE"] is None


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ("dlq", ""),
        ("dlq SHOW=order_mails", "show order_mails"),
        ("dlq SHOW=order EVENT=OrderPlaced", "show order --event OrderPlaced"),
        ("dlq REDRIVE=order_mails", "redrive order_mails"),
        ("dlq DROP=undelivered YES=1", "drop undelivered --yes"),
        (
            "replay CONSUMER=seller_dashboard FROM=2026-11-01 TO=2026-11-22",
            "seller_dashboard --from 2026-11-01 --to 2026-11-22",
        ),
        ("replay CONSUMER=seller_dashboard", "seller_dashboard"),
        ("rebuild", ""),
        ("rebuild YES=1", "--yes"),
        ("reconcile FROM=2026-11-01 TO=2026-11-02", "--from 2026-11-01 --to 2026-11-02"),
        ("job", ""),
        (
            "job JOB=cart.remind_idle_carts DATE=2026-11-22",
            "cart.remind_idle_carts --date 2026-11-22",
        ),
        ("unsuppress ADDRESS=asha@example.com", "asha@example.com"),
        ("job ARGS=--help", "--help"),
    ],
)
def test_variables_become_options(python: Path, variables: str, words: str) -> None:
    assert make(python, *variables.split()).arguments[3:] == words.split()


def test_names_with_spaces_stay_whole(python: Path) -> None:
    call = make(python, "admin", "EMAIL=me@shop.example", "FIRST_NAME=Asha Devi")
    assert call.arguments[3:] == [
        *("--email", "me@shop.example", "--username", "", "--first-name", "Asha Devi"),
        *("--last-name", ""),
    ]


def test_a_deployment_passes_the_stage_and_the_parameters(python: Path) -> None:
    parameters = "PARAMETERS=AlarmEmail=me@shop.example TaxPercent=5"
    assert make(python, "deploy", "STAGE=prod", parameters).arguments == [
        *("-m", "deployment", "prod", "Architecture=arm64"),
        *("AlarmEmail=me@shop.example", "TaxPercent=5"),
    ]
    assert make(python, "deploy").arguments[2] == "dev"


def test_the_chat_reads_the_account_from_the_environment(python: Path) -> None:
    by_argument = make(python, "chat", "AS=divya@example.com", "PASSWORD=secret")
    assert by_argument == make(python, "chat", AS="divya@example.com", PASSWORD="secret")
    assert by_argument.variables["AS"] == "divya@example.com"
    assert by_argument.variables["PASSWORD"] == "secret"
    assert make(python, "chat").variables["AS"] is None
