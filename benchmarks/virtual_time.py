"""Runs ordinary code in many threads under a simulated clock, one thread at a time.

time = VirtualTime()
time.start(0.5, lambda: time.sleep(2))
time.run()  # returns at once, at time.now == 2.5
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from threading import Semaphore, Thread


@dataclass
class VirtualTime:
    """A clock that jumps to the next moment at which a thread goes on."""

    now: float = 0.0
    _due: list[tuple[float, int, Semaphore]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _idle: Semaphore = field(default_factory=lambda: Semaphore(0))

    def start(self, at: float, work: Callable[[], None]) -> None:
        """Run the work in a thread of its own, from the moment `at` (seconds)."""
        turn = self._schedule(at)

        def take_turn() -> None:
            turn.acquire()
            try:
                work()
            finally:
                self._idle.release()

        Thread(target=take_turn, daemon=True).start()

    def sleep(self, seconds: float) -> None:
        """Let other threads run for this time."""
        turn = self._schedule(self.now + seconds)
        self._idle.release()
        turn.acquire()

    def run(self) -> None:
        """Run until every thread has ended."""
        while self._due:
            self.now, _, turn = heapq.heappop(self._due)
            turn.release()
            self._idle.acquire()

    def _schedule(self, at: float) -> Semaphore:
        turn = Semaphore(0)
        heapq.heappush(self._due, (at, next(self._numbers), turn))
        return turn
