"""Razorpay's webhooks: signed, sent in the background, and as unreliable as a test wants them."""

import hashlib
import heapq
import hmac
import itertools
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import httpx

from simulators.razorpay.model import new_id

type Mode = Literal["normal", "drop", "twice", "late", "shuffled"]
MODES = ("normal", "drop", "twice", "late", "shuffled")

ACCOUNT = "acc_TheOneMerchant"
WAITS = (0.1, 0.2, 0.4, 0.8)  # between the tries; Razorpay itself goes on for a day
TIMEOUT_SECONDS = 10.0  # of a receiver; Razorpay gives it five
SENDERS = 4
LARGEST_BACKLOG = 10_000
REMEMBERED = 1_000


class Entity(Protocol):
    """An order, a payment or a refund."""

    def wire(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Webhook:
    """One event as it goes over the wire: the same bytes and the same id, however often."""

    id: str
    event: str
    body: bytes

    @classmethod
    def of(cls, event: str, created_at: int, **entities: Entity) -> "Webhook":
        envelope = {
            "entity": "event",
            "account_id": ACCOUNT,
            "event": event,
            "contains": list(entities),
            "payload": {name: {"entity": entity.wire()} for name, entity in entities.items()},
            "created_at": created_at,
        }
        # not as Python writes JSON by itself: who signs what he wrote anew is found out
        body = json.dumps(envelope, separators=(",", ":")).replace("/", "\\/")
        return cls(new_id("evt").removeprefix("evt_"), event, body.encode())

    def headers(self, secret: str) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "Razorpay-Webhook/v1",
            "X-Razorpay-Signature": hmac.new(
                secret.encode(), self.body, hashlib.sha256
            ).hexdigest(),
            "X-Razorpay-Event-Id": self.id,
        }


@dataclass(order=True)
class _Delivery:
    due: float
    number: int
    webhook: Webhook = field(compare=False)


@dataclass
class Report:
    """What became of one delivery."""

    webhook: Webhook
    outcome: Literal["waiting", "dropped", "delivered", "failed"]
    answers: list[int | str] = field(default_factory=list)

    def wire(self) -> dict[str, Any]:
        webhook = self.webhook
        told = {"eventId": webhook.id, "event": webhook.event, "body": webhook.body.decode()}
        return told | {"outcome": self.outcome, "answers": list(self.answers)}


class Webhooks:
    """Sends to one address, from a few threads that live only as long as there is something to do.

    `late` ones are due by the simulator's clock, so that moving it lets them go.
    """

    def __init__(self, url: str, secret: str, clock: Callable[[], float]) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        self._mode: Mode = "normal"
        self._delay = 0.0
        self._changed = threading.Condition()
        self._waiting: list[_Delivery] = []
        self._reports: dict[int, Report] = {}
        self._recent: deque[Report] = deque(maxlen=REMEMBERED)
        self._numbers = itertools.count()
        self._threads = 0
        self._client = httpx.Client(
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=False,  # noqa: S501 - a receiver on this machine
        )

    def behave(self, mode: Mode, delay: float) -> None:
        """From now on; what is under way is left alone."""
        with self._changed:
            self._mode, self._delay = mode, delay

    def state(self) -> dict[str, Any]:
        with self._changed:
            deliveries = [report.wire() for report in self._recent]
            return {
                "url": self._url,
                "mode": self._mode,
                "delaySeconds": self._delay,
                "waiting": len(self._reports),
                "deliveries": deliveries,
            }

    def send(self, webhook: Webhook) -> None:
        """Returns at once."""
        with self._changed:
            if not self._url:
                return
            if self._mode == "drop" or len(self._waiting) >= LARGEST_BACKLOG:
                self._recent.append(Report(webhook, "dropped"))
                return
            for _ in range(2 if self._mode == "twice" else 1):
                self._queue(webhook)
            self._changed.notify_all()

    def look_at_the_clock(self) -> None:
        """It was moved: something may be due now."""
        with self._changed:
            self._changed.notify_all()

    def _queue(self, webhook: Webhook) -> None:
        delivery = _Delivery(self._clock() + self._lag(), next(self._numbers), webhook)
        heapq.heappush(self._waiting, delivery)
        report = Report(webhook, "waiting")
        self._reports[delivery.number] = report
        self._recent.append(report)
        if self._threads < SENDERS:
            self._threads += 1
            threading.Thread(target=self._deliver_all, daemon=True, name="webhooks").start()

    def _lag(self) -> float:
        match self._mode:
            case "late":
                return self._delay
            case "shuffled":
                return random.uniform(0, self._delay)
            case _:
                return 0.0

    def _deliver_all(self) -> None:
        while (delivery := self._next()) is not None:
            outcome = self._deliver(delivery)
            with self._changed:
                self._reports.pop(delivery.number).outcome = outcome

    def _next(self) -> _Delivery | None:
        with self._changed:
            while self._waiting:
                left = self._waiting[0].due - self._clock()
                if left <= 0:
                    return heapq.heappop(self._waiting)
                self._changed.wait(left)
            self._threads -= 1
            return None

    def _deliver(self, delivery: _Delivery) -> Literal["delivered", "failed"]:
        for wait in (*WAITS, None):
            answer = self._post(delivery.webhook)
            self._reports[delivery.number].answers.append(answer)
            if isinstance(answer, int) and 200 <= answer < 300:
                return "delivered"
            if wait is not None:
                time.sleep(wait)
        return "failed"

    def _post(self, webhook: Webhook) -> int | str:
        headers = webhook.headers(self._secret)
        try:
            return self._client.post(self._url, content=webhook.body, headers=headers).status_code
        except httpx.HTTPError as error:
            return type(error).__name__
