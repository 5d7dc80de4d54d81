"""The rules for new passwords: not common, and without the names of the person or the shop."""

import unicodedata

from auth.model import User
from auth.ports import Passwords
from supermarket.caller import Role
from supermarket.errors import FieldError, Invalid

SHORTEST_OF_ADMINS = 15
FEWEST_CHARACTERS = 3  # different ones
# what people add to a common password
ADDITIONS = "0123456789 !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"

INVALID_PASSWORD = "Choose another password"  # noqa: S105 - a message
TOO_COMMON = FieldError("password", "is too common. Choose another one.", "PASSWORD_TOO_COMMON")
PERSONAL = FieldError(
    "password", "contains your name or the shop's. Choose another one.", "PASSWORD_TOO_COMMON"
)
TOO_SHORT = FieldError(
    "password", f"needs at least {SHORTEST_OF_ADMINS} characters", "STRING_TOO_SHORT"
)


def check_new_password(
    password: str, user: User, passwords: Passwords, field: str = "password"
) -> None:
    """Raise Invalid, with `field` at fault, for a password that a stranger would guess soon."""
    text = unicodedata.normalize("NFKC", password).lower()
    if user.role is Role.ADMIN and len(password) < SHORTEST_OF_ADMINS:
        fault = TOO_SHORT
    elif any(word in text for word in user.personal_words):
        fault = PERSONAL
    elif len(set(text)) < FEWEST_CHARACTERS or _is_common(text, passwords):
        fault = TOO_COMMON
    else:
        return
    raise Invalid(INVALID_PASSWORD, (FieldError(field, fault.message, fault.code),))


def _is_common(text: str, passwords: Passwords) -> bool:
    return passwords.is_common(text) or passwords.is_common(text.strip(ADDITIONS))
