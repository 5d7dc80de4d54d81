"""A mail, what its recipient finds of it in the inbox, and how words and amounts that come from
elsewhere are made fit to stand in one.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime

from supermarket.money import MINOR_UNITS_PER_UNIT, Currency, Money

LONGEST_SUBJECT = 120
LONGEST_NAME = 40
ELLIPSIS = "…"
NAMELESS = "there"
UNTITLED = "your product"
# domains may end in letters of any script, and be written with a dot of another one
LEADS_ELSEWHERE = re.compile(r"://|@|\bwww\.|\w[.。][^\W\d_]{2,}", re.IGNORECASE)
JOINT_OF_A_LINK = re.compile(r"([.。:/@])(?=\S)")
TURNS_TEXT_ROUND = re.compile("[\u202a-\u202e\u2066-\u2069]")

SYMBOLS = {Currency.INR: "₹", Currency.USD: "$"}
MINUS = "\N{MINUS SIGN}"

# A stranger can register somebody else's address under a name that mail programs turn into a link.
LOOKS_LIKE_A_LINK = re.compile(r"[/@:\\]|[.。]\w")


@dataclass(frozen=True)
class Letter:
    """What a mail says, for programs that show HTML and for those that do not. Never shown in a
    log: it may hold a secret link.
    """

    html: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True)
class Mail:
    """A mail to one person; the correlation id ties it to the request that began it all."""

    to: str
    subject: str
    letter: Letter
    correlation_id: str


@dataclass(frozen=True)
class Message:
    """What a person finds in the inbox about one mail; a secret link is not part of it."""

    id: str
    recipient_id: str
    kind: str
    subject: str
    text: str
    sent_at: datetime
    read: bool = False


def one_line(text: str, longest: int | None = None) -> str:
    """`text` without line breaks, control characters and what would turn the words around it round,
    cut where it is too long.
    """
    visible = "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character
        for character in TURNS_TEXT_ROUND.sub("", text)
    )
    line = " ".join(visible.split())
    if longest is None or len(line) <= longest:
        return line
    return line[: longest - 1].rstrip() + ELLIPSIS


def harmless(title: str, instead: str = UNTITLED) -> str:
    """A title, unless it would lead the reader of a mail elsewhere: whoever chose it may have given
    a stranger's address.
    """
    return instead if _leads_elsewhere(title) else title


def inert(text: str) -> str:
    """A text that has to be told, such as an address, so that no program makes a link of it."""
    return JOINT_OF_A_LINK.sub(r"\1 ", _as_seen(text)) if _leads_elsewhere(text) else text


def _leads_elsewhere(text: str) -> bool:
    return bool(LEADS_ELSEWHERE.search(_as_seen(text)))


def _as_seen(text: str) -> str:
    """As mail programs may see it: in plain letters, and without those that nobody sees."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(one for one in plain if unicodedata.category(one) != "Cf")


def form_of_address(first_name: str) -> str:
    """The first name, unless it is none."""
    name = one_line(first_name, LONGEST_NAME)
    return NAMELESS if not name or LOOKS_LIKE_A_LINK.search(_as_seen(name)) else name


def localised(money: Money) -> str:
    """As people of the currency's country write it: ₹1,23,456.00, $1,234.50."""
    units, minor = divmod(abs(money.minor), MINOR_UNITS_PER_UNIT)
    grouped = _in_lakhs(str(units)) if money.currency is Currency.INR else f"{units:,}"
    sign = MINUS if money.minor < 0 else ""
    return f"{sign}{SYMBOLS[money.currency]}{grouped}.{minor:02}"


def _in_lakhs(digits: str) -> str:
    """Three digits at the end, pairs before them."""
    head, tail = digits[:-3], digits[-3:]
    return ",".join(filter(None, (re.sub(r"\B(?=(\d\d)+$)", ",", head), tail)))
