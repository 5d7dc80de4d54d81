"""Maps accounts to auth's events."""

from auth.model import User
from supermarket.contracts import (
    EmailVerificationRequested,
    PasswordResetRequested,
    UserRegistered,
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


def to_password_reset_requested(user: User) -> PasswordResetRequested:
    return PasswordResetRequested(
        user_id=user.id, email=user.email, first_name=user.full_name.first
    )


def to_email_verification_requested(user: User) -> EmailVerificationRequested:
    return EmailVerificationRequested(
        user_id=user.id, email=user.email, first_name=user.full_name.first
    )
