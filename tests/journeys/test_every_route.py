"""Every function of the template runs once with its own policy."""

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from auth.second_factor import STEP_SECONDS, code_at
from supermarket.clock import new_id
from support.deployed import let_reservation_run_out, run_job
from support.shop import ADDRESS, PASSWORD, Person, client, eventually

pytestmark = pytest.mark.e2e

PAGE = 5  # small, so that lists are longer than one page


@pytest.fixture(scope="module")
def seller(endpoints: dict[str, Any]) -> Person:
    return Person.register(endpoints, "seller")


@pytest.fixture
def customer(endpoints: dict[str, Any]) -> Person:
    return Person.register(endpoints)


def picture(colour: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(content, "PNG")
    return content.getvalue()


def test_a_user_manages_addresses_and_logs_out(customer: Person) -> None:
    assert customer.get("/api/auth/me").json()["user"]["email"] == customer.email
    name = {"firstName": "Asha", "lastName": ""}
    edited = customer.patch("/api/auth/me", {"fullName": name, "phone": "098765 43210"})
    assert edited.status_code == 200, edited.text
    assert edited.json()["user"] == edited.json()["user"] | {
        "fullName": name,
        "phone": "+919876543210",
    }

    added = customer.post("/api/auth/users/me/addresses", ADDRESS)
    assert added.status_code == 201, added.text
    address_id = added.json()["address"]["id"]
    assert customer.get("/api/auth/users/me/address").json()["defaultAddressId"] == address_id
    moved = customer.patch(f"/api/auth/users/me/addresses/{address_id}", {"city": "Mysuru"})
    assert [each["city"] for each in moved.json()["addresses"]] == ["Mysuru"]
    removed = customer.delete(f"/api/auth/users/me/addresses/{address_id}")
    assert removed.json()["addresses"] == []

    credentials = {"email": customer.email, "password": PASSWORD}
    signed_in = customer.post("/api/auth/login", credentials).json()
    refreshed = customer.post("/api/auth/refresh", {"refreshToken": signed_in["refreshToken"]})
    assert refreshed.status_code == 200, refreshed.text
    assert refreshed.json()["refreshToken"] != signed_in["refreshToken"]

    listed = customer.get("/api/auth/sessions").json()["sessions"]
    (other, *_) = [each["id"] for each in listed if not each["current"]]
    assert customer.delete(f"/api/auth/sessions/{other}").status_code == 200
    assert len(customer.get("/api/auth/sessions").json()["sessions"]) == len(listed) - 1

    assert customer.post("/api/auth/logout").status_code == 200
    assert customer.get("/api/auth/me").status_code == 401


def test_a_user_signs_in_with_a_second_factor(endpoints: dict[str, Any], customer: Person) -> None:
    secret = customer.post("/api/auth/totp").json()["secret"]

    def code(later: int) -> str:
        return code_at(secret, int(time.time()) // STEP_SECONDS + later)

    confirmed = customer.post("/api/auth/totp/confirm", {"code": code(-1)})
    assert confirmed.status_code == 200, confirmed.text
    credentials = {"email": customer.email, "password": PASSWORD}
    for used in (code(0), *confirmed.json()["recoveryCodes"][:1]):
        first = customer.post("/api/auth/login", credentials).json()
        assert first["methods"] == ["totp"]
        second = {"mfaToken": first["mfaToken"], "code": used}
        signed_in = customer.post("/api/auth/login/totp", second)
        assert signed_in.json()["user"]["mfa"] == ["totp"], signed_in.text
        assert customer.post("/api/auth/login/totp", second).status_code == 401
    proof = {"password": PASSWORD, "code": confirmed.json()["recoveryCodes"][1]}
    assert customer.send("DELETE", "/api/auth/totp", json=proof).status_code == 200
    assert "accessToken" in customer.post("/api/auth/login", credentials).json()
    subjects = {
        "A second factor was set up for your account",
        "The second factor of your account was removed",
    }
    eventually(
        lambda: subjects <= {mail["subject"] for mail in customer.mails(endpoints)},
        "mails about the factor",
    )


def test_an_order_can_use_a_saved_address(seller: Person, customer: Person) -> None:
    address = customer.post("/api/auth/users/me/address", ADDRESS).json()["address"]
    customer.takes(seller.sells(stock=1))

    placed = customer.post("/api/orders", {"addressId": address["id"]})

    assert placed.status_code == 201, placed.text
    assert placed.json()["order"]["shippingAddress"]["city"] == ADDRESS["city"]


def test_removed_pictures_and_pictures_of_a_deleted_product_are_gone(
    endpoints: dict[str, Any], seller: Person
) -> None:
    fields = {"title": "Gold ink", "priceAmount": "349.50", "stock": "3", "category": "inks"}
    files = [("images", (f"{name}.png", picture(name), "image/png")) for name in ("gold", "brown")]
    created = seller.send("POST", "/api/products", data=fields, files=files)
    assert created.status_code == 201, created.text
    product = created.json()["product"]
    first, second = product["images"]
    assert client(endpoints["api"]).get(first["url"]).headers["content-type"] == "image/png"

    changed = seller.patch(f"/api/products/{product['id']}", {"removeImages": [first["id"]]})
    assert [image["id"] for image in changed.json()["product"]["images"]] == [second["id"]]
    assert client(endpoints["api"]).get(first["url"]).status_code == 404

    assert seller.delete(f"/api/products/{product['id']}").status_code == 200
    assert client(endpoints["api"]).get(second["url"]).status_code == 404
    assert seller.get(f"/api/products/{product['id']}").status_code == 404


def test_a_product_is_found_by_every_filter_and_sort_order(seller: Person) -> None:
    product = seller.sells(
        stock=3, price=77, category="rare spices", description="Kashmiri saffron"
    )
    renamed = seller.patch(f"/api/products/{product['id']}", {"title": "Mongra saffron, 1 g"})
    assert renamed.status_code == 200, renamed.text

    queries: tuple[dict[str, Any], ...] = (
        {"sort": "newest"},
        {"sort": "price", "minprice": 77, "maxprice": 77},
        {"sort": "-price", "minprice": 77, "maxprice": 77},
        {"category": "rare spices"},
        {"category": "rare spices", "sort": "price"},
        {"q": "kashmiri saff"},
        {"q": "mongra"},
    )
    for query in queries:
        found = _pages(seller, "/api/products", query)
        assert product["id"] in {each["id"] for each in found}, query
    own = _pages(seller, "/api/products/seller", {})
    assert product["id"] in {each["id"] for each in own}


def test_a_seller_sets_and_changes_the_stock(seller: Person) -> None:
    product = seller.sells(stock=5)
    stock = f"/api/products/{product['id']}/stock"

    assert seller.patch(stock, {"set": 9}).json()["product"]["stock"] == 9
    assert seller.patch(stock, {"add": -4}).json()["product"]["stock"] == 5

    def kinds() -> list[str]:
        return [each["kind"] for each in seller.get(f"{stock}/history").json()["movements"]]

    eventually(lambda: kinds() == ["ADDED", "COUNTED", "OPENED"], "the history of the stock")


def test_what_adds_is_done_once_for_a_key(seller: Person, customer: Person) -> None:
    key = {"idempotency-key": new_id()}
    product = {"title": "Keyed ink", "priceAmount": 99, "stock": 3}
    created = [seller.post("/api/products", product, headers=key).json() for _ in range(2)]
    assert created[0]["product"]["id"] == created[1]["product"]["id"]
    item = {"productId": created[0]["product"]["id"], "quantity": 1}
    carts = [customer.post("/api/cart/items", item, headers=key).json() for _ in range(2)]
    assert [cart["totals"]["totalQuantity"] for cart in carts] == [1, 1]
    saved = [
        customer.post("/api/auth/users/me/address", ADDRESS, headers=key).json() for _ in range(2)
    ]
    assert len(saved[1]["addresses"]) == 1


def test_a_customer_fills_changes_and_clears_the_cart(seller: Person, customer: Person) -> None:
    rice, dal = seller.sells(stock=5), seller.sells(stock=5)
    customer.takes(rice)
    customer.takes(dal)

    too_many = customer.post("/api/cart/items", {"productId": rice["id"], "quantity": 5})
    assert (too_many.status_code, too_many.json()["code"]) == (409, "OUT_OF_STOCK")
    changed = customer.patch(f"/api/cart/items/{rice['id']}", {"quantity": 3})
    assert changed.json()["totals"]["totalQuantity"] == 4
    removed = customer.delete(f"/api/cart/items/{dal['id']}")
    assert removed.json()["totals"]["totalQuantity"] == 3
    missing = customer.patch(f"/api/cart/items/{dal['id']}", {"quantity": 3})
    assert missing.status_code == 404, missing.text
    assert customer.delete("/api/cart").json()["totals"]["itemCount"] == 0
    assert customer.get("/api/cart").json()["cart"]["items"] == []


def test_a_customer_lists_an_order_changes_its_address_and_reads_its_payment(
    seller: Person, customer: Person
) -> None:
    customer.takes(seller.sells(stock=5))
    order = customer.orders().json()["order"]

    moved = customer.patch(f"/api/orders/{order['id']}/address", {"city": "Mysuru"})
    assert moved.json()["order"]["shippingAddress"]["city"] == "Mysuru"
    assert [each["id"] for each in customer.get("/api/orders/me").json()["orders"]] == [order["id"]]
    created = customer.post(f"/api/payments/create/{order['id']}").json()["payment"]
    for path in (f"/api/payments/{created['id']}", f"/api/payments/order/{order['id']}"):
        assert customer.get(path).json()["payment"]["id"] == created["id"]


def test_an_unpaid_order_releases_its_stock_when_it_expires(
    endpoints: dict[str, Any], seller: Person, customer: Person
) -> None:
    product = seller.sells(stock=5)
    customer.takes(product, 2)
    order = customer.orders().json()["order"]
    let_reservation_run_out(endpoints, order["id"])

    eventually(lambda: customer.order(order["id"])["status"] == "CANCELLED", "it is cancelled")

    assert customer.get(f"/api/products/{product['id']}").json()["product"]["stock"] == 5


def test_a_seller_sees_products_and_orders_on_the_dashboard(
    endpoints: dict[str, Any], customer: Person
) -> None:
    seller = Person.register(endpoints, "seller")
    product = seller.sells(stock=5)
    customer.takes(product)
    order = customer.orders().json()["order"]

    def listed(things: str) -> list[str]:
        return [each["id"] for each in seller.get(f"/api/seller/dashboard/{things}").json()[things]]

    eventually(lambda: listed("products") == [product["id"]], "the product is listed")
    eventually(lambda: listed("orders") == [order["id"]], "the order is listed")
    assert seller.get("/api/seller/dashboard/metrics").json()["sales"] == 0


def test_the_shop_is_healthy_and_ready(endpoints: dict[str, Any]) -> None:
    http = client(endpoints["api"])

    assert http.get("/healthz").status_code == 200
    assert http.get("/.well-known/security.txt").text.startswith("Contact: mailto:security@")
    assert http.get("/.well-known/change-password", follow_redirects=False).status_code == 302
    ready = http.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert http.get("/api/no/such/route").status_code == 404
    assert http.get("/.well-known/jwks.json").json()["keys"]


def test_the_key_of_tokens_is_replaced_while_people_use_the_shop(
    endpoints: dict[str, Any], customer: Person
) -> None:
    earlier = customer.token
    run_job(endpoints, "auth.jobs.rotate_keys")
    customer.sign_in()
    for token in (earlier, customer.token):
        customer.headers["authorization"] = f"Bearer {token}"
        assert customer.get("/api/auth/me").status_code == 200


def _pages(person: Person, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    while True:
        answer = person.get(path, params={"limit": PAGE, **query})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield from page["products"]
        if not page["nextCursor"]:
            return
        query = {**query, "cursor": page["nextCursor"]}
