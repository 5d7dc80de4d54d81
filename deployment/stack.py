"""The stack of a stage, as CloudFormation knows it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import ClientError

from deployment import Refused

SAMCONFIG = Path(__file__).parents[1] / "samconfig.toml"

ONLY_PLANNED = "REVIEW_IN_PROGRESS"  # there is a change set, and nobody has carried it out
TAKEN_BACK = "ROLLBACK_COMPLETE"  # it failed when it was made, and cannot become anything


@dataclass(frozen=True)
class Target:
    """Which stack, and where; what the SAM CLI reads as well."""

    stack: str
    region: str
    profile: str | None = None


def target(stage: str) -> Target:
    """What `samconfig.toml` says of a stage."""
    section = tomllib.loads(SAMCONFIG.read_text()).get(stage, {})
    try:
        told = {**section["global"]["parameters"], **section["deploy"]["parameters"]}
    except KeyError:
        raise Refused(f"samconfig.toml does not say how {stage} is deployed: see dev") from None
    return Target(told["stack_name"], told["region"], told.get("profile"))


class DeployedStack:
    """A stage's stack, whether it is there or not."""

    def __init__(self, where: Target, client: Any = None) -> None:
        self.where = where
        self._client = client or _client(where)

    def is_there(self) -> bool:
        return self._status() not in {None, ONLY_PLANNED}

    def is_the_rest_of_a_failure(self) -> bool:
        return self._status() == TAKEN_BACK

    def remove(self) -> None:
        """Returns when it is gone."""
        self._client.delete_stack(StackName=self.where.stack)
        self._client.get_waiter("stack_delete_complete").wait(StackName=self.where.stack)

    def _status(self) -> str | None:
        try:
            [stack] = self._client.describe_stacks(StackName=self.where.stack)["Stacks"]
        except ClientError as failure:
            if _is_about_its_absence(failure):
                return None
            raise
        return str(stack["StackStatus"])


def _is_about_its_absence(failure: ClientError) -> bool:
    """CloudFormation has no code of its own for that."""
    error = failure.response["Error"]
    return error["Code"] == "ValidationError" and "does not exist" in error["Message"]


def _client(where: Target) -> Any:
    session: Any = botocore.session.Session(profile=where.profile)
    return session.create_client("cloudformation", region_name=where.region)
