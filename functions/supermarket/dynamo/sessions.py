"""Sessions in DynamoDB: one row per person, so that one write can end all sessions."""

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.expressions.update import Action

from supermarket.caller import Role, Standing, Status
from supermarket.clock import Clock, creation_time
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import retry_on_transaction_conflict, update_if
from supermarket.errors import Unauthenticated
from supermarket.sessions import MAX_SESSIONS, SESSION_LIFETIME
from supermarket.transaction import Transaction


class SignInRow(Row):
    """The ids of a person's open sessions; an id contains the time at which its session began.
    `role` and `status` are copies of the account's, written in the transactions that change it.

    Ending all sessions leaves the row in place: a sign-in that is under way would write the role
    that it read before. DynamoDB deletes the row some time after `expires_at`, when the last
    session has expired.
    """

    Meta = table("signin")

    user_id = UnicodeAttribute(hash_key=True, attr_name="userId")
    sessions = UnicodeSetAttribute(null=True)
    role = UnicodeAttribute(null=True)
    status = UnicodeAttribute(null=True)
    has_second_factor = BooleanAttribute(attr_name="hasSecondFactor", null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoSessions:
    """`Sessions` in DynamoDB; a check is one strongly consistent read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def open(self, session_id: str, user_id: str, standing: Standing) -> None:
        row = SignInRow(user_id)
        add: list[Action] = [
            SignInRow.sessions.add({session_id}),
            SignInRow.role.set(SignInRow.role | standing.role.value),
            SignInRow.status.set(SignInRow.status | standing.status.value),
            SignInRow.has_second_factor.set(
                SignInRow.has_second_factor | standing.has_second_factor
            ),
            self._keep(),
        ]
        retry_on_transaction_conflict(lambda: row.update(add))
        if too_many := set(sorted(row.sessions)[:-MAX_SESSIONS]):
            retry_on_transaction_conflict(lambda: row.update([SignInRow.sessions.delete(too_many)]))

    def plan_read(self, user_id: str) -> None:
        SignInRow.plan_read(user_id)

    def standing(self, session_id: str, user_id: str) -> Standing | None:
        row = SignInRow.find(user_id)
        if row is None or not row.role or session_id not in (row.sessions or ()):
            return None
        if not self._is_young(session_id):
            return None
        standing = Standing(Role(row.role), Status(row.status), bool(row.has_second_factor))
        return None if standing.status is Status.SUSPENDED else standing

    def is_open(self, session_id: str, user_id: str) -> bool:
        return self.standing(session_id, user_id) is not None

    def change_standing(self, user_id: str, standing: Standing, transaction: Transaction) -> None:
        DynamoTransaction.of(transaction).update(
            SignInRow(user_id),
            [
                SignInRow.role.set(standing.role.value),
                SignInRow.status.set(standing.status.value),
                self._keep(),
            ],
        )

    def change_second_factor(
        self, user_id: str, transaction: Transaction, *, has_one: bool
    ) -> None:
        changes = [SignInRow.has_second_factor.set(has_one), self._keep()]
        DynamoTransaction.of(transaction).update(SignInRow(user_id), changes)

    def end(self, session_id: str, user_id: str) -> None:
        # an unknown session is no error
        is_open = SignInRow.sessions.contains(session_id)
        update_if(SignInRow(user_id), [SignInRow.sessions.delete({session_id})], is_open)

    def end_all(self, user_id: str, transaction: Transaction) -> None:
        DynamoTransaction.of(transaction).update(
            SignInRow(user_id), [SignInRow.sessions.remove(), self._keep()]
        )

    def list_open(self, user_id: str) -> list[str]:
        row = SignInRow.find(user_id)
        return sorted(filter(self._is_young, (row and row.sessions) or ()), reverse=True)

    def replace_all(
        self, session_id: str, new_id: str, user_id: str, transaction: Transaction
    ) -> None:
        DynamoTransaction.of(transaction).update(
            SignInRow(user_id),
            [SignInRow.sessions.set({new_id}), self._keep()],
            condition=SignInRow.sessions.contains(session_id),
            on_conflict=Unauthenticated("This session has ended"),
        )

    def _is_young(self, session_id: str) -> bool:
        return self._clock() < creation_time(session_id) + SESSION_LIFETIME

    def _keep(self) -> Action:
        """Return the action that keeps the row until a session that opens now has expired."""
        return SignInRow.expires_at.set(int((self._clock() + SESSION_LIFETIME).timestamp()))
