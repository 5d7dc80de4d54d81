"""The slots for calls to Razorpay in memory."""

from datetime import datetime, timedelta
from threading import Lock


class InMemorySlots:
    """`Slots` in memory."""

    def __init__(self) -> None:
        self._next: datetime | None = None
        self._lock = Lock()

    def reserve(self, now: datetime, interval: timedelta, longest: timedelta) -> datetime | None:
        with self._lock:
            begins = max(self._next or now, now)
            if begins > now + longest:
                return None
            self._next = begins + interval
            return begins

    def postpone(self, until: datetime) -> None:
        with self._lock:
            self._next = max(self._next or until, until)
