"""Show an account, approve, suspend or reinstate it, give it another role, or end its sessions.

ACTION is show, approve, suspend (with --reason), reinstate, role (with --role), revoke-sessions, or
remove-second-factor, for a person who has lost app and recovery codes.
"""

import argparse

from ops.command import SUCCESS
from ops.console import output
from ops.stages import Stage
from supermarket import telemetry
from supermarket.caller import Role
from supermarket.clock import new_id
from supermarket.errors import Invalid

ACTIONS = (
    "show",
    "approve",
    "suspend",
    "reinstate",
    "role",
    "revoke-sessions",
    "remove-second-factor",
)


def run(options: argparse.Namespace, _: Stage) -> int:
    from auth import wiring
    from auth.authentication import OPERATOR

    telemetry.begin(new_id())
    service = wiring.standing_service()
    user = service.find_by_name(options.user)
    match options.action:
        case "approve":
            user = service.approve(user.id, OPERATOR)
        case "suspend":
            user = service.suspend(user.id, _required(options, "reason"), OPERATOR)
        case "reinstate":
            user = service.reinstate(user.id, OPERATOR)
        case "role":
            user = service.give_role(user.id, Role(_required(options, "role")), OPERATOR)
        case "revoke-sessions":
            user = service.revoke_sessions(user.id, OPERATOR)
            output.print(f"{user.username} is signed out everywhere")
        case "remove-second-factor":
            wiring.second_factor_reset().remove(user.id, OPERATOR)
            output.print(f"{user.username} signs in with the password alone")
    output.print(f"{user.id} {user.username} {user.email}: {user.role}, {user.status}")
    return SUCCESS


def _required(options: argparse.Namespace, name: str) -> str:
    if value := getattr(options, name):
        return str(value)
    raise Invalid(f"{options.action} needs --{name}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help=", ".join(ACTIONS))
    parser.add_argument("user", metavar="USER", help="an id, a username or an email address")
    parser.add_argument("--reason", help="why the account is suspended, for the audit trail")
    parser.add_argument("--role", choices=list(Role), help="the new role")
