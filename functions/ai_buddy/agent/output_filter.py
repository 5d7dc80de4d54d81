"""Filters what leaves in an answer: no pictures and no HTML, links to the shop only, and no ids
that the answer has no reason to know.

Everything harmful is within one word: an address, the mark of a picture, an id. So the answer is
filtered word by word as it streams, and does not depend on how the model cut it into pieces.
"""

import html
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from ai_buddy.agent.sanitise import unfenced

LONG_WORD = 300  # scripts without blanks must not wait for the end of the answer
MAX_WORD = 4_000  # longer words are dropped

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
LESS_THAN = "\u2039"  # looks like `<` and begins no tag
ENDING = ".,;:!?)]}>*_\"'`"

REMOVED_LINK = "(link removed)"
REMOVED_ID = "(id removed)"


class OutputFilter:
    """Filters a streamed answer; its output is safe in pieces and as a whole."""

    def __init__(self, shop: str, is_known: Callable[[str], bool]) -> None:
        """`shop` is the address that links may lead to; `is_known` tells which ids may be named."""
        self._shop = urlsplit(shop)
        self._is_known = is_known
        self._buffer = ""
        self._dropping = False

    def feed(self, piece: str) -> str:
        """Add a piece of the answer and return the words that are complete, filtered."""
        self._buffer += piece
        end = _end_of_words(self._buffer)
        complete, self._buffer = self._buffer[:end], self._buffer[end:]
        filtered = self._filter(complete)
        if len(self._buffer) > MAX_WORD:
            self._buffer, self._dropping = "", True
        return filtered

    def flush(self) -> str:
        """Return the last word, at the end of an answer."""
        complete, self._buffer = self._buffer, ""
        return self._filter(complete)

    def clean(self, text: str) -> str:
        """Filter whole words. Escapes are resolved first, since a renderer would resolve them."""
        plain = _unescape(unfenced(text)).replace("<", LESS_THAN)
        without_ids = ID.sub(self._replace_id, plain)
        return PICTURE.sub("", ADDRESS.sub(self._replace_address, without_ids))

    def _filter(self, text: str) -> str:
        if self._dropping and text:
            self._dropping = False
            text = re.sub(r"^\S+", "", text)  # the rest of a dropped word
        return self.clean(text)

    def _replace_address(self, found: re.Match[str]) -> str:
        whole = found.group()
        address = whole.rstrip(ENDING)
        if self._leads_to_the_shop(address):
            return whole
        is_in_markdown = found.string[: found.start()].endswith("](")
        return ("#" if is_in_markdown else REMOVED_LINK) + whole[len(address) :]

    def _leads_to_the_shop(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        return (parts.scheme, parts.netloc) == (self._shop.scheme, self._shop.netloc)

    def _replace_id(self, found: re.Match[str]) -> str:
        return found.group() if self._is_known(found.group().upper()) else REMOVED_ID


def _unescape(text: str) -> str:
    while (once := html.unescape(text.replace("\\", ""))) != text:
        text = once
    return text


def _end_of_words(text: str) -> int:
    """Return where the last complete word of `text` ends, with the blank after it."""
    end = len(text)
    while end and not text[end - 1].isspace():
        end -= 1
    if len(text) - end > LONG_WORD:
        # what is harmful is ASCII, and does not begin in the middle of another script's word
        return next((at for at in range(len(text), end, -1) if not text[at - 1].isascii()), end)
    return end
