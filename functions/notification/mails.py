"""Which mail is sent about which event: recipient, subject, link."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from notification.model import format_money, greeting_name, safe_title
from supermarket import contracts as c
from supermarket.people import Recipient

EMAIL_VERIFICATION, PASSWORD_RESET = "email-verification", "password-reset"  # purposes of links


@dataclass(frozen=True)
class MailTemplate:
    """One kind of mail; `kind` names its templates and is stored in the inbox.

    `recipient` and `subject` are read from the prepared event; `prepare` replaces titles that look
    like links. `link` is the purpose of the mail's secret link; without a link, a mail that
    `needs_link` is not sent.
    """

    kind: str
    recipient: Callable[[Any], Recipient]
    subject: Callable[[Any], str]
    prepare: Callable[[Any], Any] = lambda event: event
    link: str | None = None
    needs_link: bool = False


_customer: Callable[[Any], Recipient] = attrgetter("customer")
_seller: Callable[[Any], Recipient] = attrgetter("seller")


def _user(event: Any) -> Recipient:
    return Recipient(user_id=event.user_id, email=event.email, first_name=event.first_name)


def _price(amount: c.Amount) -> str:
    return format_money(amount.money())


def _with_safe_title(event: Any) -> Any:
    return event.model_copy(update={"title": safe_title(event.title)})


def _with_safe_lines(event: c.CartAbandoned) -> c.CartAbandoned:
    lines = [
        line.model_copy(update={"title": safe_title(line.title, "a product")})
        for line in event.lines
    ]
    return event.model_copy(update={"lines": lines})


def _completed_subject(event: c.PaymentCompleted) -> str:
    if event.goes_back:
        return f"Your payment of {_price(event.amount)} came too late"
    return f"Thank you: {_price(event.amount)} received"


def _cancelled_subject(event: c.OrderCancelled) -> str:
    end = "has expired" if event.cancelled_by == "expiry" else "is cancelled"
    return f"Your order over {_price(event.total)} {end}"


def _units(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


MAILS: Mapping[type[c.Event], MailTemplate] = {
    c.UserRegistered: MailTemplate(
        "welcome",
        _user,
        lambda event: f"Welcome to Super-Market, {greeting_name(event.first_name)}",
        link=EMAIL_VERIFICATION,
    ),
    c.EmailVerificationRequested: MailTemplate(
        "email_verification",
        _user,
        lambda _: "Confirm your email address",
        link=EMAIL_VERIFICATION,
        needs_link=True,
    ),
    c.PasswordResetRequested: MailTemplate(
        "password_reset",
        _user,
        lambda _: "Choose a new password",
        link=PASSWORD_RESET,
        needs_link=True,
    ),
    c.ProductCreated: MailTemplate(
        "product_created", _seller, lambda event: f"On sale: {event.title}", _with_safe_title
    ),
    c.StockRanLow: MailTemplate(
        "stock_ran_low",
        _seller,
        lambda event: f"{'Sold out' if event.stock == 0 else 'Running low'}: {event.title}",
        _with_safe_title,
    ),
    c.SalesReportReady: MailTemplate(
        "sales_report",
        _seller,
        lambda event: f"Your week at Super-Market: {_units(event.units)} sold",
    ),
    c.CartAbandoned: MailTemplate(
        "cart_abandoned",
        _customer,
        lambda event: f"Your cart over {_price(event.total)} is waiting for you",
        _with_safe_lines,
    ),
    c.OrderPlaced: MailTemplate(
        "order_placed", _customer, lambda event: f"We have your order over {_price(event.total)}"
    ),
    c.OrderConfirmed: MailTemplate(
        "order_confirmed",
        _customer,
        lambda event: f"Your order over {_price(event.total)} is confirmed",
    ),
    c.OrderCancelled: MailTemplate("order_cancelled", _customer, _cancelled_subject),
    c.OrderShipped: MailTemplate("order_shipped", _customer, lambda _: "Your order is on its way"),
    c.OrderDelivered: MailTemplate(
        "order_delivered", _customer, lambda _: "Your order has arrived"
    ),
    c.PaymentInitiated: MailTemplate(
        "payment_initiated",
        _customer,
        lambda event: f"Your payment of {_price(event.amount)} is ready",
    ),
    c.PaymentCompleted: MailTemplate("payment_completed", _customer, _completed_subject),
    c.PaymentFailed: MailTemplate(
        "payment_failed",
        _customer,
        lambda event: f"Your payment of {_price(event.amount)} was not completed",
    ),
    c.PaymentRefunded: MailTemplate(
        "payment_refunded",
        _customer,
        lambda event: f"{_price(event.amount)} on the way back to you",
    ),
}
