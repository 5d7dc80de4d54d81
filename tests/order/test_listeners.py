"""The event Lambda of orders, fed with a queue's batches."""

from typing import Any

import pytest

from order import wiring
from order.listeners import reactions
from order.model import OrderStatus
from support.api import a_caller
from support.contracts import sample, sqs_batch
from support.order import LittleShop

ASHA = a_caller(user_id="asha")


@pytest.fixture
def shop(clock: Any, monkeypatch: pytest.MonkeyPatch) -> LittleShop:
    shop = LittleShop(clock)
    monkeypatch.setattr(wiring, "order_service", lambda: shop.service)
    return shop


def paid(order_id: str) -> dict[str, Any]:
    event = sample("PaymentCompleted")
    detail = event["detail"]
    return {**event, "detail": {**detail, "data": {**detail["data"], "orderId": order_id}}}


def react(*events: dict[str, Any]) -> list[str]:
    """The items of the batch that are to be retried."""
    answer = reactions(sqs_batch(*events), None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_completed_payment_confirms_its_order_however_often_it_is_told(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert react(paid(order.id), paid(order.id)) == []
    assert react(paid(order.id)) == []
    assert shop.orders.kept[order.id].status is OrderStatus.CONFIRMED
    assert len(shop.orders.kept[order.id].timeline) == 2


def test_a_payment_after_the_cancellation_is_counted_and_not_retried(
    shop: LittleShop, capsys: pytest.CaptureFixture[str]
) -> None:
    order = shop.places(ASHA)
    shop.service.cancel(order.id, "asha")
    assert react(paid(order.id)) == []
    assert shop.orders.kept[order.id].status is OrderStatus.CANCELLED
    assert '"PaidAfterCancellation"' in capsys.readouterr().out


def test_a_payment_of_an_unknown_order_is_retried_while_the_rest_goes_on(shop: LittleShop) -> None:
    order = shop.places(ASHA)
    assert react(paid("0" * 26), paid(order.id)) == ["message-0"]
    assert shop.orders.kept[order.id].status is OrderStatus.CONFIRMED
