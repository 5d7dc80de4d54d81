"""Sessions, checked at every signed-in request, so that a logout takes effect at once, and so does
a change of the person's role or status.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from supermarket.caller import Caller, Standing
from supermarket.transaction import Transaction

SESSION_LIFETIME = timedelta(days=30)
MAX_SESSIONS = 100
NOT_SIGNED_IN = "You are not signed in"


class Sessions(Protocol):
    """Stores the open sessions of each person, and a copy of the account's role and status."""

    def open(self, session_id: str, user_id: str, standing: Standing) -> None:
        """Open a session with a new id. `standing` is copied unless there is a copy already, which
        is never older.

        It expires after `SESSION_LIFETIME`. The oldest session ends when the person has more than
        `MAX_SESSIONS`.
        """

    def plan_read(self, user_id: str) -> None:
        """Read the person's sessions together with the next row that is read."""

    def standing(self, session_id: str, user_id: str) -> Standing | None:
        """Return the owner's present role and status; None unless the session is open."""

    def is_open(self, session_id: str, user_id: str) -> bool:
        """Return whether the session was neither ended nor has expired, and its owner is not
        suspended.
        """

    def change_standing(self, user_id: str, standing: Standing, transaction: Transaction) -> None:
        """Copy the account's new role and status if the transaction commits."""

    def change_second_factor(
        self, user_id: str, transaction: Transaction, *, has_one: bool
    ) -> None:
        """Copy whether the account has a second factor if the transaction commits."""

    def end(self, session_id: str, user_id: str) -> None:
        """End a session; an unknown session is no error."""

    def end_all(self, user_id: str, transaction: Transaction) -> None:
        """End all sessions of the user if the transaction commits."""

    def replace_all(
        self, session_id: str, new_id: str, user_id: str, transaction: Transaction
    ) -> None:
        """End all sessions of the user and open a new one, if the transaction commits. Commit
        raises Unauthenticated unless `session_id` is open.
        """

    def list_open(self, user_id: str) -> list[str]:
        """Return the ids of the user's open sessions, newest first."""


def present_caller(caller: Caller, sessions: Sessions) -> Caller | None:
    """Return the caller with the account's present role, status and second factor; None unless the
    session is open.
    """
    standing = sessions.standing(caller.session_id, caller.user_id)
    return replace(caller, **vars(standing)) if standing else None
