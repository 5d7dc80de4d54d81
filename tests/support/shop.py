"""Clients of the deployed shop: users with a session, and their requests."""

import atexit
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import Cookie, CookieJar
from typing import Any, Self

import httpx

from supermarket.clock import new_id
from support.ops import run_ops

PASSWORD = "correct horse battery staple"
ADDRESS = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
}
TIMEOUT_SECONDS = 60


def eventually[T](look: Callable[[], T | None], what: str) -> T:
    """Call `look` until it returns a true value, and return that; fails after a minute."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    pause = 0.05
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen in time: {what}")
        time.sleep(pause)
        pause = min(1.3 * pause, 0.3)


def at_once[T](tasks: Iterable[Callable[[], T]]) -> list[T]:
    """Run all tasks in threads of their own and collect what they return."""
    waiting = list(tasks)
    with ThreadPoolExecutor(len(waiting)) as pool:
        return [future.result() for future in [pool.submit(task) for task in waiting]]


class NoCookies(CookieJar):
    """Stores no cookies: users share one client, and each sends a Bearer token."""

    def set_cookie(self, cookie: Cookie) -> None:
        """Ignore the cookie."""


@cache
def client(address: str) -> httpx.Client:
    """The one client of this process: making one takes longer than a request."""
    http = httpx.Client(
        base_url=address,
        timeout=60,
        cookies=NoCookies(),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
    )
    atexit.register(http.close)
    return http


@dataclass
class Person:
    """A user with an account, signed in with a Bearer token."""

    http: httpx.Client
    id: str
    email: str
    username: str
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def register(cls, endpoints: dict[str, Any], role: str = "user") -> Self:
        """Register an account with a new name and sign in."""
        http = client(endpoints["api"])
        username = f"{role}-{new_id()[-12:].lower()}"
        account = {
            "username": username,
            "email": f"{username}@example.com",
            "password": PASSWORD,
            "fullName": {"firstName": "Asha", "lastName": "Rao"},
            "role": role,
        }
        registered = http.post("/api/auth/register", json=account)
        assert registered.status_code == 201, registered.text
        person = cls(http, registered.json()["user"]["id"], str(account["email"]), username)
        person.sign_in()
        return person

    @classmethod
    def administer(cls, endpoints: dict[str, Any]) -> Self:
        """Create an administrator with the operators' command and sign in."""
        username = f"admin-{new_id()[-12:].lower()}"
        admin = cls(client(endpoints["api"]), "", f"{username}@example.com", username)
        names = [f"--email={admin.email}", f"--username={username}"]
        names += ["--first-name=Rhea", "--last-name=Root", "--rounds=4"]
        made = run_ops(endpoints, "admin", *names, typed=f"{PASSWORD}\n")
        assert made.returncode == 0, made.stderr
        admin.sign_in()
        return admin

    def sign_in(self) -> None:
        answer = self.http.post("/api/auth/login", json={"email": self.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["accessToken"]
        self.headers["authorization"] = f"Bearer {self.token}"

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request as this user."""
        headers = {**self.headers, **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.send("POST", path, json=body, **options)

    def patch(self, path: str, body: Any) -> httpx.Response:
        return self.send("PATCH", path, json=body)

    def delete(self, path: str) -> httpx.Response:
        return self.send("DELETE", path)

    def sells(self, stock: int, price: float = 120.5, **fields: Any) -> dict[str, Any]:
        """Put a new product on sale."""
        product = {"title": f"Anything {new_id()}", "priceAmount": price, "stock": stock}
        answer = self.post("/api/products", {**product, **fields})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()["product"]
        return created

    def takes(self, product: dict[str, Any], quantity: int = 1) -> None:
        """Put a product in the cart."""
        answer = self.post("/api/cart/items", {"productId": product["id"], "quantity": quantity})
        assert answer.status_code == 200, answer.text

    def orders(self, key: str | None = None) -> httpx.Response:
        """Try to place an order for what is in the cart."""
        headers = {"idempotency-key": key} if key else {}
        return self.post("/api/orders", {"shippingAddress": ADDRESS}, headers=headers)

    def pays(self, endpoints: dict[str, Any], order_id: str) -> httpx.Response:
        """Pay an order at Razorpay and verify the payment."""
        return self.post("/api/payments/verify", self.payment_proof(endpoints, order_id))

    def payment_proof(
        self,
        endpoints: dict[str, Any],
        order_id: str,
        outcome: str = "success",
        *,
        webhook: bool = False,
    ) -> dict[str, str]:
        """Pay an order and return the fields that Razorpay's checkout returns to the browser."""
        created = self.post(f"/api/payments/create/{order_id}")
        assert created.status_code == 201, created.text
        razorpay_order = created.json()["razorpay"]["orderId"]
        attempt = {"orderId": razorpay_order, "outcome": outcome, "webhook": webhook}
        paid = client(endpoints["razorpay"]).post("/simulator/pay", json=attempt)
        assert paid.status_code == 200, paid.text
        proof: dict[str, str] = paid.json()
        return proof

    def order(self, order_id: str) -> dict[str, Any]:
        order: dict[str, Any] = self.get(f"/api/orders/{order_id}").json()["order"]
        return order

    def waits_for_status(self, order_id: str, status: str) -> None:
        eventually(lambda: self.order(order_id)["status"] == status, f"order is {status}")

    def mails(self, endpoints: dict[str, Any]) -> list[dict[str, Any]]:
        answer = client(endpoints["mailbox"]).get("/api/messages", params={"to": self.email})
        answer.raise_for_status()
        mails: list[dict[str, Any]] = answer.json()
        return mails
