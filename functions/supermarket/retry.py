"""Optimistic concurrency: a write of something that changed since it was read is retried."""

from collections.abc import Callable

from supermarket.errors import Conflict

ATTEMPTS = 6


class StaleWrite(Conflict):
    """The row changed between its read and this write: read it again and repeat the change."""

    code = "STALE_WRITE"

    def __init__(self, message: str = "This was changed at the same time. Try again.") -> None:
        super().__init__(message)


def retry_on_conflict[Outcome](
    attempt: Callable[[], Outcome],
    *,
    on: type[Conflict] | tuple[type[Conflict], ...] = StaleWrite,
    attempts: int = ATTEMPTS,
    pause: Callable[[int], None] | None = None,
) -> Outcome:
    """Call `attempt`, which reads, changes and writes, until its write is not stale.

        retry_on_conflict(lambda: self._confirm(order_id))

    `pause` is called with the number of the failed attempt, from 0. Raises the conflict of the
    last attempt.
    """
    for number in range(attempts - 1):
        try:
            return attempt()
        except on:
            if pause:
                pause(number)
    return attempt()
