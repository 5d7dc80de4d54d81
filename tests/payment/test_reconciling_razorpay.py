"""Reconciliation as it is wired: the SDK against the simulator, which sends no webhook at all."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from ops import reconcile
from payment import jobs, wiring
from payment.gateways import RazorpayApi
from payment.model import Attempt, AttemptStatus, Failure, Payment, PaymentStatus
from payment.reconciliation import PAGE
from payment.repository import DynamoPayments
from simulators.razorpay import create_app
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from support.api import a_caller
from support.payment import KEYS, PRICE, an_order

Serve = Callable[[Starlette, str], str]

# Razorpay's records are a minute old already
AGE_SECONDS = 60
ASHA = a_caller(user_id="asha")

http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)


class Context:
    """Of a Lambda that has time for so many questions."""

    def __init__(self, pages: int = 10_000) -> None:
        self._pages = pages

    def get_remaining_time_in_millis(self) -> int:
        self._pages -= 1
        return 290_000 if self._pages >= 0 else 1_000


class Shop:
    """Payments in DynamoDB, and customers who pay while nobody listens."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.payments = DynamoPayments()
        self._auth = (KEYS.key_id, KEYS.key_secret)

    def opens(self) -> Payment:
        at = utc_now() - timedelta(seconds=AGE_SECONDS)
        order_id = self.orders_at_razorpay()
        payment = Payment.opened(new_id(), an_order(ASHA, PRICE), order_id, at)
        transaction = DynamoTransaction()
        self.payments.add(payment, transaction)
        transaction.commit()
        return payment

    def orders_at_razorpay(self) -> str:
        wanted = {"amount": PRICE.minor, "currency": PRICE.currency.value}
        answer = http.post(f"{self.address}/v1/orders", json=wanted, auth=self._auth)
        return str(answer.json()["id"])

    def control(self, what: str, **body: Any) -> dict[str, Any]:
        answer = http.post(f"{self.address}/simulator/{what}", json=body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def pays(self, payment: Payment, outcome: str = "success") -> str:
        body = {"orderId": payment.razorpay_order_id, "outcome": outcome}
        return str(self.control("pay", **body)["razorpay_payment_id"])

    def gives_back(self, razorpay_payment_id: str, minor: int) -> dict[str, Any]:
        """Somebody does it in Razorpay's dashboard."""
        path = f"{self.address}/v1/payments/{razorpay_payment_id}/refund"
        made: dict[str, Any] = http.post(path, json={"amount": minor}, auth=self._auth).json()
        return made

    def now(self, payment: Payment) -> Payment:
        found = self.payments.find(payment.id)
        assert found is not None
        return found

    def status(self, payment: Payment) -> PaymentStatus:
        return self.now(payment).status


@pytest.fixture
def shop(
    aws: None, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    app = create_app(
        tmp_path,
        key_id=KEYS.key_id,
        key_secret=KEYS.key_secret,
        clock=lambda: time.time() - AGE_SECONDS,
    )
    address = serve(app, "/razorpay")
    here = settings().model_copy(update={"razorpay_base_url": address})
    monkeypatch.setattr("payment.wiring.settings", lambda: here)
    wiring.reconciliation.cache_clear()
    yield Shop(address)
    wiring.reconciliation.cache_clear()


def run(pages: int = 10_000) -> dict[str, int | bool]:
    return jobs.reconcile_payments({}, Context(pages))


def events() -> Counter[str]:
    return Counter(row.detail_type for row in OutboxRow.scan())


def test_without_any_webhook_every_payment_comes_to_its_right_state(shop: Shop) -> None:
    paid, declined, retried, open_, expired = (shop.opens() for _ in range(5))
    shop.pays(paid)
    shop.pays(declined, "failure")
    shop.pays(retried, "failure")
    shop.pays(retried)
    wiring.payment_service().call_off(expired.order_id, Failure.ORDER_EXPIRED)
    shop.pays(expired)
    for _ in range(2):
        answer = run()
        assert (answer["finished"], answer["drift"], answer["failed"]) == (True, 0, 0)
        assert shop.status(paid) is PaymentStatus.COMPLETED
        assert shop.status(declined) is PaymentStatus.FAILED
        assert shop.status(retried) is PaymentStatus.COMPLETED
        assert shop.status(open_) is PaymentStatus.PENDING
        assert shop.status(expired) is PaymentStatus.REFUNDED
        told = events()
        assert (told["PaymentCompleted"], told["PaymentRefunded"]) == (3, 1)
    assert answer["mended"] == 0


def test_more_than_a_page_is_walked_in_several_runs(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment.reconciliation.PAGE", 10)
    paid = [shop.opens() for _ in range(23)]
    for payment in paid:
        shop.pays(payment)
    answers = [run(pages=2)]
    while not answers[-1]["finished"]:
        assert len(answers) < 20
        answers.append(run(pages=2))
    assert len(answers) >= 5
    assert {shop.status(payment) for payment in paid} == {PaymentStatus.COMPLETED}
    assert sum(answer["mended"] for answer in answers) == 23
    assert sum(answer["drift"] for answer in answers) == 0
    assert events()["PaymentCompleted"] == 23


def test_pages_of_razorpays_own_size_join_without_gap(shop: Shop) -> None:
    ids = [shop.orders_at_razorpay() for _ in range(PAGE + 10)]
    razorpay = RazorpayApi(lambda: wiring.razorpay_client(KEYS))
    since, until = utc_now() - timedelta(hours=1), utc_now()
    pages = [razorpay.orders_between(since, until, skip, PAGE) for skip in (0, PAGE)]
    assert [len(page) for page in pages] == [PAGE, 10]
    assert [order.id for page in pages for order in page] == ids[::-1]
    assert razorpay.orders_between(since - timedelta(days=1), since, 0, PAGE) == []


def test_a_refund_is_followed_to_its_end_without_webhooks(shop: Shop) -> None:
    payment = shop.opens()
    attempt_id = shop.pays(payment)
    run()
    shop.control("refunds", outcome="pending")
    made = shop.gives_back(attempt_id, PRICE.minor)
    run()
    assert shop.status(payment) is PaymentStatus.REFUND_PENDING
    shop.control("refunds", outcome="processed", refundId=made["id"])
    assert run()["drift"] == 0
    assert shop.status(payment) is PaymentStatus.REFUNDED
    assert events()["PaymentRefunded"] == 1


def test_razorpay_fails_for_a_while_and_nothing_is_lost(shop: Shop) -> None:
    payment = shop.opens()
    shop.pays(payment)
    shop.control("faults", status=503, times=3, path="/v1/payments")
    answer = run()
    assert (answer["finished"], answer["stopped"]) == (False, 1)
    assert shop.status(payment) is PaymentStatus.PENDING
    assert run()["finished"]
    assert shop.status(payment) is PaymentStatus.COMPLETED


def test_what_razorpay_does_not_know_is_reported(shop: Shop) -> None:
    payment = Payment.opened(new_id(), an_order(ASHA), "order_Unknown0000001", utc_now())
    transaction = DynamoTransaction()
    shop.payments.add(payment, transaction)
    transaction.commit()
    time.sleep(2.1)  # the second has to be over, and the one before which the window ends
    assert run()["drift"] == 1
    assert events() == {"PaymentDriftFound": 1}
    [row] = OutboxRow.scan()
    told = json.loads(row.detail)["data"]
    assert (told["subjectId"], told["kind"]) == (payment.id, "missing_there")


def test_a_range_of_days_by_hand(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    payment = shop.opens()
    shop.pays(payment)
    today = utc_now().date().isoformat()
    yesterday = (utc_now() - timedelta(days=1)).date().isoformat()
    arguments = ["--from", yesterday, "--to", today, "--razorpay", shop.address]
    assert reconcile.main(arguments) == 0
    assert shop.status(payment) is PaymentStatus.COMPLETED
    told = capsys.readouterr().out
    assert f"{yesterday} to {today}" in told
    assert "1 mended, 0 drift" in told


def test_by_hand_drift_and_trouble_are_seen_in_the_exit_code(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.control("pay", orderId=shop.orders_at_razorpay(), outcome="success")
    today = utc_now().date().isoformat()
    begun = (utc_now() - timedelta(minutes=5)).isoformat()
    arguments = ["--from", begun, "--to", today, "--razorpay", shop.address]
    shop.control("faults", status=500, times=100, path="/v1/orders")
    assert reconcile.main(arguments) == reconcile.STOPPED
    assert "goes on from here" in capsys.readouterr().err
    shop.control("faults", status=500, times=0, path="/v1/orders")
    assert reconcile.main(arguments) == reconcile.DRIFT


def test_a_refund_that_waits_elsewhere_is_told_but_is_no_drift_of_a_range_by_hand(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    payment, at = shop.opens(), utc_now() - timedelta(days=2)
    unknown = Attempt("pay_Unknown00000001", None, 0, "INR", AttemptStatus.CAPTURED)
    wanted = payment.completed(unknown, at).given_back(new_id(), "why", "an admin", at)
    transaction = DynamoTransaction()
    shop.payments.save(payment, wanted, transaction)
    transaction.commit()
    arguments = ["--from=2026-11-01", "--to=2026-11-01", "--razorpay", shop.address]
    assert reconcile.main(arguments) == reconcile.CLEAN
    told = capsys.readouterr().out
    assert "0 checked, 0 mended, 0 drift, 0 failed" in told
    assert "Open refunds: 0 driven, 1 undriven, 1 overdue" in told
    assert events()["PaymentDriftFound"] == 1


def test_a_range_that_ends_before_it_begins_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert reconcile.main(["--from=2026-11-02", "--to=2026-11-01"]) == reconcile.STOPPED
    assert "ends before" in capsys.readouterr().err


def test_a_day_by_hand_has_the_payments_of_its_last_second(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    late = datetime(2026, 11, 1, 23, 59, 59, 500_000, tzinfo=UTC)
    payment = Payment.opened(new_id(), an_order(ASHA), "order_Unknown0000001", late)
    transaction = DynamoTransaction()
    shop.payments.add(payment, transaction)
    transaction.commit()
    arguments = ["--from=2026-11-01", "--to=2026-11-01", "--razorpay", shop.address]
    assert reconcile.main(arguments) == reconcile.DRIFT
    assert "1 checked" in capsys.readouterr().out


def test_what_is_no_day_is_refused() -> None:
    with pytest.raises(SystemExit):
        reconcile.main(["--from=yesterday", "--to=2026-11-01"])


def test_without_a_stage_nothing_is_touched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STAGE")
    assert reconcile.main(["--from=2026-11-01", "--to=2026-11-01"]) == reconcile.STOPPED
    assert "STAGE" in capsys.readouterr().err
