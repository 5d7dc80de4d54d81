"""The mailbox with a fake of the emulator's SES."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.stub import ANY, Stubber
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.emulator import root_client
from local.mailbox import create_app, feedback

Serve = Callable[[Starlette, str], str]

http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)


class Ses:
    """The emulator's list of sent mails by account, oldest first."""

    def __init__(self) -> None:
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.down = False

    def send(self, **values: Any) -> str:
        account = values.pop("account", "000000000000")
        sent = self.messages.setdefault(account, [])
        record = {
            "MessageId": f"m{sum(map(len, self.messages.values()))}@email.amazonses.com",
            "Source": "Super-Market <shop@supermarket.example>",
            "To": ["asha@example.com"],
            "CC": [],
            "BCC": [],
            "Subject": "Welcome",
            "BodyText": "Hello",
            "BodyHtml": "<p>Hello</p>",
            "Timestamp": 1_700_000_000.0 + len(sent),
            "Type": "v2.SendEmail",
        } | values
        sent.append(record)
        return str(record["MessageId"])

    def app(self) -> Starlette:
        def answer(_: Request) -> Response:
            if self.down:
                return Response("no", 503)
            return JSONResponse({"messages": self.messages})

        return Starlette(routes=[Route("/ses/messages", answer)])


@pytest.fixture
def ses() -> Ses:
    return Ses()


@pytest.fixture
def emulator(ses: Ses, serve: Serve) -> str:
    return serve(ses.app(), "/_ministack").removesuffix("/_ministack")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def address(emulator: str, tmp_path: Path, clock: Clock, serve: Serve) -> str:
    app = create_app(
        tmp_path, emulator_url=emulator, configuration_set="supermarket-test", clock=clock
    )
    return serve(app, "/mailbox")


def messages(address: str, **query: str) -> list[dict[str, Any]]:
    answer = http.get(f"{address}/api/messages", params=query)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


def test_a_mail_is_listed_with_all_its_parts(ses: Ses, address: str) -> None:
    id_ = ses.send(To=["Asha Rao <asha@example.com>"], Timestamp=1_700_000_000.25)
    assert messages(address) == [
        {
            "id": id_,
            "from": "Super-Market <shop@supermarket.example>",
            "to": "asha@example.com",
            "subject": "Welcome",
            "html": "<p>Hello</p>",
            "text": "Hello",
            "sentAt": "2023-11-14T22:13:20.250Z",
        }
    ]


def test_the_mailbox_is_empty_before_the_first_mail(address: str) -> None:
    assert messages(address) == []


def test_mails_of_all_accounts_are_listed_newest_first(ses: Ses, address: str) -> None:
    for account, subject, sent in [
        ("000000000000", "second", 20),
        ("000000000000", "first", 10),
        ("111111111111", "third", 30),
        ("111111111111", "fourth", 30),
    ]:
        ses.send(account=account, Subject=subject, Timestamp=float(sent + 1_700_000_000))
    subjects = [mail["subject"] for mail in messages(address)]
    assert subjects == ["fourth", "third", "second", "first"]


def test_a_mail_without_html_has_empty_html(ses: Ses, address: str) -> None:
    ses.send(BodyHtml=None, Type="SendRawEmail")
    (mail,) = messages(address)
    assert (mail["html"], mail["text"]) == ("", "Hello")


def test_mails_are_found_by_address_without_regard_to_case(ses: Ses, address: str) -> None:
    ses.send(To=["Asha <asha@example.com>"], Subject="to her")
    ses.send(To=["ravi@example.com"], CC=["asha@example.com"], Subject="copy")
    ses.send(To=["natasha@example.com"], Subject="to another")
    found = messages(address, to="ASHA@example.com")
    assert [mail["subject"] for mail in found] == ["copy", "to her"]


def test_cleared_mails_stay_hidden_and_later_ones_are_listed(
    ses: Ses, address: str, clock: Clock
) -> None:
    ses.send(Subject="sample data", Timestamp=clock.now - 1)
    assert http.delete(f"{address}/api/messages").status_code == 204
    assert messages(address) == []
    ses.send(Subject="a real one", Timestamp=clock.now + 1)
    assert [mail["subject"] for mail in messages(address)] == ["a real one"]


def test_cleared_mails_stay_hidden_after_a_restart(
    ses: Ses, address: str, emulator: str, tmp_path: Path, serve: Serve
) -> None:
    ses.send()
    http.delete(f"{address}/api/messages")
    assert messages(serve(create_app(tmp_path, emulator_url=emulator), "/mailbox")) == []


def test_an_unchanged_mailbox_is_not_sent_again(ses: Ses, address: str) -> None:
    ses.send()
    etag = http.get(f"{address}/api/messages").headers["ETag"]
    unchanged = {"If-None-Match": etag}
    again = http.get(f"{address}/api/messages", headers=unchanged)
    assert (again.status_code, again.content) == (304, b"")
    ses.send()
    assert http.get(f"{address}/api/messages", headers=unchanged).status_code == 200


def test_an_emulator_that_does_not_respond_is_reported(ses: Ses, address: str) -> None:
    ses.down = True
    answer = http.get(f"{address}/api/messages")
    assert answer.status_code == 502
    assert "emulator" in answer.json()["message"]


def test_concurrent_readers_get_the_same_mails(ses: Ses, address: str) -> None:
    for _ in range(50):
        ses.send()
    seen: list[int] = []
    readers = [
        threading.Thread(target=lambda: seen.append(len(messages(address)))) for _ in range(12)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert seen == [50] * 12


class Account:
    """Stubs of the emulator's SES and SNS, checked against their service models."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clients = {name: root_client("http://127.0.0.1:9", name) for name in ("sesv2", "sns")}
        self.stubbers = {name: Stubber(client) for name, client in self.clients.items()}
        for stubber in self.stubbers.values():
            stubber.activate()
        self.published: list[dict[str, Any]] = []
        monkeypatch.setattr(feedback, "root_client", lambda _, name: self.clients[name])
        self.clients["sns"].meta.events.register(
            "provide-client-params.sns.Publish", lambda params, **_: self.published.append(params)
        )

    def add_destination(self, *kinds: str, enabled: bool = True) -> None:
        destination = {
            "Name": "feedback",
            "Enabled": enabled,
            "MatchingEventTypes": list(kinds),
            "SnsDestination": {"TopicArn": "arn:aws:sns:us-east-1:000000000000:feedback"},
        }
        self.stubbers["sesv2"].add_response(
            "get_configuration_set_event_destinations",
            {"EventDestinations": [destination]},
            {"ConfigurationSetName": "supermarket-test"},
        )
        self.stubbers["sns"].add_response(
            "publish", {"MessageId": "1"}, {"TopicArn": ANY, "Subject": ANY, "Message": ANY}
        )


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


@pytest.mark.parametrize(
    ("path", "kind", "part", "people"),
    [
        ("bounce", "Permanent", "bounce", "bouncedRecipients"),
        ("bounce?type=Transient", "Transient", "bounce", "bouncedRecipients"),
        ("complaint", "abuse", "complaint", "complainedRecipients"),
        ("complaint?type=not-spam", "not-spam", "complaint", "complainedRecipients"),
    ],
)
def test_feedback_is_published_to_the_topic_of_the_configuration_set(
    ses: Ses, address: str, account: Account, path: str, kind: str, part: str, people: str
) -> None:
    account.add_destination("BOUNCE", "COMPLAINT")
    id_ = ses.send(To=["Asha Rao <asha@example.com>"])
    answer = http.post(f"{address}/api/messages/{id_}/{path}")
    assert answer.status_code == 202
    (call,) = account.published
    assert call["TopicArn"].endswith(":feedback")
    event = json.loads(call["Message"])
    assert event == answer.json()
    assert event["eventType"] == part.capitalize()
    assert event[part][people][0]["emailAddress"] == "asha@example.com"
    assert kind in (event[part].get("bounceType"), event[part].get("complaintFeedbackType"))
    assert event["mail"]["messageId"] == id_
    assert event["mail"]["tags"] == {"ses:configuration-set": ["supermarket-test"]}


def test_feedback_without_a_destination_is_not_sent(
    ses: Ses, address: str, account: Account
) -> None:
    account.add_destination("COMPLAINT")
    answer = http.post(f"{address}/api/messages/{ses.send()}/bounce")
    assert answer.status_code == 409
    assert "no Bounce" in answer.json()["message"]
    assert account.published == []


def test_feedback_on_an_unknown_mail_or_of_an_unknown_type_is_refused(
    ses: Ses, address: str, account: Account
) -> None:
    assert http.post(f"{address}/api/messages/nothing/bounce").status_code == 404
    refused = http.post(f"{address}/api/messages/{ses.send()}/bounce?type=Total")
    assert refused.status_code == 400
    assert "Permanent, Transient, Undetermined" in refused.json()["message"]
    assert account.published == []


def test_the_page_offers_all_kinds_of_feedback(address: str) -> None:
    page = http.get(f"{address}/").text
    for path in ("bounce", "bounce?type=Transient", "complaint"):
        assert f'data-feedback="{path}"' in page


def test_the_page_loads_its_assets_at_any_mount_path(address: str) -> None:
    page = http.get(address, follow_redirects=True)
    assert str(page.url) == f"{address}/"
    assert page.headers["Content-Type"].startswith("text/html")
    for part in ("page/mailbox.css", "page/mailbox.js"):
        assert f'"{part}"' in page.text
        assert http.get(f"{address}/{part}").status_code == 200


def test_a_mail_is_shown_in_a_frame_without_scripts(address: str) -> None:
    page = http.get(f"{address}/")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    sandbox = page.text.partition('sandbox="')[2].partition('"')[0].split()
    assert set(sandbox) == {"allow-popups", "allow-popups-to-escape-sandbox"}


def test_html_in_a_mail_is_never_part_of_the_page(ses: Ses, address: str) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    ses.send(Subject=hostile, BodyHtml=hostile, BodyText=hostile)
    answer = http.get(f"{address}/api/messages")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()[0]["subject"] == hostile
    assert hostile not in http.get(f"{address}/").text
    script = http.get(f"{address}/page/mailbox.js").text
    assert "innerHTML" not in script
    assert "insertAdjacentHTML" not in script
