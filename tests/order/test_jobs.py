"""The job that releases the stock of unpaid orders."""

from datetime import timedelta

import pytest

from conftest import FrozenClock
from order import jobs, wiring
from order.model import Order, OrderStatus
from order.service import GRACE, OrderService
from support.api import a_caller
from support.jobs import AContext
from support.order import RESERVATION, LittleShop

ASHA = a_caller(user_id="asha")


@pytest.fixture
def shop(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> LittleShop:
    shop = LittleShop(clock)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    monkeypatch.setattr(wiring, "order_service", lambda: shop.service)
    return shop


def run() -> dict[str, int]:
    return jobs.release_expired_reservations({}, AContext())


def status_of(shop: LittleShop, order: Order) -> OrderStatus:
    return shop.orders.stored[order.id].status


def test_only_expired_reservations_are_released_and_only_once(
    shop: LittleShop, clock: FrozenClock
) -> None:
    old, paid = shop.places(ASHA), shop.places(ASHA)
    shop.service.confirm(paid.id)
    clock.advance(timedelta(minutes=1))
    young = shop.places(ASHA)
    clock.advance(RESERVATION + GRACE - timedelta(minutes=1))
    assert run() == {"released": 1, "skipped": 0, "failed": 0}
    assert [status_of(shop, order) for order in (old, paid, young)] == [
        OrderStatus.CANCELLED,
        OrderStatus.CONFIRMED,
        OrderStatus.PENDING,
    ]
    assert run() == {"released": 0, "skipped": 0, "failed": 0}
    assert shop.catalogue.stock_of(old.lines[0].product_id) == 10


def test_a_failed_order_does_not_stop_the_run(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [shop.places(ASHA) for _ in range(3)]
    clock.advance(RESERVATION + GRACE)
    expire = shop.service.expire

    def expire_all_but_the_first(order_id: str) -> bool:
        if order_id == placed[0].id:
            raise ConnectionError("no answer")
        return expire(order_id)

    with monkeypatch.context() as patch:
        patch.setattr(OrderService, "expire", lambda _, id_: expire_all_but_the_first(id_))
        assert run() == {"released": 2, "skipped": 0, "failed": 1}
    assert run() == {"released": 1, "skipped": 0, "failed": 0}
    assert {status_of(shop, order) for order in placed} == {OrderStatus.CANCELLED}


def test_a_run_is_limited_and_the_next_one_continues(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ORDERS_PER_RUN", 2)
    for _ in range(3):
        shop.places(ASHA)
    clock.advance(RESERVATION + GRACE)
    assert [run()["released"] for _ in range(3)] == [2, 1, 0]


def test_two_runs_at_once_release_everything_once(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    clock.advance(RESERVATION + GRACE)
    found = shop.service.list_expired(clock(), 10)
    assert run()["released"] == 1
    monkeypatch.setattr(OrderService, "list_expired", lambda *_: found)
    assert run() == {"released": 0, "skipped": 1, "failed": 0}
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 10
