"""The event Lambda of orders, called with batches of a queue."""

from typing import Any

import pytest

from order import wiring
from order.listeners import event_handlers
from order.model import OrderStatus, PaymentStatus, RefundSummary
from supermarket.money import Currency, Money
from support.api import a_caller
from support.contracts import sample, sqs_batch
from support.order import LittleShop

ASHA = a_caller(user_id="asha")


@pytest.fixture
def shop(clock: Any, monkeypatch: pytest.MonkeyPatch) -> LittleShop:
    shop = LittleShop(clock)
    monkeypatch.setattr(wiring, "order_service", lambda: shop.service)
    return shop


def event(name: str, order_id: str, **more: Any) -> dict[str, Any]:
    message = sample(name)
    message["detail"]["data"] |= {"orderId": order_id, **more}
    return message


def paid(order_id: str) -> dict[str, Any]:
    return event("PaymentCompleted", order_id)


def refunded(order_id: str, *, fully: bool = True) -> dict[str, Any]:
    return event("PaymentRefunded", order_id, fully=fully)


def handle(*events: dict[str, Any]) -> list[str]:
    """Return the items of the batch to retry."""
    response = event_handlers(sqs_batch(*events), None)
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_a_completed_payment_that_is_delivered_often_confirms_once(
    shop: LittleShop,
) -> None:
    order = shop.places(ASHA)
    assert handle(paid(order.id), paid(order.id)) == []
    assert handle(paid(order.id)) == []
    assert shop.orders.stored[order.id].status is OrderStatus.CONFIRMED
    assert len(shop.orders.stored[order.id].timeline) == 2


@pytest.mark.parametrize("in_order", [True, False])
def test_a_late_payment_and_its_refund_are_recorded_in_any_order(
    shop: LittleShop, in_order: bool
) -> None:
    order = shop.places(ASHA)
    shop.service.cancel(order.id, "asha")
    events = [paid(order.id), refunded(order.id)]
    for each in events if in_order else reversed(events):
        assert handle(each, each) == []
    known = shop.orders.stored[order.id]
    assert (known.status, known.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)


def test_a_partial_refund_does_not_change_the_order(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert handle(paid(order.id), refunded(order.id, fully=False)) == []
    known = shop.orders.stored[order.id]
    assert (known.status, known.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.COMPLETED)


def paise(minor: int) -> Money:
    return Money(minor, Currency.INR)


def progressed(order_id: str, revision: int, refunded: int, returning: int) -> dict[str, Any]:
    amounts = {"refunded": refunded, "returning": returning}
    data = {name: {"minor": minor, "currency": "INR"} for name, minor in amounts.items()}
    return event("PaymentRefundProgressed", order_id, revision=revision, **data)


@pytest.mark.parametrize("turn", range(3))
def test_the_latest_refund_summary_is_kept_in_any_order(shop: LittleShop, turn: int) -> None:
    order = shop.places(ASHA)
    events = [progressed(order.id, 3, 0, 700), progressed(order.id, 4, 700, 0)]
    events.append(progressed(order.id, 5, 700, 200))
    for each in events[turn:] + events[:turn]:
        assert handle(each, each) == []
    assert shop.orders.stored[order.id].refund_summary == RefundSummary(paise(700), paise(200), 5)


def test_a_payment_of_an_unknown_order_is_retried_and_the_rest_handled(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert handle(paid("0" * 26), paid(order.id)) == ["message-0"]
    assert shop.orders.stored[order.id].status is OrderStatus.CONFIRMED
