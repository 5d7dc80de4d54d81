"""The commands of the local cloud, `python -m local <command>`: `run`, `journey`, `sam-local` …"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table

from local.cloud import CloudUnavailable, Plan, local_cloud
from local.console import console, error_console, step
from local.emulator import REGION, ROOT, EmulatorFailed, root_client
from local.links import printed_links
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
        error_console.print(f"[red]{failure}[/red]")
        return 1


def run(arguments: argparse.Namespace) -> None:
    """Start everything, print where it is, and wait for Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell may have started us with them ignored
        signal.signal(number, signal.default_int_handler)
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
        with local_cloud(plan) as endpoints, _published(plan, endpoints):
            announce(endpoints)
            console.print(
                f"\nReady in {time.perf_counter() - began:.1f} s. Ctrl-C stops it; "
                "[bold]make journey[/bold] in another terminal buys something."
            )
            while not arguments.stop_with or _is_alive(arguments.stop_with):
                time.sleep(0.3)
    except KeyboardInterrupt:
        console.print("Stopped.")


def announce(endpoints: dict[str, Any]) -> None:
    """Print the tables of links and of sample accounts."""
    links = Table(title="Links", title_justify="left", box=None, show_header=False)
    for name, link in printed_links(endpoints).items():
        links.add_row(name, link)
    columns = ("role", "email", "password")
    accounts = Table(*columns, title="Sample accounts", title_justify="left", box=None)
    for account in endpoints["accounts"]:
        accounts.add_row(*(account[name] for name in columns))
    for table in (links, accounts):
        console.print()
        console.print(table)


def journey(arguments: argparse.Namespace) -> int:
    """Buy something from the running shop."""
    from local.journey import run as run_journey

    endpoints = _endpoints()
    return run_journey({**endpoints, "api": arguments.api or endpoints["api"]}, console)


def chat(arguments: argparse.Namespace) -> int:
    """Chat with the assistant in the terminal."""
    from local.chat.terminal import chat as run_chat

    return run_chat(_running_endpoints(), arguments.email, arguments.password, console)


def evaluate(arguments: argparse.Namespace) -> int:
    """Run the assistant's conversations."""
    from local.evaluation import evaluate as run_evaluation

    return run_evaluation(_running_endpoints(), console, arguments.only)


def reload(_: argparse.Namespace) -> None:
    """Deploy the changed code to the running local cloud."""
    from local.reload import reload as run_reload

    with step("Deploying the changed code"):
        count = run_reload(root_client(_endpoints()["aws"], "lambda"))
    console.print(f"{count} functions")


def sam_local(arguments: argparse.Namespace) -> int:
    """Serve the HTTP API with `sam local start-api`."""
    from local.sam_local import serve

    return serve(_endpoints(), arguments.port, arguments.more)


def iam_report(arguments: argparse.Namespace) -> int:
    """Print unused permissions and refused calls; return 1 if any has no reason in the file."""
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


def contracts(arguments: argparse.Namespace) -> int:
    """Compare `events/` with the event classes, or write the generated files."""
    sys.path.insert(0, str(ROOT / "functions"))
    os.environ |= {"STAGE": STAGE, "AWS_REGION": REGION}  # for the table names of the listeners
    from local import contracts as generator

    if reason := generator.unremembered():
        warning = f"Only the schemas of this checkout count as published: {reason}"
        console.print(warning, markup=False, soft_wrap=True)
    if faults := generator.broken():
        console.print(generator.advice(faults), markup=False, soft_wrap=True)
        return 1
    changed = generator.write() if arguments.write else generator.outdated()
    return _print_changed([f"events/{name}" for name in changed], written=arguments.write)


def openapi(arguments: argparse.Namespace) -> int:
    """Compare the API's description with the endpoints, or write it."""
    sys.path.insert(0, str(ROOT / "functions"))
    from local import openapi as files

    changed = files.write() if arguments.write else files.outdated()
    return _print_changed([path.relative_to(ROOT) for path in changed], written=arguments.write)


def _print_changed(files: Sequence[object], *, written: bool) -> int:
    """Print each generated file that differs; return 1 if they were not written."""
    for file in files:
        console.print(f"{'written' if written else 'outdated'}: {file}")
    return int(bool(files) and not written)


@contextmanager
def _published(plan: Plan, endpoints: dict[str, Any]) -> Iterator[None]:
    """Store the endpoints for other commands while the checkout's own local cloud runs."""
    if plan.home != HOME:
        yield
        return
    ENDPOINTS.write_text(json.dumps(endpoints, indent=2) + "\n")
    try:
        yield
    finally:
        ENDPOINTS.unlink(missing_ok=True)


def _endpoints() -> dict[str, Any]:
    if not ENDPOINTS.exists():
        raise CloudUnavailable("no local cloud runs in this checkout: make run")
    endpoints: dict[str, Any] = json.loads(ENDPOINTS.read_text())
    return endpoints


def _running_endpoints() -> dict[str, Any]:
    """Return the endpoints after a check that the local cloud responds."""
    endpoints = _endpoints()
    try:
        httpx.get(f"{endpoints['aws']}/_ministack/health").raise_for_status()
    except httpx.HTTPError as error:
        raise CloudUnavailable("the local cloud does not respond any more: make run") from error
    return endpoints


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def add(name: str, command: Any, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text)
        added.set_defaults(command=command)
        return added

    options = add("run", run, "start the local cloud and run it until Ctrl-C")
    options.add_argument("--port", type=int, default=3000, help="of the front door; 0 is any free")
    options.add_argument("--aws-port", type=int, default=0, help="of the emulator; 0 is any free")
    options.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    options.add_argument("--home", type=Path, default=HOME, help="the folder of its state")
    options.add_argument("--keep", action="store_true", help="continue with the last run's data")
    options.add_argument("--empty", action="store_true", help="without the sample shop")
    options.add_argument("--bcrypt-rounds", type=int, default=10, help="cost of a password hash")
    options.add_argument("--evidence", type=Path, help="file for the data of `iam-report`")
    options.add_argument("--stop-with", type=int, help="stop when the process with this id ends")
    add("reload", reload, "deploy the changed code to the running local cloud")
    options = add("sam-local", sam_local, "serve the HTTP API with `sam local start-api`")
    options.add_argument("--port", type=int, default=3001)
    options.add_argument("more", nargs="*", help="options of `sam local start-api`, after --")
    options = add("iam-report", iam_report, "compare policies with the calls of the tests")
    options.add_argument("--evidence", type=Path, default=EVIDENCE)
    options = add("journey", journey, "buy something from the running shop")
    options.add_argument("--api", help="another address of its HTTP API, such as `sam-local`'s")
    options = add("chat", chat, "chat with the assistant of the running shop")
    email, password = os.environ.get("AS"), os.environ.get("PASSWORD")  # as in `make chat AS=…`
    text = "email (default: $AS, or the first sample customer)"
    options.add_argument("--as", dest="email", default=email, help=text)
    text = "not needed for sample accounts (default: $PASSWORD)"
    options.add_argument("--password", default=password, help=text)
    options = add("evaluate", evaluate, "run the conversations that test the assistant")
    options.add_argument("only", nargs="*", metavar="ID-PREFIX", help="of conversations; else all")
    options = add("contracts", contracts, "compare events/ with the event classes")
    options.add_argument("--write", action="store_true", help="write the generated files")
    options = add("openapi", openapi, "compare the API's description with the endpoints")
    options.add_argument("--write", action="store_true", help="write the generated files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
