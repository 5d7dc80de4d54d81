"""Threads that pay an order, and the expiry of its reservation, at the same time."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from threading import Barrier, local

import pytest

from conftest import FrozenClock
from order.model import Order, OrderStatus
from order.service import GRACE
from payment.model.attempt import AttemptStatus
from payment.model.signature import CheckoutSignature
from supermarket.errors import DomainError, Invalid
from support.money import STOCK, InterruptionPoints, MoneyShop
from support.money_checks import check_after_each_step, check_at_the_end


class SlowPoints(InterruptionPoints):
    """Waits a little at each commit and call, so that threads meet between all of them."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)

    def reach(self, failure: Exception) -> None:
        time.sleep(self._chance.random() / 1_000)


class ClockOfEachThread(FrozenClock):
    """A clock from which each thread can be late, as a process is that waited after reading it."""

    def __init__(self) -> None:
        super().__init__()
        self._own = local()

    def __call__(self) -> datetime:
        return self.now - getattr(self._own, "late", timedelta(0))

    def be_late(self, by: timedelta) -> None:
        self._own.late = by


@pytest.mark.parametrize("state", ["not opened", "open", "declined", "paid at Razorpay"])
@pytest.mark.parametrize("seed", range(5))
def test_an_order_that_expires_while_it_is_paid_keeps_no_money(state: str, seed: int) -> None:
    """Threads of a customer, whose requests began in time, of webhooks and of the expiry."""
    clock = ClockOfEachThread()
    shop = MoneyShop(clock, SlowPoints(seed))
    with shop.open(), ThreadPoolExecutor(4) as pool:
        for _ in range(STOCK):
            shop.customer_places_an_order(0, 0)
            *_, order = shop.orders.stored.values()
            proof = prepare_to_pay(shop, order, state)
            begin = Barrier(4)

            def request(
                late: timedelta, call: Callable[[], object], begin: Barrier = begin
            ) -> bool:
                clock.be_late(late)
                begin.wait()
                try:
                    call()
                except DomainError:
                    return False
                finally:
                    clock.be_late(timedelta(0))
                return True

            reserved_until = shop.orders.stored[order.id].reserved_until
            assert reserved_until
            clock.now = reserved_until + GRACE
            in_time = GRACE + timedelta(seconds=1)
            customer = shop.customers[0]
            opening = partial(shop.payment_service.create, order.id, customer)
            verify = partial(shop.payment_service.verify, proof, customer) if proof else opening
            calls = (
                (timedelta(0), shop.unpaid_orders_expire),
                (in_time, opening),
                (in_time, verify),
                (timedelta(0), partial(shop.webhook_arrives, -1, 0)),
            )
            results = [pool.submit(request, *each) for each in calls]
            is_opened = results[1].result()
            wait(results)
            after = shop.orders.stored[order.id]
            if after.status is OrderStatus.CANCELLED:
                # not extended after its end, and not ended after it was extended
                assert after.reserved_until is None
                assert not is_opened or state != "not opened"
            check_after_each_step(shop)
            # the customer goes on in a checkout that was left open
            if payment := shop.payments.find_by_order(order.id):
                shop.razorpay.pay(payment.razorpay_order_id)
        shop.settle()
        check_after_each_step(shop)
        check_at_the_end(shop)


def prepare_to_pay(shop: MoneyShop, order: Order, state: str) -> CheckoutSignature | None:
    """Bring the payment of an order to a state; returns the proof of an attempt to pay, if any."""
    if state == "not opened":
        return None
    payment = shop.payment_service.create(order.id, shop.customers[0])
    if state == "open":
        return None
    status = AttemptStatus.FAILED if state == "declined" else AttemptStatus.CAPTURED
    proof = shop.razorpay.pay(payment.razorpay_order_id, status)
    if state == "declined":
        with pytest.raises(Invalid):
            shop.payment_service.verify(proof, shop.customers[0])
    return proof
