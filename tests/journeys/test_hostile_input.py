"""Hostile clients: every bad request gets its 4xx in the contract's shape, and changes nothing."""

import base64
import json
from functools import partial
from typing import Any

import httpx
import jwt
import pytest

from auth.signing import SigningKey
from local.cloud import OPEN_ORDERS, RESERVED_PIECES
from local.emulator_gaps import declared_routes, definition
from supermarket.clock import new_id
from supermarket.signatures import ALGORITHM, JWS
from support.deployed import signing_key
from support.shop import ADDRESS, Person, client

pytestmark = pytest.mark.e2e

PUBLIC = {"GET /api/products", "GET /api/products/{productId}", "GET /healthz", "GET /readyz"}
OPEN = PUBLIC | {
    "POST /api/auth/register",
    "POST /api/auth/login",
    "POST /api/auth/login/totp",
    "GET /api/auth/logout",
    "POST /api/auth/logout",
    "POST /api/auth/password/forgot",
    "POST /api/auth/password/reset",
    "POST /api/auth/email/verify",
    "POST /api/auth/email/resend",
    "POST /api/auth/email/change/confirm",
    "POST /api/auth/email/change/undo",
    "POST /api/payments/webhook",  # authenticated by its signature
    "GET /api/openapi.json",
    "GET /api/docs",
    "GET /.well-known/jwks.json",
    "GET /api/docs/{file}",
    "GET /.well-known/security.txt",
    "GET /.well-known/change-password",
}
FOR_ADMINS = {"POST /api/payments/{paymentId}/refund"}
WITH_BODY = {
    "POST /api/auth/register",
    "POST /api/auth/login",
    "POST /api/auth/login/totp",
    "POST /api/auth/totp/confirm",
    "POST /api/auth/password/forgot",
    "POST /api/auth/password/reset",
    "POST /api/auth/password/change",
    "POST /api/auth/email/verify",
    "POST /api/auth/email/resend",
    "POST /api/auth/email/change",
    "POST /api/auth/email/change/confirm",
    "POST /api/auth/email/change/undo",
    "POST /api/auth/users/me/address",
    "PATCH /api/auth/users/me/address/{addressId}",
    "PATCH /api/auth/me",
    "POST /api/products",
    "PATCH /api/products/{productId}",
    "PATCH /api/products/{productId}/stock",
    "POST /api/cart/items",
    "PATCH /api/cart/items/{productId}",
    "POST /api/orders",
    "PATCH /api/orders/{orderId}/address",
    "POST /api/orders/{orderId}/ship",
    "POST /api/orders/{orderId}/deliver",
    "POST /api/payments/verify",
}
BAD_BODIES: dict[str, bytes] = {
    "truncated": b'{"a": ',
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "unknown fields": b'{"__proto__": {"admin": true}, "role": "admin"}',
    "wrong types": b'{"username": {"$ne": 1}, "email": ["a@b.c"], "productId": 1, "quantity": "x"}',
    "deep": b"[" * 20_000 + b"]" * 20_000,
    "not utf-8": b"\xff\xfe\x00",
    "lone surrogate": b'{"title": "\\ud800", "street": "\\udfff"}',
    "numbers out of range": b'{"quantity": 1e400, "priceAmount": 1e400, "set": -1e99}',
}


def all_routes() -> list[str]:
    """All but the default route and those of HEAD, whose answers have no body."""
    keys = {route.key for route in declared_routes(definition())} - {"$default"}
    return sorted(key for key in keys if not key.startswith("HEAD "))


def role_for(route: str) -> str:
    if "/api/admin/" in route:
        return "admin"
    selling = route.startswith(
        ("POST /api/products", "PATCH /api/products", "DELETE /api/products")
    )
    selling |= route.endswith(("/ship", "/deliver", "/stock/history"))
    return "seller" if selling or "/seller" in route else "user"


@pytest.fixture(scope="module")
def people(endpoints: dict[str, Any]) -> dict[str, Person]:
    registered = {role: Person.register(endpoints, role) for role in ("user", "seller")}
    return {**registered, "admin": Person.administer(endpoints)}


def send(person: Person, route: str, **options: Any) -> httpx.Response:
    method, path = route.split(" ")
    for name in ("productId", "orderId", "paymentId", "addressId", "notificationId", "userId"):
        path = path.replace("{" + name + "}", new_id())
    return person.send(method, path, **options)


def assert_refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, f"{answer.request.url}: {answer.text}"
    body = answer.json()
    assert body["message"]
    assert body["requestId"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("route", sorted(set(all_routes()) - OPEN))
def test_requests_without_a_session_are_refused(endpoints: dict[str, Any], route: str) -> None:
    visitor = Person(client(endpoints["api"]), "", "", "")
    assert_refused(send(visitor, route, json={}), 401)


@pytest.mark.parametrize("route", sorted(WITH_BODY))
def test_bad_bodies_are_refused_with_the_contracts_error(
    people: dict[str, Person], route: str
) -> None:
    for what, body in BAD_BODIES.items():
        headers = {"content-type": "application/json"}
        answer = send(people[role_for(route)], route, content=body, headers=headers)
        assert answer.status_code == 400, f"{what}: {answer.status_code} {answer.text}"
        assert_refused(answer, 400)


@pytest.mark.parametrize("route", sorted(WITH_BODY))
def test_huge_bodies_and_other_media_types_are_refused(
    people: dict[str, Person], route: str
) -> None:
    person = people[role_for(route)]
    huge = json.dumps({"title": "x" * 5_000_000}).encode()
    headers = {"content-type": "application/json"}
    assert_refused(send(person, route, content=huge, headers=headers), 413)
    headers = {"content-type": "application/xml"}
    assert_refused(send(person, route, content=b"<order/>", headers=headers), 415)


@pytest.mark.parametrize(
    "route", sorted(route for route in set(all_routes()) - OPEN - FOR_ADMINS if "{" in route)
)
def test_unknown_and_malformed_ids_are_not_found(people: dict[str, Person], route: str) -> None:
    bodies: dict[str, Any] = {
        "PATCH /api/products/{productId}": {"title": "A new title"},
        "PATCH /api/products/{productId}/stock": {"set": 1},
        "PATCH /api/cart/items/{productId}": {"quantity": 1},
        "PATCH /api/orders/{orderId}/address": {"street": "Elsewhere 1"},
        "POST /api/admin/users/{userId}/role": {"role": "seller"},
        "POST /api/admin/users/{userId}/suspend": {"reason": "Counterfeit goods"},
        "PATCH /api/auth/users/me/address/{addressId}": {"street": "Elsewhere 1"},
        "PATCH /api/auth/users/me/addresses/{addressId}": {"street": "Elsewhere 1"},
    }
    person = people[role_for(route)]
    assert_refused(send(person, route, json=bodies.get(route)), 404)
    method, path = route.split(" ")
    for malformed in ("1", "%00", "..%2F..%2Fetc", "a" * 300, "%F0%9F%8D%8E", "' OR 1=1"):
        target = path[: path.index("{")] + malformed + path[path.index("}") + 1 :]
        assert_refused(person.send(method, target, json=bodies.get(route)), 404)


def test_orders_payments_and_addresses_of_other_users_are_not_found(
    endpoints: dict[str, Any],
) -> None:
    seller, owner, thief = (Person.register(endpoints, role) for role in ("seller", "user", "user"))
    product = seller.sells(stock=2)
    owner.takes(product)
    order = owner.orders().json()["order"]
    payment = owner.post(f"/api/payments/create/{order['id']}").json()["payment"]
    proof = owner.payment_proof(endpoints, order["id"])
    address = owner.post("/api/auth/users/me/address", ADDRESS).json()["address"]
    thief.takes(product)

    for answer in (
        thief.get(f"/api/orders/{order['id']}"),
        thief.post(f"/api/orders/{order['id']}/cancel"),
        thief.patch(f"/api/orders/{order['id']}/address", {"street": "Thief Lane 1"}),
        thief.post(f"/api/payments/create/{order['id']}"),
        thief.get(f"/api/payments/{payment['id']}"),
        thief.get(f"/api/payments/order/{order['id']}"),
        thief.post("/api/payments/verify", proof),
        thief.delete(f"/api/auth/users/me/address/{address['id']}"),
        thief.post("/api/orders", {"addressId": address["id"]}),
    ):
        assert_refused(answer, 404)
    order = owner.order(order["id"])
    assert order["status"] != "CANCELLED"  # another test's reconciliation may confirm it
    assert order["shippingAddress"]["street"] == ADDRESS["street"]


def test_one_account_cannot_reserve_the_whole_stock(endpoints: dict[str, Any]) -> None:
    seller, hostile, other = (Person.register(endpoints, r) for r in ("seller", "user", "user"))
    product = seller.sells(stock=5000)
    for _ in range(OPEN_ORDERS):
        hostile.takes(product)
        assert hostile.orders().status_code == 201
    hostile.takes(product)
    refused = hostile.orders()
    assert_refused(refused, 429)
    assert refused.json()["code"] == "TOO_MANY_RESERVATIONS"
    assert int(refused.headers["retry-after"]) > 60
    own = hostile.get("/api/orders/me").json()["orders"][0]
    assert hostile.post(f"/api/orders/{own['id']}/cancel").status_code == 200
    assert hostile.orders().status_code == 201
    for _ in range(RESERVED_PIECES // 99 + 1):
        more = seller.sells(stock=99)
        other.takes(more, 99)
    assert_refused(other.orders(), 429)


def test_a_seller_cannot_change_a_product_of_another_seller(endpoints: dict[str, Any]) -> None:
    owner, rival = (Person.register(endpoints, "seller") for _ in range(2))
    product = owner.sells(stock=2)
    path = f"/api/products/{product['id']}"
    assert_refused(rival.patch(path, {"priceAmount": 1}), 403)
    assert_refused(rival.patch(f"{path}/stock", {"set": 0}), 403)
    assert_refused(rival.delete(path), 403)
    unchanged = owner.get(path).json()["product"]
    assert (unchanged["stock"], unchanged["price"]) == (2, product["price"])


def test_each_role_is_limited_to_its_own_routes(people: dict[str, Person]) -> None:
    product = {"title": "Not mine to sell", "priceAmount": 1}
    assert_refused(people["user"].post("/api/products", product), 403)
    assert_refused(people["user"].get("/api/seller/dashboard/metrics"), 403)
    assert_refused(people["seller"].get("/api/cart"), 403)
    for role in ("user", "seller"):
        assert_refused(people[role].post(f"/api/payments/{new_id()}/refund"), 403)
    assert_refused(people["seller"].post("/api/orders", {"shippingAddress": ADDRESS}), 403)
    assert_refused(people["user"].post(f"/api/orders/{new_id()}/ship"), 403)
    assert_refused(people["user"].post(f"/api/orders/{new_id()}/deliver"), 403)


def test_a_registration_as_admin_is_refused(endpoints: dict[str, Any]) -> None:
    account = {
        "username": f"boss-{new_id()[-8:]}",
        "email": f"{new_id()}@example.com",
        "password": "long enough",
        "fullName": {"firstName": "B", "lastName": "oss"},
        "role": "admin",
    }
    assert_refused(client(endpoints["api"]).post("/api/auth/register", json=account), 400)


def test_forged_tokens_are_refused(endpoints: dict[str, Any], people: dict[str, Person]) -> None:
    genuine = people["user"].token
    header, payload, signature = genuine.split(".")
    claims = jwt.decode(genuine, options={"verify_signature": False})
    key = signing_key(endpoints)

    def signed(key: SigningKey = key, kid: str = key.id, **changes: Any) -> str:
        payload = json.dumps({**claims, **changes}).encode()
        return JWS.encode(payload, key.private, ALGORITHM, headers={"kid": kid})

    def unsigned(algorithm: str) -> str:
        text = json.dumps({"alg": algorithm, "typ": "JWT", "kid": key.id}).encode()
        return f"{base64.urlsafe_b64encode(text).decode().rstrip('=')}.{payload}."

    hmac = partial(jwt.encode, claims, key.public.key * 2, headers={"kid": key.id})
    forged = {
        "expired": signed(exp=claims["iat"] - 1),
        "tampered payload": f"{header}.{payload[:-4]}AAAA.{signature}",
        "tampered signature": f"{header}.{payload}.{signature[:-4]}AAAA",
        "alg none": unsigned("none"),
        "alg None": unsigned("None"),
        "another key": signed(SigningKey(key.id, "another seed")),
        "unknown kid": signed(kid="k9"),
        "public key as secret": hmac(algorithm="HS256"),
        "another algorithm": hmac(algorithm="HS512"),
        "another audience": signed(aud="another"),
        "another issuer": signed(iss="another"),
        "another session": signed(sid=new_id()),
        "another person": signed(sub=new_id()),
        "no role": signed(role="root"),
        "rubbish": "rubbish",
    }
    for what, token in forged.items():
        headers = {"authorization": f"Bearer {token}"}
        answer = client(endpoints["api"]).get("/api/auth/me", headers=headers)
        assert answer.status_code == 401, f"{what}: {answer.text}"


def test_a_logout_takes_effect_at_once(endpoints: dict[str, Any]) -> None:
    person = Person.register(endpoints)
    assert person.get("/api/auth/me").status_code == 200
    assert person.post("/api/auth/logout").status_code == 200
    assert_refused(person.get("/api/auth/me"), 401)
    assert_refused(person.get("/api/cart"), 401)
    person.sign_in()
    assert person.get("/api/auth/me").status_code == 200


def test_unknown_routes_and_methods_get_the_contracts_error(
    endpoints: dict[str, Any],
) -> None:
    http = client(endpoints["api"])
    assert_refused(http.get("/api/nothing/here"), 404)
    assert_refused(http.post("/api/orders/a/b/c/d"), 404)
    answer = http.put("/api/cart")
    assert_refused(answer, 405)
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=ten",
        "cursor=made-up",
        "minprice=cheap",
        "maxprice=-1",
        "minprice=NaN",
        "maxprice=Infinity",
        "sort=random",
        "currency=EUR",
        "limit=1&limit=2",
        "pricemin=5",
    ],
)
def test_bad_queries_are_400(endpoints: dict[str, Any], query: str) -> None:
    assert_refused(client(endpoints["api"]).get(f"/api/products?{query}"), 400)


def test_a_head_request_and_a_slash_at_the_end_reach_the_route(endpoints: dict[str, Any]) -> None:
    http = client(endpoints["api"])
    head = http.head("/api/products")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["cache-control"] == http.get("/api/products").headers["cache-control"]
    moved = http.get("/api/products/?limit=1&q=a%20b")
    assert (moved.status_code, moved.headers["location"]) == (308, "/api/products?limit=1&q=a%20b")


def test_a_changed_cursor_or_one_of_another_list_is_refused(
    endpoints: dict[str, Any],
) -> None:
    def page(**query: Any) -> httpx.Response:
        return client(endpoints["api"]).get("/api/products", params=query)

    seller = Person.register(endpoints, "seller")
    seller.sells(stock=1)
    seller.sells(stock=1)
    cursor = page(limit=1).json()["nextCursor"]
    assert page(limit=1, cursor=cursor).is_success
    other_letter = "B" if cursor.startswith("A") else "A"
    for bad in (cursor[:-2] + "..", other_letter + cursor[1:], cursor[:10]):
        assert_refused(page(cursor=bad), 400)
    assert_refused(page(sort="price", cursor=cursor), 400)


def test_cors_allows_the_shops_own_origin_only(endpoints: dict[str, Any]) -> None:
    def preflight(origin: str) -> httpx.Response:
        headers = {"origin": origin, "access-control-request-method": "POST"}
        return client(endpoints["api"]).request("OPTIONS", "/api/cart/items", headers=headers)

    allowed = preflight(endpoints["api"])
    assert allowed.headers["access-control-allow-origin"] == endpoints["api"]
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert "access-control-allow-origin" not in preflight("https://evil.example").headers
