"""Who is asking: the signed-in person behind a request, typed once for the whole platform."""

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

from supermarket.errors import Forbidden


class Role(StrEnum):
    """What an account may be. `admin` is never registered, only made by a command."""

    USER = "user"
    SELLER = "seller"
    ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """The owner of a verified access token; mail address and name are as of sign-in."""

    user_id: str
    session_id: str
    role: Role
    email: str
    first_name: str

    def require(self, roles: Set[Role]) -> None:
        """Forbidden unless the caller has one of `roles`."""
        if self.role not in roles:
            raise Forbidden("Your account may not do this")

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN
