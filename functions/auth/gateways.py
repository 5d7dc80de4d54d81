"""Passwords by bcrypt."""

import base64
import unicodedata
from functools import cached_property
from hashlib import sha256

import bcrypt


class BcryptPasswords:
    """`Passwords` with bcrypt over a digest of the password.

    bcrypt reads 72 bytes and stops at a NUL; it reads all of a digest in Base64, so that every
    character of the password counts. The text is NFC-normalised first, so that the same letters
    from different keyboards are the same password.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds

    def hash(self, password: str) -> str:
        return bcrypt.hashpw(_digest(password), bcrypt.gensalt(self._rounds)).decode()

    def verify(self, password: str, password_hash: str | None) -> bool:
        matches = bcrypt.checkpw(_digest(password), (password_hash or self._decoy).encode())
        return matches and password_hash is not None

    @cached_property
    def _decoy(self) -> str:
        """A hash that takes the usual time to check, made without hashing."""
        salt = bcrypt.gensalt(self._rounds).decode()
        return salt + "." * 31


def _digest(password: str) -> bytes:
    text = unicodedata.normalize("NFC", password)
    return base64.b64encode(sha256(text.encode()).digest())
