"""Five hundred orders, every fact of them three times in random order: one mail for each fact."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from conftest import FrozenClock
from notification import wiring
from notification.listeners import event_handlers
from notification.renderer import JinjaRenderer
from notification.sending import Mailer
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


def told() -> dict[str, dict[str, Any]]:
    """Every fact that notification reacts to, by its event's id, as EventBridge hands it on."""
    lives = random_histories(Random(4), ORDERS, ["seller-1", "seller-2"])
    heard = [
        (life, fact)
        for life in lives
        for fact in events_of(life)
        if fact.NAME in event_handlers.handlers
    ]
    return {
        f"event-{number}": {
            "detail-type": fact.NAME,
            "detail": Envelope(
                metadata=Metadata(
                    event_id=f"event-{number}",
                    version=fact.VERSION,
                    occurred_at=life.placed_at,
                    correlation_id=f"event-{number}",
                ),
                data=fact.model_dump(mode="json"),
            ).model_dump(mode="json"),
        }
        for number, (life, fact) in enumerate(heard)
    }


def test_every_event_of_five_hundred_orders_is_mailed_once_however_often_it_is_delivered(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = Mailbag()
    sender = Mailer(
        renderer=JinjaRenderer("https://shop.example"),
        sender=bag,
        messages=InMemoryMessages(clock),
        rate_limit=InMemoryRateLimit(clock, MANY),
        suppressions=InMemorySuppressions(),
        clock=clock,
    )
    service = NotificationService(sender, NumberedLinks())
    monkeypatch.setattr(wiring, "notification_service", lambda: service)
    events = told()
    deliveries = [*events.values()] * 3
    Random(5).shuffle(deliveries)
    for first in range(0, len(deliveries), BATCH):
        answer = event_handlers(sqs_batch(*deliveries[first : first + BATCH]), None)
        assert answer == {"batchItemFailures": []}
    assert len(events) > 2 * ORDERS
    assert Counter(mail.correlation_id for mail in bag.mails) == Counter(dict.fromkeys(events, 1))
