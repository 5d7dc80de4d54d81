"""Sessions, checked at every signed-in request, so that a logout takes effect at once."""

from datetime import timedelta
from typing import Protocol

from supermarket.transaction import Transaction

SESSION_LIFETIME = timedelta(days=30)
MAX_SESSIONS = 100


class Sessions(Protocol):
    """Stores the open sessions of each person."""

    def open(self, session_id: str, user_id: str) -> None:
        """Open a session with a new id.

        It expires after `SESSION_LIFETIME`. The oldest session ends when the person has more than
        `MAX_SESSIONS`.
        """

    def is_open(self, session_id: str, user_id: str) -> bool:
        """Return whether the session was neither ended nor has expired."""

    def end(self, session_id: str, user_id: str) -> None:
        """End a session; an unknown session is no error."""

    def end_all(self, user_id: str, transaction: Transaction) -> None:
        """End all sessions of the user if the transaction commits."""

    def end_others(self, session_id: str, user_id: str, transaction: Transaction) -> None:
        """End all sessions of the user but this one, which has to be open: Unauthenticated."""
