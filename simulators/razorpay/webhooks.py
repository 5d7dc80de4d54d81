"""Sends signed webhooks in the background, as reliably as a test wants them."""

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
from typing import Any, Literal

import httpx

from simulators.razorpay.model import Record, new_id

type Mode = Literal["normal", "drop", "twice", "late", "shuffled"]

ACCOUNT = "acc_TheOneMerchant"
RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8)  # seconds; Razorpay itself retries for a day
TIMEOUT_SECONDS = 10.0  # Razorpay itself allows five
SENDERS = 4
MAX_BACKLOG = 10_000
MAX_REPORTS = 1_000


@dataclass(frozen=True)
class Webhook:
    """An event as it is sent: each delivery has the same id and the same bytes."""

    id: str
    event: str
    body: bytes

    @classmethod
    def of(cls, event: str, created_at: int, **entities: Record) -> "Webhook":
        envelope = {
            "entity": "event",
            "account_id": ACCOUNT,
            "event": event,
            "contains": list(entities),
            "payload": {name: {"entity": entity.to_json()} for name, entity in entities.items()},
            "created_at": created_at,
        }
        # unlike json.dumps: a receiver that verifies reserialised JSON instead of the body fails
        body = json.dumps(envelope, separators=(",", ":")).replace("/", "\\/")
        return cls(new_id("evt").removeprefix("evt_"), event, body.encode())

    def headers(self, secret: str) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "Razorpay-Webhook/v1",
            "X-Razorpay-Signature": hmac.digest(secret.encode(), self.body, "sha256").hex(),
            "X-Razorpay-Event-Id": self.id,
        }


@dataclass
class Report:
    """The outcome of one delivery, with the status or error of each attempt."""

    webhook: Webhook
    outcome: Literal["waiting", "dropped", "delivered", "failed"]
    answers: list[int | str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        webhook = self.webhook
        sent = {"eventId": webhook.id, "event": webhook.event, "body": webhook.body.decode()}
        return sent | {"outcome": self.outcome, "answers": list(self.answers)}


class Webhooks:
    """Sends webhooks to one address from a few threads, which end when the queue is empty.

    Late webhooks are due by the simulator's clock, which tests can set forward.
    """

    def __init__(self, url: str, secret: str, clock: Callable[[], float]) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        self._mode: Mode = "normal"
        self._delay = 0.0
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Report]] = []  # time, number
        self._undelivered = 0
        self._recent: deque[Report] = deque(maxlen=MAX_REPORTS)
        self._numbers = itertools.count()
        self._threads = 0
        self._client = httpx.Client(
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=False,  # noqa: S501 - a receiver on this machine
        )

    def set_mode(self, mode: Mode, delay: float) -> None:
        """Set how later webhooks are delivered; the delay is in seconds."""
        with self._changed:
            self._mode, self._delay = mode, delay

    def state(self) -> dict[str, Any]:
        with self._changed:
            return {
                "url": self._url,
                "mode": self._mode,
                "delaySeconds": self._delay,
                "waiting": self._undelivered,
                "deliveries": [report.to_json() for report in self._recent],
            }

    def send(self, webhook: Webhook) -> None:
        """Queue a webhook and return."""
        with self._changed:
            if not self._url:
                return
            if self._mode == "drop" or len(self._waiting) >= MAX_BACKLOG:
                self._recent.append(Report(webhook, "dropped"))
                return
            for _ in range(2 if self._mode == "twice" else 1):
                self._queue(webhook)
            self._changed.notify_all()

    def check_clock(self) -> None:
        """Send what has become due because the clock was set forward."""
        with self._changed:
            self._changed.notify_all()

    def _queue(self, webhook: Webhook) -> None:
        delays = {"late": self._delay, "shuffled": random.uniform(0, self._delay)}
        due, report = self._clock() + delays.get(self._mode, 0.0), Report(webhook, "waiting")
        heapq.heappush(self._waiting, (due, next(self._numbers), report))
        self._undelivered += 1
        self._recent.append(report)
        if self._threads < SENDERS:
            self._threads += 1
            threading.Thread(target=self._deliver_all, daemon=True, name="webhooks").start()

    def _deliver_all(self) -> None:
        while (report := self._next()) is not None:
            outcome = self._deliver(report)
            with self._changed:
                report.outcome = outcome
                self._undelivered -= 1

    def _next(self) -> Report | None:
        with self._changed:
            while self._waiting:
                left = self._waiting[0][0] - self._clock()
                if left <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(left)
            self._threads -= 1
            return None

    def _deliver(self, report: Report) -> Literal["delivered", "failed"]:
        for delay in (*RETRY_DELAYS, None):
            answer = self._post(report.webhook)
            report.answers.append(answer)
            if isinstance(answer, int) and 200 <= answer < 300:
                return "delivered"
            if delay is not None:
                time.sleep(delay)
        return "failed"

    def _post(self, webhook: Webhook) -> int | str:
        headers = webhook.headers(self._secret)
        try:
            return self._client.post(self._url, content=webhook.body, headers=headers).status_code
        except httpx.HTTPError as error:
            return type(error).__name__
