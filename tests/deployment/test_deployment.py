"""The command that deploys a stage to AWS."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from deployment.__main__ import main
from deployment.parameters import known
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
    """One that has the stack in some state, or refuses to say."""

    def __init__(self, state: str | Exception | None) -> None:
        self._state = state
        self.deleted: list[str] = []

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - as boto names it
        if isinstance(self._state, Exception):
            raise self._state
        if self._state is None:
            raise refusal("ValidationError", f"Stack with id {StackName} does not exist")
        return {"Stacks": [{"StackStatus": self._state}]}

    def delete_stack(self, StackName: str) -> None:  # noqa: N803
        self.deleted.append(StackName)

    def get_waiter(self, _: str) -> "CloudFormation":
        return self

    def wait(self, **_: str) -> None:
        self._state = None


class Runner:
    """Takes the place of the SAM CLI, and remembers what it was told."""

    def __init__(self, state: str | Exception | None, exit_code: int = 0) -> None:
        self.cloud = CloudFormation(state)
        self.told: list[tuple[str, dict[str, str]]] = []
        self._exit_code = exit_code

    def make(self, *arguments: str) -> int:
        return main(arguments, self._find, self._deploy)

    def _find(self, stage: str) -> DeployedStack:
        return DeployedStack(Target(f"supermarket-{stage}", "ap-south-1"), self.cloud)

    def _deploy(self, stage: str, parameters: dict[str, str]) -> int:
        self.told.append((stage, parameters))
        return self._exit_code


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nobody sits there, and the environment says nothing."""
    for name in known():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return monkeypatch


@pytest.fixture
def pipeline(machine: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine whose environment says all that a new stage has to be told."""
    for name, value in FIRST.items():
        machine.setenv(name, value)
    return machine


@pytest.fixture(autouse=True)
def told(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Whatever a test does, no secret is printed."""
    yield capsys
    assert "hush" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("state", [None, "REVIEW_IN_PROGRESS"])
def test_a_first_deployment_can_be_taken_back(
    state: str | None, pipeline: pytest.MonkeyPatch
) -> None:
    runner = Runner(state)
    assert runner.make("dev", "Architecture=arm64") == 0
    own = {"Stage": "dev", "DeletionProtection": "false", "Architecture": "arm64"}
    rest = {"AllowedOrigins": "https://shop.example", "AlarmEmail": ""}
    assert runner.told == [("dev", {**FIRST, **own, **rest})]


@pytest.mark.parametrize("state", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_FAILED"])
def test_every_later_deployment_protects_and_asks_for_nothing(state: str) -> None:
    runner = Runner(state)
    assert runner.make("prod", "Architecture=arm64", "AlarmEmail=me@shop.example") == 0
    own = {"Stage": "prod", "DeletionProtection": "true", "Architecture": "arm64"}
    assert runner.told == [("prod", {**own, "AlarmEmail": "me@shop.example"})]


def test_whoever_wants_to_remove_a_stage_can_say_so() -> None:
    runner = Runner("UPDATE_COMPLETE")
    runner.make("dev", "DeletionProtection=false")
    assert runner.told[0][1]["DeletionProtection"] == "false"


def test_a_secret_is_rotated_through_the_environment(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("RazorpayWebhookSecret", "hush new")
    machine.setenv("RazorpayPreviousWebhookSecret", "hush old")
    runner = Runner("UPDATE_COMPLETE")
    assert runner.make("dev") == 0
    assert runner.told[0][1]["RazorpayPreviousWebhookSecret"] == "hush old"
    assert runner.told[0][1]["RazorpayWebhookSecret"] == "hush new"


def test_a_first_deployment_without_anybody_to_ask_says_what_is_missing(
    pipeline: pytest.MonkeyPatch, told: pytest.CaptureFixture[str]
) -> None:
    pipeline.delenv("GeminiApiKey")
    runner = Runner(None)
    assert runner.make("dev") == 1
    assert "GeminiApiKey" in told.readouterr().err
    assert runner.told == []


@pytest.mark.parametrize(
    "trouble",
    [
        refusal("AccessDenied", "not authorized"),
        refusal("ExpiredToken", "expired"),
        refusal("ValidationError", "a name that cannot be"),
        NoCredentialsError(),
    ],
)
def test_what_aws_refuses_is_shown_and_stops_it(
    trouble: Exception, pipeline: pytest.MonkeyPatch, told: pytest.CaptureFixture[str]
) -> None:
    runner = Runner(trouble)
    assert runner.make("dev") == 1
    assert str(trouble) in told.readouterr().err
    assert runner.told == []


def test_the_rest_of_a_failure_is_removed_by_a_person_only(
    pipeline: pytest.MonkeyPatch, told: pytest.CaptureFixture[str]
) -> None:
    runner = Runner("ROLLBACK_COMPLETE")
    assert runner.make("dev") == 1
    assert "delete-stack --stack-name supermarket-dev --region ap-south-1" in told.readouterr().err
    assert (runner.told, runner.cloud.deleted) == ([], [])


@pytest.mark.parametrize(("answer", "deployed"), [("y", True), ("", False), ("n", False)])
def test_the_rest_of_a_failure_is_removed_with_consent(
    answer: str, deployed: bool, pipeline: pytest.MonkeyPatch
) -> None:
    pipeline.setenv("AlarmEmail", "me@shop.example")
    pipeline.setenv("AllowedOrigins", "https://shop.example")
    pipeline.setattr("sys.stdin", Terminal())
    pipeline.setattr("builtins.input", lambda _: answer)
    runner = Runner("ROLLBACK_COMPLETE")
    assert runner.make("dev") == (0 if deployed else 1)
    assert bool(runner.told) is deployed
    assert runner.cloud.deleted == (["supermarket-dev"] if deployed else [])
    assert not deployed or runner.told[0][1]["DeletionProtection"] == "false"


def test_sams_failure_is_ours() -> None:
    assert Runner("UPDATE_COMPLETE", exit_code=4).make("dev") == 4


def test_a_typing_mistake_changes_nothing(told: pytest.CaptureFixture[str]) -> None:
    runner = Runner("UPDATE_COMPLETE")
    assert runner.make("dev", "AlarmMail=me@shop.example") == 1
    assert "AlarmMail" in told.readouterr().err
    assert runner.told == []


def test_whoever_stops_at_a_question_has_deployed_nothing(machine: pytest.MonkeyPatch) -> None:
    def go_away(_: str) -> str:
        raise EOFError

    machine.setattr("sys.stdin", Terminal())
    machine.setattr("builtins.input", go_away)
    runner = Runner(None)
    assert runner.make("dev") == 1
    assert runner.told == []
