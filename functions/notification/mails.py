"""Which mail is sent about which event: recipient, subject, link."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from notification.model import MailClass, format_money, safe_title
from supermarket import contracts as c
from supermarket.people import Recipient

EMAIL_VERIFICATION, PASSWORD_RESET = "email-verification", "password-reset"  # purposes of links
EMAIL_CHANGE, EMAIL_UNDO = "email-change", "email-undo"
ACCOUNT_CHANGES = {
    "password": "Your password was changed",
    "new-device": "A new device has signed in to your account",
    "second-factor-added": "A second factor was set up for your account",
    "second-factor-removed": "The second factor of your account was removed",
}


@dataclass(frozen=True)
class MailTemplate:
    """One kind of mail; `kind` names its templates and is stored in the inbox.

    `recipient` and `subject` are read from the prepared event; `prepare` replaces titles that look
    like links. `link` is the purpose of the mail's secret link; without a link, a mail that
    `needs_link` is not sent. Events that it does not `apply` to have no mail; one that is sent
    `if_unpaid` waits, and is sent when the event's order can be paid and is not.
    """

    kind: str
    mail_class: MailClass
    recipient: Callable[[Any], Recipient]
    subject: Callable[[Any], str]
    prepare: Callable[[Any], Any] = lambda event: event
    link: str | None = None
    needs_link: bool = False
    applies: Callable[[Any], bool] = lambda _: True
    if_unpaid: bool = False


_customer: Callable[[Any], Recipient] = attrgetter("customer")
_seller: Callable[[Any], Recipient] = attrgetter("seller")


def _user(event: Any) -> Recipient:
    """Return the recipient of auth's events, which have the name only of a verified address."""
    return Recipient(event.user_id, event.email, event.first_name, email_verified=True)


def _new_user(event: c.UserRegistered) -> Recipient:
    return Recipient(event.user_id, event.email, event.first_name)


def _new_address(event: c.EmailChangeRequested) -> Recipient:
    return Recipient(event.user_id, event.email, "")


def _price(amount: c.Amount) -> str:
    return format_money(amount.money())


def _with_safe_lines(event: c.CartAbandoned) -> c.CartAbandoned:
    lines = [
        line.model_copy(update={"title": safe_title(line.title, "a product")})
        for line in event.lines
    ]
    return event.model_copy(update={"lines": lines})


def _cancelled_subject(event: c.OrderCancelled) -> str:
    end = "has expired" if event.cancelled_by == "expiry" else "is cancelled"
    return f"Your order over {_price(event.total)} {end}"


def _units(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


MAILS: Mapping[type[c.Event], MailTemplate] = {
    c.UserRegistered: MailTemplate(
        "welcome",
        MailClass.SECURITY,
        _new_user,
        lambda _: "Welcome to Super-Market",
        link=EMAIL_VERIFICATION,
    ),
    c.EmailVerificationRequested: MailTemplate(
        "email_verification",
        MailClass.SECURITY,
        _user,
        lambda _: "Confirm your email address",
        link=EMAIL_VERIFICATION,
        needs_link=True,
    ),
    c.PasswordResetRequested: MailTemplate(
        "password_reset",
        MailClass.SECURITY,
        _user,
        lambda _: "Choose a new password",
        link=PASSWORD_RESET,
        needs_link=True,
    ),
    c.EmailChangeRequested: MailTemplate(
        "email_change",
        MailClass.SECURITY,
        _new_address,
        lambda _: "Confirm your new email address",
        link=EMAIL_CHANGE,
        needs_link=True,
    ),
    c.EmailChanged: MailTemplate(
        "email_changed",
        MailClass.SECURITY,
        _user,
        lambda _: "Your email address was changed",
        link=EMAIL_UNDO,
        needs_link=True,
    ),
    c.AccountChanged: MailTemplate(
        "account_changed",
        MailClass.SECURITY,
        _user,
        lambda event: ACCOUNT_CHANGES[event.change],
    ),
    c.OrderPlaced: MailTemplate(
        "order_placed",
        MailClass.ORDER,
        _customer,
        lambda event: f"Your order over {_price(event.total)} waits for your payment",
        if_unpaid=True,
    ),
    c.OrderConfirmed: MailTemplate(
        "order_confirmed",
        MailClass.ORDER,
        _customer,
        lambda event: f"Your order over {_price(event.total)} is confirmed",
    ),
    c.OrderCancelled: MailTemplate(
        "order_cancelled", MailClass.ORDER, _customer, _cancelled_subject
    ),
    c.OrderShipped: MailTemplate(
        "order_shipped", MailClass.ORDER, _customer, lambda _: "Your order is on its way"
    ),
    c.OrderDelivered: MailTemplate(
        "order_delivered", MailClass.ORDER, _customer, lambda _: "Your order has arrived"
    ),
    c.PaymentCompleted: MailTemplate(
        "payment_too_late",
        MailClass.ORDER,
        _customer,
        lambda event: f"Your payment of {_price(event.amount)} came too late",
        applies=lambda event: event.goes_back,
    ),
    c.PaymentFailed: MailTemplate(
        "payment_failed",
        MailClass.ORDER,
        _customer,
        lambda event: f"Your payment of {_price(event.amount)} was not completed",
    ),
    c.PaymentRefunded: MailTemplate(
        "payment_refunded",
        MailClass.ORDER,
        _customer,
        lambda event: f"{_price(event.amount)} on the way back to you",
    ),
    c.SalesReportReady: MailTemplate(
        "sales_report",
        MailClass.BULK,
        _seller,
        lambda event: f"Your week at Super-Market: {_units(event.units)} sold",
    ),
    c.CartAbandoned: MailTemplate(
        "cart_abandoned",
        MailClass.BULK,
        _customer,
        lambda event: f"Your cart over {_price(event.total)} is waiting for you",
        _with_safe_lines,
    ),
}


def events_of(mail_class: MailClass) -> list[type[c.Event]]:
    """List the events that have a mail of this class."""
    return [event for event, template in MAILS.items() if template.mail_class is mail_class]
