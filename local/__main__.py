"""The commands of the local cloud: `python -m local run`, `reload`, `journey`, `iam-report`."""

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rich.table import Table

from local.cloud import CloudUnavailable, Plan, local_cloud
from local.console import console
from local.emulator import ROOT, EmulatorFailed
from local.stack import SamFailed

HOME = ROOT / ".local" / "run"
ENDPOINTS = ROOT / ".local" / "endpoints.json"


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return int(arguments.command(arguments) or 0)
    except (CloudUnavailable, EmulatorFailed, SamFailed) as failure:
        console.print(f"[red]{failure}[/red]")
        return 1


def run(arguments: argparse.Namespace) -> None:
    """Start everything, say where it is, and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, _stop)
    plan = Plan(
        arguments.home.resolve(),
        arguments.port,
        arguments.aws_port,
        arguments.host,
        keep=arguments.keep,
        sample=not arguments.empty,
        bcrypt_rounds=arguments.bcrypt_rounds,
    )
    began = time.perf_counter()
    try:
        with local_cloud(plan) as endpoints:
            if plan.home == HOME:
                ENDPOINTS.write_text(json.dumps(endpoints, indent=2) + "\n")
            announce(endpoints)
            console.print(
                f"\nReady in {time.perf_counter() - began:.1f} s. Ctrl-C stops it; "
                "[bold]make journey[/bold] in another terminal buys something."
            )
            while True:
                signal.pause()
    except KeyboardInterrupt:
        console.print("Stopped.")


def journey(_: argparse.Namespace) -> int:
    from local.journey import run as buy

    return buy(endpoints(), console)


def endpoints() -> dict[str, Any]:
    """Where the running local cloud is."""
    if not ENDPOINTS.exists():
        raise CloudUnavailable("no local cloud has been started here: make run")
    known: dict[str, Any] = json.loads(ENDPOINTS.read_text())
    return known


def announce(endpoints: dict[str, Any]) -> None:
    """The tables of links and of sample accounts."""
    links = Table(title="Links", title_justify="left", box=None, show_header=False)
    for name in ("api", "mailbox", "razorpay", "imagekit", "aws"):
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
    buys = commands.add_parser("journey", help="buy something from the running local cloud")
    buys.set_defaults(command=journey)
    return parser


if __name__ == "__main__":
    sys.exit(main())
