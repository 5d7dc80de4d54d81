"""Reads the state of a stage's stack from CloudFormation."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import ClientError

from deployment import Refused

SAMCONFIG = Path(__file__).parents[1] / "samconfig.toml"

REVIEW_IN_PROGRESS = "REVIEW_IN_PROGRESS"  # a change set exists and was never executed
ROLLBACK_COMPLETE = "ROLLBACK_COMPLETE"  # creation failed; the stack can only be deleted


@dataclass(frozen=True)
class Target:
    """Name, region and AWS profile of a stack, as in `samconfig.toml`."""

    stack: str
    region: str
    profile: str | None = None


def target(stage: str) -> Target:
    """Read a stage's target from `samconfig.toml`. Raises `Refused` for an unknown stage."""
    section = tomllib.loads(SAMCONFIG.read_text()).get(stage, {})
    try:
        settings = {**section["global"]["parameters"], **section["deploy"]["parameters"]}
    except KeyError:
        problem = f"samconfig.toml has no deployment settings for {stage}; copy those of dev"
        raise Refused(problem) from None
    return Target(settings["stack_name"], settings["region"], settings.get("profile"))


class DeployedStack:
    """A stage's stack, which may not exist yet."""

    def __init__(self, target: Target, client: Any = None) -> None:
        self.target = target
        session: Any = botocore.session.Session(profile=target.profile)
        self._client = client or session.create_client("cloudformation", region_name=target.region)

    def exists(self) -> bool:
        """Whether the stack was created; a stack with only a change set does not count."""
        return self._status() not in {None, REVIEW_IN_PROGRESS}

    def is_failed_creation(self) -> bool:
        """Whether the stack was rolled back when it was created and must be deleted."""
        return self._status() == ROLLBACK_COMPLETE

    def remove(self) -> None:
        """Delete the stack and wait until it no longer exists."""
        self._client.delete_stack(StackName=self.target.stack)
        self._client.get_waiter("stack_delete_complete").wait(StackName=self.target.stack)

    def _status(self) -> str | None:
        try:
            [stack] = self._client.describe_stacks(StackName=self.target.stack)["Stacks"]
        except ClientError as failure:
            # a missing stack is a ValidationError with a message of its own
            error = failure.response["Error"]
            if error["Code"] == "ValidationError" and "does not exist" in error["Message"]:
                return None
            raise
        return str(stack["StackStatus"])
