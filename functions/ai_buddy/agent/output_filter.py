"""What leaves in an answer: text and Markdown without pictures and HTML, links that lead to the
shop alone, no ids that the answer has no reason to know.

Whatever is harmful stands in one word: an address, the mark of a picture, an id. So the answer is
judged word by word as it streams, and how it was cut into pieces makes no difference.
"""

import html
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from ai_buddy.agent.sanitise import unfenced

LONG_WORD = 300  # scripts without blanks must not wait for the end of the answer
LONGEST_WORD = 4_000

PICTURE = re.compile(r"!+(?=\[)")
ADDRESS = re.compile(
    r"""(?:
        \b(?:https?|ftp|wss?|file|blob|data|mailto|intent|javascript|vbscript):
        | [a-z][a-z0-9+.-]*://
        | (?<=\]\()[a-z][a-z0-9+.-]*:
        | (?<![\w:])//
        | www\.
    )\S+""",
    re.IGNORECASE | re.VERBOSE,
)
ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)
NO_TAG = "\u2039"  # looks like what it stands for, and begins nothing
ENDING = ".,;:!?)]}>*_\"'`"

REMOVED_LINK = "(link removed)"
REMOVED_ID = "(id removed)"


class Guard:
    """Lets a streamed answer through; what it let through is safe, read together as well."""

    def __init__(self, shop: str, is_known: Callable[[str], bool]) -> None:
        """`shop` is the address that links may lead to; `is_known` says which ids may be told."""
        self._shop = urlsplit(shop)
        self._is_known = is_known
        self._held = ""
        self._dropping = False

    def let_through(self, piece: str) -> str:
        """The words that are complete by now."""
        self._held += piece
        cut = _end_of_words(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        if len(self._held) > LONGEST_WORD:
            return self._judged(ready) + self._drop_word()
        return self._judged(ready)

    def rest(self) -> str:
        """The last word, at the end of an answer."""
        ready, self._held = self._held, ""
        return self._judged(ready)

    def _judged(self, text: str) -> str:
        if self._dropping and text:
            self._dropping = False
            text = text[_word_length(text) :]
        return self.clean(text)

    def _drop_word(self) -> str:
        """Nobody writes words like this; its end goes the same way."""
        self._held, self._dropping = "", True
        return ""

    def clean(self, text: str) -> str:
        """Whole words made safe. Escapes go first: a renderer would undo them after us."""
        plain = _unescaped(unfenced(text)).replace("<", NO_TAG)
        anonymous = ID.sub(self._id, plain)
        return PICTURE.sub("", ADDRESS.sub(self._address, anonymous))

    def _address(self, found: re.Match[str]) -> str:
        whole = found.group()
        address = whole.rstrip(ENDING)
        if self._leads_to_the_shop(address):
            return whole
        in_markdown = found.string[: found.start()].endswith("](")
        return ("#" if in_markdown else REMOVED_LINK) + whole[len(address) :]

    def _leads_to_the_shop(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        return (parts.scheme, parts.netloc) == (self._shop.scheme, self._shop.netloc)

    def _id(self, found: re.Match[str]) -> str:
        return found.group() if self._is_known(found.group().upper()) else REMOVED_ID


def _unescaped(text: str) -> str:
    while (once := html.unescape(text.replace("\\", ""))) != text:
        text = once
    return text


def _end_of_words(text: str) -> int:
    """Where the last complete word of `text` ends, with the blank after it."""
    end = len(text)
    while end and not text[end - 1].isspace():
        end -= 1
    if len(text) - end > LONG_WORD:
        # what is harmful is ASCII, and does not begin in the middle of another script's word
        return next((at for at in range(len(text), end, -1) if not text[at - 1].isascii()), end)
    return end


def _word_length(text: str) -> int:
    return next((at for at, mark in enumerate(text) if mark.isspace()), len(text))
