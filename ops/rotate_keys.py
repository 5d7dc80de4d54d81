"""Replace the key that signs access tokens.

Tokens of the earlier key stay valid until they end. A schedule does the same every month.
"""

import argparse

from ops.command import SUCCESS
from ops.console import output
from ops.stages import Stage


def run(options: argparse.Namespace, stage: Stage) -> int:
    from auth import wiring

    valid = wiring.key_rotation().rotate(revoke=options.revoke)
    output.print(f"Another key signs the tokens of the stage {stage.name}; {valid} can verify them")
    return SUCCESS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = (
        "refuse the tokens of earlier keys, after a key has leaked: within five minutes all "
        "clients have to refresh their tokens or to sign in again"
    )
    parser.add_argument("--revoke", action="store_true", help=text)
