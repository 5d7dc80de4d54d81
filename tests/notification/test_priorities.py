"""A simulation of queues, Lambdas and SES with the real handlers: how long mails of each class take
while thousands of others wait. Queues, batches and concurrency are those of the template; a mail
takes 120 ms; SES refuses what is over its rate.
"""

import heapq
import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from conftest import NOON, FrozenClock
from notification import wiring
from notification.listeners import bulk_mails, order_mails, security_mails
from notification.mails import MAILS
from notification.model import Mail, MailClass
from notification.sending import Mailer
from notification.service import DueMails, NotificationService
from supermarket.contracts import Envelope, Event, Metadata
from supermarket.errors import RetryLater
from supermarket.events import EventHandlers
from supermarket.people import Recipient
from support.contracts import sqs_batch
from support.notification import (
    Desk,
    InMemoryAllowances,
    InMemoryMessages,
    InMemorySendingRate,
    Mailbag,
    RememberingRenderer,
    cart_abandoned,
    order_confirmed,
    password_reset_requested,
    user_registered,
)
from support.template import functions, template

MAILS_PER_SECOND = template()["Parameters"]["MailsPerSecond"]["Default"]
SECONDS_PER_MAIL = 0.12
WAITING_MAILS = 5_000
CONSUMERS = {"Security": security_mails, "Order": order_mails, "Bulk": bulk_mails}


class Ses(Mailbag):
    """`MailSender` with SES's rate; it notes when each mail left, by its correlation id."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__()
        self._clock = clock
        self._in_second: Counter[datetime] = Counter()
        self.sent_at: dict[str, datetime] = {}
        self.throttled = 0

    def send(self, mail: Mail) -> None:
        self._clock.advance(timedelta(seconds=SECONDS_PER_MAIL))
        second = self._clock().replace(microsecond=0)
        self._in_second[second] += 1
        if self._in_second[second] > MAILS_PER_SECOND:
            self.throttled += 1
            raise RetryLater("the sending rate is exceeded")
        self.sent_at[mail.correlation_id] = self._clock()


@dataclass
class Consumer:
    """A queue and the Lambda that reads it."""

    handlers: EventHandlers
    concurrency: int
    batch_size: int
    timeout: timedelta
    queue: deque[tuple[datetime, str]] = field(default_factory=deque)

    def take(self, now: datetime) -> list[str]:
        batch: list[str] = []
        while len(batch) < self.batch_size and self.queue and self.queue[0][0] <= now:
            batch.append(self.queue.popleft()[1])
        return batch


@dataclass
class Invocation:
    """Lambda's context in simulated time."""

    clock: FrozenClock
    end: datetime

    def get_remaining_time_in_millis(self) -> int:
        return round((self.end - self.clock()) / timedelta(milliseconds=1))


class Simulation:
    """Runs every worker of every consumer, in the order of simulated time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, consumers: Mapping[str, Consumer]) -> None:
        self.clock = FrozenClock()
        self.ses = Ses(self.clock)
        self.consumers = consumers
        desk = Desk(clock=self.clock)

        def sleep(seconds: float) -> None:
            self.clock.advance(timedelta(seconds=seconds))

        mailer = Mailer(
            renderer=RememberingRenderer(),
            sender=self.ses,
            messages=InMemoryMessages(self.clock),
            allowances=InMemoryAllowances(self.clock),
            rate=InMemorySendingRate(self.clock, MAILS_PER_SECOND, sleep),
            suppressions=desk.suppressions,
            links=desk.links,
            clock=self.clock,
        )
        self.waiting = desk.waiting
        service = NotificationService(
            mailer, desk.waiting, desk.orders, timedelta(minutes=5), self.clock
        )
        monkeypatch.setattr(wiring, "notification_service", lambda: service)

    def put(self, event: Event, number: int, at: datetime) -> str:
        """Put an event of another person into its queue; returns the correlation id."""
        person = Recipient(f"u{number}", f"customer-{number}@example.com", "Asha")
        changes: dict[str, Any] = {"user_id": person.user_id, "email": person.email}
        if "customer" in type(event).model_fields:
            changes = {"customer": person}
        id_ = f"{event.NAME}-{number}"
        metadata = Metadata(event_id=id_, version=1, occurred_at=at, correlation_id=id_)
        data = event.model_copy(update=changes).model_dump(mode="json")
        detail = Envelope(metadata=metadata, data=data).model_dump(mode="json")
        self._queue(json.dumps({"detail-type": event.NAME, "detail": detail}), at)
        return id_

    def run(self, duration: timedelta) -> None:
        end = NOON + duration
        workers = [
            (NOON, number, name)
            for name, consumer in self.consumers.items()
            for number in range(consumer.concurrency)
        ]
        heapq.heapify(workers)
        due_mails = DueMails(self.waiting, self)
        swept = NOON
        while workers:
            now, number, name = heapq.heappop(workers)
            if now - swept >= timedelta(minutes=1):
                due_mails.requeue(now, lambda: True)
                swept = now
            if now >= end:
                continue
            self.clock.now = now
            consumer = self.consumers[name]
            if batch := consumer.take(now):
                context = Invocation(self.clock, now + consumer.timeout)
                events = [json.loads(body) for body in batch]
                answer = consumer.handlers(sqs_batch(*events), context)
                assert answer == {"batchItemFailures": []}
                heapq.heappush(workers, (self.clock(), number, name))
            else:
                heapq.heappush(workers, (now + timedelta(milliseconds=100), number, name))

    def send(self, mails: Any) -> Any:
        """As `MailQueues`."""
        for mail in mails:
            self._queue(mail.body, mail.due)
        return mails

    def sent_in(self, name: str, minute: int) -> int:
        """Return how many mails about an event left in a minute of the simulation."""
        start = NOON + timedelta(minutes=minute)
        return sum(
            id_.startswith(name) and start <= at < start + timedelta(minutes=1)
            for id_, at in self.ses.sent_at.items()
        )

    def _queue(self, body: str, at: datetime) -> None:
        name = json.loads(body)["detail-type"]
        [consumer] = [one for one in self.consumers.values() if name in one.handlers.handlers]
        consumer.queue.append((at, body))


def deployed() -> dict[str, Consumer]:
    """Return the consumers of the template."""
    found = {}
    for name, handlers in CONSUMERS.items():
        function = functions()[f"Notification{name}Mails"]
        source = function["Events"]["Queue"]["Properties"]
        concurrency = source["ScalingConfig"]["MaximumConcurrency"]
        timeout = timedelta(seconds=function["Timeout"])
        found[name] = Consumer(handlers, concurrency, source["BatchSize"], timeout)
    return found


def one_queue() -> dict[str, Consumer]:
    """Return one consumer of all mails, with the batches and the concurrency that it had."""
    handlers = EventHandlers("notification")
    for event in MAILS:
        handlers.on(event)(order_mails.handlers["OrderConfirmed"][1])
    return {"All": Consumer(handlers, 2, 10, timedelta(seconds=30))}


def seconds_of_resets(simulation: Simulation) -> list[float]:
    """Put 5,000 mails into the queues, then twenty password resets in two minutes; return the
    seconds until each left.
    """
    for number in range(WAITING_MAILS):
        event = order_confirmed() if number % 5 else cart_abandoned()
        simulation.put(event, number, NOON)
    asked = {}
    for number in range(20):
        at = NOON + timedelta(seconds=10 + 5 * number)
        asked[simulation.put(password_reset_requested(), WAITING_MAILS + number, at)] = at
    simulation.run(timedelta(minutes=3))
    never = NOON + timedelta(hours=1)
    sent_at = simulation.ses.sent_at
    return [(sent_at.get(id_, never) - at).total_seconds() for id_, at in asked.items()]


def test_a_password_reset_leaves_within_seconds_while_five_thousand_mails_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulation = Simulation(monkeypatch, deployed())
    assert max(seconds_of_resets(simulation)) < 2
    assert simulation.ses.throttled == 0
    assert sum(len(one.queue) for one in simulation.consumers.values()) > WAITING_MAILS / 2


def test_in_one_queue_it_would_wait_behind_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert min(seconds_of_resets(Simulation(monkeypatch, one_queue()))) > 60


def test_each_class_has_its_share_of_ses_s_rate_and_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The figures of docs/decisions: 14 mails a second are 240 + 420 + 120 mails a minute."""
    simulation = Simulation(monkeypatch, deployed())
    for number in range(600):
        simulation.put(user_registered(), number, NOON)
        simulation.put(cart_abandoned(), number, NOON)
    for number in range(1_200):
        simulation.put(order_confirmed(), number, NOON)
    simulation.run(timedelta(minutes=2))
    sent = {name: simulation.sent_in(name, 1) for name in ("User", "Order", "Cart")}
    rates = {each: 60 * each.rate(MAILS_PER_SECOND) for each in MailClass}
    assert list(rates.values()) == [240, 420, 120]
    for count, rate in zip(sent.values(), rates.values(), strict=True):
        assert 0.95 * rate <= count <= rate + 7
    assert simulation.ses.throttled == 0
