"""The command that deploys a stage to AWS."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from deployment.__main__ import main
from deployment.parameters import read_template
from deployment.stack import DeployedStack, Target

FIRST = {
    "StorefrontUrl": "https://shop.example",
    "MailSender": "shop@shop.example",
    "RazorpayKeyId": "hush-1",
    "RazorpayKeySecret": "hush-2",
    "RazorpayWebhookSecret": "hush-3",
    "ImageKitUrlEndpoint": "https://ik.imagekit.io/shop",
    "ImageKitPublicKey": "hush-4",
    "ImageKitPrivateKey": "hush-5",
    "GeminiApiKey": "hush-6",
}


class CloudFormation:
    """A fake CloudFormation whose stack has the given state, or that raises the given error."""

    def __init__(self, state: str | Exception | None) -> None:
        self._state = state
        self.deleted: list[str] = []

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - as boto names it
        if isinstance(self._state, Exception):
            raise self._state
        if self._state is None:
            raise client_error("ValidationError", f"Stack with id {StackName} does not exist")
        return {"Stacks": [{"StackStatus": self._state}]}

    def delete_stack(self, StackName: str) -> None:  # noqa: N803
        self.deleted.append(StackName)

    def get_waiter(self, _: str) -> "CloudFormation":
        return self

    def wait(self, **_: str) -> None:
        self._state = None


class Runner:
    """Runs the command with a fake SAM CLI that records its stage and parameters."""

    def __init__(self, state: str | Exception | None, exit_code: int = 0) -> None:
        self.cloud = CloudFormation(state)
        self.deployments: list[tuple[str, dict[str, str]]] = []
        self._exit_code = exit_code

    def run(self, *arguments: str) -> int:
        return main(arguments, self._find, self._deploy)

    def _find(self, stage: str) -> DeployedStack:
        return DeployedStack(Target(f"supermarket-{stage}", "ap-south-1"), self.cloud)

    def _deploy(self, stage: str, parameters: dict[str, str]) -> int:
        self.deployments.append((stage, parameters))
        return self._exit_code


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def client_error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Standard input is not a terminal, and no parameter is in the environment."""
    for name in read_template():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return monkeypatch


@pytest.fixture
def all_parameters(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment has all required parameters."""
    for name, value in FIRST.items():
        environment.setenv(name, value)
    return environment


@pytest.fixture(autouse=True)
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The captured output, which must never contain a secret."""
    yield capsys
    assert "hush" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("state", [None, "REVIEW_IN_PROGRESS"])
def test_the_first_deployment_disables_deletion_protection(
    state: str | None, all_parameters: pytest.MonkeyPatch
) -> None:
    runner = Runner(state)
    assert runner.run("dev", "Architecture=arm64") == 0
    own = {"Stage": "dev", "DeletionProtection": "false", "Architecture": "arm64"}
    rest = {"AllowedOrigins": "https://shop.example", "AlarmEmail": ""}
    assert runner.deployments == [("dev", {**FIRST, **own, **rest})]


@pytest.mark.parametrize("state", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_FAILED"])
def test_later_deployments_enable_deletion_protection_and_ask_for_nothing(state: str) -> None:
    runner = Runner(state)
    assert runner.run("prod", "Architecture=arm64", "AlarmEmail=me@shop.example") == 0
    own = {"Stage": "prod", "DeletionProtection": "true", "Architecture": "arm64"}
    assert runner.deployments == [("prod", {**own, "AlarmEmail": "me@shop.example"})]


def test_an_argument_can_disable_deletion_protection() -> None:
    runner = Runner("UPDATE_COMPLETE")
    runner.run("dev", "DeletionProtection=false")
    assert runner.deployments[0][1]["DeletionProtection"] == "false"


def test_secrets_are_rotated_through_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RazorpayWebhookSecret", "hush new")
    environment.setenv("RazorpayPreviousWebhookSecret", "hush old")
    runner = Runner("UPDATE_COMPLETE")
    assert runner.run("dev") == 0
    assert runner.deployments[0][1]["RazorpayPreviousWebhookSecret"] == "hush old"
    assert runner.deployments[0][1]["RazorpayWebhookSecret"] == "hush new"


def test_a_first_deployment_without_a_terminal_reports_missing_parameters(
    all_parameters: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]
) -> None:
    all_parameters.delenv("GeminiApiKey")
    runner = Runner(None)
    assert runner.run("dev") == 1
    assert "GeminiApiKey" in output.readouterr().err
    assert runner.deployments == []


@pytest.mark.parametrize(
    "error",
    [
        client_error("AccessDenied", "not authorized"),
        client_error("ExpiredToken", "expired"),
        client_error("ValidationError", "invalid stack name"),
        NoCredentialsError(),
    ],
)
def test_an_error_from_aws_is_shown_and_stops_the_deployment(
    error: Exception, all_parameters: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]
) -> None:
    runner = Runner(error)
    assert runner.run("dev") == 1
    assert str(error) in output.readouterr().err
    assert runner.deployments == []


def test_a_failed_first_stack_is_not_deleted_without_a_terminal(
    all_parameters: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]
) -> None:
    runner = Runner("ROLLBACK_COMPLETE")
    assert runner.run("dev") == 1
    assert (
        "delete-stack --stack-name supermarket-dev --region ap-south-1" in output.readouterr().err
    )
    assert (runner.deployments, runner.cloud.deleted) == ([], [])


@pytest.mark.parametrize(("answer", "deployed"), [("y", True), ("", False), ("n", False)])
def test_a_failed_first_stack_is_deleted_only_after_confirmation(
    answer: str, deployed: bool, all_parameters: pytest.MonkeyPatch
) -> None:
    all_parameters.setenv("AlarmEmail", "me@shop.example")
    all_parameters.setenv("AllowedOrigins", "https://shop.example")
    all_parameters.setattr("sys.stdin", Terminal())
    all_parameters.setattr("builtins.input", lambda _: answer)
    runner = Runner("ROLLBACK_COMPLETE")
    assert runner.run("dev") == (0 if deployed else 1)
    assert bool(runner.deployments) is deployed
    assert runner.cloud.deleted == (["supermarket-dev"] if deployed else [])
    assert not deployed or runner.deployments[0][1]["DeletionProtection"] == "false"


def test_the_exit_code_of_sam_is_returned() -> None:
    assert Runner("UPDATE_COMPLETE", exit_code=4).run("dev") == 4


def test_an_unknown_parameter_stops_the_deployment(output: pytest.CaptureFixture[str]) -> None:
    runner = Runner("UPDATE_COMPLETE")
    assert runner.run("dev", "AlarmMail=me@shop.example") == 1
    assert "AlarmMail" in output.readouterr().err
    assert runner.deployments == []


def test_end_of_input_at_a_question_stops_the_deployment(environment: pytest.MonkeyPatch) -> None:
    def end_input(_: str) -> str:
        raise EOFError

    environment.setattr("sys.stdin", Terminal())
    environment.setattr("builtins.input", end_input)
    runner = Runner(None)
    assert runner.run("dev") == 1
    assert runner.deployments == []
