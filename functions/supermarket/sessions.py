"""Sessions: everything a person is signed in with, looked up at every signed-in request, so that
a logout is final at once.
"""

from datetime import timedelta
from typing import Protocol

from supermarket.transaction import Transaction

SESSION_LIFETIME = timedelta(days=30)
MAX_SESSIONS = 100


class Sessions(Protocol):
    """Who is signed in right now."""

    def open(self, session_id: str, user_id: str) -> None:
        """Begin a session, whose id was made for it just now.

        It ends by itself after `SESSION_LIFETIME`, and makes the oldest one end when the person
        has more than `MAX_SESSIONS`.
        """

    def is_open(self, session_id: str, user_id: str) -> bool:
        """Whether this session of this user has neither been ended nor run out."""

    def end(self, session_id: str, user_id: str) -> None:
        """End a session for good; ending one that is not there is no error."""

    def end_all(self, user_id: str, transaction: Transaction) -> None:
        """End all sessions of the user if the transaction commits."""

    def end_others(self, session_id: str, user_id: str, transaction: Transaction) -> None:
        """End all sessions of the user but this one, which has to be open: Unauthenticated."""
