"""Five hundred orders, each event delivered three times in random order, with a mail service that
refuses every fourth mail for the time being: one mail for each event that has one.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from conftest import FrozenClock
from notification import wiring
from notification.listeners import order_mails
from notification.mails import MAILS
from notification.model import Mail
from supermarket.contracts import Envelope, Event, Metadata
from supermarket.errors import RetryLater
from support.contracts import sqs_batch
from support.histories import BEGAN, OrderHistory, events_of, random_histories
from support.notification import Desk, Mailbag, RememberingRenderer

ORDERS, BATCH, MANY = 500, 10, 10_000


class ThrottledMailbag(Mailbag):
    """`MailSender` that refuses every fourth mail until it is `open`."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False
        self._attempts = 0

    def send(self, mail: Mail) -> None:
        self._attempts += 1
        if not self.is_open and self._attempts % 4 == 0:
            raise RetryLater("too many mails")
        super().send(mail)


def as_delivered(history: OrderHistory, event: Event, event_id: str) -> dict[str, Any]:
    """Return the event as EventBridge delivers it."""
    metadata = Metadata(
        event_id=event_id,
        version=event.VERSION,
        occurred_at=history.placed_at,
        correlation_id=event_id,
    )
    envelope = Envelope(metadata=metadata, data=event.model_dump(mode="json"))
    return {"detail-type": event.NAME, "detail": envelope.model_dump(mode="json")}


def handle(deliveries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Deliver events in batches; returns those that the queue would deliver again."""
    repeated = []
    for first in range(0, len(deliveries), BATCH):
        batch = deliveries[first : first + BATCH]
        answer = order_mails(sqs_batch(*batch), None)
        failures = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        repeated += [event for n, event in enumerate(batch) if f"message-{n}" in failures]
    return repeated


def test_every_event_with_a_mail_is_mailed_once_however_often_it_is_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bag = ThrottledMailbag()
    renderer = RememberingRenderer()
    desk = Desk(clock=FrozenClock(BEGAN), bag=bag, renderer=renderer, mails_per_hour=MANY)
    monkeypatch.setattr(wiring, "notification_service", lambda: desk.service)
    events: list[dict[str, Any]] = []
    mailed = set()
    for history in random_histories(Random(4), ORDERS, ["seller-1", "seller-2"]):
        is_open = not history.is_paid and history.status != "CANCELLED"
        if not is_open:
            desk.orders.paid.add(history.id)
        for event in events_of(history):
            template = MAILS.get(type(event))
            if template is None:
                continue
            event_id = f"event-{len(events)}"
            events.append(as_delivered(history, event, event_id))
            if template.applies(event) and (is_open or not template.if_unpaid):
                mailed.add(event_id)
    deliveries = events * 3
    Random(5).shuffle(deliveries)

    while deliveries:
        deliveries = deliveries[100:] + handle(deliveries[:100])
        desk.wait_for_redelivery()
    bag.is_open = True
    desk.clock.advance(timedelta(hours=2))
    while desk.waiting.mails:
        desk.due_mails.requeue(desk.clock(), lambda: True)
        [bodies] = filter(None, desk.queues.sent.values())
        assert handle([json.loads(body) for body in bodies]) == []
        bodies.clear()
        desk.clock.advance(timedelta(hours=1))

    assert len(mailed) > ORDERS
    assert Counter(mail.correlation_id for mail in bag.mails) == dict.fromkeys(mailed, 1)


def test_a_paid_order_is_one_mail_and_at_most_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the order to its confirmation; shipping and delivery have a mail each."""
    desk = Desk(mails_per_hour=MANY)
    monkeypatch.setattr(wiring, "notification_service", lambda: desk.service)
    history = next(
        history
        for history in random_histories(Random(4), ORDERS, ["seller-1"])
        if history.status == "CONFIRMED" and not history.refunds
    )
    events = [event for event in events_of(history) if type(event) in MAILS]
    handle([as_delivered(history, event, f"{history.id}-{event.NAME}") for event in events])
    subjects = [mail.subject.split()[-1] for mail in desk.bag.mails]
    assert sorted(subjects) == ["confirmed", "payment"]  # it was not paid when the reminder was due
    desk.bag.mails.clear()
    desk.orders.paid.add(history.id)
    handle([as_delivered(history, event, f"again-{event.NAME}") for event in events])
    assert [mail.subject.split()[-1] for mail in desk.bag.mails] == ["confirmed"]
