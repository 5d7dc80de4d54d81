"""The text of every mail, compared with snapshots, and its safety against hostile values.

Run with UPDATE_SNAPSHOTS=1 to write new snapshots, and review them.
"""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from auth.model import Purpose
from notification.model import MAX_SUBJECT, Mail
from notification.renderer import TEMPLATES, JinjaRenderer
from supermarket.contracts import Metadata
from support.notification import (
    CORRELATION_ID,
    Desk,
    account_changed,
    asha,
    cart_abandoned,
    email_change_requested,
    email_changed,
    email_verification_requested,
    metadata,
    order_cancelled,
    order_confirmed,
    order_delivered,
    order_placed,
    order_shipped,
    password_reset_requested,
    payment_completed,
    payment_failed,
    payment_refunded,
    product_created,
    quiet_week,
    sales_report,
    stock_ran_low,
    user_registered,
)

SNAPSHOTS = Path(__file__).parent / "snapshots"
STOREFRONT = "https://shop.example"
HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(1)> {{ 7*7 }} & 'Tea'"""

type Send = Callable[[Desk], None]

MAILS: dict[str, Send] = {
    "welcome": lambda desk: desk.sends(user_registered(), metadata()),
    "welcome_seller": lambda desk: desk.sends(user_registered(role="seller"), metadata()),
    "welcome_proven": lambda desk: desk.sends(user_registered(), metadata()),
    "email_verification": lambda desk: desk.sends(email_verification_requested(), metadata()),
    "password_reset": lambda desk: desk.sends(password_reset_requested(), metadata()),
    "email_change": lambda desk: desk.sends(email_change_requested(), metadata()),
    "email_changed": lambda desk: desk.sends(email_changed(), metadata()),
    "account_changed": lambda desk: desk.sends(account_changed(), metadata()),
    "account_changed_device": lambda desk: desk.sends(
        account_changed(change="new-device"), metadata()
    ),
    "account_changed_factor": lambda desk: desk.sends(
        account_changed(change="second-factor-added"), metadata()
    ),
    "account_changed_no_factor": lambda desk: desk.sends(
        account_changed(change="second-factor-removed"), metadata()
    ),
    "seller_digest": lambda desk: desk.digests_of(
        stock_ran_low(), stock_ran_low(stock=0, product_id="p2"), product_created()
    ),
    "seller_digest_one": lambda desk: desk.digests_of(stock_ran_low(stock=0)),
    "sales_report": lambda desk: desk.sends(sales_report(), metadata()),
    "sales_report_quiet": lambda desk: desk.sends(quiet_week(), metadata()),
    "cart_abandoned": lambda desk: desk.sends(cart_abandoned(), metadata()),
    "order_placed": lambda desk: desk.sends(order_placed(), metadata()),
    "order_confirmed": lambda desk: desk.sends(order_confirmed(), metadata()),
    "payment_too_late": lambda desk: desk.sends(payment_completed(), metadata()),
    "payment_failed": lambda desk: desk.sends(payment_failed(), metadata()),
    "payment_failed_called_off": lambda desk: desk.sends(
        payment_failed(reason="The order was not paid in time, so it was cancelled."), metadata()
    ),
    "order_cancelled": lambda desk: desk.sends(order_cancelled(), metadata()),
    "order_cancelled_expiry": lambda desk: desk.sends(
        order_cancelled("expiry", was_paid=False), metadata()
    ),
    "order_cancelled_admin": lambda desk: desk.sends(order_cancelled("admin"), metadata()),
    "order_shipped": lambda desk: desk.sends(order_shipped(), metadata()),
    "order_shipped_untracked": lambda desk: desk.sends(
        order_shipped(tracking_number=None), metadata()
    ),
    "order_delivered": lambda desk: desk.sends(order_delivered(), metadata()),
    "payment_refunded": lambda desk: desk.sends(payment_refunded(), metadata()),
    "payment_refunded_in_part": lambda desk: desk.sends(
        payment_refunded(reason="One of the tins was damaged.", fully=False), metadata()
    ),
}
VARIANTS = (
    *("_seller", "_proven", "_one", "_quiet", "_called_off"),
    *("_expiry", "_admin", "_untracked", "_in_part", "_device", "_no_factor", "_factor"),
)


def hostile_metadata() -> Metadata:
    return metadata(correlation_id=HOSTILE)


HOSTILE_MAILS: dict[str, Send] = {
    "welcome": lambda desk: desk.sends(
        user_registered(HOSTILE, username=HOSTILE), hostile_metadata()
    ),
    "email_verification": lambda desk: desk.sends(
        email_verification_requested(HOSTILE), hostile_metadata()
    ),
    "password_reset": lambda desk: desk.sends(
        password_reset_requested(HOSTILE), hostile_metadata()
    ),
    "email_change": lambda desk: desk.sends(email_change_requested(), hostile_metadata()),
    "email_changed": lambda desk: desk.sends(email_changed(HOSTILE), hostile_metadata()),
    "account_changed": lambda desk: desk.sends(account_changed(HOSTILE), hostile_metadata()),
    "seller_digest": lambda desk: desk.digests_of(
        stock_ran_low(HOSTILE, HOSTILE),
        stock_ran_low(HOSTILE, HOSTILE, product_id="p2"),
        product_created(HOSTILE, HOSTILE),
    ),
    "sales_report": lambda desk: desk.sends(sales_report(HOSTILE, HOSTILE), hostile_metadata()),
    "cart_abandoned": lambda desk: desk.sends(cart_abandoned(HOSTILE, HOSTILE), hostile_metadata()),
    "order_confirmed": lambda desk: desk.sends(
        order_confirmed(HOSTILE, HOSTILE), hostile_metadata()
    ),
    "order_placed": lambda desk: desk.sends(
        order_placed(HOSTILE, HOSTILE, HOSTILE), hostile_metadata()
    ),
    "payment_too_late": lambda desk: desk.sends(payment_completed(HOSTILE), hostile_metadata()),
    "payment_failed": lambda desk: desk.sends(payment_failed(HOSTILE, HOSTILE), hostile_metadata()),
    "order_cancelled": lambda desk: desk.sends(
        order_cancelled(title=HOSTILE, name=HOSTILE), hostile_metadata()
    ),
    "order_shipped": lambda desk: desk.sends(
        order_shipped(HOSTILE, HOSTILE, HOSTILE), hostile_metadata()
    ),
    "order_delivered": lambda desk: desk.sends(
        order_delivered(HOSTILE, HOSTILE), hostile_metadata()
    ),
    "payment_refunded": lambda desk: desk.sends(
        payment_refunded(HOSTILE, HOSTILE), hostile_metadata()
    ),
}


def test_a_mail_to_an_address_that_is_not_verified_has_no_words_of_the_account() -> None:
    stranger = asha("Call 98765", email_verified=False)
    welcome = user_registered("Call 98765", username="call.98765")
    placed = order_placed().model_copy(update={"customer": stranger})
    low = stock_ran_low().model_copy(update={"seller": stranger})
    for mail in (
        sent(lambda desk: desk.sends(welcome, metadata())),
        sent(lambda desk: desk.sends(placed, metadata())),
        sent(lambda desk: desk.digests_of(low)),
    ):
        for text in (mail.subject, mail.body.text, mail.body.html):
            assert "98765" not in text


def sent(send: Send, *, links_are_needed: bool = True) -> Mail:
    desk = Desk(renderer=JinjaRenderer(STOREFRONT + "/"))
    desk.links.are_needed = links_are_needed
    send(desk)
    (mail,) = desk.bag.mails
    return mail


def sent_as(name: str) -> Mail:
    return sent(MAILS[name], links_are_needed=not name.endswith("_proven"))


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the tags that were never closed."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.unclosed: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag


@pytest.mark.parametrize("name", MAILS)
def test_every_mail_equals_its_snapshot(name: str) -> None:
    mail = sent_as(name)
    parts = {
        "html": mail.body.html,
        "txt": f"To: {mail.to}\nSubject: {mail.subject}\n\n{mail.body.text}\n",
    }
    for kind, content in parts.items():
        snapshot = SNAPSHOTS / f"{name}.{kind}"
        if os.environ.get("UPDATE_SNAPSHOTS"):
            snapshot.write_text(content)
        assert content == snapshot.read_text()


@pytest.mark.parametrize("path", sorted(SNAPSHOTS.iterdir()), ids=lambda path: path.name)
def test_no_mail_contains_unfilled_placeholders(path: Path) -> None:
    assert not re.search(r"undefined|\bNone\b|\{\{|\{%|\bnull\b|<[a-z_.]+ object", path.read_text())


def test_every_snapshot_belongs_to_a_mail() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == MAILS.keys()


@pytest.mark.parametrize("name", MAILS)
def test_both_forms_of_a_mail_link_the_shop_and_show_the_reference(name: str) -> None:
    body = sent_as(name).body
    for form in (body.html, body.text):
        assert STOREFRONT in form
        assert CORRELATION_ID in form
        assert STOREFRONT + "//" not in form


@pytest.mark.parametrize("name", MAILS)
def test_the_html_is_valid_loads_nothing_and_needs_no_style_sheet(name: str) -> None:
    page = Elements(sent_as(name).body.html)
    assert page.unclosed == []
    tags = {tag for tag, _ in page.found}
    assert not tags & {"script", "style", "link", "img", "form", "iframe"}
    links = [attributes["href"] for tag, attributes in page.found if tag == "a"]
    assert links
    assert all(link and link.startswith(STOREFRONT) for link in links)


@pytest.mark.parametrize("name", HOSTILE_MAILS)
def test_hostile_values_stay_text(name: str) -> None:
    hostile, friendly = sent(HOSTILE_MAILS[name]), sent_as(name)
    there, here = Elements(hostile.body.html), Elements(friendly.body.html)
    assert there.unclosed == []
    assert [tag for tag, _ in there.found] == [tag for tag, _ in here.found]
    assert not any("onerror" in attributes for _, attributes in there.found)
    assert "49" not in hostile.subject


@pytest.mark.parametrize(
    "name",
    [
        *("seller_digest", "sales_report", "cart_abandoned"),
        *("order_placed", "order_confirmed", "order_cancelled", "order_shipped"),
    ],
)
def test_a_title_is_shown_unchanged(name: str) -> None:
    body = sent(HOSTILE_MAILS[name]).body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body.html
    assert HOSTILE in body.text


def test_a_title_cannot_break_the_subject_or_start_a_line() -> None:
    title = "Tea\r\nBcc: everybody\n\nClick here " + "x" * 500
    mail = sent(lambda desk: desk.digests_of(product_created(title)))
    assert mail.subject.startswith("On sale: Tea Bcc: everybody Click")
    assert len(mail.subject) == MAX_SUBJECT
    assert not re.search(r"^\s*(Bcc|Click)", mail.body.text, re.MULTILINE)


def test_a_title_that_looks_like_a_link_is_not_sent_to_an_unverified_address() -> None:
    title = "You won! Claim at https://evil.example/now"
    mail = sent(lambda desk: desk.digests_of(product_created(title)))
    assert mail.subject == "On sale: your product"
    assert "evil" not in mail.body.text + mail.body.html


LINK = "https://evil.example/now"
DOMAIN = "your-gift:evil.example"  # also a valid username and request id


@pytest.mark.parametrize(
    "send",
    [
        lambda desk: desk.sends(order_placed(LINK, LINK), metadata()),
        lambda desk: desk.sends(order_confirmed(LINK), metadata()),
        lambda desk: desk.sends(order_cancelled(title=LINK), metadata()),
        lambda desk: desk.sends(order_shipped(LINK, tracking_number=LINK), metadata()),
        lambda desk: desk.sends(order_delivered(LINK, tracking_number=LINK), metadata()),
        lambda desk: desk.sends(password_reset_requested(), metadata(correlation_id=DOMAIN)),
    ],
)
def test_no_mail_contains_a_link_written_by_a_user(send: Send) -> None:
    body = sent(send).body
    assert "evil. example" in body.text
    assert "evil.example" not in body.text + body.html


@pytest.mark.parametrize("name", ["welcome", "email_verification"])
def test_a_mail_says_how_long_its_link_is_valid(name: str) -> None:
    assert Purpose.EMAIL_VERIFICATION.lifetime == timedelta(days=2)
    body = sent_as(name).body
    for form in (body.html, body.text):
        assert "works for two days" in " ".join(form.split())


def test_every_template_fails_without_its_values() -> None:
    renderer = JinjaRenderer(STOREFRONT)
    names = {path.name.split(".")[0] for path in TEMPLATES.iterdir()} - {"layout", "parts"}
    expected = set(MAILS)
    for variant in VARIANTS:
        expected = {name.removesuffix(variant) for name in expected}
    assert names == expected
    for name in names:
        for facts in ({"link": None}, {"link": None, "event": None}):
            with pytest.raises(UndefinedError):
                renderer.render(name, {"correlation_id": "", **facts})
