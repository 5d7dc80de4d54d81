"""Deploys what `sam build` has built: `python -m deployment --help`; `make deploy` does both."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from deployment import Refused, sam
from deployment.parameters import completed, known, said
from deployment.stack import DeployedStack, target

FAILED = 1
Deploy = Callable[[str, dict[str, str]], int]


def main(
    arguments: Sequence[str] | None = None,
    find: Callable[[str], DeployedStack] = lambda stage: DeployedStack(target(stage)),
    deploy: Deploy = sam.deploy,
) -> int:
    """The exit code, which is SAM's own once it was called; 1 with a reason before that."""
    options = _parser().parse_args(arguments)
    try:
        return deploy(options.stage, values(options.stage, options.parameters, find(options.stage)))
    except Refused as refusal:
        return _failed(str(refusal))
    except (BotoCoreError, ClientError) as error:
        return _failed(f"AWS says: {error}")
    except (KeyboardInterrupt, EOFError):
        return _failed("\nStopped; what AWS was asked for goes on there")


def values(stage: str, words: Sequence[str], stack: DeployedStack) -> dict[str, str]:
    """What the template's parameters get: all that is said; of what is not said, a stage that is
    there keeps what it has, and for a new one somebody is asked.
    """
    parameters = known()
    chosen = said(parameters, os.environ, words)
    is_first = _is_first(stack)
    if is_first:
        sys.stdout.write(f"The first deployment of {stage}; the next one protects its tables.\n")
        chosen = completed(parameters, chosen, sys.stdin.isatty())
    # what fails the first time must be able to take everything away again
    protection = "false" if is_first else "true"
    return {"DeletionProtection": protection, **chosen, "Stage": stage}


def _is_first(stack: DeployedStack) -> bool:
    if stack.is_the_rest_of_a_failure():
        _remove(stack)
    return not stack.is_there()


def _remove(stack: DeployedStack) -> None:
    where = stack.where
    reason = f"{where.stack} is what a first deployment left that failed, and has to go"
    if not sys.stdin.isatty():
        command = f"aws cloudformation delete-stack --stack-name {where.stack}"
        raise Refused(f"{reason}: {command} --region {where.region}")
    if input(f"{reason}. Delete it now? [y/N] ").strip().lower() != "y":
        raise Refused("Nothing was deployed")
    stack.remove()


def _failed(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deployment",
        description="Deploy what was built to AWS. Parameters of the template are taken from here "
        "and from environment variables of the same names, which is the place for secrets. What a "
        "stage that is there is not told stays as it is; a new one asks.",
    )
    parser.add_argument("stage", help="dev, prod, or another one that samconfig.toml knows")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="AlarmEmail=… and such")
    return parser


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):  # what was written down goes away then, too
        signal.signal(number, _stop)
    sys.exit(main())
