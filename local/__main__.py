"""The commands of the local cloud, `python -m local <command>`: `run`, `journey`, `sam-local` …"""

import argparse
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table

from local.cloud import CloudUnavailable, Plan, local_cloud
from local.console import console, failures, step
from local.emulator import REGION, ROOT, EmulatorFailed, root_client
from local.permissions import Evidence, unexplained
from local.stack import STAGE, SamFailed

HOME = ROOT / ".local" / "run"
ENDPOINTS = ROOT / ".local" / "endpoints.json"
EVIDENCE = ROOT / ".local" / "test" / "permissions.json"


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return int(arguments.command(arguments) or 0)
    except (CloudUnavailable, EmulatorFailed, SamFailed) as failure:
        failures.print(f"[red]{failure}[/red]")
        return 1


def run(arguments: argparse.Namespace) -> None:
    """Start everything, say where it is, and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)  # a shell may have started us deaf to it
    plan = Plan(
        arguments.home.resolve(),
        arguments.port,
        arguments.aws_port,
        arguments.host,
        keep=arguments.keep,
        sample=not arguments.empty,
        bcrypt_rounds=arguments.bcrypt_rounds,
        gemini_key=os.environ.get("GOOGLE_API_KEY", ""),
        evidence=arguments.evidence,
    )
    began = time.perf_counter()
    try:
        with local_cloud(plan) as endpoints, published(plan, endpoints):
            announce(endpoints)
            console.print(
                f"\nReady in {time.perf_counter() - began:.1f} s. Ctrl-C stops it; "
                "[bold]make journey[/bold] in another terminal buys something."
            )
            while not arguments.stop_with or _is_alive(arguments.stop_with):
                time.sleep(0.3)
    except KeyboardInterrupt:
        console.print("Stopped.")


@contextmanager
def published(plan: Plan, endpoints: dict[str, Any]) -> Iterator[None]:
    """The default local cloud's endpoints are known to other commands as long as it runs."""
    if plan.home != HOME:
        yield
        return
    ENDPOINTS.write_text(json.dumps(endpoints, indent=2) + "\n")
    try:
        yield
    finally:
        ENDPOINTS.unlink(missing_ok=True)


def journey(arguments: argparse.Namespace) -> int:
    from local.journey import run as buy

    known = endpoints()
    return buy({**known, "api": arguments.api or known["api"]}, console)


def chat(arguments: argparse.Namespace) -> int:
    from local.chat.terminal import talk

    known = endpoints()
    _must_answer(known["aws"])
    return talk(known, arguments.email, arguments.password, console)


def evaluate(arguments: argparse.Namespace) -> int:
    from local.evaluation import evaluate as play

    known = endpoints()
    _must_answer(known["aws"])
    return play(known, console, arguments.only)


def reload(_: argparse.Namespace) -> None:
    from local.reload import reload as put_live

    with step("Putting the changed code live"):
        functions = put_live(root_client(endpoints()["aws"], "lambda"))
    console.print(f"{functions} functions")


def sam_local(arguments: argparse.Namespace) -> int:
    from local.sam_local import serve

    return serve(endpoints(), arguments.port, arguments.more)


def iam_report(arguments: argparse.Namespace) -> int:
    """List what is allowed and was not used, and what was refused; fail when that needs a look."""
    if not arguments.evidence.exists():
        raise CloudUnavailable("there is no evidence yet: make test")
    evidence = Evidence.from_json(arguments.evidence.read_text())
    findings = list(unexplained(evidence))
    for finding in findings:
        console.print(f"✗ {finding}", markup=False, emoji=False, soft_wrap=True)
    console.print(
        f"{len(evidence.permissions)} permissions, {sum(evidence.calls.values())} calls, "
        f"{len(evidence.unused)} unused, {len(findings)} findings"
    )
    return 1 if findings else 0


def environment(_: argparse.Namespace) -> None:
    """What a command has to know to act upon the running local cloud, for a shell's `eval`."""
    known = endpoints()
    _must_answer(known["aws"])
    variables = {
        "STAGE": known["stage"],
        "AWS_ENDPOINT_URL": known["aws"],
        "AWS_REGION": known["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "RAZORPAY_BASE_URL": known["razorpay"],
    }
    for name, value in variables.items():
        console.print(f"export {name}={shlex.quote(value)}", markup=False)
    console.print("unset AWS_PROFILE AWS_SESSION_TOKEN")


def endpoints() -> dict[str, Any]:
    """Where the running local cloud is."""
    if not ENDPOINTS.exists():
        raise CloudUnavailable("no local cloud has been started here: make run")
    known: dict[str, Any] = json.loads(ENDPOINTS.read_text())
    return known


def _must_answer(address: str) -> None:
    try:
        httpx.get(f"{address}/_ministack/health").raise_for_status()
    except httpx.HTTPError as silence:
        raise CloudUnavailable("the local cloud does not answer any more: make run") from silence


def contracts(arguments: argparse.Namespace) -> int:
    """Compare what is in `events/` with the event classes, or write it anew."""
    sys.path.insert(0, str(ROOT / "functions"))
    os.environ |= {"STAGE": STAGE, "AWS_REGION": REGION}  # the listeners' tables have names
    from local import contracts as made

    if why := made.unremembered():
        told = f"What was published can only be told by the files that are here: {why}"
        console.print(told, markup=False, soft_wrap=True)
    if faults := made.broken():
        console.print(made.advice(faults), markup=False, soft_wrap=True)
        return 1
    changed = made.write() if arguments.write else made.outdated()
    for name in changed:
        console.print(f"{'written' if arguments.write else 'outdated'}: events/{name}")
    return int(bool(changed) and not arguments.write)


def announce(endpoints: dict[str, Any]) -> None:
    """The tables of links and of sample accounts."""
    links = Table(title="Links", title_justify="left", box=None, show_header=False)
    for name in ("api", "chat", "websocket", "mailbox", "razorpay", "imagekit", "aws"):
        links.add_row(name, str(endpoints[name]))
    accounts = Table(
        "role", "email", "password", title="Sample accounts", title_justify="left", box=None
    )
    for account in endpoints["accounts"]:
        accounts.add_row(account["role"], account["email"], account["password"])
    for table in (links, accounts):
        console.print()
        console.print(table)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run", help="start the local cloud and stay until Ctrl-C")
    runs.set_defaults(command=run)
    runs.add_argument("--port", type=int, default=3000, help="of the front door; 0 is any free one")
    runs.add_argument("--aws-port", type=int, default=0, help="of the emulator; 0 is any free one")
    runs.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    runs.add_argument("--home", type=Path, default=HOME, help="the folder of its state")
    runs.add_argument("--keep", action="store_true", help="go on with the data of the last run")
    runs.add_argument("--empty", action="store_true", help="without the sample catalogue")
    runs.add_argument("--bcrypt-rounds", type=int, default=10, help="cost of a password hash")
    runs.add_argument("--evidence", type=Path, help="keep what `iam-report` needs in this file")
    runs.add_argument("--stop-with", type=int, help="stop when the process with this id is gone")
    tells = commands.add_parser("environment", help="print what `eval` needs to act upon it")
    tells.set_defaults(command=environment)
    loads = commands.add_parser("reload", help="put changed code live in the running local cloud")
    loads.set_defaults(command=reload)
    serves = commands.add_parser("sam-local", help="serve the HTTP API with `sam local start-api`")
    serves.set_defaults(command=sam_local)
    serves.add_argument("--port", type=int, default=3001)
    serves.add_argument("more", nargs="*", help="options of `sam local start-api`, after --")
    reports = commands.add_parser("iam-report", help="compare policies with the calls of the tests")
    reports.set_defaults(command=iam_report)
    reports.add_argument("--evidence", type=Path, default=EVIDENCE)
    buys = commands.add_parser("journey", help="buy something from the running local cloud")
    buys.set_defaults(command=journey)
    buys.add_argument("--api", help="another address of its HTTP API, as `sam-local` has one")
    talks = commands.add_parser("chat", help="talk with the assistant of the running local cloud")
    talks.set_defaults(command=chat)
    talks.add_argument("--as", dest="email", help="email; the first sample customer's by default")
    talks.add_argument("--password", help="need not be told for a sample account")
    plays = commands.add_parser("evaluate", help="play the conversations that judge the assistant")
    plays.set_defaults(command=evaluate)
    plays.add_argument("only", nargs="*", metavar="ID-PREFIX", help="of conversations; else all")
    compares = commands.add_parser("contracts", help="compare events/ with the event classes")
    compares.set_defaults(command=contracts)
    compares.add_argument("--write", action="store_true", help="write them anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
