"""A running shop for the conversations, through its API and its WebSocket."""

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any

from local.chat.client import Conversation, conversation
from local.evaluation.shop import ADDRESS
from sample.client import Json, UserSession, connect, request_json

TIMEOUT = 60.0
CREATED = HTTPStatus.CREATED


class RunningShop:
    """The shop at these endpoints."""

    concurrency = 4  # more are no faster on two cores

    def __init__(self, endpoints: Json) -> None:
        self.endpoints = endpoints
        self.client = connect(endpoints["api"])

    def __enter__(self) -> "RunningShop":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def create_account(
        self, role: str, first_name: str = "Asha", last_name: str = "Rao"
    ) -> "RunningAccount":
        name, password = f"talk-{secrets.token_hex(5)}", secrets.token_urlsafe(12)
        email, full_name = f"{name}@example.com", {"firstName": first_name, "lastName": last_name}
        body = {"username": name, "email": email, "password": password, "fullName": full_name}
        path = "/api/auth/register"
        request_json(self.client, "POST", path, expect=CREATED, json={**body, "role": role})
        return RunningAccount(self, UserSession(self.client, email, password))

    def make_model_obey(self, about: str) -> None:
        self._control_model("POST", "obedience", json={"about": about})

    def make_model_resist(self, about: str) -> None:
        self._control_model("DELETE", "faults", params={"about": about})

    def _control_model(self, method: str, what: str, **options: Any) -> None:
        """Control the simulator, which is idle if the shop uses a real model."""
        address = f"{self.endpoints['gemini']}/simulator/{what}"
        request_json(self.client, method, address, **options)


class RunningAccount:
    """A customer or seller of the shop with a session."""

    def __init__(self, shop: RunningShop, session: UserSession) -> None:
        self._shop = shop
        self._session = session
        self.id = str(session.sign_in()["id"])

    def chat(self) -> AbstractContextManager[Conversation]:
        return conversation(self._shop.endpoints["websocket"], self._session.token)

    def count_cart_units(self) -> int:
        items = self._session.request("GET", "/api/cart")["cart"]["items"]
        return sum(item["quantity"] for item in items)

    def list_orders(self) -> dict[str, Json]:
        found = self._session.request("GET", "/api/orders/me")["orders"]
        return {one["id"]: {"status": one["status"], "to": one["shippingAddress"]} for one in found}

    def list_stock(self) -> dict[str, int]:
        found: list[Json] = self._session.request("GET", "/api/products/seller")["products"]
        return {product["id"]: product["stock"] for product in found}

    def create_product(self, title: str, description: str, price: float) -> str:
        body = {"title": title, "description": description, "priceAmount": price, "stock": 40}
        answer = self._session.request("POST", "/api/products", expect=CREATED, json=body)
        return str(answer["product"]["id"])

    def rename_product(self, product_id: str, title: str) -> None:
        self._session.request("PATCH", f"/api/products/{product_id}", json={"title": title})

    def add_address(self) -> None:
        path = "/api/auth/users/me/address"
        self._session.request("POST", path, expect=CREATED, json=ADDRESS)

    def fill_cart(self, product_id: str, quantity: int = 2) -> None:
        item = {"productId": product_id, "quantity": quantity}
        self._session.request("POST", "/api/cart/items", json=item)

    def place_order(self, product_id: str, street: str = ADDRESS["street"]) -> str:
        self.fill_cart(product_id, 1)
        body = {"shippingAddress": {**ADDRESS, "street": street}}
        answer = self._session.request("POST", "/api/orders", expect=CREATED, json=body)
        return str(answer["order"]["id"])

    def pay(self, order_id: str) -> None:
        """Pay at the Razorpay simulator and wait until the order is confirmed."""
        path = f"/api/payments/create/{order_id}"
        checkout = self._session.request("POST", path, expect=CREATED)["razorpay"]
        body = {"orderId": checkout["orderId"], "outcome": "success"}
        address = f"{self._shop.endpoints['razorpay']}/simulator/pay"
        proof = request_json(self._shop.client, "POST", address, json=body)
        self._session.request("POST", "/api/payments/verify", json=proof)
        _wait_until(
            lambda: self.list_orders()[order_id]["status"] == "CONFIRMED", "order confirmed"
        )

    def ship(self, order_id: str, tracking_number: str | None = None) -> None:
        body = {"trackingNumber": tracking_number} if tracking_number else {}
        self._session.request("POST", f"/api/orders/{order_id}/ship", json=body)

    def wait_for_sale(self) -> None:
        _wait_until(self._is_sale_on_dashboard, "the sale is on the dashboard")

    def _is_sale_on_dashboard(self) -> bool:
        answer = self._session.request("GET", "/api/seller/dashboard/orders")
        return [order["status"] for order in answer["orders"]] == ["CONFIRMED"]


def _wait_until(is_done: Callable[[], Any], event: str) -> None:
    """Poll until events have passed the stream, the bus and the queues."""
    deadline = time.monotonic() + TIMEOUT
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {TIMEOUT:g} s: {event}")
        time.sleep(0.3)
