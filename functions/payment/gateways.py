"""Razorpay through its own SDK, and the order domain, behind the ports of payment."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from payment.model.attempt import Attempt
from payment.model.dispute import Dispute
from payment.model.order import CHECKOUT_TIME, PayableOrder, RazorpayOrder
from payment.model.refund import RazorpayRefund
from payment.model.settlement import SettledItem, Settlement
from payment.pacing import Unpaced
from payment.ports import (
    CancelledOrder,
    ExpiredOrder,
    InvalidProviderResponse,
    Pace,
    ProviderBusy,
    ProviderRejected,
    ProviderThrottled,
    ProviderTimeout,
)
from payment.razorpay_records import (
    INVALID_RECORD,
    to_attempt,
    to_dispute,
    to_order,
    to_refund,
    to_settled_item,
    to_settlement,
)
from payment.reconciliation.model import ITEMS_PAGE, PAGE, RecordPage, Records, UnreadableRecord
from supermarket import telemetry
from supermarket.errors import BadGateway, NotFound, Unavailable
from supermarket.money import Money
from supermarket.transaction import Transaction

# Set per order, so that it does not depend on the account. What is authorized after the checkout's
# time, for which an order is reserved, is released at once: 12 minutes are the shortest period.
AUTOMATIC_CAPTURE = {
    "capture": "automatic",
    "capture_options": {
        "automatic_expiry_period": CHECKOUT_TIME // timedelta(minutes=1),
        "manual_expiry_period": 12,
        "refund_speed": "optimum",
    },
}
TRIES = 3
FIRST_WAIT_SECONDS = 0.2
TOO_MANY_REQUESTS = 429
RETRY_AFTER_SECONDS = 1  # when Razorpay does not say it
IDEMPOTENCY_HEADER = "X-Refund-Idempotency"
# bad requests that Razorpay accepts later, recognised by their description only
BUSY_DESCRIPTIONS = ("in progress", "enough balance", "insufficient balance")

REJECTED = "Razorpay rejected the request. Nothing was changed."
BUSY = "Razorpay cannot do this now. Nothing was changed; try again."
DOWN = "Razorpay does not answer. Nothing was changed; try again."
FAILING = "Razorpay has an error. Nothing was changed; try again."
INVALID_RESPONSE = "Razorpay's response is not valid. Nothing was changed; try again."


@dataclass(frozen=True)
class RazorpayApi:
    """`Razorpay` and `RazorpayRecords` over HTTPS.

    `client` returns the SDK's client with the present keys. `pace` limits the calls of jobs.
    """

    client: Callable[[], Any]
    sleep: Callable[[float], None] = time.sleep
    pace: Pace = field(default_factory=Unpaced)

    def create_order(self, payment_id: str, order_id: str, price: Money) -> str:
        order = {
            "amount": price.minor,
            "currency": price.currency.value,
            "receipt": order_id,
            "notes": {"order_id": order_id, "payment_id": payment_id},
            "payment": AUTOMATIC_CAPTURE,
        }
        # without retries, which would create another order
        created = _convert(to_order, self._call(lambda api: api.order.create(order)))
        if created.amount != price:
            telemetry.logger.error("Razorpay created another order than requested")
            telemetry.count("PaymentMismatches")
            raise InvalidProviderResponse(INVALID_RESPONSE)
        return created.id

    def get_attempt(self, razorpay_payment_id: str) -> Attempt:
        response = self._read(lambda api: api.payment.fetch(razorpay_payment_id))
        return _convert(to_attempt, response)

    def get_dispute(self, dispute_id: str) -> Dispute:
        response = self._read(lambda api: api.dispute.fetch(dispute_id))
        return _convert(to_dispute, response)

    def capture(self, attempt: Attempt) -> Attempt:
        minor, currency = attempt.amount.minor, {"currency": str(attempt.amount.currency)}
        try:
            response = self._call(lambda api: api.payment.capture(attempt.id, minor, currency))
        except (ProviderRejected, ProviderBusy):
            # another request may have captured it at the same time: its record shows that
            return self.get_attempt(attempt.id)
        return _convert(to_attempt, response)

    def refund(self, razorpay_payment_id: str, amount: Money, refund_id: str) -> RazorpayRefund:
        notes, headers = {"refund_id": refund_id}, {IDEMPOTENCY_HEADER: refund_id}
        refund = {"amount": amount.minor, "speed": "normal", "receipt": refund_id, "notes": notes}
        response = self._call(
            lambda api: api.payment.refund(razorpay_payment_id, refund, headers=headers)
        )
        return _convert(to_refund, response)

    def list_refunds(self, razorpay_payment_id: str) -> Sequence[RazorpayRefund]:
        page = {"count": PAGE}
        response = self._read(
            lambda api: api.payment.fetch_multiple_refund(razorpay_payment_id, page)
        )
        return [_convert(to_refund, record) for record in _items(response)]

    def find_order(self, razorpay_order_id: str) -> RazorpayOrder | None:
        try:
            response = self._read(lambda api: api.order.fetch(razorpay_order_id))
        except ProviderRejected:
            # an unknown id is a bad request to Razorpay
            return None
        return _convert(to_order, response)

    def list_attempts(self, razorpay_order_id: str) -> Sequence[Attempt]:
        response = self._read(lambda api: api.order.payments(razorpay_order_id))
        return [_convert(to_attempt, record) for record in _items(response)]

    def list_attempts_between(self, page: RecordPage) -> Records[Attempt]:
        return self._page("payment", page, to_attempt)

    def list_refunds_between(self, page: RecordPage) -> Records[RazorpayRefund]:
        return self._page("refund", page, to_refund)

    def list_orders_between(self, page: RecordPage) -> Records[RazorpayOrder]:
        return self._page("order", page, to_order)

    def list_settlements_between(self, page: RecordPage) -> Records[Settlement]:
        return self._page("settlement", page, to_settlement)

    def list_settled_items(self, day: date, skip: int) -> Records[SettledItem]:
        query = {"year": day.year, "month": day.month, "day": day.day}
        page = {**query, "skip": skip, "count": ITEMS_PAGE}
        response = self._read(lambda api: api.settlement.report(page))
        return [_convert_if_valid(to_settled_item, record) for record in _items(response)]

    def _page[R](self, kind: str, page: RecordPage, convert: Callable[[Any], R]) -> Records[R]:
        """Return a page with every record in its place, since the next page is found by number."""
        window = {"from": int(page.since.timestamp()), "to": int(page.until.timestamp())}
        query = {**window, "skip": page.skip, "count": PAGE}
        response = self._read(lambda api: getattr(api, kind).all(query))
        return [_convert_if_valid(convert, record) for record in _items(response)]

    def _read(self, call: Callable[[Any], Any]) -> Any:
        """Make a call that may be repeated, up to three times; not after a time-out, and not before
        Razorpay takes calls again.
        """
        for attempt in range(TRIES - 1):
            try:
                return self._call(call)
            except (ProviderRejected, ProviderTimeout):
                raise
            except ProviderThrottled as throttled:
                if throttled.retry_after > self.pace.longest_wait:
                    raise
                self.sleep(throttled.retry_after.total_seconds())
            except Unavailable:
                self.sleep(FIRST_WAIT_SECONDS * 2**attempt)
        return self._call(call)

    def _call(self, call: Callable[[Any], Any]) -> Any:
        """Make a call, and convert the errors of the SDK.

        Raises `ProviderRejected`, `ProviderBusy`, `ProviderThrottled`, `ProviderTimeout`,
        `BadGateway`, `Unavailable`.
        """
        # imported here, since only some of payment's Lambdas call Razorpay
        from razorpay import errors
        from requests import exceptions

        self.pace.wait()
        try:
            return call(self.client())
        except errors.BadRequestError as rejection:
            telemetry.logger.warning("Razorpay rejected", extra={"description": str(rejection)})
            if any(words in str(rejection).lower() for words in BUSY_DESCRIPTIONS):
                raise ProviderBusy(BUSY) from rejection
            raise ProviderRejected(REJECTED) from rejection
        except exceptions.Timeout as timeout:
            raise _reported(ProviderTimeout(DOWN)) from timeout
        except exceptions.ConnectionError as down:
            raise _reported(Unavailable(DOWN)) from down
        except exceptions.HTTPError as failure:
            if failure.response is None or failure.response.status_code != TOO_MANY_REQUESTS:
                raise _reported(BadGateway(FAILING)) from failure
            throttled = ProviderThrottled(_retry_after(failure.response.headers))
            self.pace.pause(throttled.retry_after)
            telemetry.count("RazorpayThrottled")
            raise _reported(throttled) from failure
        except (
            errors.ServerError,
            errors.GatewayError,
            exceptions.RequestException,
            TypeError,  # the SDK's own, when the response is JSON but no object
        ) as failure:
            raise _reported(BadGateway(FAILING)) from failure


def _retry_after(headers: Mapping[str, str]) -> timedelta:
    """Return for how long Razorpay takes no calls."""
    value = headers.get("Retry-After", "")
    return timedelta(seconds=int(value) if value.isdecimal() else RETRY_AFTER_SECONDS)


class OrderServiceOrders:
    """`Orders` of the order domain, which is imported on first use."""

    def get_payable(self, order_id: str, customer_id: str) -> PayableOrder:
        from order.wiring import order_service

        with _cancelled_orders():
            order = order_service().get_payable_order(order_id, customer_id)
        times = (order.reserved_until, order.pay_until)
        return PayableOrder(order.id, order.customer, order.pricing.total, *times)

    def open_payment(
        self, order: PayableOrder, pay_until: datetime, transaction: Transaction
    ) -> None:
        from order.wiring import order_service

        with _cancelled_orders():
            customer_id = order.customer.user_id
            order_service().open_payment(order.id, customer_id, pay_until, transaction)

    def confirm(self, order_id: str) -> bool:
        from order.wiring import order_service

        try:
            with _cancelled_orders():
                return order_service().confirm_if_pending(order_id)
        except NotFound:
            return False

    def list_unconfirmed(self, order_ids: Collection[str]) -> set[str]:
        from order.wiring import order_service

        return order_service().list_unconfirmed(order_ids)


@contextmanager
def _cancelled_orders() -> Iterator[None]:
    """Convert the order domain's error for a cancelled order to that of the port."""
    from order.service import Cancelled, Expired

    try:
        yield
    except Cancelled as cancelled:
        error = ExpiredOrder if isinstance(cancelled, Expired) else CancelledOrder
        raise error(cancelled.message) from cancelled


def _convert[R](convert: Callable[[Any], R], record: Any) -> R:
    try:
        return convert(record)
    except INVALID_RECORD:
        raise _reported(InvalidProviderResponse(INVALID_RESPONSE)) from None


def _convert_if_valid[R](convert: Callable[[Any], R], record: Any) -> R | UnreadableRecord:
    try:
        return convert(record)
    except INVALID_RECORD:
        fields = record if isinstance(record, dict) else {}
        return UnreadableRecord(str(fields.get("id") or fields.get("entity_id") or "unknown"))


def _items(page: Any) -> list[Any]:
    records = page.get("items") if isinstance(page, dict) else None
    if not isinstance(records, list):
        raise _reported(InvalidProviderResponse(INVALID_RESPONSE))
    return records


def _reported[E: Unavailable](failure: E) -> E:
    telemetry.logger.warning("Razorpay failed", extra={"problem": type(failure).__name__})
    telemetry.count("RazorpayFailures")
    return failure
