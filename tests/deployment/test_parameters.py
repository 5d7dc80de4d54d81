"""What the template's parameters get, and who is asked for what."""

import pytest

from deployment import Refused, parameters
from deployment.parameters import completed, known, said
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


class Somebody:
    """Answers what they are asked for; remembers what was asked openly, and what hidden."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.asked: list[str] = []
        self.openly: list[str] = []
        self._answers = iter(answers)
        monkeypatch.setattr("builtins.input", self._input)
        monkeypatch.setattr("getpass.getpass", self._getpass)

    def _input(self, prompt: str) -> str:
        self.openly.append(_name(prompt))
        return self._getpass(prompt)

    def _getpass(self, prompt: str) -> str:
        self.asked.append(_name(prompt))
        return next(self._answers)


def test_the_template_is_read_with_its_patterns_and_secrets() -> None:
    declared = template()["Parameters"]
    assert list(known()) == list(declared)
    secrets = {name for name, parameter in known().items() if parameter.is_secret}
    assert secrets == {name for name, one in declared.items() if one.get("NoEcho")}
    assert not known()["Stage"].may_be("Production!")


def test_a_new_stage_is_asked_only_for_what_has_no_value_that_makes_sense_on_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    somebody = Somebody(monkeypatch, *ASKED.values())
    told = completed(known(), {}, is_asked=True)
    assert somebody.asked == list(ASKED)
    assert told == {**ASKED, "AllowedOrigins": "https://shop.example"}


def test_everything_that_has_no_default_is_asked_for() -> None:
    needed = {name for name, one in template()["Parameters"].items() if "Default" not in one}
    assert needed
    assert needed <= {name for name, parameter in known().items() if parameter.must_be_told}
    assert known().keys() >= parameters.DIFFERENT_ON_AWS


def test_nobody_sees_a_secret_being_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = Somebody(monkeypatch, *ASKED.values())
    completed(known(), {}, is_asked=True)
    assert not [name for name in somebody.openly if known()[name].is_secret]
    assert len(somebody.openly) == 5


def test_what_cannot_be_is_asked_for_again_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {name: value for name, value in ASKED.items() if name != "GeminiApiKey"}
    somebody = Somebody(monkeypatch, "", 'with "quotes"', "'quoted'", "gemini_1")
    assert completed(known(), told, is_asked=True)["GeminiApiKey"] == "gemini_1"
    assert somebody.asked == ["GeminiApiKey"] * 4
    assert "quote" not in capsys.readouterr().err


def test_what_was_said_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Somebody(monkeypatch)
    assert completed(known(), ASKED, is_asked=True) == ASKED


def test_without_somebody_to_ask_it_says_what_is_missing() -> None:
    chosen = {"StorefrontUrl": "https://shop.example", "GeminiApiKey": "gemini_1"}
    with pytest.raises(Refused) as refusal:
        completed(known(), chosen, is_asked=False)
    missing = ASKED.keys() - chosen.keys() - {"AllowedOrigins", "AlarmEmail"}
    assert {name for name in ASKED if name in str(refusal.value)} == missing


def test_a_machine_says_everything_in_its_environment() -> None:
    environment = {**ASKED, "PATH": "/bin", "AlarmEmail": ""}
    told = completed(known(), said(known(), environment, []), is_asked=False)
    assert told == {**ASKED, "AllowedOrigins": "https://shop.example"}


def test_a_word_wins_over_the_environment_and_may_be_empty() -> None:
    environment = {"TaxPercent": "5", "AlarmEmail": "old@shop.example"}
    words = ["TaxPercent=18", "AlarmEmail=", "StorefrontUrl=https://shop.example/?a=b"]
    assert said(known(), environment, words) == {
        "TaxPercent": "18",
        "AlarmEmail": "",
        "StorefrontUrl": "https://shop.example/?a=b",
    }


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("AlarmMail=a@shop.example", "no parameter AlarmMail"),
        ("hush-hush", "NAME=VALUE"),
        ("Stage=hush_hush", "Stage cannot be"),
        ("GeminiApiKey=hush-hush", "environment variable"),
        ("MailSender=", "MailSender cannot be"),
        ('MailSender="hush-hush"', "MailSender cannot be"),
    ],
)
def test_what_makes_no_sense_is_refused_without_repeating_it(word: str, reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        said(known(), {}, [word])
    assert reason in str(refusal.value)
    assert "hush" not in str(refusal.value)


def test_the_secret_before_is_taken_away_by_a_word_that_says_nothing() -> None:
    words = ["RazorpayPreviousWebhookSecret="]
    assert said(known(), {}, words) == {"RazorpayPreviousWebhookSecret": ""}


def _name(prompt: str) -> str:
    """`MailSender (A sender that SES has verified): ` asks for the `MailSender`."""
    return prompt.partition(" ")[0].rstrip(":")
