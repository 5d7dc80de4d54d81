"""Mails, inbox messages, and the formatting of texts and amounts in them."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zlib import crc32

from supermarket.money import MINOR_UNITS_PER_UNIT, Currency, Money
from supermarket.people import Recipient

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


WHOLE = 100
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
WAITS_AT_MOST = timedelta(days=1)
# events may arrive that late for the digest of their period
DIGEST_GRACE = timedelta(minutes=1)
# longer than the grace, by more than the index of the lines lags behind
DIGEST_DELAY = timedelta(minutes=2)
DIGESTS_SPREAD_SECONDS = 600


class MailClass(StrEnum):
    """How urgent a mail is. Each class has a queue and a Lambda of its own, a share of SES's rate,
    and an allowance per recipient, which no other class uses up.
    """

    SECURITY = "security"
    ORDER = "order"
    BULK = "bulk"

    def rate(self, mails_per_second: int) -> int:
        """Return the mails a second that this class may send when SES accepts so many."""
        return max(1, mails_per_second * SHARES[self] // WHOLE)


SHARES = {MailClass.SECURITY: 30, MailClass.ORDER: 50, MailClass.BULK: 20}  # percent


class DigestTopic(StrEnum):
    """What a line of a digest is about; they are read in this order."""

    LOW_STOCK = "low_stock"
    ON_SALE = "on_sale"


@dataclass(frozen=True)
class DigestLine:
    """A product in a seller's digest. Of two lines about one product and topic, the digest has the
    one with the higher `revision`.
    """

    topic: DigestTopic
    product_id: str
    title: str
    stock: int
    revision: int
    price: Money | None = None


@dataclass(frozen=True)
class Digest:
    """One mail to a seller about the products of a period."""

    seller: Recipient
    period_start: datetime
    due: datetime

    @property
    def id(self) -> str:
        return f"{self.seller.user_id}.{int(self.period_start.timestamp())}"

    @classmethod
    def of(
        cls, seller: Recipient, occurred_at: datetime, now: datetime, period: timedelta
    ) -> "Digest":
        """Return the digest that an event belongs to: that of the period in which it occurred, or
        of the present one when that digest may have been sent.
        """
        start = _period_start(occurred_at, period)
        if now >= start + period + DIGEST_GRACE:
            start = _period_start(now, period)
        # spread: not all sellers' digests are due in the same minute
        spread = timedelta(seconds=crc32(seller.user_id.encode()) % DIGESTS_SPREAD_SECONDS)
        return cls(seller, start, start + period + DIGEST_DELAY + min(spread, period))


def _period_start(moment: datetime, period: timedelta) -> datetime:
    seconds = int(period.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


@dataclass(frozen=True)
class WaitingMail:
    """The event of a mail that is sent later; `body` is the event as its queue delivers it."""

    event_id: str
    mail_class: MailClass
    due: datetime
    body: str = field(repr=False)


def retry_wait(occurred_at: datetime, now: datetime) -> timedelta:
    """Return how long a mail waits that SES does not accept now: as long again as it has waited,
    from a minute to an hour.
    """
    return min(max(now - occurred_at, FIRST_WAIT), LONGEST_WAIT)


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


def greeting_name(recipient: Recipient) -> str:
    """Return the first name, or a neutral word when it is empty, looks like a link, or the address
    is not verified.
    """
    name = one_line(recipient.first_name, MAX_NAME) if recipient.email_verified else ""
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
