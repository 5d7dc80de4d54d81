"""Notification's event Lambda with its real memory in DynamoDB and its real SES client, on moto."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from notification import gateways, wiring
from notification.gateways import PowertoolsOnce
from notification.listeners import reactions
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.contracts import Event
from supermarket.dynamo.outbox import OutboxRow
from support import cloud
from support.notification import (
    order_cancelled,
    order_delivered,
    order_placed,
    order_shipped,
    payment_completed,
    payment_failed,
    payment_initiated,
    payment_refunded,
    product_created,
    user_registered,
)
from support.template import resources, template

pytestmark = pytest.mark.usefixtures("aws")

EVENTS: dict[str, Callable[[], Event]] = {
    "UserRegistered": user_registered,
    "ProductCreated": product_created,
    "OrderPlaced": order_placed,
    "PaymentInitiated": payment_initiated,
    "PaymentCompleted": payment_completed,
    "PaymentFailed": payment_failed,
    "OrderCancelled": order_cancelled,
    "OrderShipped": order_shipped,
    "OrderDelivered": order_delivered,
    "PaymentRefunded": payment_refunded,
}


@pytest.fixture(autouse=True)
def ses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """SES as its own service model knows it: a parameter it would refuse is refused here."""
    client = cloud.client("sesv2")
    monkeypatch.setattr(wiring, "_ses", lambda: client)
    wiring.notification_service.cache_clear()
    with Stubber(client) as stubber:
        yield stubber
    wiring.notification_service.cache_clear()


def takes(ses: Stubber, times: int = 1) -> None:
    for _ in range(times):
        ses.add_response(
            "send_email",
            {"MessageId": new_id()},
            {"FromEmailAddress": ANY, "Destination": ANY, "Content": ANY},
        )


def refuses(ses: Stubber) -> None:
    ses.add_client_error("send_email", "TooManyRequestsException")


def record(event: Event, correlation_id: str = "request-1") -> dict[str, Any]:
    telemetry.begin(correlation_id)
    row = OutboxRow.of(event)
    body = {"detail-type": row.detail_type, "detail": json.loads(row.detail)}
    return {"messageId": new_id(), "body": json.dumps(body), "eventSource": "aws:sqs"}


def deliver(*records: dict[str, Any]) -> list[str]:
    answer = reactions({"Records": list(records)}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def remembered() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = cloud.client("dynamodb").scan(
        TableName="supermarket-test-idempotency"
    )["Items"]
    return items


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_sends_one_mail_however_often_it_comes(name: str, ses: Stubber) -> None:
    takes(ses)
    event = record(EVENTS[name]())
    assert deliver(event, event) == []
    assert deliver(event) == []
    ses.assert_no_pending_responses()


def test_the_rule_lets_exactly_these_events_through() -> None:
    rule = resources("AWS::Events::Rule")["NotificationRule"]
    assert set(rule["EventPattern"]["detail-type"]) == set(EVENTS) == set(reactions.reactions)


def test_a_mail_is_sent_with_all_that_a_mail_needs(ses: Stubber) -> None:
    seen: list[dict[str, Any]] = []
    takes(ses)
    ses.client.meta.events.register(
        "provide-client-params.sesv2.SendEmail", lambda params, **_: seen.append(params)
    )
    deliver(record(order_placed(), "request-42"))
    (mail,) = seen
    assert mail["FromEmailAddress"] == "Super-Market <shop@supermarket.example>"
    assert mail["Destination"] == {"ToAddresses": ["asha@example.com"]}
    content = mail["Content"]["Simple"]
    assert content["Subject"] == {
        "Data": "We have your order over ₹1,23,220.44",
        "Charset": "UTF-8",
    }
    assert "Darjeeling" in content["Body"]["Html"]["Data"]
    assert "Darjeeling" in content["Body"]["Text"]["Data"]
    assert {"Name": "X-Correlation-ID", "Value": "request-42"} in content["Headers"]


def test_an_event_that_nobody_asked_for_needs_no_correlation_id(ses: Stubber) -> None:
    takes(ses)
    assert deliver(record(payment_failed(), correlation_id="")) == []


def test_a_mail_that_ses_refuses_goes_back_to_the_queue_and_only_that_one(ses: Stubber) -> None:
    refuses(ses)
    takes(ses, times=2)
    bad, good = record(order_placed()), record(payment_completed())
    assert deliver(bad, good) == [bad["messageId"]]
    assert deliver(bad) == []
    ses.assert_no_pending_responses()


def test_what_was_sent_is_forgotten_after_it_cannot_come_again(ses: Stubber) -> None:
    takes(ses)
    deliver(record(order_placed()))
    (item,) = remembered()
    assert item["id"]["S"].startswith("notification.order_placed#")
    assert item["status"]["S"] == "COMPLETED"
    retention = 2 * resources("AWS::SQS::Queue")["NotificationQueue"]["MessageRetentionPeriod"]
    assert retention <= gateways.REMEMBERED_FOR_SECONDS
    assert "asha" not in json.dumps(item).lower()


def test_an_attempt_that_died_does_not_block_the_mail_for_ever(
    ses: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCut(BaseException):
        """Nothing catches this, as nothing catches a Lambda's death."""

    def die() -> None:
        raise PowerCut

    sent: list[str] = []
    store = wiring.notification_service()._once
    assert isinstance(store, PowertoolsOnce)
    monkeypatch.setattr(gateways, "AN_ATTEMPT_TAKES_MILLISECONDS", -1)
    with pytest.raises(PowerCut):
        store.do("mail", "event-1", die)
    assert [item["status"]["S"] for item in remembered()] == ["INPROGRESS"]
    store.do("mail", "event-1", lambda: sent.append("mail"))
    assert sent == ["mail"]


def test_an_attempt_ends_after_the_lambda_and_before_the_queue_tries_again() -> None:
    queue = resources("AWS::SQS::Queue")["NotificationQueue"]
    timeout = resources("AWS::Serverless::Function")["NotificationReactions"].get(
        "Timeout", template()["Globals"]["Function"]["Timeout"]
    )
    assert timeout * 1000 < gateways.AN_ATTEMPT_TAKES_MILLISECONDS
    assert queue["VisibilityTimeout"] * 1000 > gateways.AN_ATTEMPT_TAKES_MILLISECONDS
