"""Limits of requests by person and by client address."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from pynamodb.exceptions import UpdateError

from conftest import FrozenClock
from supermarket import wiring
from supermarket.caller import Caller, Role
from supermarket.config import settings
from supermarket.dynamo.rate_limits import DynamoRateLimits
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.http import get, post
from supermarket.idempotency import IdempotencyKey, run_once
from supermarket.rate_limits import RateLimits, RequestLimit
from supermarket.schemas import Message
from supermarket.throttle import Throttle
from support.api import a_caller, api_event, bearer
from support.domains import endpoints
from support.template import template

ORDERS = RequestLimit("orders", timedelta(minutes=10))
pytestmark = pytest.mark.usefixtures("aws")

type SetLimits = Callable[[int, int], None]


@post("/api/wishes", roles={Role.USER}, limit=ORDERS)
def make_wish(key: IdempotencyKey | None, caller: Caller) -> Message:
    keys = wiring.idempotency_keys()

    def make() -> Message:
        if key:
            transaction = DynamoTransaction()
            keys.save_result(key.about(caller.role), "made before", transaction)
            transaction.commit()
        return Message(message="made")

    return run_once(
        keys, key and key.about(caller.role), make, lambda result: Message(message=result)
    )


@get("/api/wishes", limit=ORDERS)
def list_wishes(caller: Caller) -> Message:
    return Message(message=caller.user_id)


@pytest.fixture
def set_limits(monkeypatch: pytest.MonkeyPatch, clock: FrozenClock) -> Iterator[SetLimits]:
    """Sets the limits per person and per client."""

    def set_them(per_person: int, per_client: int) -> None:
        monkeypatch.setenv("ORDERS_PER_PERSON", str(per_person))
        monkeypatch.setenv("ORDERS_PER_CLIENT", str(per_client))
        settings.cache_clear()

    count_with(monkeypatch, DynamoRateLimits(clock))
    yield set_them
    monkeypatch.undo()
    settings.cache_clear()


def count_with(patch: pytest.MonkeyPatch, limits: RateLimits) -> None:
    patch.setattr(wiring, "throttle", lambda: Throttle(limits))


def wish(caller: Caller, client: str = "192.0.2.1", key: str | None = None) -> dict[str, Any]:
    event = api_event(make_wish, headers=bearer(caller))
    if key:
        event["headers"]["idempotency-key"] = key
    event["requestContext"]["http"]["sourceIp"] = client
    return make_wish(event, None)


def test_thirty_accounts_of_one_client_address_are_throttled(set_limits: SetLimits) -> None:
    set_limits(5, 20)
    answers = [wish(a_caller()) for _ in range(30)]
    assert [answer["statusCode"] for answer in answers] == [200] * 20 + [429] * 10
    assert wish(a_caller(), client="192.0.2.2")["statusCode"] == 200


def test_a_person_with_many_addresses_is_throttled(set_limits: SetLimits) -> None:
    set_limits(3, 20)
    caller = a_caller()
    statuses = [wish(caller, client=f"192.0.2.{n}")["statusCode"] for n in range(5)]
    assert statuses == [200] * 3 + [429] * 2
    assert wish(a_caller())["statusCode"] == 200


def test_each_route_counts_its_own_requests(set_limits: SetLimits) -> None:
    set_limits(1, 1)
    caller = a_caller()
    assert wish(caller)["statusCode"] == 200
    assert list_wishes(api_event(list_wishes, headers=bearer(caller)), None)["statusCode"] == 200


def test_a_refusal_says_what_to_do_and_when(set_limits: SetLimits, clock: FrozenClock) -> None:
    set_limits(1, 0)
    clock.advance(timedelta(minutes=4))
    caller = a_caller()
    wish(caller)
    refused = wish(caller)
    assert (refused["statusCode"], refused["headers"]["retry-after"]) == (429, "360")
    body = json.loads(refused["body"])
    assert body["code"] == "TOO_MANY"
    assert body["message"] == "Too many orders by you. Try again in 360 seconds."
    clock.advance(timedelta(minutes=6))
    assert wish(caller)["statusCode"] == 200


def test_a_repeated_request_gets_its_result_although_the_limit_is_exceeded(
    set_limits: SetLimits,
) -> None:
    set_limits(1, 1)
    caller = a_caller()
    assert json.loads(wish(caller, key="one")["body"])["message"] == "made"
    assert json.loads(wish(caller, key="one")["body"])["message"] == "made before"
    assert wish(caller, key="two")["statusCode"] == 429
    assert wish(a_caller(), key="one")["statusCode"] == 429


def test_only_a_counter_that_does_not_answer_lets_requests_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing:
        def __init__(self, failure: Exception) -> None:
            self.failure = failure

        def count(self, *_: object) -> int | None:
            raise UpdateError("failed", self.failure)

    def failed(code: str) -> Exception:
        return ClientError({"Error": {"Code": code, "Message": ""}}, "UpdateItem")

    for failure, status in (
        (ReadTimeoutError(endpoint_url="http://database"), 200),
        (failed("ThrottlingException"), 200),
        (failed("AccessDeniedException"), 500),
    ):
        count_with(monkeypatch, Failing(failure))
        assert wish(a_caller())["statusCode"] == status


def test_a_request_without_a_session_is_401_and_not_counted(set_limits: SetLimits) -> None:
    set_limits(1, 1)
    statuses = [make_wish(api_event(make_wish), None)["statusCode"] for _ in range(3)]
    assert statuses == [401] * 3
    assert wish(a_caller())["statusCode"] == 200


def test_a_route_for_everybody_is_limited_by_client_address(set_limits: SetLimits) -> None:
    @post("/api/visits", limit=ORDERS)
    def visit() -> Message:
        return Message(message="hello")

    set_limits(1, 2)
    event = api_event(visit)
    assert [visit(event, None)["statusCode"] for _ in range(3)] == [200, 200, 429]
    event["requestContext"]["http"]["sourceIp"] = "192.0.2.2"
    assert visit(event, None)["statusCode"] == 200


def test_what_costs_is_limited() -> None:
    limited = {
        each.routes[0]: (each.limit.what, each.needs_session)
        for each in endpoints().values()
        if each.limit
    }
    assert limited == {
        "POST /api/auth/register": ("registrations", False),
        "POST /api/auth/password/forgot": ("mail_links", False),
        "POST /api/auth/email/resend": ("mail_links", False),
        "POST /api/products": ("products", True),
        "PATCH /api/products/{productId}": ("products", True),
        "POST /api/orders": ("orders", True),
        "POST /api/payments/create/{orderId}": ("payments", True),
        "POST /api/payments/verify": ("payments", True),
        "POST /api/ai/ticket": ("tickets", True),
    }
    for each in endpoints().values():
        if each.limit:
            known = ("person", "client") if each.needs_session else ("client",)
            assert all(each.limit.rate(per).number for per in known)


def test_a_seller_can_import_2000_products_an_hour() -> None:
    parameters = template()["Parameters"]
    for name in ("ProductsPerPerson", "ProductsPerClient"):
        assert parameters[name]["Default"] >= 2_000
