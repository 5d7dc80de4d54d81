"""Prepares text by other people for the model: fenced, cut, and without invisible characters."""

import unicodedata

OPEN, CLOSE = "\u27e6", "\u27e7"  # ⟦ ⟧: prompts/system.v1.md explains them to the model
JOINERS = {"\u200c", "\u200d"}  # Indian scripts need them
MAX_LENGTH = 600  # characters


def fenced(text: str, length: int = MAX_LENGTH) -> str:
    """Return `text` as data between marks that it cannot contain."""
    plain = "".join(map(_visible, unicodedata.normalize("NFC", text)))
    short = " ".join(plain.split())[:length]
    return f"{OPEN}{short}{CLOSE}"


def unfenced(text: str) -> str:
    """Remove the marks, which only the model should see."""
    return text.replace(OPEN, "").replace(CLOSE, "")


def _visible(character: str) -> str:
    """Nothing for the marks and for characters that no reader sees, such as tag letters."""
    if character in {OPEN, CLOSE}:
        return ""
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in JOINERS else ""
    return " " if category[0] in "CZ" else character
