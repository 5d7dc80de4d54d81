"""The event Lambda of orders, fed with a queue's batches."""

from typing import Any

import pytest

from order import wiring
from order.listeners import event_handlers
from order.model import OrderStatus, PaymentStatus, Returns
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


def told(name: str, order_id: str, **more: Any) -> dict[str, Any]:
    event = sample(name)
    event["detail"]["data"] |= {"orderId": order_id, **more}
    return event


def paid(order_id: str) -> dict[str, Any]:
    return told("PaymentCompleted", order_id)


def refunded(order_id: str, *, fully: bool = True) -> dict[str, Any]:
    return told("PaymentRefunded", order_id, fully=fully)


def react(*events: dict[str, Any]) -> list[str]:
    """The items of the batch that are to be retried."""
    answer = event_handlers(sqs_batch(*events), None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_completed_payment_confirms_its_order_however_often_it_is_told(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert react(paid(order.id), paid(order.id)) == []
    assert react(paid(order.id)) == []
    assert shop.orders.kept[order.id].status is OrderStatus.CONFIRMED
    assert len(shop.orders.kept[order.id].timeline) == 2


@pytest.mark.parametrize("in_order", [True, False])
def test_money_that_comes_after_the_cancellation_and_goes_back_is_shown_in_any_order(
    shop: LittleShop, in_order: bool
) -> None:
    order = shop.places(ASHA)
    shop.service.cancel(order.id, "asha")
    news = [paid(order.id), refunded(order.id)]
    for event in news if in_order else reversed(news):
        assert react(event, event) == []
    known = shop.orders.kept[order.id]
    assert (known.status, known.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)


def test_a_part_of_the_money_that_goes_back_leaves_the_order_as_it_is(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert react(paid(order.id), refunded(order.id, fully=False)) == []
    known = shop.orders.kept[order.id]
    assert (known.status, known.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.COMPLETED)


def paise(minor: int) -> Money:
    return Money(minor, Currency.INR)


def progressed(order_id: str, revision: int, refunded: int, returning: int) -> dict[str, Any]:
    amounts = {"refunded": refunded, "returning": returning}
    data = {name: {"minor": minor, "currency": "INR"} for name, minor in amounts.items()}
    return told("PaymentRefundProgressed", order_id, revision=revision, **data)


@pytest.mark.parametrize("turn", range(3))
def test_the_newest_news_of_a_refund_count_in_whatever_order(shop: LittleShop, turn: int) -> None:
    order = shop.places(ASHA)
    news = [progressed(order.id, 3, 0, 700), progressed(order.id, 4, 700, 0)]
    news.append(progressed(order.id, 5, 700, 200))
    for event in news[turn:] + news[:turn]:
        assert react(event, event) == []
    returns = shop.orders.kept[order.id].returns
    assert returns == Returns(paise(700), paise(200), 5)


def test_a_payment_of_an_unknown_order_is_retried_while_the_rest_goes_on(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert react(paid("0" * 26), paid(order.id)) == ["message-0"]
    assert shop.orders.kept[order.id].status is OrderStatus.CONFIRMED
