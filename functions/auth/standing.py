"""The use cases of administrators: approve, suspend and reinstate accounts, give them another role,
and end their sessions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product, starmap

from auth.events import to_user_standing_changed
from auth.model import Account, User, UserPage
from auth.ports import Accounts
from supermarket.audit import AuditTrail
from supermarket.caller import Role, Standing, Status
from supermarket.clock import is_id
from supermarket.errors import Conflict, Forbidden, NotFound
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.sessions import Sessions
from supermarket.transaction import BeginTransaction

USER_NOT_FOUND = "User not found"


@dataclass(frozen=True)
class StandingService:
    """Changes the role and the status of accounts. A change takes effect at the person's next
    request. `actor` is an admin's id, or `OPERATOR`.
    """

    accounts: Accounts
    sessions: Sessions
    audit: AuditTrail
    begin: BeginTransaction

    def get_user(self, user_id: str) -> User:
        """Return a user. Raises NotFound."""
        return self._find(user_id).user

    def list_users(
        self,
        role: Role | None,
        status: Status | None,
        before: str | None,
        limit: int,
        name: str = "",
    ) -> UserPage:
        """Return the users with ids below `before`, newest first: all, those with a role or a
        status, or the one with an id, an email address or a username `name`.
        """
        if name:
            return UserPage(tuple(filter(None, (self._find_by_name(name),))), None)
        roles, statuses = [role] if role else list(Role), [status] if status else list(Status)
        standings = starmap(Standing, product(roles, statuses))
        found = self.accounts.list_by_standing(standings, before, limit + 1)
        page = tuple(found[:limit])
        return UserPage(page, page[-1].id if len(found) > limit else None)

    def find_by_name(self, name: str) -> User:
        """Return the user with an id, an email address or a username. Raises NotFound."""
        user = self._find_by_name(name)
        if user is None:
            raise NotFound(USER_NOT_FOUND)
        return user

    def approve(self, user_id: str, actor: str) -> User:
        """Let a pending account do what its role allows. Raises Conflict for a suspended one."""

        def approved(user: User) -> Standing:
            if user.status is Status.SUSPENDED:
                raise Conflict("This account is suspended: reinstate it")
            return Standing(user.role)

        return self._decide(user_id, actor, approved)

    def suspend(self, user_id: str, reason: str, actor: str) -> User:
        """Refuse everything that the person wants to do."""
        suspended = Status.SUSPENDED
        return self._decide(user_id, actor, lambda user: Standing(user.role, suspended), reason)

    def reinstate(self, user_id: str, actor: str) -> User:
        """Lift a suspension. The account is then approved, whatever it was before."""

        def reinstated(user: User) -> Standing:
            is_suspended = user.status is Status.SUSPENDED
            return Standing(user.role) if is_suspended else user.standing

        return self._decide(user_id, actor, reinstated)

    def give_role(self, user_id: str, role: Role, actor: str) -> User:
        """Give an account another role, which approves it; a suspended one stays suspended."""

        def given(user: User) -> Standing:
            is_suspended = user.status is Status.SUSPENDED
            return Standing(role, Status.SUSPENDED if is_suspended else Status.ACTIVE)

        return self._decide(user_id, actor, given)

    def change(self, user_id: str, standing: Standing, actor: str, reason: str = "") -> User:
        """Give an account another role and status. Raises NotFound."""
        return self._decide(user_id, actor, lambda _: standing, reason)

    def revoke_sessions(self, user_id: str, actor: str) -> User:
        """Sign the person out everywhere. Raises NotFound."""
        user = self._find(user_id).user
        transaction = self.begin()
        self.sessions.end_all(user_id, transaction)
        self.audit.record(
            transaction,
            subject=f"user#{user_id}",
            action="sessions revoked",
            actor=actor,
            before={},
            after={},
        )
        transaction.commit()
        return user

    def _decide(
        self, user_id: str, actor: str, decide: Callable[[User], Standing], reason: str = ""
    ) -> User:
        if actor == user_id:
            # the last administrator could lock out all
            raise Forbidden("Another administrator must change your account")
        return retry_on_conflict(lambda: self._change(user_id, actor, decide, reason))

    def _change(
        self, user_id: str, actor: str, decide: Callable[[User], Standing], reason: str
    ) -> User:
        account = self._find(user_id)
        before, standing = account.user, decide(account.user)
        if standing == before.standing:
            return before
        revision = before.standing_revision + 1
        after = replace(
            before, role=standing.role, status=standing.status, standing_revision=revision
        )
        transaction = self.begin()
        self.accounts.change(account, replace(account, user=after), transaction, StaleWrite())
        self.sessions.change_standing(user_id, standing, transaction)
        self.audit.record(
            transaction,
            subject=f"user#{user_id}",
            action="role or status changed",
            actor=actor,
            before={"role": before.role.value, "status": before.status.value},
            after={"role": after.role.value, "status": after.status.value, "reason": reason},
        )
        transaction.emit(to_user_standing_changed(after))
        transaction.commit()
        return after

    def _find_by_name(self, name: str) -> User | None:
        find = self.accounts.find_by_email if "@" in name else self.accounts.find_by_username
        account = self.accounts.find(name) if is_id(name) else find(name)
        return account.user if account else None

    def _find(self, user_id: str) -> Account:
        account = self.accounts.find(user_id)
        if account is None:
            raise NotFound(USER_NOT_FOUND)
        return account
