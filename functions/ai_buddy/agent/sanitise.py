"""Other people's words on their way to the model: fenced, cut, and without invisible characters."""

import unicodedata

OPEN, CLOSE = "\u27e6", "\u27e7"  # ⟦ ⟧: prompts/system.v1.md says what they mean
JOINERS = {"\u200c", "\u200d"}  # Indian scripts need them
LONGEST = 600


def fenced(text: str, longest: int = LONGEST) -> str:
    """`text` as data between the marks, out of which it cannot break."""
    plain = "".join(_visible(mark) for mark in unicodedata.normalize("NFC", text))
    short = " ".join(plain.split())[:longest]
    return f"{OPEN}{short}{CLOSE}"


def unfenced(text: str) -> str:
    """Without the marks, which are nobody's business but the model's."""
    return text.replace(OPEN, "").replace(CLOSE, "")


def _visible(mark: str) -> str:
    """Nothing for the marks themselves and for what no reader would see, such as tag letters."""
    if mark in {OPEN, CLOSE}:
        return ""
    kind = unicodedata.category(mark)
    if kind == "Cf":
        return mark if mark in JOINERS else ""
    return " " if kind[0] in "CZ" else mark
