"""Kills a process at one of its calls, before or after the call takes effect."""

from collections.abc import Callable
from threading import Lock
from typing import Any

from supermarket.transaction import BeginTransaction
from support.in_memory import InMemoryOutbox, InMemoryTransaction

NEVER = 1 << 62


class Killed(BaseException):
    """The process ends at this point, and catches nothing any more."""


class Process:
    """Counts the calls of a process, before and after each takes effect, and kills it at one."""

    def __init__(self, at: int = NEVER) -> None:
        self.calls, self.at, self._lock = 0, at, Lock()

    def observe(self, owner: Any, *names: str) -> None:
        for name in names:
            setattr(owner, name, self._observed(getattr(owner, name)))

    def begin(self, outbox: InMemoryOutbox) -> BeginTransaction:
        """Return what begins transactions whose commits are calls."""

        def begin() -> InMemoryTransaction:
            transaction = outbox.begin()
            self.observe(transaction, "commit")
            return transaction

        return begin

    def revive(self) -> None:
        self.at = NEVER

    def _observed[Result](self, call: Callable[..., Result]) -> Callable[..., Result]:
        def observed(*arguments: Any, **options: Any) -> Result:
            self._step()
            with self._lock:  # the fakes are not made for threads
                result = call(*arguments, **options)
            self._step()
            return result

        return observed

    def _step(self) -> None:
        with self._lock:
            self.calls += 1
            if self.calls > self.at:  # then in all threads
                raise Killed
