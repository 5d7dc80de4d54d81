"""bcrypt behind auth's own port."""

import base64
import unicodedata
from functools import cached_property
from hashlib import sha256

import bcrypt


class BcryptPasswords:
    """`Passwords` with bcrypt over a digest of the password.

    bcrypt reads 72 bytes and stops at a NUL; of a digest in base64 it reads everything, so every
    character of the password counts. The text is composed (NFC) first: what looks the same on two
    keyboards is the same password.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds

    def hash(self, password: str) -> str:
        return bcrypt.hashpw(_digest(password), bcrypt.gensalt(self._rounds)).decode()

    def fits(self, password: str, password_hash: str | None) -> bool:
        fits = bcrypt.checkpw(_digest(password), (password_hash or self._decoy).encode())
        return fits and password_hash is not None

    @cached_property
    def _decoy(self) -> str:
        """A hash to spend the usual time on; made without hashing, or its first use would show."""
        salt = bcrypt.gensalt(self._rounds).decode()
        return salt + "." * 31


def _digest(password: str) -> bytes:
    text = unicodedata.normalize("NFC", password)
    return base64.b64encode(sha256(text.encode()).digest())
