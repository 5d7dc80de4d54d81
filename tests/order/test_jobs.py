"""The job that releases the stock of unpaid orders."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from conftest import FrozenClock
from order import jobs, wiring
from order.expiry import POSTPONED
from order.model import Order, OrderStatus, Outcome, PaymentStatus
from order.service import GRACE, OrderService
from order.wiring import run_at_once
from supermarket import telemetry
from support.api import a_caller
from support.jobs import AContext
from support.order import HOME, LONGEST_LAG, RESERVATION, LittleShop

ASHA = a_caller(user_id="asha")
NONE = {outcome.value: 0 for outcome in Outcome} | {"paused": 0}
SECONDS_PER_CALL = 0.02  # of DynamoDB, with the time that Python takes for it
CALLS_PER_ORDER = 4  # order, pointer, payment, transaction
ABANDONED_PER_MINUTE = 600
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> LittleShop:
    shop = LittleShop(clock)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    monkeypatch.setattr(wiring, "expiry", lambda: shop.expiry)
    return shop


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    measured: dict[str, float] = {}
    monkeypatch.setattr(
        telemetry, "measure", lambda name, value, _unit: measured.update({name: value})
    )
    return measured


def run(seconds: float = 300) -> dict[str, int]:
    return jobs.release_expired_reservations({}, AContext(seconds))


def status_of(shop: LittleShop, order: Order) -> OrderStatus:
    return shop.orders.stored[order.id].status


def fail_for(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch, expire: Callable[[str], Outcome]
) -> None:
    poisoned = {order.id for order in orders}

    def expire_the_others(_: OrderService, order_id: str) -> Outcome:
        if order_id in poisoned:
            raise ConnectionError("no answer")
        return expire(order_id)

    monkeypatch.setattr(OrderService, "expire", expire_the_others)


def test_only_expired_reservations_are_released_and_only_once(
    shop: LittleShop, clock: FrozenClock
) -> None:
    old, paid = shop.places(ASHA), shop.places(ASHA)
    shop.service.confirm(paid.id)
    clock.advance(timedelta(minutes=1))
    young = shop.places(ASHA)
    clock.advance(RESERVATION + GRACE - timedelta(minutes=1))
    assert run() == NONE | {"released": 1}
    assert [status_of(shop, order) for order in (old, paid, young)] == [
        OrderStatus.CANCELLED,
        OrderStatus.CONFIRMED,
        OrderStatus.PENDING,
    ]
    assert run() == NONE
    assert shop.catalogue.stock_of(old.lines[0].product_id) == 10


def test_a_failed_order_does_not_stop_the_run_and_is_tried_again_later(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [shop.places(ASHA) for _ in range(3)]
    clock.advance(RESERVATION + GRACE)
    with monkeypatch.context() as patch:
        fail_for(placed[:1], patch, shop.service.expire)
        assert run() == NONE | {"released": 2, "failed": 1}
        assert run() == NONE
    clock.advance(POSTPONED + GRACE)
    assert run() == NONE | {"released": 1}
    assert {status_of(shop, order) for order in placed} == {OrderStatus.CANCELLED}


def test_poisoned_orders_hold_up_no_other(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even more of them than one run has time for, all older than the others."""
    poisoned = [shop.places(ASHA) for _ in range(300)]
    clock.advance(timedelta(minutes=1))
    order = shop.places(ASHA)
    clock.advance(RESERVATION + GRACE)
    fail_for(poisoned, monkeypatch, shop.service.expire)
    ticking(shop, clock, monkeypatch, seconds_per_order=1)
    for _ in range(8):
        run_for_a_minute(clock, monkeypatch)
    assert status_of(shop, order) is OrderStatus.CANCELLED


def test_a_row_that_cannot_even_be_postponed_does_not_stop_the_run(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [shop.places(ASHA) for _ in range(4)]
    clock.advance(RESERVATION + GRACE)
    fail_for(placed[:1], monkeypatch, shop.service.expire)

    def postpone(order_id: str, until: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setattr(shop.orders, "postpone", postpone)
    assert run() == NONE | {"released": 3, "failed": 1}


def test_an_order_whose_money_goes_back_is_postponed(shop: LittleShop, clock: FrozenClock) -> None:
    order = shop.places(ASHA)
    shop.payments.states[order.id] = PaymentStatus.REFUND_PENDING
    clock.advance(RESERVATION + GRACE)
    assert run() == NONE | {"postponed": 1}
    assert run() == NONE


def test_a_run_without_time_reports_how_late_it_is(
    shop: LittleShop, clock: FrozenClock, measured: dict[str, float]
) -> None:
    for _ in range(3):
        shop.places(ASHA)
    clock.advance(RESERVATION + GRACE + timedelta(seconds=40))
    assert run(seconds=4) == NONE
    assert measured["ExpiryLag"] == 40
    assert run()["released"] == 3
    assert measured["ExpiryLag"] == 0


def test_nothing_expires_while_events_are_late(shop: LittleShop, clock: FrozenClock) -> None:
    order = shop.places(ASHA)
    clock.advance(RESERVATION + GRACE)
    shop.lag.age = LONGEST_LAG + timedelta(seconds=1)
    for _ in range(3):
        assert run() == NONE | {"paused": 1}
    assert status_of(shop, order) is OrderStatus.PENDING
    shop.lag.age = LONGEST_LAG
    assert run() == NONE | {"released": 1}


def test_two_runs_at_once_release_everything_once(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.places(ASHA, stock=10, quantity=4)
    clock.advance(RESERVATION + GRACE)
    found = {shard: list(shop.orders.list_expired(clock(), shard)) for shard in shop.orders.shards}
    assert run()["released"] == 1
    monkeypatch.setattr(shop.orders, "list_expired", lambda _, shard: iter(found[shard]))
    assert run() == NONE | {"skipped": 1}
    assert shop.catalogue.stock_of(order.lines[0].product_id) == 10


def test_six_hundred_abandoned_reservations_a_minute_are_released_within_two_minutes(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One shard after the other: the Lambda does all of them at the same time."""
    product = shop.catalogue.sell(stock=10**6)
    minutes, latest = 10, timedelta()
    ticking(shop, clock, monkeypatch, SECONDS_PER_CALL * CALLS_PER_ORDER)
    for minute in range(minutes + RESERVATION // MINUTE + 4):
        for _ in range(ABANDONED_PER_MINUTE if minute < minutes else 0):
            shop.carts.add("asha", product.id, 1)
            shop.service.place(ASHA, HOME)
        run_for_a_minute(clock, monkeypatch)
        ended = [o.reserved_until for o in shop.orders.stored.values() if o.reserved_until]
        latest = max(latest, *(clock() - GRACE - each for each in ended), timedelta())
    assert latest <= timedelta(minutes=2)
    assert {order.status for order in shop.orders.stored.values()} == {OrderStatus.CANCELLED}
    assert shop.catalogue.stock_of(product.id) == 10**6


def test_shards_run_at_the_same_time_and_a_failure_is_reported() -> None:
    assert run_at_once(lambda part: part * 2, ["a", "b"]) == ["aa", "bb"]
    with pytest.raises(ZeroDivisionError):
        run_at_once(lambda part: 1 // part, [1, 0])


def ticking(
    shop: LittleShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, seconds_per_order: float
) -> None:
    """Let the clock go on with each order that a run takes."""
    expire = OrderService.expire

    def expire_slowly(service: OrderService, order_id: str) -> Outcome:
        clock.advance(timedelta(seconds=seconds_per_order))
        return expire(service, order_id)

    monkeypatch.setattr(OrderService, "expire", expire_slowly)


def run_for_a_minute(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the job with the time that its Lambda has, and wait for the next minute."""
    began = clock()

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return round((55 - (clock() - began).total_seconds()) * 1000)

    jobs.release_expired_reservations({}, Context())
    clock.advance(began + MINUTE - clock())
