"""Lets an address have mails again: `python -m ops.unsuppress --help`."""

import argparse
import os
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from supermarket.errors import DomainError

ENVIRONMENT = ("STAGE", "AWS_REGION")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when nothing keeps mails from the address any more, 1 on failure."""
    address: str = _parser().parse_args(arguments).address.strip().lower()
    if missing := [name for name in ENVIRONMENT if not os.environ.get(name)]:
        return _failed(f"Set {' and '.join(missing)} in the environment")
    # the tables' names are read from the environment on import, which was looked at only now
    from notification import wiring

    try:
        was_there = [suppressed.remove(address) for suppressed in wiring.suppressions()]
    except DomainError as error:
        return _failed(error.message)
    except (BotoCoreError, ClientError) as error:
        return _failed(f"AWS says: {error}")
    sys.stdout.write(f"{address} {'gets mails again' if any(was_there) else 'is on no list'}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.unsuppress",
        description="Take an address off the lists of those that get no mail because mails came "
        "back or were complained about: the shop's and SES's. STAGE and AWS_REGION say where; "
        "AWS_ENDPOINT_URL leads to a local cloud.",
    )
    parser.add_argument("address")
    return parser


def _failed(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
