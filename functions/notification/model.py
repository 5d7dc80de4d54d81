"""Mails, inbox messages, and the formatting of texts and amounts in them."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime

from supermarket.money import MINOR_UNITS_PER_UNIT, Currency, Money

MAX_SUBJECT = 120
MAX_NAME = 40
ELLIPSIS = "…"
NAMELESS = "there"
UNTITLED = "your product"
# domains may end in renderer of any script, and be written with a dot of another one
LINK = re.compile(r"://|@|\bwww\.|\w[.。][^\W\d_]{2,}", re.IGNORECASE)
LINK_JOINT = re.compile(r"([.。:/@])(?=\S)")
BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")

SYMBOLS = {Currency.INR: "₹", Currency.USD: "$"}
MINUS = "\N{MINUS SIGN}"

# anyone can register another person's address with a name that mail programs turn into a link
LINK_IN_NAME = re.compile(r"[/@:\\]|[.。]\w")


@dataclass(frozen=True)
class MailBody:
    """The HTML and the text of a mail. Never logged: it may contain a secret link."""

    html: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True)
class Mail:
    """A mail to one person, with the correlation id of the request that led to it."""

    to: str
    subject: str
    body: MailBody
    correlation_id: str


@dataclass(frozen=True)
class Message:
    """The inbox entry of a mail, without secret links."""

    id: str
    recipient_id: str
    kind: str
    subject: str
    text: str
    sent_at: datetime
    read: bool = False


def one_line(text: str, longest: int | None = None) -> str:
    """Return `text` without line breaks, control and bidirectional-override characters, cut to
    `longest` characters.
    """
    visible = "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character
        for character in BIDI_CONTROLS.sub("", text)
    )
    line = " ".join(visible.split())
    if longest is None or len(line) <= longest:
        return line
    return line[: longest - 1].rstrip() + ELLIPSIS


def safe_title(title: str, instead: str = UNTITLED) -> str:
    """Return the title, or `instead` when it looks like a link: its author may have registered
    another person's address.
    """
    return instead if _has_link(title) else title


def defuse_links(text: str) -> str:
    """Return the text with spaces in what looks like a link, so that no program links it."""
    return LINK_JOINT.sub(r"\1 ", _normalised(text)) if _has_link(text) else text


def _has_link(text: str) -> bool:
    return bool(LINK.search(_normalised(text)))


def _normalised(text: str) -> str:
    """Return the text as mail programs may read it: NFKC, without invisible characters."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(one for one in plain if unicodedata.category(one) != "Cf")


def greeting_name(first_name: str) -> str:
    """Return the first name, or a neutral word when it is empty or looks like a link."""
    name = one_line(first_name, MAX_NAME)
    return NAMELESS if not name or LINK_IN_NAME.search(_normalised(name)) else name


def format_money(money: Money) -> str:
    """Format an amount in the style of its currency's country: ₹1,23,456.00, $1,234.50."""
    units, minor = divmod(abs(money.minor), MINOR_UNITS_PER_UNIT)
    grouped = _in_lakhs(str(units)) if money.currency is Currency.INR else f"{units:,}"
    sign = MINUS if money.minor < 0 else ""
    return f"{sign}{SYMBOLS[money.currency]}{grouped}.{minor:02}"


def _in_lakhs(digits: str) -> str:
    """Group digits: three at the end, pairs before them."""
    head, tail = digits[:-3], digits[-3:]
    return ",".join(filter(None, (re.sub(r"\B(?=(\d\d)+$)", ",", head), tail)))
