"""The command line: chooses the command and the stage, and turns failures into exit codes."""

import argparse
import inspect
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from pynamodb.exceptions import PynamoDBException

from deployment import Refused
from ops import admin, job, reconcile, replay, rotate_keys, unsuppress, users
from ops.command import FAILED, INTERRUPTED, USAGE
from ops.console import errors
from ops.dlq import command as dlq
from ops.rebuild import command as rebuild
from ops.stages import ENDPOINTS, LOCAL, find_stage
from supermarket.errors import DomainError, Invalid

EXIT_CODES = (
    "Exit codes: 0 success; 1 it failed, left something undone or found a difference; "
    "2 the command line is wrong; 130 interrupted."
)


# the docstring of a module is the help of its command, and `run` returns the exit code
COMMANDS: dict[str, ModuleType] = {
    "dlq": dlq,
    "replay": replay,
    "rebuild": rebuild,
    "reconcile": reconcile,
    "job": job,
    "admin": admin,
    "unsuppress": unsuppress,
    "users": users,
    "rotate-keys": rotate_keys,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. A failure is reported on standard error."""
    options = _parser().parse_args(arguments)
    try:
        with _interrupt_on_termination():
            stage = find_stage(options.stage, options.endpoints)
            with stage.selected():
                return int(options.run(options, stage))
    except (DomainError, Refused, BotoCoreError, ClientError, PynamoDBException) as failure:
        reason, notes = _reason(failure), getattr(failure, "__notes__", [])
        code = USAGE if isinstance(failure, Invalid | Refused) else FAILED
    except (KeyboardInterrupt, EOFError) as interrupt:
        reason, notes = "Interrupted", getattr(interrupt, "__notes__", [])
        code = INTERRUPTED
    errors.print("\n".join([reason, *notes]))
    return code


def _reason(failure: Exception) -> str:
    cause = failure.cause if isinstance(failure, PynamoDBException) else None
    match cause or failure:
        case DomainError(message=message, errors=faults):
            return "\n".join([message, *(f"{fault.field}: {fault.message}" for fault in faults)])
        case NoCredentialsError():
            return "There are no AWS credentials: run `aws configure`, or set AWS_PROFILE"
        case BotoCoreError() | ClientError() as error:
            return f"AWS: {error}"
        case error:
            return str(error)


@contextmanager
def _interrupt_on_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, so that it releases what it holds."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    description = "Operate a stage of the shop: the local cloud of `make run`, or AWS."
    parser = argparse.ArgumentParser("python -m ops", description=description, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        text = inspect.getdoc(command) or ""
        summary = text.partition("\n")[0]
        added = commands.add_parser(name, help=summary, description=text, epilog=EXIT_CODES)
        added.set_defaults(run=command.run)
        added.add_argument(
            "--stage",
            default=os.environ.get("STAGE") or LOCAL,
            help="local (the local cloud of `make run`), or a stage of samconfig.toml, whose "
            "region and profile are used (default: $STAGE, or local)",
        )
        text = "the endpoints of another local cloud than that of `make run`"
        added.add_argument("--endpoints", type=Path, default=ENDPOINTS, metavar="FILE", help=text)
        command.add_arguments(added)
    return parser
