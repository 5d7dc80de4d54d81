"""The state of a stage's stack in CloudFormation."""

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from deployment import Refused
from deployment.stack import DeployedStack, Target, target

TARGET = Target("supermarket-dev", "ap-south-1")
STACK_NAME = {"StackName": "supermarket-dev"}


def cloud() -> tuple[DeployedStack, Stubber]:
    client: Any = botocore.session.get_session().create_client("cloudformation", "ap-south-1")
    return DeployedStack(TARGET, client), Stubber(client)


def described(status: str) -> dict[str, Any]:
    created = "2026-11-22T12:00:00Z"
    stack = {"StackName": "supermarket-dev", "CreationTime": created, "StackStatus": status}
    return {"Stacks": [stack]}


@pytest.mark.parametrize(
    ("status", "exists", "is_failed_creation"),
    [
        ("CREATE_COMPLETE", True, False),
        ("UPDATE_COMPLETE", True, False),
        ("UPDATE_ROLLBACK_COMPLETE", True, False),
        ("CREATE_IN_PROGRESS", True, False),  # CloudFormation rejects the update itself
        ("REVIEW_IN_PROGRESS", False, False),
        ("ROLLBACK_COMPLETE", True, True),
    ],
)
def test_a_stack_exists_after_its_creation_has_started(
    status: str, exists: bool, is_failed_creation: bool
) -> None:
    stack, stub = cloud()
    for _ in range(2):
        stub.add_response("describe_stacks", described(status), STACK_NAME)
    with stub:
        assert stack.exists() is exists
        assert stack.is_failed_creation() is is_failed_creation


def test_a_stack_that_cloudformation_does_not_know_does_not_exist() -> None:
    stack, stub = cloud()
    absent = "Stack with id supermarket-dev does not exist"
    stub.add_client_error("describe_stacks", "ValidationError", absent)
    with stub:
        assert not stack.exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", "not authorized to perform: cloudformation:DescribeStacks"),
        ("ExpiredToken", "The security token included in the request is expired"),
        ("ValidationError", "1 validation error detected"),
    ],
)
def test_other_errors_of_cloudformation_are_raised(code: str, message: str) -> None:
    stack, stub = cloud()
    stub.add_client_error("describe_stacks", code, message)
    with stub, pytest.raises(ClientError, match=message):
        stack.exists()


def test_removing_waits_until_the_stack_is_deleted() -> None:
    stack, stub = cloud()
    stub.add_response("delete_stack", {}, STACK_NAME)
    stub.add_response("describe_stacks", described("DELETE_COMPLETE"), STACK_NAME)
    with stub:
        stack.remove()
    stub.assert_no_pending_responses()


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_samconfig_gives_the_stack_and_region_of_a_stage(stage: str) -> None:
    assert target(stage) == Target(f"supermarket-{stage}", "ap-south-1")


@pytest.mark.parametrize("stage", ["local", "sam-local", "staging"])
def test_a_stage_that_is_local_or_unknown_is_refused(stage: str) -> None:
    with pytest.raises(Refused, match=stage):
        target(stage)
