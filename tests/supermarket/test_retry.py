"""Stale writes are retried; other conflicts are not."""

import pytest

from supermarket.errors import Conflict
from supermarket.retry import StaleWrite, retry_on_conflict


class Attempts:
    """Fails with the given errors in turn, then returns `done`."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_an_attempt_that_succeeds_is_made_once() -> None:
    attempt = Attempts()
    assert (retry_on_conflict(attempt), attempt.count) == ("done", 1)


def test_a_stale_write_is_retried_until_it_succeeds() -> None:
    attempt = Attempts(StaleWrite(), StaleWrite())
    assert (retry_on_conflict(attempt), attempt.count) == ("done", 3)


def test_the_conflict_of_the_last_attempt_is_raised() -> None:
    attempt = Attempts(*(StaleWrite(f"attempt {number}") for number in range(9)))
    with pytest.raises(StaleWrite, match="attempt 3"):
        retry_on_conflict(attempt, attempts=4)
    assert attempt.count == 4


def test_another_conflict_is_not_retried() -> None:
    attempt = Attempts(Conflict("sold out"))
    with pytest.raises(Conflict, match="sold out"):
        retry_on_conflict(attempt)
    assert attempt.count == 1


def test_a_pause_follows_each_failed_attempt_but_the_last() -> None:
    pauses: list[int] = []
    attempt = Attempts(*(StaleWrite() for _ in range(3)))
    with pytest.raises(StaleWrite):
        retry_on_conflict(attempt, attempts=3, pause=pauses.append)
    assert pauses == [0, 1]


def test_other_errors_can_be_retried_by_name() -> None:
    class Taken(Conflict):
        """The name is taken."""

    attempt = Attempts(Taken("taken"), StaleWrite())
    assert retry_on_conflict(attempt, on=(StaleWrite, Taken)) == "done"
