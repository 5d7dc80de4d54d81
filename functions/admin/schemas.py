"""Request bodies and views of administration."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints

from supermarket.caller import Role, Status
from supermarket.field_types import TEXT
from supermarket.schemas import Body, DayPage, Page, Timestamp, View


class UserListQuery(Page):
    """Users with a role or a status, or those with an id, an email address or a username `q`."""

    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=254)] = ""
    role: Role | None = None
    status: Status | None = None


class AuditQuery(DayPage):
    """The recorded actions of some days: all, or those on a subject, by an actor."""

    subject: Annotated[str, StringConstraints(max_length=128)] | None = None
    actor: Annotated[str, StringConstraints(max_length=128)] | None = None


class SuspendRequest(Body):
    """Why an account is suspended, for the audit trail."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500), TEXT]


class ChangeRoleRequest(Body):
    """The new role of an account."""

    role: Role


class FullNameView(View):
    """A name in two parts."""

    first_name: str = Field(validation_alias="first")
    last_name: str = Field(validation_alias="last")


class UserView(View):
    """An account as administrators see it."""

    id: str
    username: str
    email: str
    email_verified: bool
    full_name: FullNameView
    phone: str | None
    role: Role
    status: Status
    mfa: list[str]
    created_at: Timestamp


class UserListResponse(View):
    """A page of accounts, newest first."""

    users: list[UserView]
    next_cursor: str | None


class UserResponse(View):
    """An account."""

    user: UserView

    @classmethod
    def of(cls, user: object) -> Self:
        return cls.model_validate({"user": user})


class AuditEntryView(View):
    """A recorded action on a subject, such as `order#01JD…`, with what it changed."""

    subject: str
    action: str
    actor: str
    at: Timestamp
    before: dict[str, str | int | None]
    after: dict[str, str | int | None]
    request_id: str


class AuditListResponse(View):
    """A page of recorded actions, newest first. It may have fewer than its limit, even none, and a
    next one.
    """

    entries: list[AuditEntryView]
    next_cursor: str | None
