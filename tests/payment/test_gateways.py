"""The gateways: Razorpay's SDK with the simulator and with failing servers, and the orders."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from conftest import FrozenClock
from order.model import Order, OrderStatus
from payment import gateways
from payment.gateways import OrderServiceOrders, RazorpayApi
from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.order import CHECKOUT_TIME, PayableOrder
from payment.model.refund import RazorpayRefund
from payment.model.settlement import ItemKind, SettledItem
from payment.model.signature import CheckoutSignature
from payment.pacing import SharedPace
from payment.ports import (
    CancelledOrder,
    ExpiredOrder,
    ProviderBusy,
    ProviderRejected,
    ProviderThrottled,
    RazorpayKeys,
)
from payment.reconciliation.model import RecordPage, UnreadableRecord
from payment.wiring import razorpay_client
from simulators.razorpay import create_app
from supermarket.clock import new_id
from supermarket.config import settings
from supermarket.errors import BadGateway, Conflict, Unavailable
from supermarket.money import Currency, Money
from support.api import a_caller
from support.order import LittleShop, an_order
from support.pacing import InMemorySlots
from support.payment import KEYS, NOON, PRICE

Serve = Callable[[Starlette, str], str]

RECORD = {
    "id": "pay_1",
    "order_id": "order_1",
    "amount": 49_950,
    "currency": "INR",
    "status": "captured",
}


class Waits(list[float]):
    """Records the pauses between retries, without pausing."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


class Answers:
    """A server that returns these responses in turn, and then always the last one."""

    def __init__(self, *answers: Response) -> None:
        self._answers = list(answers)
        self.requests = 0

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{rest:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, _: Request) -> Response:
        self.requests += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, waits: Waits) -> Iterator[Callable[..., RazorpayApi]]:
    """Return the gateway with the wired client, for an address."""
    clients: list[Any] = []

    def connected(address: str, keys: RazorpayKeys = KEYS) -> RazorpayApi:
        here = settings().model_copy(update={"razorpay_base_url": address})
        monkeypatch.setattr("payment.wiring.settings", lambda: here)
        clients.append(razorpay_client(keys))
        return RazorpayApi(lambda: clients[-1], waits)

    yield connected
    for client in clients:
        client.session.close()


@pytest.fixture
def address(tmp_path: Path, serve: Serve) -> str:
    app = create_app(tmp_path, key_id=KEYS.key_id, key_secret=KEYS.key_secret)
    return serve(app, "/razorpay")


@pytest.fixture
def razorpay(address: str, connect: Callable[..., RazorpayApi]) -> RazorpayApi:
    return connect(address)


def pay(address: str, razorpay_order_id: str, outcome: str = "success") -> CheckoutSignature:
    body = {"orderId": razorpay_order_id, "outcome": outcome}
    values = httpx.post(f"{address}/simulator/pay", json=body).json()
    return CheckoutSignature(
        values["razorpay_order_id"], values["razorpay_payment_id"], values["razorpay_signature"]
    )


def test_an_order_is_created_with_automatic_capture(
    connect: Callable[..., RazorpayApi], serve: Serve
) -> None:
    created: list[dict[str, Any]] = []

    async def create_order(request: Request) -> Response:
        created.append(await request.json())
        order = {"id": "order_1", "amount": PRICE.minor, "currency": PRICE.currency}
        return JSONResponse({**order, "status": "created"})

    app = Starlette(routes=[Route("/v1/orders", create_order, methods=["POST"])])
    connect(serve(app, "")).create_order(new_id(), new_id(), PRICE)
    [payment] = [order["payment"] for order in created]
    assert payment["capture"] == "automatic"
    # after the time of the checkout nothing is captured by itself, and nothing is held for longer
    periods = ("automatic_expiry_period", "manual_expiry_period")
    assert [timedelta(minutes=payment["capture_options"][one]) for one in periods] == [
        CHECKOUT_TIME,
        CHECKOUT_TIME,
    ]


@pytest.mark.parametrize("price", [PRICE, Money(100, Currency.USD), Money(10**9 + 1, Currency.INR)])
def test_an_order_is_created_with_the_exact_amount_and_our_ids(
    razorpay: RazorpayApi, address: str, price: Money
) -> None:
    payment_id, order_id = new_id(), new_id()
    id_ = razorpay.create_order(payment_id, order_id, price)
    auth = (KEYS.key_id, KEYS.key_secret)
    record = httpx.get(f"{address}/v1/orders/{id_}", auth=auth).json()
    assert (record["amount"], record["currency"]) == (price.minor, price.currency)
    assert record["receipt"] == order_id
    assert record["notes"] == {"order_id": order_id, "payment_id": payment_id}


def test_the_signature_of_a_payment_is_valid_and_its_record_matches(
    razorpay: RazorpayApi, address: str
) -> None:
    id_ = razorpay.create_order(new_id(), new_id(), PRICE)
    proof = pay(address, id_)
    attempt = razorpay.get_attempt(proof.razorpay_payment_id)
    assert proof.is_valid(KEYS.key_secret)
    assert attempt.status is AttemptStatus.CAPTURED
    assert attempt.razorpay_order_id == id_
    assert attempt.amount == PRICE


def test_the_record_of_a_declined_attempt_has_the_status_failed(
    razorpay: RazorpayApi, address: str
) -> None:
    id_ = razorpay.create_order(new_id(), new_id(), PRICE)
    proof = pay(address, id_, "failure")
    assert razorpay.get_attempt(proof.razorpay_payment_id).status is AttemptStatus.FAILED


def authorized(razorpay: RazorpayApi, address: str) -> str:
    order = {"amount": PRICE.minor, "currency": "INR", "payment_capture": 0}
    created = httpx.post(
        f"{address}/v1/orders", json=order, auth=(KEYS.key_id, KEYS.key_secret)
    ).json()
    return pay(address, created["id"]).razorpay_payment_id


def test_an_authorized_attempt_is_captured(razorpay: RazorpayApi, address: str) -> None:
    attempt = razorpay.get_attempt(authorized(razorpay, address))
    assert attempt.status is AttemptStatus.AUTHORIZED
    captured = razorpay.capture(attempt)
    assert captured == replace(
        attempt, status=AttemptStatus.CAPTURED, fee=captured.fee, tax=captured.tax
    )
    assert captured.fee is not None
    assert captured.tax is not None
    assert razorpay.get_attempt(attempt.id) == captured


def test_the_fee_of_a_payment_in_dollars_is_in_rupees(razorpay: RazorpayApi, address: str) -> None:
    order = razorpay.create_order(new_id(), new_id(), Money(1_000, Currency.USD))
    attempt = razorpay.get_attempt(pay(address, order).razorpay_payment_id)
    assert attempt.amount == Money(1_000, Currency.USD)
    assert attempt.fee == Money(3_009, Currency.INR)  # 3 % of 850 rupees, and 18 % tax on it


def test_an_authorized_attempt_that_was_released_was_never_captured(
    serve: Serve, connect: Callable[..., RazorpayApi]
) -> None:
    record = {**RECORD, "status": "refunded"}
    server = Answers(JSONResponse({**record, "captured": False}), JSONResponse(record))
    razorpay = connect(serve(server.app(), ""))
    assert [razorpay.get_attempt("pay_1").was_captured for _ in range(2)] == [False, True]


def test_concurrent_captures_all_return_a_captured_attempt(
    razorpay: RazorpayApi, address: str
) -> None:
    attempt = razorpay.get_attempt(authorized(razorpay, address))
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(razorpay.capture, [attempt] * 4))
    assert {record.status for record in seen} == {AttemptStatus.CAPTURED}


def captured(razorpay: RazorpayApi, address: str) -> str:
    return pay(address, razorpay.create_order(new_id(), new_id(), PRICE)).razorpay_payment_id


def test_a_refund_is_made_once_per_id_and_listed(razorpay: RazorpayApi, address: str) -> None:
    attempt_id, ours = captured(razorpay, address), new_id()
    part = Money(1_000, Currency.INR)
    first = razorpay.refund(attempt_id, part, ours)
    assert razorpay.refund(attempt_id, part, ours).id == first.id
    assert (first.payment_id, first.amount, first.our_id) == (attempt_id, part, ours)
    other = razorpay.refund(attempt_id, part, new_id())
    assert {record.id for record in razorpay.list_refunds(attempt_id)} == {first.id, other.id}


def test_a_refund_of_more_than_was_paid_is_rejected(razorpay: RazorpayApi, address: str) -> None:
    attempt_id = captured(razorpay, address)
    with pytest.raises(ProviderRejected):
        razorpay.refund(attempt_id, Money(PRICE.minor + 1, Currency.INR), new_id())
    assert razorpay.list_refunds(attempt_id) == []


@pytest.mark.parametrize(
    "why",
    [
        "Request failed because another payment operation is in progress",
        "Your account does not have enough balance to carry out the refund operation.",
    ],
)
def test_a_busy_razorpay_is_no_rejection(razorpay: RazorpayApi, address: str, why: str) -> None:
    attempt_id, ours = captured(razorpay, address), new_id()
    fault = {"path": "/v1/payments/*/refund", "status": 400, "description": why}
    httpx.post(f"{address}/simulator/faults", json=fault)
    with pytest.raises(ProviderBusy):
        razorpay.refund(attempt_id, PRICE, ours)
    assert razorpay.refund(attempt_id, PRICE, ours).amount == PRICE


@pytest.mark.parametrize("status", [401, 409, 429])
def test_a_retryable_status_is_no_rejection(
    serve: Serve, connect: Callable[..., RazorpayApi], status: int
) -> None:
    error = {"error": {"code": "BAD_REQUEST_ERROR", "description": "Too many requests"}}
    address = serve(Answers(JSONResponse(error, status)).app(), "")
    with pytest.raises(BadGateway) as failure:
        connect(address).refund("pay_1", PRICE, new_id())
    assert not isinstance(failure.value, ProviderRejected)


def too_many_requests(seconds: str | None = None) -> Response:
    error = {"error": {"code": "BAD_REQUEST_ERROR", "description": "Too many requests"}}
    return JSONResponse(error, 429, {"Retry-After": seconds} if seconds else None)


@pytest.mark.parametrize(
    ("header", "seconds"), [("2", 2), (None, 1), ("soon", 1)], ids=["given", "missing", "invalid"]
)
def test_a_read_is_repeated_when_razorpay_takes_calls_again(
    serve: Serve,
    connect: Callable[..., RazorpayApi],
    waits: Waits,
    capsys: pytest.CaptureFixture[str],
    header: str | None,
    seconds: int,
) -> None:
    server = Answers(too_many_requests(header), JSONResponse(RECORD))
    connect(serve(server.app(), "")).get_attempt("pay_1")
    assert (server.requests, waits) == (2, [seconds])
    assert '"RazorpayThrottled":[1.0]' in capsys.readouterr().out


def test_a_customer_does_not_wait_for_long_until_razorpay_takes_calls_again(
    serve: Serve, connect: Callable[..., RazorpayApi], waits: Waits
) -> None:
    server = Answers(too_many_requests("30"))
    with pytest.raises(ProviderThrottled) as throttled:
        connect(serve(server.app(), "")).get_attempt("pay_1")
    assert throttled.value.retry_after == timedelta(seconds=30)
    assert (server.requests, waits) == (1, [])


def test_all_jobs_pause_for_as_long_as_razorpay_demands(
    serve: Serve, connect: Callable[..., RazorpayApi], clock: FrozenClock
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        clock.advance(timedelta(seconds=seconds))

    ok = JSONResponse(RECORD)
    server = Answers(ok, too_many_requests("20"), ok, too_many_requests("60"), ok)
    pace = SharedPace(InMemorySlots(), 10, timedelta(seconds=30), clock, wait)
    one = replace(connect(serve(server.app(), "")), pace=pace, sleep=wait)
    another = replace(one)
    one.get_attempt("pay_1")
    another.get_attempt("pay_1")
    assert (server.requests, waited) == (3, [0.1, 20])
    for each in (one, another, one):
        with pytest.raises(ProviderThrottled):
            each.get_attempt("pay_1")
    assert server.requests == 4
    clock.advance(timedelta(seconds=60))
    assert another.get_attempt("pay_1").id == "pay_1"


@pytest.mark.parametrize("answer", [{}, [], {"items": 7}, {"items": [{}]}, {"items": [7]}])
def test_an_invalid_list_is_a_bad_gateway(
    serve: Serve, connect: Callable[..., RazorpayApi], answer: object
) -> None:
    with pytest.raises(BadGateway):
        connect(serve(Answers(JSONResponse(answer)).app(), "")).list_refunds("pay_1")


def test_an_unknown_payment_and_wrong_keys_are_a_bad_gateway(
    connect: Callable[..., RazorpayApi], address: str
) -> None:
    with pytest.raises(BadGateway):
        connect(address).get_attempt("pay_unknown")
    with pytest.raises(BadGateway):
        connect(address, RazorpayKeys(KEYS.key_id, "wrong")).create_order("p", "o", PRICE)


FAILURES = {
    "unavailable": Response(status_code=503),
    "page": PlainTextResponse("<h1>Bad gateway</h1>", 502),
    "reported": JSONResponse({"error": {"code": "SERVER_ERROR", "description": "down"}}, 500),
    "no object": JSONResponse(None, 500),
    "no json": PlainTextResponse("ok"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_read_is_repeated_up_to_three_times(
    serve: Serve, connect: Callable[..., RazorpayApi], waits: Waits, failure: str
) -> None:
    server = Answers(FAILURES[failure])
    with pytest.raises(Unavailable):
        connect(serve(server.app(), "")).get_attempt("pay_1")
    assert server.requests == gateways.TRIES
    assert waits == sorted(waits)
    assert len(waits) == gateways.TRIES - 1


def test_a_read_succeeds_after_a_short_failure(
    serve: Serve, connect: Callable[..., RazorpayApi]
) -> None:
    server = Answers(FAILURES["unavailable"], JSONResponse(RECORD))
    assert connect(serve(server.app(), "")).get_attempt("pay_1").status is AttemptStatus.CAPTURED


@pytest.mark.parametrize("failure", FAILURES)
def test_the_creation_of_an_order_is_not_repeated(
    serve: Serve, connect: Callable[..., RazorpayApi], failure: str
) -> None:
    server = Answers(FAILURES[failure])
    with pytest.raises(Unavailable):
        connect(serve(server.app(), "")).create_order("p", "o", PRICE)
    assert server.requests == 1


def test_a_refused_connection_is_unavailable(
    connect: Callable[..., RazorpayApi], waits: Waits
) -> None:
    with pytest.raises(Unavailable):
        connect("http://127.0.0.1:1").get_attempt("pay_1")
    assert len(waits) == gateways.TRIES - 1


def test_a_read_is_not_repeated_after_a_time_out(
    serve: Serve,
    connect: Callable[..., RazorpayApi],
    waits: Waits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = 0

    async def answer_late(_: Request) -> Response:
        nonlocal requests
        requests += 1
        await asyncio.sleep(1)
        return JSONResponse(RECORD)

    monkeypatch.setattr("payment.razorpay_session.TIMEOUT_SECONDS", (1.0, 0.05))
    address = serve(Starlette(routes=[Route("/{rest:path}", answer_late)]), "")
    with pytest.raises(Unavailable):
        connect(address).get_attempt("pay_1")
    assert requests == 1
    assert not waits


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "order_1", "amount": 49_951, "currency": "INR"},
        {"id": "order_1", "amount": "49950", "currency": "INR"},
        {"id": "order_1", "amount": 499.5, "currency": "INR"},
        {"id": "order_1", "amount": 49_950, "currency": "USD"},
        {"amount": 49_950, "currency": "INR"},
        {"id": None, "amount": 49_950, "currency": "INR"},
        {},
        [],
    ],
)
def test_an_order_with_another_amount_is_not_accepted(
    serve: Serve, connect: Callable[..., RazorpayApi], answer: object
) -> None:
    response = {"status": "created", **answer} if isinstance(answer, dict) else answer
    address = serve(Answers(JSONResponse(response)).app(), "")
    with pytest.raises(BadGateway):
        connect(address).create_order("p", "o", PRICE)


@pytest.mark.parametrize(
    "answer", [{}, [], {**RECORD, "status": "dreaming"}, {**RECORD, "status": None}, {"id": "p"}]
)
def test_an_invalid_record_is_a_bad_gateway(
    serve: Serve, connect: Callable[..., RazorpayApi], answer: object
) -> None:
    with pytest.raises(BadGateway):
        connect(serve(Answers(JSONResponse(answer)).app(), "")).get_attempt("pay_1")


def test_the_secret_of_the_keys_is_never_shown() -> None:
    assert KEYS.key_secret not in repr(KEYS)


def test_a_payable_order_has_the_customer_and_the_total_of_the_order_domain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = an_order(NOON, "u1")

    class OrderService:
        def get_payable_order(self, order_id: str, customer_id: str) -> Order:
            assert (order_id, customer_id) == (order.id, "u1")
            return order

    monkeypatch.setattr("order.wiring.order_service", OrderService)
    times = (order.reserved_until, order.pay_until)
    expected = PayableOrder(order.id, order.customer, order.pricing.total, *times)
    assert OrderServiceOrders().get_payable(order.id, "u1") == expected


def test_a_list_contains_refunds_in_foreign_currencies(
    connect: Callable[..., RazorpayApi], serve: Serve
) -> None:
    refund = {"id": "rfnd_1", "payment_id": "pay_1", "amount": 500, "status": "processed"}
    items = [{**refund, "currency": "EUR"}, {**refund, "id": "rfnd_2", "currency": "INR"}]
    razorpay = connect(serve(Answers(JSONResponse({"items": items})).app(), ""))
    foreign, own = razorpay.list_refunds_between(RecordPage(NOON, NOON, 0))
    assert isinstance(foreign, RazorpayRefund)
    assert isinstance(own, RazorpayRefund)
    assert foreign.amount == ForeignMoney(500, "EUR")
    assert own.amount == Money(500, Currency.INR)


def test_a_list_contains_an_unreadable_record_in_its_place(
    connect: Callable[..., RazorpayApi], serve: Serve
) -> None:
    items = [{**RECORD, "status": "dreaming"}, RECORD, "no record"]
    razorpay = connect(serve(Answers(JSONResponse({"items": items})).app(), ""))
    unreadable, known, without_id = razorpay.list_attempts_between(RecordPage(NOON, NOON, 0))
    assert unreadable == UnreadableRecord("pay_1")
    assert isinstance(known, Attempt)
    assert isinstance(without_id, UnreadableRecord)


def test_what_was_settled_is_listed_with_an_unreadable_movement_in_its_place(
    connect: Callable[..., RazorpayApi], serve: Serve
) -> None:
    payment = {
        "entity_id": "pay_1",
        "type": "payment",
        "payment_id": None,
        "settlement_id": "setl_1",
        "amount": 1_000,
        "currency": "INR",
        "fee": 24,
        "tax": 4,
        "credit": 976,
        "debit": 0,
        "dispute_id": None,
    }
    moved = {"fee": 0, "tax": 0, "credit": 0, "debit": 500, "amount": 500}
    items = [
        payment,
        {**payment, **moved, "entity_id": "rfnd_1", "type": "refund", "payment_id": "pay_1"},
        {**payment, **moved, "entity_id": "adj_1", "type": "adjustment", "dispute_id": "disp_1"},
        {**payment, "entity_id": "trf_1", "type": "transfer"},
    ]
    razorpay = connect(serve(Answers(JSONResponse({"items": items})).app(), ""))
    fee, half = Money(24, Currency.INR), Money(500, Currency.INR)
    captured = SettledItem(
        *("pay_1", ItemKind.PAYMENT, Money(1_000, Currency.INR), 976, "setl_1", "pay_1"),
        fee=fee,
        tax=Money(4, Currency.INR),
    )
    assert razorpay.list_settled_items(NOON.date(), 0) == [
        captured,
        SettledItem("rfnd_1", ItemKind.REFUND, half, -500, "setl_1", "pay_1"),
        SettledItem("adj_1", ItemKind.ADJUSTMENT, half, -500, "setl_1", None, "disp_1"),
        UnreadableRecord("trf_1"),
    ]


def test_a_pending_order_is_confirmed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = LittleShop(FrozenClock())
    order = shop.places(a_caller())
    monkeypatch.setattr("order.wiring.order_service", lambda: shop.service)
    assert OrderServiceOrders().confirm(order.id) is True
    assert shop.orders.stored[order.id].status is OrderStatus.CONFIRMED
    assert OrderServiceOrders().confirm(order.id) is False
    assert OrderServiceOrders().confirm(new_id()) is False


def test_the_error_for_a_cancelled_order_says_how_it_was_cancelled(
    monkeypatch: pytest.MonkeyPatch, clock: FrozenClock
) -> None:
    shop = LittleShop(clock)
    customer = a_caller()
    cancelled = shop.places(customer)
    shop.service.cancel(cancelled.id, customer.user_id)
    expired = shop.places(customer)
    clock.advance(timedelta(days=1))
    shop.service.expire(expired.id)
    monkeypatch.setattr("order.wiring.order_service", lambda: shop.service)
    for order, error in ((cancelled, CancelledOrder), (expired, ExpiredOrder)):
        with pytest.raises(CancelledOrder) as unconfirmed:
            OrderServiceOrders().confirm(order.id)
        with pytest.raises(CancelledOrder) as unpayable:
            OrderServiceOrders().get_payable(order.id, customer.user_id)
        assert (type(unconfirmed.value), type(unpayable.value)) == (error, error)


def test_a_paid_order_is_not_reported_as_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = LittleShop(FrozenClock())
    customer = a_caller()
    order = shop.places(customer)
    monkeypatch.setattr("order.wiring.order_service", lambda: shop.service)
    shop.service.confirm(order.id)
    with pytest.raises(Conflict) as paid:
        OrderServiceOrders().get_payable(order.id, customer.user_id)
    assert not isinstance(paid.value, CancelledOrder)
    shop.service.cancel(order.id, customer.user_id)
    with pytest.raises(CancelledOrder):
        OrderServiceOrders().get_payable(order.id, customer.user_id)
