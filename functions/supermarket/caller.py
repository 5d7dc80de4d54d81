"""The signed-in person behind a request."""

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from supermarket.clock import creation_time
from supermarket.errors import Forbidden

RECENT = timedelta(minutes=15)


class SignInAgain(Forbidden):
    """The request needs a sign-in that is not long ago."""

    code = "SIGN_IN_AGAIN"


class SecondFactorRequired(Forbidden):
    """The account must have a second factor."""

    code = "SECOND_FACTOR_REQUIRED"


class Role(StrEnum):
    """The role of an account. `admin` cannot be registered; an operator creates it."""

    USER = "user"
    SELLER = "seller"
    ADMIN = "admin"


class Status(StrEnum):
    """The status of an account: `pending` awaits approval, `suspended` can do nothing."""

    ACTIVE = "active"
    PENDING = "pending"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class Standing:
    """What an account may do. Two standings with the same role and status are equal."""

    role: Role
    status: Status = Status.ACTIVE
    has_second_factor: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Caller:
    """The owner of a session. Role, status and second factor are those of the session's row, which
    change with the account; address and name are those at sign-in.
    """

    user_id: str
    session_id: str
    role: Role
    email: str
    first_name: str
    status: Status = Status.ACTIVE
    has_second_factor: bool = False

    def require(self, roles: Set[Role]) -> None:
        """Raise Forbidden unless the caller has one of `roles` and an approved account."""
        if self.role not in roles:
            raise Forbidden("Your account is not allowed to do this")
        if self.status is Status.PENDING:
            raise Forbidden("Your account is not approved yet")

    def require_recent_sign_in(self, now: datetime) -> None:
        """Raise SignInAgain unless the session began a short time ago."""
        if now - creation_time(self.session_id) > RECENT:
            raise SignInAgain("Sign in again to do this")

    def require_second_factor(self) -> None:
        """Raise SecondFactorRequired for an administrator who has not set one up."""
        if self.is_admin and not self.has_second_factor:
            raise SecondFactorRequired("Set up a second factor to do this: POST /api/auth/totp")

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def standing(self) -> Standing:
        return Standing(self.role, self.status, self.has_second_factor)
