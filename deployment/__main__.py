"""Deploys the output of `sam build`: `python -m deployment --help`; `make deploy` does both."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from deployment import Refused, sam
from deployment.parameters import add_required, parse_given, read_template
from deployment.stack import DeployedStack, target

FAILED = 1
Deploy = Callable[[str, dict[str, str]], int]


def main(
    arguments: Sequence[str] | None = None,
    find: Callable[[str], DeployedStack] = lambda stage: DeployedStack(target(stage)),
    deploy: Deploy = sam.deploy,
) -> int:
    """Deploy a stage; returns the exit code of the SAM CLI, or 1 when SAM was not called."""
    options = _parser().parse_args(arguments)
    try:
        stack = find(options.stage)
        return deploy(options.stage, parameter_values(options.stage, options.parameters, stack))
    except Refused as refusal:
        return _failed(str(refusal))
    except (BotoCoreError, ClientError) as error:
        return _failed(f"AWS returned an error: {error}")
    except (KeyboardInterrupt, EOFError):
        return _failed("\nStopped; operations that AWS has already started continue there")


def parameter_values(
    stage: str, assignments: Sequence[str], stack: DeployedStack
) -> dict[str, str]:
    """Values for the template's parameters.

    Parameters that are not given keep their values on an existing stack; for a new stack, the
    required ones are asked for.
    """
    parameters = read_template()
    values = parse_given(parameters, os.environ, assignments)
    if stack.is_failed_creation():
        _remove_failed(stack)
    is_first = not stack.exists()
    if is_first:
        sys.stdout.write(f"The first deployment of {stage}; the next one protects its tables.\n")
        values = add_required(parameters, values, is_interactive=sys.stdin.isatty())
    # CloudFormation must be able to delete the tables when the first deployment fails
    protection = "false" if is_first else "true"
    return {"DeletionProtection": protection, **values, "Stage": stage}


def _remove_failed(stack: DeployedStack) -> None:
    name, region = stack.target.stack, stack.target.region
    reason = f"The first deployment of {name} failed, and its stack must be deleted"
    if not sys.stdin.isatty():
        command = f"aws cloudformation delete-stack --stack-name {name} --region {region}"
        raise Refused(f"{reason}: {command}")
    if input(f"{reason}. Delete it now? [y/N] ").strip().lower() != "y":
        raise Refused("Nothing was deployed")
    stack.remove()


def _failed(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deployment",
        description="Deploy the build to AWS. Template parameters are read from the arguments and "
        "from environment variables of the same names; secrets only from the environment. "
        "Parameters that are not given keep their values on an existing stage; a new stage asks "
        "for the required ones.",
    )
    parser.add_argument("stage", help="dev, prod or another stage of samconfig.toml")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="e.g. AlarmEmail=…")
    return parser


if __name__ == "__main__":
    # exit normally, so the parameter file is deleted
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
