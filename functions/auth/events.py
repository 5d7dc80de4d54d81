"""Maps accounts to auth's events."""

from datetime import datetime
from typing import Literal

from auth.model import Purpose, User
from supermarket.contracts import (
    AccountChanged,
    EmailChanged,
    EmailChangeRequested,
    EmailVerificationRequested,
    Event,
    PasswordResetRequested,
    UserRegistered,
    UserStandingChanged,
)

PASSWORD_CHANGE: Literal["password"] = "password"  # noqa: S105 - what changed, no password
NEW_DEVICE: Literal["new-device"] = "new-device"
FACTOR_ADDED: Literal["second-factor-added"] = "second-factor-added"
FACTOR_REMOVED: Literal["second-factor-removed"] = "second-factor-removed"

type Change = Literal["password", "new-device", "second-factor-added", "second-factor-removed"]


def to_user_registered(user: User) -> UserRegistered:
    return UserRegistered(
        user_id=user.id,
        username=user.username,
        email=user.email,
        first_name=user.full_name.first,
        last_name=user.full_name.last,
        role=user.role.value,
    )


def to_user_standing_changed(user: User) -> UserStandingChanged:
    return UserStandingChanged(
        user_id=user.id,
        role=user.role.value,
        status=user.status.value,
        revision=user.standing_revision,
    )


def to_link_requested(purpose: Purpose, user: User) -> Event:
    facts = {"user_id": user.id, "email": user.email, "first_name": user.mail_name}
    if purpose is Purpose.PASSWORD_RESET:
        return PasswordResetRequested(**facts)
    return EmailVerificationRequested(**facts)


def to_email_change_requested(user_id: str, email: str) -> EmailChangeRequested:
    return EmailChangeRequested(user_id=user_id, email=email)


def to_email_changed(before: User) -> EmailChanged:
    return EmailChanged(user_id=before.id, email=before.email, first_name=before.mail_name)


def to_account_changed(user: User, change: Change, at: datetime) -> AccountChanged:
    return AccountChanged(
        user_id=user.id,
        email=user.email,
        first_name=user.mail_name,
        change=change,
        changed_at=at,
    )
