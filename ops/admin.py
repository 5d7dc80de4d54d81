"""Create an administrator, which the API cannot.

The password is asked for, or read from standard input.
"""

import argparse
import getpass
import sys

from ops.command import SUCCESS
from ops.console import output
from ops.stages import Stage
from supermarket import telemetry
from supermarket.caller import Role
from supermarket.clock import new_id


def run(options: argparse.Namespace, stage: Stage) -> int:
    from auth import wiring
    from auth.schemas import AccountRequest
    from supermarket.http import validated

    name = {"firstName": options.first_name, "lastName": options.last_name}
    login = {"username": options.username, "email": options.email, "password": _password()}
    account = validated(lambda: AccountRequest.model_validate({**login, "fullName": name}))
    telemetry.begin(new_id())
    user = wiring.registration_service(options.rounds).register(account.registration(Role.ADMIN))
    output.print(f"{options.email} is an administrator of the stage {stage.name} (id {user.id})")
    return SUCCESS


def _password() -> str:
    """Not an argument: those are in the shell's history and in the list of processes."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return getpass.getpass("Password: ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("--email", "--username", "--first-name", "--last-name"):
        parser.add_argument(name, required=True)
    text = "bcrypt's cost of the password (default: 12)"
    parser.add_argument("--rounds", type=int, default=12, help=text)
