"""Sessions: a row per sign-in, looked up at every signed-in request, so that a logout is final
at once.
"""

from datetime import timedelta
from typing import Protocol

SESSION_LIFETIME = timedelta(days=30)


class Sessions(Protocol):
    """Who is signed in right now."""

    def open(self, session_id: str, user_id: str) -> None:
        """Begin a session; it ends by itself after `SESSION_LIFETIME`."""

    def is_open(self, session_id: str, user_id: str) -> bool:
        """Whether this session of this user has neither been ended nor run out."""

    def end(self, session_id: str) -> None:
        """End a session for good; ending one that is not there is no error."""
