"""Compares cold starts with a bare boto3 handler and writes docs/benchmarks.md: `make bench`.

Every measurement starts a new process with the Lambda runtime interface client and ends at its
first response. The cases run in random order, so that other load affects all of them equally. The
result is the ratio to the bare handler of the same round, not a time.
"""

import argparse
import logging
import os
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import track

import conftest  # noqa: F401 - sets the functions' variables
from benchmarks import packages
from benchmarks.cases import Build, Case, bare_cases
from benchmarks.processor import Limit, raise_priority, throttle
from benchmarks.report import SHARE, THROTTLED, UNTHROTTLED, Measured, report
from benchmarks.runtime import InvocationFailed, Times, run
from benchmarks.scenarios import Scenario, is_success, shop_in_moto
from benchmarks.web_api import CERTIFICATE, WebApi, make_certificate
from local import stack

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BUILT = stack.BUILD / "artifacts"


@dataclass(frozen=True)
class Mode:
    """A way to run cases: the server, and the processor limit of the invocations if any."""

    name: str
    api: WebApi
    limit: Limit | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=11,
        help="at most 25 or so, since tokens last 15 minutes",
    )
    parser.add_argument(
        "--against", type=Path, action="append", default=[], help="another build to compare with"
    )
    parser.add_argument(
        "--only", default="", help="run only scenarios whose names contain this, such as cart"
    )
    arguments = parser.parse_args()
    console = Console()
    with console.status("Building"):
        stack.build(stack.BUILD / "bench.log")
    raise_priority(os.getpid())
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        make_certificate(scratch)
        with console.status("Recording AWS's responses"):
            cases = _cases(arguments.against, arguments.only, scratch)
        with _modes(scratch) as (modes, limited_by):
            measured = _measure(cases, modes, arguments.rounds, scratch, console)
    text = report(measured, arguments.rounds, limited_by)
    console.print(Markdown(text))
    if not (arguments.against or arguments.only):
        DOCUMENT.write_text(text)


def _cases(against: Sequence[Path], only: str, scratch: Path) -> list[Case]:
    client = packages.copy_packages(packages.RUNTIME_CLIENT, scratch / "runtime")
    razorpay = packages.copy_packages(["razorpay"], scratch / "razorpay")
    with (razorpay / "razorpay" / "ca-bundle.crt").open("ab") as authorities:
        authorities.write((scratch / CERTIFICATE).read_bytes())
    build = Build.read(BUILT)
    scenarios = [scenario for scenario in _scenarios() if only in scenario.name]
    cases = [*bare_cases(build, client, scratch), *build.cases(scenarios, (client, razorpay))]
    for other in against:
        more = Build.read(other).cases(scenarios, (client, razorpay), f" [{other.name}]")
        cases.extend(more)
    return cases


def _scenarios() -> list[Scenario]:
    """Record the scenarios of a shop in moto, without its logs and metrics."""
    logging.disable()
    try:
        with redirect_stdout(StringIO()), shop_in_moto() as shop:
            return list(shop.scenarios())
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _modes(scratch: Path) -> Iterator[tuple[list[Mode], str]]:
    """Start both servers; yields the two modes, and how the second one is limited."""
    plain, secure = WebApi(None), WebApi(scratch)
    with throttle(SHARE) as (limit, limited_by), plain.serving(), secure.serving():
        yield [Mode(UNTHROTTLED, plain, None), Mode(THROTTLED, secure, limit)], limited_by


def _measure(
    cases: Sequence[Case], modes: Sequence[Mode], rounds: int, scratch: Path, console: Console
) -> Measured:
    """Measure every case in every round; an extra first round only warms the disk's cache."""
    measured: Measured = defaultdict(list)
    for number in track(range(rounds + 1), "Starting processes", console=console, transient=True):
        runs = [(mode, case) for mode in modes for case in cases]
        random.shuffle(runs)
        for mode, case in runs:
            times = _run(case, mode, scratch)
            if number:
                measured[mode.name, case.name].append(times)
    return measured


def _run(case: Case, mode: Mode, scratch: Path) -> Times:
    mode.api.load(case.responses)
    program = case.program(mode.api.url, scratch / CERTIFICATE)
    times = run(program, case.event, scratch / "log", limit=mode.limit, check=is_success)
    if mode.api.unknown or mode.api.unused:
        raise InvocationFailed(
            f"{case.name} does not make the recorded AWS calls: "
            f"unknown {mode.api.unknown}, unused {mode.api.unused}"
        )
    return times


if __name__ == "__main__":
    main()
