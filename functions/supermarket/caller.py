"""The signed-in person behind a request."""

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

from supermarket.errors import Forbidden


class Role(StrEnum):
    """The role of an account. `admin` cannot be registered; an operator creates it."""

    USER = "user"
    SELLER = "seller"
    ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """The owner of a verified access token; address and name are those at sign-in."""

    user_id: str
    session_id: str
    role: Role
    email: str
    first_name: str

    def require(self, roles: Set[Role]) -> None:
        """Raise Forbidden unless the caller has one of `roles`."""
        if self.role not in roles:
            raise Forbidden("Your account is not allowed to do this")

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN
