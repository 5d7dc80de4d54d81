"""Allow mails to an address that bounced or complained.

Removes the address from the suppression lists of the shop and of SES.
"""

import argparse

from ops.command import SUCCESS
from ops.console import output
from ops.stages import Stage


def run(options: argparse.Namespace, _: Stage) -> int:
    from notification import wiring

    address = options.address.strip().lower()
    was_suppressed = [suppressions.remove(address) for suppressions in wiring.suppressions()]
    state = "receives mails again" if any(was_suppressed) else "is not suppressed"
    output.print(f"{address} {state}")
    return SUCCESS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", help="an email address")
