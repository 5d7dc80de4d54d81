"""Razorpay's real SDK behind payment's port, against the simulator and against servers in
trouble.
"""

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
from payment.model import (
    Attempt,
    AttemptStatus,
    Customer,
    ForeignMoney,
    PayableOrder,
    Proof,
    RazorpayRefund,
    Unreadable,
)
from payment.ports import NotNow, OrderExpired, OrderGone, RazorpayKeys, Refused
from payment.wiring import razorpay_client
from simulators.razorpay import create_app
from supermarket.clock import new_id
from supermarket.config import settings
from supermarket.errors import BadGateway, Conflict, Unavailable
from supermarket.money import Currency, Money
from support.api import a_caller
from support.order import LittleShop, an_order
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
    """How long somebody waited, without waiting."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


class Answers:
    """A server that gives these answers, one after the other, and the last one for ever."""

    def __init__(self, *answers: Response) -> None:
        self._answers = list(answers)
        self.asked = 0

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{rest:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, _: Request) -> Response:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, waits: Waits) -> Iterator[Callable[..., RazorpayApi]]:
    """The gateway as it is wired, but at this address."""
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


def pay(address: str, razorpay_order_id: str, outcome: str = "success") -> Proof:
    body = {"orderId": razorpay_order_id, "outcome": outcome}
    values = httpx.post(f"{address}/simulator/pay", json=body).json()
    return Proof(
        values["razorpay_order_id"], values["razorpay_payment_id"], values["razorpay_signature"]
    )


def test_money_that_is_set_aside_is_taken_by_itself_whatever_the_account_is_set_to(
    connect: Callable[..., RazorpayApi], serve: Serve
) -> None:
    asked: list[dict[str, Any]] = []

    async def open_order(request: Request) -> Response:
        asked.append(await request.json())
        return JSONResponse({"id": "order_1", "amount": PRICE.minor, "currency": PRICE.currency})

    app = Starlette(routes=[Route("/v1/orders", open_order, methods=["POST"])])
    connect(serve(app, "")).open_order(new_id(), new_id(), PRICE)
    assert [order["payment"]["capture"] for order in asked] == ["automatic"]


@pytest.mark.parametrize("price", [PRICE, Money(100, Currency.USD), Money(10**9 + 1, Currency.INR)])
def test_an_order_is_opened_over_the_very_amount_and_can_be_traced_back(
    razorpay: RazorpayApi, address: str, price: Money
) -> None:
    payment_id, order_id = new_id(), new_id()
    id_ = razorpay.open_order(payment_id, order_id, price)
    auth = (KEYS.key_id, KEYS.key_secret)
    record = httpx.get(f"{address}/v1/orders/{id_}", auth=auth).json()
    assert (record["amount"], record["currency"]) == (price.minor, price.currency)
    assert record["receipt"] == order_id
    assert record["notes"] == {"order_id": order_id, "payment_id": payment_id}


def test_the_proof_of_a_payment_is_genuine_and_its_record_fits(
    razorpay: RazorpayApi, address: str
) -> None:
    id_ = razorpay.open_order(new_id(), new_id(), PRICE)
    proof = pay(address, id_)
    attempt = razorpay.attempt(proof.razorpay_payment_id)
    assert proof.is_signed_with(KEYS.key_secret)
    assert attempt.status is AttemptStatus.CAPTURED
    assert attempt.razorpay_order_id == id_
    assert (attempt.minor, attempt.currency) == (PRICE.minor, "INR")


def test_a_declined_payment_is_told_by_its_record(razorpay: RazorpayApi, address: str) -> None:
    id_ = razorpay.open_order(new_id(), new_id(), PRICE)
    proof = pay(address, id_, "failure")
    assert razorpay.attempt(proof.razorpay_payment_id).status is AttemptStatus.FAILED


def authorized(razorpay: RazorpayApi, address: str) -> str:
    order = {"amount": PRICE.minor, "currency": "INR", "payment_capture": 0}
    created = httpx.post(
        f"{address}/v1/orders", json=order, auth=(KEYS.key_id, KEYS.key_secret)
    ).json()
    return pay(address, created["id"]).razorpay_payment_id


def test_an_authorized_payment_is_captured(razorpay: RazorpayApi, address: str) -> None:
    attempt = razorpay.attempt(authorized(razorpay, address))
    assert attempt.status is AttemptStatus.AUTHORIZED
    captured = razorpay.capture(attempt)
    assert captured == replace(attempt, status=AttemptStatus.CAPTURED, fee=captured.fee)
    assert captured.fee is not None
    assert razorpay.attempt(attempt.id) == captured


def test_the_fee_of_a_payment_in_dollars_is_charged_in_rupees(
    razorpay: RazorpayApi, address: str
) -> None:
    order = razorpay.open_order(new_id(), new_id(), Money(1_000, Currency.USD))
    attempt = razorpay.attempt(pay(address, order).razorpay_payment_id)
    assert (attempt.minor, attempt.currency) == (1_000, "USD")
    assert attempt.fee == Money(3_009, Currency.INR)  # 3 % of 850 rupees, and 18 % tax on it


def test_what_was_set_aside_and_went_back_was_never_taken(
    serve: Serve, connect: Callable[..., RazorpayApi]
) -> None:
    record = {**RECORD, "status": "refunded"}
    server = Answers(JSONResponse({**record, "captured": False}), JSONResponse(record))
    razorpay = connect(serve(server.app(), ""))
    assert [razorpay.attempt("pay_1").is_taken for _ in range(2)] == [False, True]


def test_of_many_who_capture_at_once_all_see_it_captured(
    razorpay: RazorpayApi, address: str
) -> None:
    attempt = razorpay.attempt(authorized(razorpay, address))
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(razorpay.capture, [attempt] * 4))
    assert {record.status for record in seen} == {AttemptStatus.CAPTURED}


def captured(razorpay: RazorpayApi, address: str) -> str:
    return pay(address, razorpay.open_order(new_id(), new_id(), PRICE)).razorpay_payment_id


def test_a_refund_is_made_once_per_id_and_found_again(razorpay: RazorpayApi, address: str) -> None:
    attempt_id, ours = captured(razorpay, address), new_id()
    part = Money(1_000, Currency.INR)
    first = razorpay.refund(attempt_id, part, ours)
    assert razorpay.refund(attempt_id, part, ours).id == first.id
    assert (first.payment_id, first.amount, first.our_id) == (attempt_id, part, ours)
    other = razorpay.refund(attempt_id, part, new_id())
    assert {record.id for record in razorpay.refunds_of(attempt_id)} == {first.id, other.id}


def test_more_than_was_paid_is_refused(razorpay: RazorpayApi, address: str) -> None:
    attempt_id = captured(razorpay, address)
    with pytest.raises(Refused):
        razorpay.refund(attempt_id, Money(PRICE.minor + 1, Currency.INR), new_id())
    assert razorpay.refunds_of(attempt_id) == []


@pytest.mark.parametrize(
    "why",
    [
        "Request failed because another payment operation is in progress",
        "Your account does not have enough balance to carry out the refund operation.",
    ],
)
def test_what_may_be_asked_again_later_is_no_refusal(
    razorpay: RazorpayApi, address: str, why: str
) -> None:
    attempt_id, ours = captured(razorpay, address), new_id()
    fault = {"path": "/v1/payments/*/refund", "status": 400, "description": why}
    httpx.post(f"{address}/simulator/faults", json=fault)
    with pytest.raises(NotNow):
        razorpay.refund(attempt_id, PRICE, ours)
    assert razorpay.refund(attempt_id, PRICE, ours).amount == PRICE


@pytest.mark.parametrize("status", [401, 409, 429])
def test_being_turned_away_is_no_refusal(
    serve: Serve, connect: Callable[..., RazorpayApi], status: int
) -> None:
    away = {"error": {"code": "BAD_REQUEST_ERROR", "description": "Too many requests"}}
    address = serve(Answers(JSONResponse(away, status)).app(), "")
    with pytest.raises(BadGateway) as failure:
        connect(address).refund("pay_1", PRICE, new_id())
    assert not isinstance(failure.value, Refused)


@pytest.mark.parametrize("answer", [{}, [], {"items": 7}, {"items": [{}]}, {"items": [7]}])
def test_a_list_that_makes_no_sense_is_a_bad_gateway(
    serve: Serve, connect: Callable[..., RazorpayApi], answer: object
) -> None:
    with pytest.raises(BadGateway):
        connect(serve(Answers(JSONResponse(answer)).app(), "")).refunds_of("pay_1")


def test_an_unknown_payment_and_wrong_keys_are_a_bad_gateway(
    connect: Callable[..., RazorpayApi], address: str
) -> None:
    with pytest.raises(BadGateway):
        connect(address).attempt("pay_unknown")
    with pytest.raises(BadGateway):
        connect(address, RazorpayKeys(KEYS.key_id, "wrong")).open_order("p", "o", PRICE)


TROUBLES = {
    "unavailable": Response(status_code=503),
    "page": PlainTextResponse("<h1>Bad gateway</h1>", 502),
    "said so": JSONResponse({"error": {"code": "SERVER_ERROR", "description": "down"}}, 500),
    "no object": JSONResponse(None, 500),
    "no json": PlainTextResponse("ok"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_read_is_tried_again_and_then_given_up(
    serve: Serve, connect: Callable[..., RazorpayApi], waits: Waits, trouble: str
) -> None:
    server = Answers(TROUBLES[trouble])
    with pytest.raises(Unavailable):
        connect(serve(server.app(), "")).attempt("pay_1")
    assert server.asked == gateways.TRIES
    assert waits == sorted(waits)
    assert len(waits) == gateways.TRIES - 1


def test_a_short_trouble_is_not_noticed_by_a_read(
    serve: Serve, connect: Callable[..., RazorpayApi]
) -> None:
    server = Answers(TROUBLES["unavailable"], JSONResponse(RECORD))
    assert connect(serve(server.app(), "")).attempt("pay_1").status is AttemptStatus.CAPTURED


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_order_is_never_opened_twice(
    serve: Serve, connect: Callable[..., RazorpayApi], trouble: str
) -> None:
    server = Answers(TROUBLES[trouble])
    with pytest.raises(Unavailable):
        connect(serve(server.app(), "")).open_order("p", "o", PRICE)
    assert server.asked == 1


def test_nobody_there_is_unavailable(connect: Callable[..., RazorpayApi], waits: Waits) -> None:
    with pytest.raises(Unavailable):
        connect("http://127.0.0.1:1").attempt("pay_1")
    assert len(waits) == gateways.TRIES - 1


def test_a_slow_answer_is_waited_for_once_and_not_long(
    serve: Serve,
    connect: Callable[..., RazorpayApi],
    waits: Waits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0

    async def dawdle(_: Request) -> Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(1)
        return JSONResponse(RECORD)

    monkeypatch.setattr(gateways, "TIMEOUT_SECONDS", (1.0, 0.05))
    address = serve(Starlette(routes=[Route("/{rest:path}", dawdle)]), "")
    with pytest.raises(Unavailable):
        connect(address).attempt("pay_1")
    assert asked == 1
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
def test_an_order_over_another_amount_is_not_accepted(
    serve: Serve, connect: Callable[..., RazorpayApi], answer: object
) -> None:
    address = serve(Answers(JSONResponse(answer)).app(), "")
    with pytest.raises(BadGateway):
        connect(address).open_order("p", "o", PRICE)


@pytest.mark.parametrize(
    "answer", [{}, [], {**RECORD, "status": "dreaming"}, {**RECORD, "status": None}, {"id": "p"}]
)
def test_a_record_that_makes_no_sense_is_a_bad_gateway(
    serve: Serve, connect: Callable[..., RazorpayApi], answer: object
) -> None:
    with pytest.raises(BadGateway):
        connect(serve(Answers(JSONResponse(answer)).app(), "")).attempt("pay_1")


def test_the_secret_of_the_keys_is_never_shown() -> None:
    assert KEYS.key_secret not in repr(KEYS)


def test_an_order_is_payable_by_whom_and_over_what_the_order_domain_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = an_order(NOON, "u1")

    class OrderService:
        def payable(self, order_id: str, customer_id: str) -> Order:
            assert (order_id, customer_id) == (order.id, "u1")
            return order

    monkeypatch.setattr("order.wiring.order_service", OrderService)
    customer = Customer("u1", "asha@example.com", "Asha")
    expected = PayableOrder(order.id, customer, order.pricing.total)
    assert OrderServiceOrders().payable(order.id, "u1") == expected


def test_a_refund_of_money_that_the_shop_does_not_trade_in_hides_none_of_the_others(
    connect: Callable[..., RazorpayApi], serve: Serve
) -> None:
    refund = {"id": "rfnd_1", "payment_id": "pay_1", "amount": 500, "status": "processed"}
    items = [{**refund, "currency": "EUR"}, {**refund, "id": "rfnd_2", "currency": "INR"}]
    razorpay = connect(serve(Answers(JSONResponse({"items": items})).app(), ""))
    foreign, own = razorpay.refunds_between(NOON, NOON, 0, 100)
    assert isinstance(foreign, RazorpayRefund)
    assert isinstance(own, RazorpayRefund)
    assert foreign.amount == ForeignMoney(500, "EUR")
    assert own.amount == Money(500, Currency.INR)


def test_a_record_of_a_list_that_makes_no_sense_keeps_its_place_and_hides_none_of_the_others(
    connect: Callable[..., RazorpayApi], serve: Serve
) -> None:
    items = [{**RECORD, "status": "dreaming"}, RECORD, "nonsense"]
    razorpay = connect(serve(Answers(JSONResponse({"items": items})).app(), ""))
    strange, known, nameless = razorpay.payments_between(NOON, NOON, 0, 100)
    assert strange == Unreadable("pay_1")
    assert isinstance(known, Attempt)
    assert isinstance(nameless, Unreadable)


def test_an_order_that_waits_for_news_of_its_money_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = LittleShop(FrozenClock())
    order = shop.places(a_caller())
    monkeypatch.setattr("order.wiring.order_service", lambda: shop.service)
    assert OrderServiceOrders().confirm(order.id) is True
    assert shop.orders.kept[order.id].status is OrderStatus.CONFIRMED
    assert OrderServiceOrders().confirm(order.id) is False
    assert OrderServiceOrders().confirm(new_id()) is False


def test_an_order_that_is_gone_says_how(
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
    for order, how in ((cancelled, OrderGone), (expired, OrderExpired)):
        with pytest.raises(OrderGone) as unconfirmed:
            OrderServiceOrders().confirm(order.id)
        with pytest.raises(OrderGone) as unpayable:
            OrderServiceOrders().payable(order.id, customer.user_id)
        assert (type(unconfirmed.value), type(unpayable.value)) == (how, how)


def test_only_a_cancelled_order_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = LittleShop(FrozenClock())
    customer = a_caller()
    order = shop.places(customer)
    monkeypatch.setattr("order.wiring.order_service", lambda: shop.service)
    shop.service.confirm(order.id)
    with pytest.raises(Conflict) as paid:
        OrderServiceOrders().payable(order.id, customer.user_id)
    assert not isinstance(paid.value, OrderGone)
    shop.service.cancel(order.id, customer.user_id)
    with pytest.raises(OrderGone):
        OrderServiceOrders().payable(order.id, customer.user_id)
