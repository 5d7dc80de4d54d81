"""The Razorpay simulator, driven by Razorpay's own SDK over a real connection."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import razorpay
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from simulators.razorpay import create_app
from simulators.razorpay.model import Payment

Serve = Callable[[Starlette, str], str]

http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)

KEY_ID, KEY_SECRET = "rzp_test_key", "the-secret-of-the-key"


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def address(tmp_path: Path, clock: Clock, serve: Serve) -> str:
    app = create_app(tmp_path, key_id=KEY_ID, key_secret=KEY_SECRET, clock=clock)
    return serve(app, "/razorpay")


def sdk(address: str, secret: str = KEY_SECRET) -> Any:
    return razorpay.Client(auth=(KEY_ID, secret), base_url=address)


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    client = sdk(address)
    yield client
    client.session.close()


def new_order(client: Any, **values: Any) -> dict[str, Any]:
    order: dict[str, Any] = client.order.create({"amount": 49950, "currency": "INR"} | values)
    return order


def pay(address: str, order_id: str, outcome: str = "success") -> dict[str, str]:
    answer = http.post(f"{address}/simulator/pay", json={"orderId": order_id, "outcome": outcome})
    assert answer.status_code == 200, answer.text
    signed: dict[str, str] = answer.json()
    return signed


def paid(client: Any, address: str, **values: Any) -> str:
    return pay(address, new_order(client, **values)["id"])["razorpay_payment_id"]


def call(address: str, method: str, path: str, body: Any = None) -> httpx.Response:
    return http.request(method, address + path, json=body, auth=(KEY_ID, KEY_SECRET))


def refusal(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 400
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == "BAD_REQUEST_ERROR"
    assert {"description", "source", "step", "reason", "metadata"} <= error.keys()
    return error


def test_a_new_order_has_the_form_of_razorpays(client: Any, clock: Clock) -> None:
    order = new_order(client, receipt="order-17", notes={"order": "17"})

    assert re.fullmatch(r"order_[A-Za-z0-9]{14}", order.pop("id"))
    assert order == {
        "entity": "order",
        "amount": 49950,
        "amount_paid": 0,
        "amount_due": 49950,
        "currency": "INR",
        "receipt": "order-17",
        "offer_id": None,
        "status": "created",
        "attempts": 0,
        "notes": {"order": "17"},
        "created_at": int(clock.now),
    }


def test_an_order_without_notes_has_an_empty_list_of_them(client: Any) -> None:
    assert new_order(client)["notes"] == []


def test_a_fetched_order_is_the_created_one(client: Any) -> None:
    order = new_order(client, currency="USD")
    assert client.order.fetch(order["id"]) == order


@pytest.mark.parametrize(
    ("body", "field", "description"),
    [
        ({"currency": "INR"}, "amount", "The amount field is required."),
        ({"amount": 100}, "currency", "The currency field is required."),
        ({"amount": 99, "currency": "INR"}, "amount", "The amount must be at least INR 1.00"),
        ({"amount": -500, "currency": "INR"}, "amount", "The amount must be at least INR 1.00"),
        ({"amount": 499.5, "currency": "INR"}, "amount", "The amount must be an integer."),
        ({"amount": True, "currency": "INR"}, "amount", "The amount must be an integer."),
        ({"amount": "12.5", "currency": "INR"}, "amount", "The amount must be an integer."),
        ({"amount": 100, "currency": "XXX"}, "currency", "Currency is not supported"),
        (
            {"amount": 100, "currency": "INR", "receipt": "r" * 41},
            "receipt",
            "The receipt may not be greater than 40 characters.",
        ),
        (
            {"amount": 100, "currency": "INR", "notes": {str(n): "x" for n in range(16)}},
            "notes",
            "The number of keys in notes must be at most 15.",
        ),
        (
            {"amount": 100, "currency": "INR", "orderId": "1"},
            None,
            "orderId is/are not required and should not be sent",
        ),
    ],
)
def test_an_invalid_order_is_refused_with_the_field_at_fault(
    address: str, body: dict[str, Any], field: str | None, description: str
) -> None:
    error = refusal(call(address, "POST", "/v1/orders", body))
    assert error.get("field") == field
    assert error["description"] == description
    assert call(address, "GET", "/v1/orders").json()["count"] == 0


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_not_a_json_object_is_refused(address: str, content: bytes) -> None:
    answer = http.post(f"{address}/v1/orders", content=content, auth=(KEY_ID, KEY_SECRET))
    refusal(answer)


def test_a_wrong_key_is_refused(address: str) -> None:
    client = sdk(address, secret="wrong")
    with pytest.raises(razorpay.errors.BadRequestError, match="Authentication failed"):
        client.order.all()
    client.session.close()


@pytest.mark.parametrize("header", ["", "Basic", "Basic %%%", "Bearer abc", "Basic //79"])
def test_a_request_without_valid_credentials_is_401(address: str, header: str) -> None:
    answer = http.get(f"{address}/v1/orders", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"]["description"] == "Authentication failed"


@pytest.mark.parametrize(
    "path", ["/v1/orders/order_none", "/v1/payments/pay_none", "/v1/refunds/rfnd_none"]
)
def test_an_unknown_id_is_refused_with_400(address: str, path: str) -> None:
    error = refusal(call(address, "GET", path))
    assert error["description"] == "The id provided does not exist"


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nothing"), ("DELETE", "/v1/orders")])
def test_an_unknown_address_is_refused_with_400(address: str, method: str, path: str) -> None:
    error = refusal(call(address, method, path))
    assert error["description"] == "The requested URL was not found on the server."


def test_an_id_of_another_kind_is_unknown(client: Any, address: str) -> None:
    order = new_order(client)
    refusal(call(address, "GET", f"/v1/payments/{order['id']}"))


def test_a_successful_payment_is_captured_and_pays_the_order(client: Any, address: str) -> None:
    order = new_order(client, amount=100_000)
    signed = pay(address, order["id"])

    assert client.utility.verify_payment_signature(signed)
    assert re.fullmatch(r"pay_[A-Za-z0-9]{14}", signed["razorpay_payment_id"])
    payment = client.payment.fetch(signed["razorpay_payment_id"])
    assert (payment["status"], payment["captured"]) == ("captured", True)
    assert (payment["order_id"], payment["amount"]) == (order["id"], 100_000)
    assert (payment["fee"], payment["tax"]) == (2360, 360)
    order = client.order.fetch(order["id"])
    assert (order["status"], order["attempts"]) == ("paid", 1)
    assert (order["amount_paid"], order["amount_due"]) == (100_000, 0)


def test_a_signature_does_not_fit_another_payment(client: Any, address: str) -> None:
    signed = pay(address, new_order(client)["id"])
    signed["razorpay_payment_id"] = "pay_00000000000000"
    with pytest.raises(razorpay.errors.SignatureVerificationError):
        client.utility.verify_payment_signature(signed)


def test_a_failed_payment_is_signed_and_recorded_as_failed(client: Any, address: str) -> None:
    order = new_order(client)
    signed = pay(address, order["id"], "failure")

    assert client.utility.verify_payment_signature(signed)
    payment = client.payment.fetch(signed["razorpay_payment_id"])
    assert (payment["status"], payment["captured"], payment["fee"]) == ("failed", False, None)
    assert payment["error_code"] == "BAD_REQUEST_ERROR"
    assert payment["error_reason"] == "payment_failed"
    order = client.order.fetch(order["id"])
    assert (order["status"], order["amount_paid"], order["attempts"]) == ("attempted", 0, 1)


def test_an_order_can_be_paid_after_failed_attempts(client: Any, address: str) -> None:
    order = new_order(client)
    outcomes = ("failure", "failure", "success")
    ids = [pay(address, order["id"], outcome)["razorpay_payment_id"] for outcome in outcomes]

    payments = client.order.payments(order["id"])
    assert [payment["id"] for payment in payments["items"]] == ids
    assert [payment["status"] for payment in payments["items"]] == ["failed", "failed", "captured"]
    order = client.order.fetch(order["id"])
    assert (order["status"], order["attempts"]) == ("paid", 3)


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_a_paid_order_takes_no_further_payment(client: Any, address: str, outcome: str) -> None:
    order = new_order(client)
    pay(address, order["id"])
    again = {"orderId": order["id"], "outcome": outcome}
    error = refusal(http.post(f"{address}/simulator/pay", json=again))
    assert "already paid" in error["description"]
    assert client.order.fetch(order["id"])["attempts"] == 1


def test_an_order_can_be_paid_twice_from_two_open_checkouts(client: Any, address: str) -> None:
    order = new_order(client)
    pay(address, order["id"])
    twice = {"orderId": order["id"], "outcome": "success", "again": True}
    assert http.post(f"{address}/simulator/pay", json=twice).status_code == 200
    payments = client.order.payments(order["id"])["items"]
    assert [payment["status"] for payment in payments] == ["captured", "captured"]
    assert client.order.fetch(order["id"])["amount_paid"] == order["amount"]


def test_paying_an_unknown_order_is_404(address: str) -> None:
    body = {"orderId": "order_unknown", "outcome": "success"}
    answer = http.post(f"{address}/simulator/pay", json=body)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "BAD_REQUEST_ERROR"


@pytest.mark.parametrize(
    ("body", "field"), [({}, "orderId"), ({"orderId": "order_x", "outcome": "maybe"}, "outcome")]
)
def test_a_payment_needs_an_order_and_an_outcome(
    address: str, body: dict[str, str], field: str
) -> None:
    assert refusal(http.post(f"{address}/simulator/pay", json=body))["field"] == field


@pytest.mark.parametrize("settings", [{"payment_capture": 0}, {"payment": {"capture": "manual"}}])
def test_a_manual_order_waits_for_its_capture(
    client: Any, address: str, settings: dict[str, Any]
) -> None:
    order = new_order(client, **settings)
    payment_id = pay(address, order["id"])["razorpay_payment_id"]
    assert client.payment.fetch(payment_id)["status"] == "authorized"
    assert client.order.fetch(order["id"])["status"] == "attempted"

    with pytest.raises(razorpay.errors.BadRequestError, match="equal to the amount authorized"):
        client.payment.capture(payment_id, 100, {"currency": "INR"})
    captured = client.payment.capture(payment_id, 49950, {"currency": "INR"})

    assert captured["status"] == "captured"
    assert client.order.fetch(order["id"])["status"] == "paid"
    with pytest.raises(razorpay.errors.BadRequestError, match="already been captured"):
        client.payment.capture(payment_id, 49950, {"currency": "INR"})


def test_only_one_of_two_authorized_payments_can_be_captured(client: Any, address: str) -> None:
    order = new_order(client, payment_capture=0)
    first, second = (pay(address, order["id"])["razorpay_payment_id"] for _ in range(2))
    client.payment.capture(first, 49950, {"currency": "INR"})
    with pytest.raises(razorpay.errors.BadRequestError, match="already paid"):
        client.payment.capture(second, 49950, {"currency": "INR"})


def test_a_failed_payment_cannot_be_captured_or_refunded(client: Any, address: str) -> None:
    payment_id = pay(address, new_order(client)["id"], "failure")["razorpay_payment_id"]
    with pytest.raises(razorpay.errors.BadRequestError, match="authorized"):
        client.payment.capture(payment_id, 49950, {"currency": "INR"})
    with pytest.raises(razorpay.errors.BadRequestError, match="should be captured"):
        client.payment.refund(payment_id, {})


def test_a_payment_is_refunded_in_parts_until_nothing_is_left(client: Any, address: str) -> None:
    payment_id = paid(client, address)
    part = client.payment.refund(payment_id, {"amount": 10000, "notes": {"why": "late"}})

    assert re.fullmatch(r"rfnd_[A-Za-z0-9]{14}", part["id"])
    assert (part["entity"], part["status"], part["payment_id"]) == (
        "refund",
        "processed",
        payment_id,
    )
    payment = client.payment.fetch(payment_id)
    assert (payment["status"], payment["refund_status"]) == ("captured", "partial")
    with pytest.raises(razorpay.errors.BadRequestError, match="greater than"):
        client.payment.refund(payment_id, {"amount": 39951})

    rest = client.payment.refund(payment_id, {})

    assert rest["amount"] == 39950
    payment = client.payment.fetch(payment_id)
    assert (payment["status"], payment["refund_status"]) == ("refunded", "full")
    assert (payment["amount_refunded"], payment["captured"]) == (49950, True)
    with pytest.raises(razorpay.errors.BadRequestError, match="fully refunded already"):
        client.payment.refund(payment_id, {})
    refunds = client.payment.fetch_multiple_refund(payment_id)
    assert [refund["id"] for refund in refunds["items"]] == [rest["id"], part["id"]]
    assert client.refund.fetch(part["id"]) == part
    assert client.payment.fetch_refund_id(payment_id, part["id"]) == part


def test_a_refund_can_be_made_at_the_refunds_address(client: Any, address: str) -> None:
    payment_id = paid(client, address)
    refund = client.refund.create({"payment_id": payment_id, "amount": 100})
    assert client.refund.all()["items"] == [refund]


def test_a_refund_of_another_payment_is_not_found_under_this_one(client: Any, address: str) -> None:
    refund = client.payment.refund(paid(client, address), {})
    with pytest.raises(razorpay.errors.BadRequestError, match="does not exist"):
        client.payment.fetch_refund_id(paid(client, address), refund["id"])


def test_lists_are_newest_first_and_pages_have_no_gaps(client: Any, clock: Clock) -> None:
    ids = []
    for _ in range(25):
        ids.append(new_order(client)["id"])
        clock.now += 1
    newest_first = ids[::-1]

    pages = [client.order.all({"count": 10, "skip": skip}) for skip in (0, 10, 20)]

    assert [page["count"] for page in pages] == [10, 10, 5]
    assert [order["id"] for page in pages for order in page["items"]] == newest_first
    assert len(client.order.all()["items"]) == 10


def test_a_list_can_be_bounded_in_time_on_both_sides(client: Any, clock: Clock) -> None:
    start = int(clock.now)
    for _ in range(5):
        new_order(client)
        clock.now += 10
    within = client.order.all({"from": start + 10, "to": start + 30})["items"]
    assert [order["created_at"] - start for order in within] == [30, 20, 10]


def test_payments_are_listed_with_the_same_paging(client: Any, address: str) -> None:
    ids = [paid(client, address) for _ in range(3)]
    page = client.payment.all({"count": 2, "skip": 1})
    assert [payment["id"] for payment in page["items"]] == [ids[1], ids[0]]


def test_orders_can_be_found_by_receipt(client: Any) -> None:
    new_order(client, receipt="a")
    wanted = new_order(client, receipt="b")
    assert client.order.all({"receipt": "b"})["items"] == [wanted]


@pytest.mark.parametrize("query", ["count=0", "count=101", "count=x", "skip=-1", "from=soon"])
def test_an_invalid_page_is_refused(address: str, query: str) -> None:
    field = query.partition("=")[0]
    assert refusal(call(address, "GET", f"/v1/payments?{query}"))["field"] == field


def test_one_of_many_concurrent_payments_pays_the_order(client: Any, address: str) -> None:
    order = new_order(client)
    body = {"orderId": order["id"], "outcome": "success"}

    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda _: http.post(f"{address}/simulator/pay", json=body), range(16))
        )

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 15
    assert client.order.payments(order["id"])["count"] == 1
    assert client.order.fetch(order["id"])["attempts"] == 1


def test_concurrent_refunds_never_exceed_the_payment(client: Any, address: str) -> None:
    payment_id = paid(client, address, amount=10_000)

    def refund(_: int) -> int:
        return call(
            address, "POST", f"/v1/payments/{payment_id}/refund", {"amount": 3000}
        ).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(refund, range(10)))

    assert statuses.count(200) == 3
    assert client.payment.fetch(payment_id)["amount_refunded"] == 9000


def test_concurrent_orders_are_all_stored(client: Any, address: str) -> None:
    body = {"amount": 100, "currency": "INR"}
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda _: call(address, "POST", "/v1/orders", body).json(), range(60))
        )
    assert len({order["id"] for order in answers}) == 60
    assert client.order.all({"count": 100})["count"] == 60


def test_records_survive_a_restart_of_the_simulator(
    client: Any, address: str, tmp_path: Path, serve: Serve
) -> None:
    payment_id = paid(client, address)
    app = create_app(tmp_path, key_id=KEY_ID, key_secret=KEY_SECRET)
    again = call(serve(app, "/razorpay"), "GET", f"/v1/payments/{payment_id}")
    assert again.json() == client.payment.fetch(payment_id)


def test_a_customer_pays_on_the_checkout_page_and_returns_to_the_shop(
    client: Any, address: str
) -> None:
    order = new_order(client, amount=123_450)
    callback = "http://shop.example/done?lang=en"
    page = http.get(f"{address}/checkout", params={"orderId": order["id"], "callback": callback})
    assert page.status_code == 200
    assert "₹1,234.50" in page.text
    assert f'action="{httpx.URL(address).path}/checkout"' in page.text
    assert 'value="http://shop.example/done?lang=en"' in page.text

    form = {"orderId": order["id"], "callback": callback, "outcome": "success"}
    answer = http.post(f"{address}/checkout", data=form)

    assert answer.status_code == 303
    back = httpx.URL(answer.headers["Location"])
    assert back.host == "shop.example"
    assert back.params["lang"] == "en"
    assert client.utility.verify_payment_signature(dict(back.params))
    assert client.order.fetch(order["id"])["status"] == "paid"


def test_without_a_callback_the_page_shows_what_the_shop_receives(
    client: Any, address: str
) -> None:
    order = new_order(client)
    answer = http.post(f"{address}/checkout", data={"orderId": order["id"], "outcome": "failure"})
    assert answer.status_code == 200
    assert "razorpay_signature" in answer.text
    again = f"{httpx.URL(address).path}/checkout?orderId={order['id']}"
    assert f'href="{again}"' in answer.text


@pytest.mark.parametrize(
    "callback", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "http:x", "shop"]
)
def test_a_callback_that_is_not_a_web_address_is_refused(
    client: Any, address: str, callback: str
) -> None:
    order = new_order(client)
    form = {"orderId": order["id"], "callback": callback, "outcome": "success"}
    assert refusal(http.post(f"{address}/checkout", data=form))["field"] == "callback"
    assert client.order.fetch(order["id"])["attempts"] == 0


def test_html_in_a_receipt_is_escaped_on_every_page(client: Any, address: str) -> None:
    hostile = '"><script>alert(1)</script>'
    order = new_order(client, receipt=hostile)
    pages = [
        http.get(f"{address}/"),
        http.get(
            f"{address}/checkout", params={"orderId": order["id"], "callback": f"/x{hostile}"}
        ),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "&lt;script&gt;" in page.text


def test_the_page_of_a_paid_order_has_no_button(client: Any, address: str) -> None:
    order = new_order(client)
    pay(address, order["id"])
    page = http.get(f"{address}/checkout", params={"orderId": order["id"]})
    assert "<button" not in page.text


@given(amount=st.integers(100, 10**12), currency=st.sampled_from(["INR", "USD"]))
def test_the_fee_contains_its_tax_and_is_less_than_the_payment(amount: int, currency: str) -> None:
    payment = Payment("pay_1", "order_1", amount, currency, "authorized", 0).captured()
    assert payment.fee is not None
    assert payment.tax is not None
    assert 0 <= payment.tax < payment.fee < payment.base_amount
    assert payment.tax == pytest.approx((payment.fee - payment.tax) * 0.18, abs=0.51)


@given(data=st.data(), amount=st.integers(100, 10**9))
def test_refunds_add_up_to_the_payment(data: st.DataObject, amount: int) -> None:
    payment = Payment("pay_1", "order_1", amount, "INR", "authorized", 0).captured()
    while payment.refundable:
        assert payment.status == "captured"
        least = max(1, payment.refundable // 3)
        payment = payment.refunded(data.draw(st.integers(least, payment.refundable)))
    assert (payment.status, payment.amount_refunded) == ("refunded", amount)
    assert payment.refund_status == "full"
