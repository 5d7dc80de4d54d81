"""Runs tests and commands of a copied checkout, each in a process of its own.

The processes are forked from one that has imported the libraries already, because importing them
takes longer than most of these tests.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN_PATHS = {"", str(ROOT), *(str(ROOT / name) for name in ("functions", "tests"))}
OWN_PACKAGES = {"support", "local", "sample", "simulators", "supermarket", "tests"}
LIBRARIES = [
    *("pytest", "jsonschema", "yaml", "httpx", "moto.events.models", "botocore.session"),
    *("pydantic", "pynamodb.models", "jwt", "ulid", "bcrypt", "requests", "simplejson"),
    *("aws_lambda_powertools.logging", "aws_lambda_powertools.metrics"),
]
# without plugins and the AWS of `conftest.py`, which these tests do not need
LEAN = ("-q", "--disable-plugin-autoload", "--noconftest", "-p", "no:cacheprovider")

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(LIBRARIES)


@dataclass(frozen=True)
class Outcome:
    """The exit code of a process and the text that it wrote to standard output and error."""

    returncode: int | None
    stdout: str


def run_tests(checkout: Path, *tests: str) -> Outcome:
    """Runs tests of the checkout, such as `tests/contracts/test_schemas.py::test_…`."""
    return _run(checkout, _pytest, *LEAN, f"--basetemp={checkout / 'tmp'}", *tests)


def run_module(checkout: Path, module: str, *arguments: str) -> Outcome:
    """Runs a package of the checkout, as `python -m` does."""
    return _run(checkout, _module, module, *arguments)


def _run(checkout: Path, program: Callable[..., int], *arguments: str) -> Outcome:
    output = checkout / "output.log"
    process = FORKS.Process(target=_enter, args=(checkout, output, program, arguments))
    process.start()
    process.join()
    return Outcome(process.exitcode, output.read_text())


def _enter(
    checkout: Path, output: Path, program: Callable[..., int], arguments: tuple[str, ...]
) -> None:
    """Makes the checkout the only place from which the project's modules can be imported."""
    with output.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(checkout)
    sys.dont_write_bytecode = True  # for a file that changes twice in a second
    sys.path[:] = [str(checkout), *(path for path in sys.path if path not in OWN_PATHS)]
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN_PACKAGES]:
        del sys.modules[name]
    sys.exit(program(*arguments))


def _pytest(*arguments: str) -> int:
    return int(pytest.main(list(arguments)))


def _module(name: str, *arguments: str) -> int:
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)
    return 0
