"""Jobs that are killed at any point and resumed: nothing is lost, and nothing is done twice."""

from datetime import timedelta
from itertools import count

import pytest

from order.service import GRACE
from payment.model.dispute import Dispute, DisputeStatus
from payment.model.status import Failure
from payment.ports import ProviderBusy
from support.money import Crash, MoneyShop
from support.money_checks import check_after_each_step, check_at_the_end
from support.order import RESERVATION

JOBS = (
    "unpaid_orders_expire",
    "refunds_are_sent",
    "reconciliation_runs",
    "compare_settlements",
)
FEWEST_POINTS = 10  # before and after each of five changes


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_is_killed_at_any_point_loses_and_repeats_nothing(job: str) -> None:
    for point in count():
        shop = MoneyShop()
        with shop.open():
            leave_work_for_all_jobs(shop)
            was_killed = kill(shop, job, point)
            check_after_each_step(shop)
            getattr(shop, job)()
            check_after_each_step(shop)
            shop.settle()
            check_after_each_step(shop)
            check_at_the_end(shop)
        if not was_killed:
            break
    assert point >= FEWEST_POINTS


def leave_work_for_all_jobs(shop: MoneyShop) -> None:
    """Leave orders that have expired, that were paid without a webhook or an event, that were paid
    twice, disputed, or cancelled while Razorpay makes no refunds.
    """
    shop.razorpay.refund_fails, shop.razorpay.refund_error = True, ProviderBusy
    for _ in range(2):
        shop.customer_places_an_order(0, 0)  # not paid
    for number, dollars in enumerate((0, 0, 2, 2, 2)):
        shop.customer_places_an_order(dollars, 0)
        *_, order = shop.orders.stored.values()
        payment = shop.payment_service.create(order.id, shop.customers[0])
        proof = shop.razorpay.pay(payment.razorpay_order_id)
        attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
        if number in {1, 4}:
            shop.razorpay.pay(payment.razorpay_order_id)
        if number in {2, 3, 4}:
            shop.payment_service.verify(proof, shop.customers[0])
        if number in {3, 4}:
            shop.order_service.cancel(order.id, shop.customers[0].user_id)
            shop.payment_service.cancel_payment(order.id, Failure.ORDER_CANCELLED)
        if number == 1:
            facts = (payment.price, DisputeStatus.LOST, "chargeback", "fraud", shop.clock())
            shop.razorpay.set_dispute(Dispute("disp_1", attempt.id, *facts), with_attempt=False)
    shop.razorpay.webhooks.clear()
    shop.clock.advance(RESERVATION + GRACE + timedelta(seconds=1))
    shop.razorpay.refund_fails = False


def kill(shop: MoneyShop, job: str, point: int) -> bool:
    """Kill a job at a point; returns False when it ended before."""

    def end(_: Exception) -> None:
        raise Crash

    shop.points.arm(point, end)
    try:
        getattr(shop, job)()
    except Crash:
        return True
    finally:
        shop.points.disarm()
    return False
