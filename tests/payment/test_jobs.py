"""The reconciliation job and command as they are wired, with a simulator that sends no webhooks."""

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from payment import jobs, wiring
from payment.gateways import RazorpayApi
from payment.ledger import Account
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.payment import Payment
from payment.model.status import Failure, PaymentStatus
from payment.razorpay_records import to_settlement
from payment.reconciliation import parallel
from payment.reconciliation.model import PAGE, RecordPage
from payment.repository import DynamoLedger, DynamoPayments
from simulators.razorpay import create_app
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.days import day_of
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from support.api import a_caller
from support.ops import TEST_STAGE, ops
from support.payment import KEYS, PRICE, an_order

Serve = Callable[[Starlette, str], str]

# the age of Razorpay's records
AGE_SECONDS = 60
CUSTOMER = a_caller()

http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)


class Context:
    """The context of a Lambda that has time for so many pages."""

    def __init__(self, pages: int = 10_000) -> None:
        self._pages = pages

    def get_remaining_time_in_millis(self) -> int:
        self._pages -= 1
        return 290_000 if self._pages >= 0 else 1_000


class Shop:
    """Payments in DynamoDB, and customers who pay at the simulator."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.payments = DynamoPayments()
        self._auth = (KEYS.key_id, KEYS.key_secret)

    def add_payment(self) -> Payment:
        at = utc_now() - timedelta(seconds=AGE_SECONDS)
        order_id = self.create_order()
        payment = Payment.opened(new_id(), an_order(CUSTOMER, PRICE), order_id, at)
        transaction = DynamoTransaction()
        self.payments.add(payment, transaction)
        transaction.commit()
        return payment

    def create_order(self) -> str:
        wanted = {"amount": PRICE.minor, "currency": PRICE.currency.value}
        answer = http.post(f"{self.address}/v1/orders", json=wanted, auth=self._auth)
        return str(answer.json()["id"])

    def control(self, what: str, **body: Any) -> dict[str, Any]:
        answer = http.post(f"{self.address}/simulator/{what}", json=body)
        assert answer.status_code == 200, answer.text
        outcome: dict[str, Any] = answer.json()
        return outcome

    def pay(self, payment: Payment, outcome: str = "success") -> str:
        body = {"orderId": payment.razorpay_order_id, "outcome": outcome}
        return str(self.control("pay", **body)["razorpay_payment_id"])

    def refund(self, razorpay_payment_id: str, minor: int) -> dict[str, Any]:
        """Make a refund without the shop."""
        path = f"{self.address}/v1/payments/{razorpay_payment_id}/refund"
        made: dict[str, Any] = http.post(path, json={"amount": minor}, auth=self._auth).json()
        return made

    def stored(self, payment: Payment) -> Payment:
        found = self.payments.find(payment.id)
        assert found is not None
        return found

    def status(self, payment: Payment) -> PaymentStatus:
        return self.stored(payment).status


@pytest.fixture
def shop(aws: None, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Shop:
    app = create_app(
        tmp_path,
        key_id=KEYS.key_id,
        key_secret=KEYS.key_secret,
        clock=lambda: time.time() - AGE_SECONDS,
    )
    address = serve(app, "/razorpay")
    here = settings().model_copy(update={"razorpay_base_url": address})
    monkeypatch.setattr("payment.wiring.settings", lambda: here)
    stage = replace(TEST_STAGE, razorpay=address)
    monkeypatch.setattr("ops.cli.find_stage", lambda *_: stage)
    # moto answers one thread at a time
    monkeypatch.setattr(parallel, "ThreadPoolExecutor", lambda _: ThreadPoolExecutor(1))
    return Shop(address)


def run(pages: int = 10_000, **event: str) -> dict[str, int]:
    return jobs.reconcile_payments(event, Context(pages))


def send_refunds() -> dict[str, int]:
    return jobs.send_refunds({}, Context())


def events() -> Counter[str]:
    return Counter(row.detail_type for row in OutboxRow.scan())


def test_without_webhooks_every_payment_reaches_its_state(shop: Shop) -> None:
    paid, declined, retried, open_, expired = (shop.add_payment() for _ in range(5))
    shop.pay(paid)
    shop.pay(declined, "failure")
    shop.pay(retried, "failure")
    shop.pay(retried)
    wiring.payment_service().cancel_payment(expired.order_id, Failure.ORDER_EXPIRED)
    shop.pay(expired)
    for _ in range(2):
        answer = run()
        send_refunds()
        assert (answer["finished"], answer["drift"], answer["failed"]) == (True, 0, 0)
        assert shop.status(paid) is PaymentStatus.COMPLETED
        assert shop.status(declined) is PaymentStatus.FAILED
        assert shop.status(retried) is PaymentStatus.COMPLETED
        assert shop.status(open_) is PaymentStatus.PENDING
        assert shop.status(expired) is PaymentStatus.REFUNDED
        counts = events()
        assert (counts["PaymentCompleted"], counts["PaymentRefunded"]) == (3, 1)
    assert answer["repaired"] == 0


def test_a_settlement_whose_webhook_was_lost_is_booked_and_a_changed_one_is_drift(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.pay(shop.add_payment())
    settled = shop.control("settlements")
    run()
    entry = DynamoLedger().find_settlement(settled["id"])
    assert entry is not None
    booked = [line.amount.minor for line in entry.lines if line.account is Account.BANK]
    assert booked == [settled["amount"]]
    assert run()["drift"] == 0
    monkeypatch.setattr(
        "payment.gateways.to_settlement", lambda record: to_settlement({**record, "amount": 1})
    )
    assert run()["drift"] == 1
    assert events()["PaymentDriftFound"] == 1


def test_the_command_compares_what_settlements_contain_with_the_payments(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    payment = shop.add_payment()
    attempt_id = shop.pay(payment)
    run()
    shop.refund(attempt_id, 10_000)
    shop.control("disputes", paymentId=attempt_id, amount=20_000)
    settled = shop.control("settlements", fees=118)
    command = ("reconcile", f"--from={utc_now().date()}", f"--to={utc_now().date()}")
    assert ops(*command) == 0
    printed = capsys.readouterr().out
    # the list of refunds has shown the refund before
    assert "Settlements: 4 checked, 2 repaired, 0 drift, 0 failed" in printed
    entry = DynamoLedger().find_settlement(settled["id"])
    assert entry is not None
    assert shop.stored(payment).refunded.minor == 10_000
    assert shop.stored(payment).is_disputed


def test_several_pages_are_compared_in_several_runs(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("gateways", "reconciliation.model", "reconciliation.comparison"):
        monkeypatch.setattr(f"payment.{module}.PAGE", 10)
    at = utc_now()  # otherwise each run would add what happened since the last one
    stopped = replace(wiring.reconciliation(), clock=lambda: at)
    monkeypatch.setattr(wiring, "reconciliation", lambda: stopped)
    paid = [shop.add_payment() for _ in range(23)]
    for payment in paid:
        shop.pay(payment)
    answers = [run(pages=1)]
    while not answers[-1]["finished"]:
        assert len(answers) < 20
        answers.append(run(pages=1))
    assert len(answers) >= 5
    assert {shop.status(payment) for payment in paid} == {PaymentStatus.COMPLETED}
    assert sum(answer["repaired"] for answer in answers) == 23
    assert sum(answer["drift"] for answer in answers) == 0
    assert events()["PaymentCompleted"] == 23


def test_full_pages_of_razorpay_join_without_a_gap(shop: Shop) -> None:
    ids = [shop.create_order() for _ in range(PAGE + 10)]
    razorpay = RazorpayApi(lambda: wiring.razorpay_client(KEYS))
    since, until = utc_now() - timedelta(hours=1), utc_now()
    pages = [razorpay.list_orders_between(RecordPage(since, until, skip)) for skip in (0, PAGE)]
    assert [len(page) for page in pages] == [PAGE, 10]
    assert [order.id for page in pages for order in page] == ids[::-1]
    empty = RecordPage(since - timedelta(days=1), since, 0)
    assert razorpay.list_orders_between(empty) == []


def test_a_run_for_a_date_reconciles_that_day(shop: Shop) -> None:
    payment = shop.add_payment()
    shop.pay(payment)
    day = day_of(payment.created_at)
    assert run(date=(day - timedelta(days=2)).isoformat())["checked"] == 0
    assert shop.status(payment) is PaymentStatus.PENDING
    assert run(date=day.isoformat())["repaired"] == 1
    assert shop.status(payment) is PaymentStatus.COMPLETED


def test_without_webhooks_a_refund_reaches_its_outcome(shop: Shop) -> None:
    payment = shop.add_payment()
    attempt_id = shop.pay(payment)
    run()
    shop.control("refunds", outcome="pending")
    made = shop.refund(attempt_id, PRICE.minor)
    time.sleep(1.1)  # a run ends before the last full second
    run()
    assert shop.status(payment) is PaymentStatus.REFUND_PENDING
    shop.control("refunds", outcome="processed", refundId=made["id"])
    assert send_refunds() == {"synced": 1, "unsynced": 0, "overdue": 0}
    assert shop.status(payment) is PaymentStatus.REFUNDED
    assert events()["PaymentRefunded"] == 1


def test_a_run_that_stopped_is_continued_by_the_next_one(shop: Shop) -> None:
    payment = shop.add_payment()
    shop.pay(payment)
    shop.control("faults", status=503, times=3, path="/v1/payments")
    answer = run()
    assert (answer["finished"], answer["stopped"]) == (False, 1)
    assert shop.status(payment) is PaymentStatus.PENDING
    assert run()["finished"]
    assert shop.status(payment) is PaymentStatus.COMPLETED


def test_a_payment_without_a_razorpay_order_is_reported(shop: Shop) -> None:
    payment = Payment.opened(new_id(), an_order(CUSTOMER), "order_Unknown0000001", utc_now())
    transaction = DynamoTransaction()
    shop.payments.add(payment, transaction)
    transaction.commit()
    time.sleep(2.1)  # the window ends before the last full second
    assert run()["drift"] == 1
    assert events() == {"PaymentDriftFound": 1}
    [row] = OutboxRow.scan()
    drift = json.loads(row.detail)["data"]
    assert (drift["subjectId"], drift["kind"]) == (payment.id, "missing_there")


def test_the_command_reconciles_a_range_of_days(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    payment = shop.add_payment()
    shop.pay(payment)
    today = utc_now().date().isoformat()
    yesterday = (utc_now() - timedelta(days=1)).date().isoformat()
    assert ops("reconcile", "--from", yesterday, "--to", today) == 0
    assert shop.status(payment) is PaymentStatus.COMPLETED
    assert "1 repaired, 0 drift" in capsys.readouterr().out


def test_the_exit_code_of_the_command_shows_drift_and_failures(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.control("pay", orderId=shop.create_order(), outcome="success")
    today = utc_now().date().isoformat()
    command = ("reconcile", "--from", today, "--to", today)
    shop.control("faults", status=500, times=100, path="/v1/orders")
    assert ops(*command) == 1
    assert "run the same command again" in capsys.readouterr().err
    shop.control("faults", status=500, times=0, path="/v1/orders")
    assert ops(*command) == 1
    captured = capsys.readouterr()
    assert "1 drift" in captured.out
    assert "again" not in captured.err


def test_an_overdue_refund_outside_of_the_range_is_reported_and_is_no_drift(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    payment, at = shop.add_payment(), utc_now() - timedelta(days=2)
    unknown = Attempt("pay_Unknown00000001", None, PRICE, AttemptStatus.CAPTURED)
    wanted = payment.completed(unknown, at).with_full_refund(unknown.id, new_id(), "why", at)
    transaction = DynamoTransaction()
    shop.payments.save(payment, wanted, transaction)
    transaction.commit()
    assert ops("reconcile", "--from=2026-11-01", "--to=2026-11-01") == 0
    printed = capsys.readouterr().out
    assert "0 checked, 0 repaired, 0 drift, 0 failed" in printed
    assert "Open refunds of all days: 0 synced, 1 unsynced, 1 overdue" in printed
    assert events()["PaymentDriftFound"] == 1


@pytest.mark.usefixtures("shop")
def test_an_invalid_range_by_hand_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert ops("reconcile", "--from=2026-11-02", "--to=2026-11-01") == 2
    assert "--to is before --from" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        ops("reconcile", "--from=yesterday", "--to=2026-11-01")


def test_a_range_includes_the_last_second_of_its_last_day(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    late = datetime(2026, 11, 1, 23, 59, 59, 500_000, tzinfo=UTC)
    payment = Payment.opened(new_id(), an_order(CUSTOMER), "order_Unknown0000001", late)
    transaction = DynamoTransaction()
    shop.payments.add(payment, transaction)
    transaction.commit()
    assert ops("reconcile", "--from=2026-11-01", "--to=2026-11-01") == 1
    assert "1 checked" in capsys.readouterr().out


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """The metrics without dimensions that were written since the last call."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    names = ("ReconciliationLag", "ReconciliationUnfinished", "RefundsOldest")
    return {name: line[name][0] for line in lines for name in names if name in line}


def test_a_run_reports_its_lag_and_whether_it_finished(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.pay(shop.add_payment())
    shop.control("faults", status=503, times=3, path="/v1/payments")
    assert not run()["finished"]
    assert metrics(capsys)["ReconciliationUnfinished"] == 1
    assert run()["finished"]
    assert metrics(capsys).items() >= {"ReconciliationUnfinished": 0}.items()
    assert run()["finished"]
    assert 0 <= metrics(capsys)["ReconciliationLag"] < 5


def test_the_refund_driver_reports_how_long_the_oldest_refund_waits(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    payment, at = shop.add_payment(), utc_now() - timedelta(minutes=90)
    taken = Attempt(shop.pay(payment), payment.razorpay_order_id, PRICE, AttemptStatus.CAPTURED)
    wanted = payment.completed(taken, at).with_full_refund(taken.id, new_id(), "why", at)
    transaction = DynamoTransaction()
    shop.payments.save(payment, wanted, transaction)
    transaction.commit()
    shop.control("faults", status=429, times=4, path="/v1/payments")
    assert send_refunds() == {"synced": 0, "unsynced": 1, "overdue": 0}
    assert metrics(capsys)["RefundsOldest"] == pytest.approx(90 * 60, abs=60)
    shop.control("faults", status=429, times=0, path="/v1/payments")
    time.sleep(1.1)  # a rejection without Retry-After pauses all calls for a second
    assert send_refunds() == {"synced": 1, "unsynced": 0, "overdue": 0}
    assert metrics(capsys)["RefundsOldest"] == 0
    assert shop.status(payment) is PaymentStatus.REFUNDED
