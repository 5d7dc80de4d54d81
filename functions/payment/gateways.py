"""Razorpay through its own SDK, and the orders of the order domain, behind payment's ports."""

import time
from collections.abc import Callable
from typing import Any

from payment.model import Attempt, AttemptStatus, Customer, PayableOrder
from supermarket import telemetry
from supermarket.errors import BadGateway, Unavailable
from supermarket.money import Money

# to connect, and to wait for the answer; a verification makes three calls at most
TIMEOUT_SECONDS = (2.0, 4.0)
TRIES = 3
FIRST_WAIT_SECONDS = 0.2

REFUSED = "Razorpay refused the request. Nothing was changed."
DOWN = "Razorpay does not answer. Nothing was changed; try again."
FAILING = "Razorpay has trouble. Nothing was changed; try again."
NONSENSE = "Razorpay's answer makes no sense. Nothing was changed; try again."


class Refused(BadGateway):
    """Razorpay understood the request and said no."""


class TooSlow(Unavailable):
    """Razorpay took longer than a customer can wait; what it did in the end is unknown."""


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
        }
        # not tried again: it would make a second order of it
        answer = self._call(lambda: self._client().order.create(wanted, timeout=TIMEOUT_SECONDS))
        try:
            id_, minor, currency = answer["id"], answer["amount"], answer["currency"]
        except (KeyError, TypeError):
            raise BadGateway(NONSENSE) from None
        if not isinstance(id_, str) or (minor, currency) != (price.minor, price.currency.value):
            telemetry.logger.error("Razorpay opened another order than it was asked for")
            telemetry.count("PaymentMismatches")
            raise BadGateway(NONSENSE)
        return id_

    def attempt(self, razorpay_payment_id: str) -> Attempt:
        return _attempt(
            self._call_patiently(
                lambda: self._client().payment.fetch(razorpay_payment_id, timeout=TIMEOUT_SECONDS)
            )
        )

    def capture(self, attempt: Attempt) -> Attempt:
        currency = {"currency": attempt.currency}
        try:
            answer = self._call(
                lambda: self._client().payment.capture(
                    attempt.id, attempt.minor, currency, timeout=TIMEOUT_SECONDS
                )
            )
        except Refused:
            # somebody else may have captured it at this very moment: the record knows
            return self.attempt(attempt.id)
        return _attempt(answer)

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


class OrderServiceOrders:
    """`Orders` of the order domain."""

    def payable(self, order_id: str, customer_id: str) -> PayableOrder:
        # imported here, for only one of payment's Lambdas asks for orders
        from order.wiring import order_service

        order = order_service().payable(order_id, customer_id)
        customer = order.customer
        return PayableOrder(
            id=order.id,
            customer=Customer(customer.user_id, customer.email, customer.first_name),
            total=order.pricing.total,
        )


def _attempt(record: Any) -> Attempt:
    try:
        return Attempt(
            id=record["id"],
            razorpay_order_id=record["order_id"],
            minor=record["amount"],
            currency=record["currency"],
            status=AttemptStatus(record["status"]),
        )
    except (KeyError, TypeError, ValueError):
        raise _reported(BadGateway(NONSENSE)) from None


def _reported[E: Unavailable](failure: E) -> E:
    telemetry.logger.warning("Razorpay failed", extra={"problem": type(failure).__name__})
    telemetry.count("RazorpayFailures")
    return failure
