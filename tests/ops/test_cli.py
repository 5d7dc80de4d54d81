"""Every command explains itself and ends with an exit code, and a failure is one line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from pynamodb.exceptions import GetError

from deployment import Refused
from ops import cli, unsuppress
from ops.cli import COMMANDS
from ops.stages import Stage
from supermarket.errors import Conflict, DomainError, FieldError, Invalid
from support.ops import ops

ROOT = Path(__file__).parents[2]
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetItem")


def with_note(failure: BaseException) -> BaseException:
    failure.add_note("Run it again")
    return failure


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        ops(command, "--help")
    assert end.value.code == 0
    help_ = capsys.readouterr().out
    assert help_.startswith(f"usage: python -m ops {command}")
    assert "--stage" in help_
    assert "130 interrupted" in help_


def test_the_program_is_started_as_a_module_and_lists_its_commands() -> None:
    program = [sys.executable, "-m", "ops", "--help"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    for command in COMMANDS:
        assert f"    {command} " in done.stdout


@pytest.mark.parametrize("words", [[], ["drop"], ["dlq", "purge"], ["admin"], ["reconcile"]])
def test_a_wrong_command_line_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        ops(*words)
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("failure", "code", "reason"),
    [
        (Conflict("Another rebuild is running"), 1, "Another rebuild is running"),
        (with_note(DomainError("It failed")), 1, "It failed\nRun it again"),
        (Invalid("--to is before --from"), 2, "--to is before --from"),
        (Invalid("Not valid", (FieldError("email", "no @"),)), 2, "Not valid\nemail: no @"),
        (Refused("There is no stage x"), 2, "There is no stage x"),
        (DENIED, 1, f"AWS: {DENIED}"),
        (GetError("Failed to get item", DENIED), 1, f"AWS: {DENIED}"),
        (NoCredentialsError(), 1, "no AWS credentials: run `aws configure`, or set AWS_PROFILE"),
        (GetError("No", NoCredentialsError()), 1, "no AWS credentials"),
        (with_note(KeyboardInterrupt()), 130, "Interrupted\nRun it again"),
        (EOFError(), 130, "Interrupted"),
    ],
)
def test_a_failure_is_an_exit_code_and_a_reason(
    failure: BaseException,
    code: int,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> int:
        raise failure

    monkeypatch.setattr(unsuppress, "run", fail)
    assert ops("unsuppress", "asha@example.com") == code
    error = capsys.readouterr().err
    assert reason in error
    assert "Traceback" not in error


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsuppress, "run", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        ops("unsuppress", "asha@example.com")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_termination_interrupts_a_command_and_leaves_the_signal_handlers(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(number)
    monkeypatch.setattr(unsuppress, "run", lambda *_: os.kill(os.getpid(), number))
    assert ops("unsuppress", "asha@example.com") == 130
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("words", "variable", "expected"),
    [([], "", "local"), ([], "prod", "prod"), (["--stage", "dev"], "prod", "dev")],
)
def test_the_stage_is_an_option_or_a_variable_or_local(
    words: list[str], variable: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[str] = []

    def find(name: str, _: Path) -> Stage:
        stages.append(name)
        raise Refused("not in this test")

    monkeypatch.setattr(cli, "find_stage", find)
    monkeypatch.setenv("STAGE", variable)
    ops("job", *words)
    assert stages == [expected]
