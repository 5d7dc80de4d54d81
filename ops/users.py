"""Makes an administrator, which no registration can: `python -m ops.users --help`."""

import argparse
import getpass
import os
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from auth.schemas import AccountRequest
from supermarket import telemetry
from supermarket.caller import Role
from supermarket.clock import new_id
from supermarket.errors import DomainError

DEFAULT_ROUNDS = 12
ENVIRONMENT = ("STAGE", "AWS_REGION")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when there is a new administrator, 1 with the reason otherwise."""
    options = _parser().parse_args(arguments)
    if missing := [name for name in ENVIRONMENT if not os.environ.get(name)]:
        return _failed(f"Set {' and '.join(missing)} in the environment")
    try:
        user_id = _create(options, _password())
    except ValidationError as fault:
        return _failed(_faults(fault))
    except DomainError as error:
        return _failed(error.message)
    sys.stdout.write(f"{options.email} administers stage {os.environ['STAGE']} (id {user_id})\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.users",
        description="Make an administrator. The password is asked for, or read from stdin. "
        "STAGE and AWS_REGION say where; AWS_ENDPOINT_URL leads to a local cloud.",
    )
    parser.add_argument("--email", required=True)
    parser.add_argument("--username", required=True)
    parser.add_argument("--first-name", required=True)
    parser.add_argument("--last-name", required=True)
    parser.add_argument(
        "--rounds", type=int, default=DEFAULT_ROUNDS, help="bcrypt rounds (default: %(default)s)"
    )
    return parser


def _password() -> str:
    """Never an argument: those end up in the shell's history and in the list of processes."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return getpass.getpass("Password: ")


def _create(options: argparse.Namespace, password: str) -> str:
    account = AccountRequest.model_validate(
        {
            "username": options.username,
            "email": options.email,
            "password": password,
            "fullName": {"firstName": options.first_name, "lastName": options.last_name},
        }
    )
    # the tables' names are read from the environment on import, which was looked at only now
    from auth import wiring

    telemetry.begin(new_id())
    return wiring.registration_service(options.rounds).register(account.registration(Role.ADMIN)).id


def _faults(fault: ValidationError) -> str:
    return "\n".join(
        f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
        for error in fault.errors()
    )


def _failed(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
