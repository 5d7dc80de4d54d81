"""Creates accounts, products, carts and orders for the conversations, through the shop's API."""

import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httpx

from sample.client import Json, UserSession, request_json

TIMEOUT = 60.0
CREATED = HTTPStatus.CREATED
ADDRESS = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
}


class Account:
    """A customer or seller of the shop with a session."""

    def __init__(self, session: UserSession, razorpay: str, client: httpx.Client) -> None:
        self.session = session
        self.id = str(session.sign_in()["id"])
        self._razorpay = razorpay
        self._client = client

    def count_cart_units(self) -> int:
        items = self.session.request("GET", "/api/cart")["cart"]["items"]
        return sum(item["quantity"] for item in items)

    def list_orders(self) -> dict[str, Json]:
        """Return the status and address of each order by its id."""
        found = self.session.request("GET", "/api/orders/me")["orders"]
        return {one["id"]: {"status": one["status"], "to": one["shippingAddress"]} for one in found}

    def list_stock(self) -> dict[str, int]:
        """Return the stock of each own product by its id."""
        found: list[Json] = self.session.request("GET", "/api/products/seller")["products"]
        return {product["id"]: product["stock"] for product in found}

    def create_product(self, title: str, description: str, price: float) -> str:
        body = {"title": title, "description": description, "priceAmount": price, "stock": 40}
        answer = self.session.request("POST", "/api/products", expect=CREATED, json=body)
        return str(answer["product"]["id"])

    def rename_product(self, product_id: str, title: str) -> None:
        self.session.request("PATCH", f"/api/products/{product_id}", json={"title": title})

    def add_address(self) -> None:
        path = "/api/auth/users/me/address"
        self.session.request("POST", path, expect=CREATED, json=ADDRESS)

    def fill_cart(self, product_id: str, quantity: int = 2) -> None:
        item = {"productId": product_id, "quantity": quantity}
        self.session.request("POST", "/api/cart/items", json=item)

    def place_order(self, product_id: str, street: str = ADDRESS["street"]) -> str:
        self.fill_cart(product_id, 1)
        body = {"shippingAddress": {**ADDRESS, "street": street}}
        answer = self.session.request("POST", "/api/orders", expect=CREATED, json=body)
        return str(answer["order"]["id"])

    def pay(self, order_id: str) -> None:
        """Pay at the Razorpay simulator and wait until the order is confirmed."""
        path = f"/api/payments/create/{order_id}"
        checkout = self.session.request("POST", path, expect=CREATED)["razorpay"]
        body = {"orderId": checkout["orderId"], "outcome": "success"}
        proof = request_json(self._client, "POST", f"{self._razorpay}/simulator/pay", json=body)
        self.session.request("POST", "/api/payments/verify", json=proof)
        wait_until(lambda: self.list_orders()[order_id]["status"] == "CONFIRMED", "order confirmed")

    def ship(self, order_id: str, **options: str) -> None:
        self.session.request("POST", f"/api/orders/{order_id}/ship", json=options)


def create_account(
    client: httpx.Client, razorpay: str, role: str, first_name: str = "Asha", last_name: str = "Rao"
) -> Account:
    """Register an account; `razorpay` is the address of the simulator at which it pays."""
    name, password = f"talk-{secrets.token_hex(5)}", secrets.token_urlsafe(12)
    email, full_name = f"{name}@example.com", {"firstName": first_name, "lastName": last_name}
    body = {"username": name, "email": email, "password": password, "fullName": full_name}
    path = "/api/auth/register"
    request_json(client, "POST", path, expect=CREATED, json={**body, "role": role})
    return Account(UserSession(client, email, password), razorpay, client)


def wait_until(is_done: Callable[[], Any], event: str) -> None:
    """Poll until events have passed the stream, the bus and the queues."""
    deadline = time.monotonic() + TIMEOUT
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {TIMEOUT:g} s: {event}")
        time.sleep(0.3)
