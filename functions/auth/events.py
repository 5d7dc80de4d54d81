"""Maps accounts to auth's events."""

from auth.model import Purpose, User
from supermarket.contracts import (
    EmailVerificationRequested,
    Event,
    PasswordResetRequested,
    UserRegistered,
    UserStandingChanged,
)


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
