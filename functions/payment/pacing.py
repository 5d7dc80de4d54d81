"""Paces the calls of jobs and listeners to Razorpay, so that customers' requests find it free.

Every call reserves a slot; the slots follow each other at a fixed interval and are shared by all
Lambdas. When Razorpay rejects a call because there were too many, no slot begins before the time
that it demands.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from payment.ports import ProviderThrottled
from supermarket.clock import Clock


class Slots(Protocol):
    """The slots for calls that all Lambdas share."""

    def reserve(self, now: datetime, interval: timedelta, longest: timedelta) -> datetime | None:
        """Reserve the next slot and return when it begins; None, and no reservation, when that is
        after more than `longest`. The slot after it begins an interval later.
        """

    def postpone(self, until: datetime) -> None:
        """Let no further slot begin before `until`."""


@dataclass(frozen=True)
class SharedPace:
    """`Pace` of so many calls per second of all Lambdas together."""

    slots: Slots
    per_second: float
    longest_wait: timedelta
    clock: Clock
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> None:
        now, interval = self.clock(), timedelta(seconds=1 / self.per_second)
        begins = self.slots.reserve(now, interval, self.longest_wait)
        if begins is None:
            raise ProviderThrottled(self.longest_wait + interval)  # or later
        if begins > now:
            self.sleep((begins - now).total_seconds())

    def pause(self, span: timedelta) -> None:
        self.slots.postpone(self.clock() + span)


@dataclass(frozen=True)
class Unpaced:
    """`Pace` of customers' requests, which call at once."""

    longest_wait: timedelta = timedelta(seconds=2)

    def wait(self) -> None:
        """Return at once."""

    def pause(self, span: timedelta) -> None:
        """Do nothing: a customer's request is not made again."""
