"""Values of the template's parameters, and the questions for missing ones."""

import pytest

from deployment import Refused
from deployment.parameters import (
    REQUIRED_ON_AWS,
    add_required,
    parse_given,
    read_template,
)
from support.template import template

ASKED = {
    "StorefrontUrl": "https://shop.example/",
    "AllowedOrigins": "",
    "MailSender": "shop@shop.example",
    "RazorpayKeyId": "rzp_live_1",
    "RazorpayKeySecret": "rzp secret",
    "RazorpayWebhookSecret": "hook",
    "ImageKitUrlEndpoint": "https://ik.imagekit.io/shop",
    "ImageKitPublicKey": "public_1",
    "ImageKitPrivateKey": "private_1",
    "AlarmEmail": "",
    "GeminiApiKey": "gemini_1",
}


class Operator:
    """Answers the questions in order; records all of them, and those with visible input."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.asked: list[str] = []
        self.visible: list[str] = []
        self._answers = iter(answers)
        monkeypatch.setattr("builtins.input", self._input)
        monkeypatch.setattr("getpass.getpass", self._getpass)

    def _input(self, prompt: str) -> str:
        self.visible.append(_name(prompt))
        return self._getpass(prompt)

    def _getpass(self, prompt: str) -> str:
        self.asked.append(_name(prompt))
        return next(self._answers)


def test_the_template_is_read_with_its_patterns_and_secrets() -> None:
    declared = template()["Parameters"]
    assert list(read_template()) == list(declared)
    secrets = {name for name, parameter in read_template().items() if parameter.is_secret}
    assert secrets == {name for name, one in declared.items() if one.get("NoEcho")}
    assert not read_template()["Stage"].accepts("Production!")


def test_a_new_stage_asks_only_for_parameters_without_a_valid_default_on_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = Operator(monkeypatch, *ASKED.values())
    values = add_required(read_template(), {}, is_interactive=True)
    assert operator.asked == list(ASKED)
    assert values == {**ASKED, "AllowedOrigins": "https://shop.example"}


def test_every_parameter_without_a_default_is_required() -> None:
    without_default = {
        name for name, one in template()["Parameters"].items() if "Default" not in one
    }
    assert without_default
    assert without_default <= {
        name for name, parameter in read_template().items() if parameter.is_required
    }
    assert read_template().keys() >= REQUIRED_ON_AWS


def test_secrets_are_entered_without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Operator(monkeypatch, *ASKED.values())
    add_required(read_template(), {}, is_interactive=True)
    assert not [name for name in operator.visible if read_template()[name].is_secret]
    assert len(operator.visible) == 5


def test_an_invalid_answer_is_asked_for_again_and_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {name: value for name, value in ASKED.items() if name != "GeminiApiKey"}
    operator = Operator(monkeypatch, "", 'with "quotes"', "'quoted'", "gemini_1")
    assert add_required(read_template(), given, is_interactive=True)["GeminiApiKey"] == "gemini_1"
    assert operator.asked == ["GeminiApiKey"] * 4
    assert "quote" not in capsys.readouterr().err


def test_given_parameters_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Operator(monkeypatch)
    assert add_required(read_template(), ASKED, is_interactive=True) == ASKED


def test_missing_parameters_are_reported_without_a_terminal() -> None:
    given = {"StorefrontUrl": "https://shop.example", "GeminiApiKey": "gemini_1"}
    with pytest.raises(Refused) as refusal:
        add_required(read_template(), given, is_interactive=False)
    missing = ASKED.keys() - given.keys() - {"AllowedOrigins", "AlarmEmail"}
    assert {name for name in ASKED if name in str(refusal.value)} == missing


def test_all_parameters_can_be_given_in_the_environment() -> None:
    environment = {**ASKED, "PATH": "/bin", "AlarmEmail": ""}
    values = add_required(
        read_template(), parse_given(read_template(), environment, []), is_interactive=False
    )
    assert values == {**ASKED, "AllowedOrigins": "https://shop.example"}


def test_an_assignment_overrides_the_environment_and_may_be_empty() -> None:
    environment = {"TaxPercent": "5", "AlarmEmail": "old@shop.example"}
    assignments = ["TaxPercent=18", "AlarmEmail=", "StorefrontUrl=https://shop.example/?a=b"]
    assert parse_given(read_template(), environment, assignments) == {
        "TaxPercent": "18",
        "AlarmEmail": "",
        "StorefrontUrl": "https://shop.example/?a=b",
    }


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("AlarmMail=a@shop.example", "no parameter AlarmMail"),
        ("hush-hush", "NAME=VALUE"),
        ("Stage=hush_hush", "Stage has an invalid value"),
        ("GeminiApiKey=hush-hush", "environment variable"),
        ("MailSender=", "MailSender has an invalid value"),
        ('MailSender="hush-hush"', "MailSender has an invalid value"),
    ],
)
def test_an_invalid_assignment_is_refused_without_printing_its_value(
    assignment: str, reason: str
) -> None:
    with pytest.raises(Refused) as refusal:
        parse_given(read_template(), {}, [assignment])
    assert reason in str(refusal.value)
    assert "hush" not in str(refusal.value)


def test_an_empty_assignment_removes_the_previous_secret() -> None:
    assignments = ["RazorpayPreviousWebhookSecret="]
    assert parse_given(read_template(), {}, assignments) == {"RazorpayPreviousWebhookSecret": ""}


def _name(prompt: str) -> str:
    """The parameter's name in a prompt such as `MailSender (Sender address): `."""
    return prompt.partition(" ")[0].rstrip(":")
