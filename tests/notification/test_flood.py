"""Five hundred orders, each event delivered three times in random order: one mail per event."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from conftest import FrozenClock
from notification import wiring
from notification.listeners import event_handlers
from notification.renderer import JinjaRenderer
from notification.service import NotificationService
from supermarket.contracts import Envelope, Metadata
from support.contracts import sqs_batch
from support.histories import events_of, random_histories
from support.notification import (
    InMemoryMessages,
    InMemoryRateLimit,
    InMemorySuppressions,
    Mailbag,
    NumberedLinks,
)

ORDERS, BATCH, MANY = 500, 10, 10_000


def events_by_id() -> dict[str, dict[str, Any]]:
    """Return the events that notification handles, by id, as EventBridge delivers them."""
    histories = random_histories(Random(4), ORDERS, ["seller-1", "seller-2"])
    events = [
        (history, event)
        for history in histories
        for event in events_of(history)
        if event.NAME in event_handlers.handlers
    ]
    return {
        f"event-{number}": {
            "detail-type": event.NAME,
            "detail": Envelope(
                metadata=Metadata(
                    event_id=f"event-{number}",
                    version=event.VERSION,
                    occurred_at=history.placed_at,
                    correlation_id=f"event-{number}",
                ),
                data=event.model_dump(mode="json"),
            ).model_dump(mode="json"),
        }
        for number, (history, event) in enumerate(events)
    }


def test_every_event_of_five_hundred_orders_is_mailed_once_however_often_it_is_delivered(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = Mailbag()
    service = NotificationService(
        renderer=JinjaRenderer("https://shop.example"),
        sender=bag,
        messages=InMemoryMessages(clock),
        rate_limit=InMemoryRateLimit(clock, MANY),
        suppressions=InMemorySuppressions(),
        links=NumberedLinks(),
        clock=clock,
    )
    monkeypatch.setattr(wiring, "notification_service", lambda: service)
    events = events_by_id()
    deliveries = [*events.values()] * 3
    Random(5).shuffle(deliveries)
    for first in range(0, len(deliveries), BATCH):
        answer = event_handlers(sqs_batch(*deliveries[first : first + BATCH]), None)
        assert answer == {"batchItemFailures": []}
    assert len(events) > 2 * ORDERS
    assert Counter(mail.correlation_id for mail in bag.mails) == Counter(dict.fromkeys(events, 1))
