"""The gateways of orders to accounts, payments, rate limits, the outbox and CloudWatch."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from conftest import FrozenClock
from order.gateways import EventLag, ShopAccounts, ShopPayments
from order.model import PaymentStatus, WrongStatus
from outbox.service import OutboxMonitor
from payment.checks.service import PaymentChecks
from supermarket.clock import new_id
from support.auth import InMemoryAuth
from support.cloud import client
from support.in_memory import InMemoryOutbox
from support.outbox import InMemoryOutbox as UnsentEvents
from support.outbox import an_event
from support.payment import Shop

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("outbox", "queue", "lag"),
    [(0, (), 0), (0, (90.0, 5.0), 90), (70, (5.0,), 70), (70, (), 70), (0, (0.0, 300.0), 0)],
)
def test_the_lag_is_that_of_the_outbox_or_of_the_queue(
    outbox: int, queue: Sequence[float], lag: int, clock: FrozenClock
) -> None:
    """CloudWatch returns the newest minute first, and nothing for a queue that was not used."""
    cloudwatch: Any = client("cloudwatch")
    with Stubber(cloudwatch) as stub:
        answer = {"MetricDataResults": [{"Id": "age", "Values": list(queue)}]}
        query = {"MetricDataQueries": ANY, "ScanBy": "TimestampDescending"}
        period = {"StartTime": clock() - 5 * MINUTE, "EndTime": clock()}
        stub.add_response("get_metric_data", answer, {**query, **period})
        unsent = [an_event("e1", occurred_at=clock() - timedelta(seconds=outbox))]
        monitor = OutboxMonitor(UnsentEvents(unsent), clock)
        late = EventLag(monitor, cloudwatch, "orders", clock)
        assert late.oldest_event() == timedelta(seconds=lag)


def test_only_a_verified_address_counts_and_only_of_an_account_that_exists(
    clock: FrozenClock,
) -> None:
    auth = InMemoryAuth(clock)
    accounts = ShopAccounts(lambda: auth.account_service)
    assert accounts.has_verified_email(new_id()) is False


def test_the_state_of_a_payment_is_that_of_the_payment_domain() -> None:
    shop, begin = Shop(), InMemoryOutbox().begin
    payments = ShopPayments(lambda: PaymentChecks(shop.payments))
    assert payments.pin_status(shop.order.id, begin()) is PaymentStatus.PENDING
    with pytest.raises(WrongStatus, match="not paid"):
        payments.require_shippable(shop.order.id, begin())
    shop.paid()
    assert payments.pin_status(shop.order.id, begin()) is PaymentStatus.COMPLETED
    payments.require_shippable(shop.order.id, begin())
    shop.refund()
    assert payments.pin_status(shop.order.id, begin()) is PaymentStatus.REFUNDED
    with pytest.raises(WrongStatus, match="refunded in full"):
        payments.require_shippable(shop.order.id, begin())
