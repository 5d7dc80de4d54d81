"""Whether a stage is there, as CloudFormation tells it."""

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from deployment import Refused
from deployment.stack import DeployedStack, Target, target

WHERE = Target("supermarket-dev", "ap-south-1")
NAMED = {"StackName": "supermarket-dev"}


def cloud() -> tuple[DeployedStack, Stubber]:
    client: Any = botocore.session.get_session().create_client("cloudformation", "ap-south-1")
    return DeployedStack(WHERE, client), Stubber(client)


def described(status: str) -> dict[str, Any]:
    created = "2026-11-22T12:00:00Z"
    stack = {"StackName": "supermarket-dev", "CreationTime": created, "StackStatus": status}
    return {"Stacks": [stack]}


@pytest.mark.parametrize(
    ("status", "is_there", "is_the_rest_of_a_failure"),
    [
        ("CREATE_COMPLETE", True, False),
        ("UPDATE_COMPLETE", True, False),
        ("UPDATE_ROLLBACK_COMPLETE", True, False),
        ("CREATE_IN_PROGRESS", True, False),  # CloudFormation will say that it has to wait
        ("REVIEW_IN_PROGRESS", False, False),
        ("ROLLBACK_COMPLETE", True, True),
    ],
)
def test_a_stage_is_there_once_it_was_made(
    status: str, is_there: bool, is_the_rest_of_a_failure: bool
) -> None:
    stack, stub = cloud()
    for _ in range(2):
        stub.add_response("describe_stacks", described(status), NAMED)
    with stub:
        assert stack.is_there() is is_there
        assert stack.is_the_rest_of_a_failure() is is_the_rest_of_a_failure


def test_only_that_it_does_not_exist_means_that_it_is_not_there() -> None:
    stack, stub = cloud()
    absent = "Stack with id supermarket-dev does not exist"
    stub.add_client_error("describe_stacks", "ValidationError", absent)
    with stub:
        assert not stack.is_there()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", "not authorized to perform: cloudformation:DescribeStacks"),
        ("ExpiredToken", "The security token included in the request is expired"),
        ("ValidationError", "1 validation error detected"),
    ],
)
def test_whoever_may_not_look_is_told_so(code: str, message: str) -> None:
    stack, stub = cloud()
    stub.add_client_error("describe_stacks", code, message)
    with stub, pytest.raises(ClientError, match=message):
        stack.is_there()


def test_what_is_removed_is_gone_afterwards() -> None:
    stack, stub = cloud()
    stub.add_response("delete_stack", {}, NAMED)
    stub.add_response("describe_stacks", described("DELETE_COMPLETE"), NAMED)
    with stub:
        stack.remove()
    stub.assert_no_pending_responses()


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_samconfig_says_where_a_stage_is(stage: str) -> None:
    assert target(stage) == Target(f"supermarket-{stage}", "ap-south-1")


@pytest.mark.parametrize("stage", ["local", "sam-local", "staging"])
def test_a_stage_that_is_not_for_aws_or_unknown_is_refused(stage: str) -> None:
    with pytest.raises(Refused, match=stage):
        target(stage)
