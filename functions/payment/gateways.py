"""Razorpay through its own SDK, and the orders of the order domain, behind payment's ports."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from payment.model import (
    Attempt,
    Customer,
    PayableOrder,
    RazorpayOrder,
    RazorpayRefund,
    Unreadable,
)
from payment.ports import Nonsense, NotNow, OrderExpired, OrderGone, Refused
from payment.records import NotARecord, attempt_of, order_of, refund_of
from supermarket import telemetry
from supermarket.errors import BadGateway, Conflict, NotFound, Unavailable
from supermarket.money import Money

# whatever the account's dashboard says: what is only authorized goes back to the customer in days
AUTOMATIC_CAPTURE = {
    "capture": "automatic",
    "capture_options": {
        "automatic_expiry_period": 12,
        "manual_expiry_period": 7200,
        "refund_speed": "optimum",
    },
}
# to connect, and to wait for the answer; a verification makes three calls at most
TIMEOUT_SECONDS = (2.0, 4.0)
TRIES = 3
FIRST_WAIT_SECONDS = 0.2
LARGEST_PAGE = 100
IDEMPOTENCY_HEADER = "X-Refund-Idempotency"
NO_REFUSALS = {401, 409, 429}
# what Razorpay calls a bad request, too, and takes later: its words are all that tells them apart
FOR_NOW = ("in progress", "enough balance", "insufficient balance")

REFUSED = "Razorpay refused the request. Nothing was changed."
NOT_NOW = "Razorpay cannot do this now. Nothing was changed; try again."
DOWN = "Razorpay does not answer. Nothing was changed; try again."
FAILING = "Razorpay has trouble. Nothing was changed; try again."
NONSENSE = "Razorpay's answer makes no sense. Nothing was changed; try again."


class TooSlow(Unavailable):
    """Razorpay took longer than a customer can wait; what it did in the end is unknown."""

    code = "TOO_SLOW"


class RazorpayApi:
    """`Razorpay` over HTTPS. Takes whatever gives it a client, since keys may change."""

    def __init__(
        self, client: Callable[[], Any], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._sleep = sleep

    def open_order(self, payment_id: str, order_id: str, price: Money) -> str:
        wanted = {
            "amount": price.minor,
            "currency": price.currency.value,
            "receipt": order_id,
            "notes": {"order_id": order_id, "payment_id": payment_id},
            "payment": AUTOMATIC_CAPTURE,
        }
        # not tried again: it would make a second order of it
        answer = self._call(lambda: self._client().order.create(wanted, timeout=TIMEOUT_SECONDS))
        try:
            id_, minor, currency = answer["id"], answer["amount"], answer["currency"]
        except (KeyError, TypeError):
            raise Nonsense(NONSENSE) from None
        if not isinstance(id_, str) or (minor, currency) != (price.minor, price.currency.value):
            telemetry.logger.error("Razorpay opened another order than it was asked for")
            telemetry.count("PaymentMismatches")
            raise Nonsense(NONSENSE)
        return id_

    def attempt(self, razorpay_payment_id: str) -> Attempt:
        return _read(
            attempt_of,
            self._call_patiently(
                lambda: self._client().payment.fetch(razorpay_payment_id, timeout=TIMEOUT_SECONDS)
            ),
        )

    def capture(self, attempt: Attempt) -> Attempt:
        currency = {"currency": attempt.currency}
        try:
            answer = self._call(
                lambda: self._client().payment.capture(
                    attempt.id, attempt.minor, currency, timeout=TIMEOUT_SECONDS
                )
            )
        except (Refused, NotNow):
            # somebody else may have captured it at this very moment: the record knows
            return self.attempt(attempt.id)
        return _read(attempt_of, answer)

    def refund(self, razorpay_payment_id: str, amount: Money, refund_id: str) -> RazorpayRefund:
        wanted = {
            "amount": amount.minor,
            "speed": "normal",
            "receipt": refund_id,
            "notes": {"refund_id": refund_id},
        }
        answer = self._call(
            lambda: self._client().payment.refund(
                razorpay_payment_id,
                wanted,
                headers={IDEMPOTENCY_HEADER: refund_id},
                timeout=TIMEOUT_SECONDS,
            )
        )
        return _read(refund_of, answer)

    def refunds_of(self, razorpay_payment_id: str) -> Sequence[RazorpayRefund]:
        answer = self._call_patiently(
            lambda: self._client().payment.fetch_multiple_refund(
                razorpay_payment_id, {"count": LARGEST_PAGE}, timeout=TIMEOUT_SECONDS
            )
        )
        return _read_all(refund_of, answer)

    def order(self, razorpay_order_id: str) -> RazorpayOrder | None:
        try:
            answer = self._call_patiently(
                lambda: self._client().order.fetch(razorpay_order_id, timeout=TIMEOUT_SECONDS)
            )
        except Refused:
            # an id that it does not know is a bad request to Razorpay
            return None
        return _read(order_of, answer)

    def attempts_of(self, razorpay_order_id: str) -> Sequence[Attempt]:
        answer = self._call_patiently(
            lambda: self._client().order.payments(razorpay_order_id, timeout=TIMEOUT_SECONDS)
        )
        return _read_all(attempt_of, answer)

    def orders_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[RazorpayOrder | Unreadable]:
        return _read_each(order_of, self._page("order", since, until, skip, count))

    def payments_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[Attempt | Unreadable]:
        return _read_each(attempt_of, self._page("payment", since, until, skip, count))

    def refunds_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[RazorpayRefund | Unreadable]:
        return _read_each(refund_of, self._page("refund", since, until, skip, count))

    def _page(self, kind: str, since: datetime, until: datetime, skip: int, count: int) -> Any:
        window = {"from": int(since.timestamp()), "to": int(until.timestamp())}
        wanted = {**window, "skip": skip, "count": count}
        return self._call_patiently(
            lambda: getattr(self._client(), kind).all(wanted, timeout=TIMEOUT_SECONDS)
        )

    def _call_patiently(self, call: Callable[[], Any]) -> Any:
        """For calls that may be repeated; not after a timeout, which has cost enough already."""
        for attempt in range(TRIES - 1):
            try:
                return self._call(call)
            except (Refused, TooSlow):
                raise
            except Unavailable:
                self._sleep(FIRST_WAIT_SECONDS * 2**attempt)
        return self._call(call)

    def _call(self, call: Callable[[], Any]) -> Any:
        # imported here, for only two of payment's Lambdas talk to Razorpay
        from razorpay import errors
        from requests import exceptions

        try:
            return call()
        except errors.BadRequestError as refusal:
            telemetry.logger.warning("Razorpay refused", extra={"refusal": str(refusal)})
            if any(words in str(refusal).lower() for words in FOR_NOW):
                raise NotNow(NOT_NOW) from refusal
            raise Refused(REFUSED) from refusal
        except exceptions.Timeout as slow:
            raise _reported(TooSlow(DOWN)) from slow
        except exceptions.ConnectionError as down:
            raise _reported(Unavailable(DOWN)) from down
        except (
            errors.ServerError,
            errors.GatewayError,
            exceptions.RequestException,
            TypeError,  # the SDK's, at an answer that is JSON but no object
        ) as failure:
            raise _reported(BadGateway(FAILING)) from failure


def raise_for_trouble(response: Any, *_: Any, **__: Any) -> None:
    """A hook of the SDK's HTTP session. The SDK calls it a bad request when its key is not taken,
    when it asks too often, or while the same request is being worked on; but that says nothing
    about what was asked.
    """
    if response.status_code in NO_REFUSALS:
        response.close()  # nobody else will, and the connection would be lost
        response.raise_for_status()


class OrderServiceOrders:
    """`Orders` of the order domain."""

    def payable(self, order_id: str, customer_id: str) -> PayableOrder:
        # imported here, for only some of payment's Lambdas ask for orders
        from order.service import Cancelled
        from order.wiring import order_service

        try:
            order = order_service().payable(order_id, customer_id)
        except Cancelled as gone:
            raise _gone(gone) from gone
        customer = order.customer
        return PayableOrder(
            id=order.id,
            customer=Customer(customer.user_id, customer.email, customer.first_name),
            total=order.pricing.total,
        )

    def confirm(self, order_id: str) -> bool:
        from order.service import Cancelled
        from order.wiring import order_service

        try:
            return order_service().confirm_waiting(order_id)
        except NotFound:
            return False
        except Cancelled as gone:
            raise _gone(gone) from gone


def _gone(reason: Conflict) -> OrderGone:
    from order.service import Expired

    return (OrderExpired if isinstance(reason, Expired) else OrderGone)(reason.message)


def _read[R](read: Callable[[Any], R], record: Any) -> R:
    try:
        return read(record)
    except NotARecord:
        raise _reported(Nonsense(NONSENSE)) from None


def _read_all[R](read: Callable[[Any], R], page: Any) -> list[R]:
    return [_read(read, record) for record in _items(page)]


def _read_each[R](read: Callable[[Any], R], page: Any) -> list[R | Unreadable]:
    """All of a page, in its places: where a next one begins is told by how many there were."""
    return [_read_if_it_can_be(read, record) for record in _items(page)]


def _read_if_it_can_be[R](read: Callable[[Any], R], record: Any) -> R | Unreadable:
    try:
        return read(record)
    except NotARecord:
        return Unreadable(str(record.get("id")) if isinstance(record, dict) else "nameless")


def _items(page: Any) -> list[Any]:
    records = page.get("items") if isinstance(page, dict) else None
    if not isinstance(records, list):
        raise _reported(Nonsense(NONSENSE))
    return records


def _reported[E: Unavailable](failure: E) -> E:
    telemetry.logger.warning("Razorpay failed", extra={"problem": type(failure).__name__})
    telemetry.count("RazorpayFailures")
    return failure
