"""The measured invocations, each with the AWS responses that it gets."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from unittest.mock import patch

from ai_buddy import sockets
from benchmarks.recording import Recording, Response, recording
from cart import endpoints as cart
from order import endpoints as order
from outbox import endpoints as outbox
from payment import endpoints as payment
from payment import wiring as payment_wiring
from product import endpoints as product
from product import wiring as product_wiring
from seller_dashboard import listeners as dashboard
from supermarket.caller import Caller, Role
from supermarket.clock import new_id
from supermarket.http import Endpoint
from support.api import a_caller, api_event, bearer, call
from support.cloud import aws_in_memory, forget_secrets
from support.contracts import sample, sqs_batch
from support.payment import FakeRazorpay, attempt_record
from support.sockets import event as socket_event
from support.sockets import handshake

PRODUCTS = 24  # more than a page, because the cursor needs the signing keys
PRODUCTS_IN_CART = 3
ADDRESS = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
}


@dataclass(frozen=True)
class Scenario:
    """An invocation of a handler (`cart.endpoints.get_cart`) and the responses that it gets."""

    name: str
    handler: str
    event: Mapping[str, Any]
    responses: Recording


class Shop:
    """A shop in moto, with a customer who has three products in the cart."""

    def __init__(self, products: int = PRODUCTS) -> None:
        self.razorpay = FakeRazorpay()
        self.customer = a_caller()
        self.seller = a_caller(Role.SELLER)
        self.products = [self._create_product(self.seller, number) for number in range(products)]
        for product_id in self.products[:PRODUCTS_IN_CART]:
            self._add_to_cart(self.customer, product_id)

    def scenarios(self) -> Iterator[Scenario]:
        """Invoke each handler once and record its AWS responses."""
        yield _endpoint(outbox.check_health)
        yield _endpoint(cart.get_cart, headers=bearer(self.customer))
        headers = {**bearer(self.customer), "idempotency-key": new_id()}
        yield _endpoint(order.create_order, body={"shippingAddress": ADDRESS}, headers=headers)
        yield _endpoint(product.list_products)
        yield self._verified_payment()
        yield self._socket_message()
        event = sqs_batch(sample("OrderPlaced"))
        handler = f"{dashboard.__name__}.event_handlers"
        yield _recorded("dashboard listener", handler, dashboard.event_handlers, event)

    def _verified_payment(self) -> Scenario:
        customer = a_caller()
        self._add_to_cart(customer, self.products[0])
        placed = call(order.create_order, caller=customer, body={"shippingAddress": ADDRESS})
        path = {"orderId": placed.body["order"]["id"]}
        created = call(payment.create_payment, caller=customer, path=path).body
        proof = self.razorpay.pay(created["razorpay"]["orderId"])
        body = {
            "razorpay_order_id": proof.razorpay_order_id,
            "razorpay_payment_id": proof.razorpay_payment_id,
            "razorpay_signature": proof.signature,
        }
        scenario = _endpoint(payment.verify_payment, body=body, headers=bearer(customer))
        attempt = attempt_record(self.razorpay.attempts[proof.razorpay_payment_id])
        answer = Response(json.dumps(attempt).encode())
        fetched = {f"GET /v1/payments/{proof.razorpay_payment_id}": [answer]}
        return replace(scenario, responses={**scenario.responses, **fetched})

    def _socket_message(self) -> Scenario:
        connection_id = new_id()
        opened = sockets.connect_socket(handshake(connection_id, bearer(self.customer)), None)
        assert opened["statusCode"] == 200  # noqa: S101
        frame = json.dumps({"action": "message", "text": "Hello"})
        event = socket_event(connection_id, frame)
        handler = f"{sockets.__name__}.take_message"
        return _recorded("socket message", handler, sockets.take_message, event)

    def _create_product(self, seller: Caller, number: int) -> str:
        created = call(product.create_product, caller=seller, body=a_product(number))
        return str(created.body["product"]["id"])

    def _add_to_cart(self, customer: Caller, product_id: str) -> None:
        call(cart.add_cart_item, caller=customer, body={"productId": product_id, "quantity": 1})


def a_product(number: int, stock: int = 50) -> dict[str, Any]:
    """Return the request that creates a product."""
    return {
        "title": f"Basmati rice, harvest {number}",
        "description": "Long grains, aged for a year, from the foot of the Himalaya. " * 5,
        "priceAmount": 120.5 + number,
        "stock": stock,
        "category": "grains",
    }


@contextmanager
def shop_in_moto(products: int = PRODUCTS) -> Iterator[Shop]:
    """Open a shop in moto, with a Razorpay in memory."""
    shop: list[Shop] = []
    with (
        aws_in_memory(),
        # products are in the shards of their ids
        patch.object(product_wiring, "new_id", map("01M8MB{:020}".format, count(1)).__next__),
        patch.object(payment_wiring, "RazorpayApi", lambda *_, **__: shop[0].razorpay),
    ):
        _forget_services()
        shop.append(Shop(products))
        yield shop[0]
        _forget_services()


def _forget_services() -> None:
    """Clear the composition roots, whose services may belong to another moto instance."""
    for name, module in sys.modules.items():
        if name.endswith(".wiring"):
            for factory in vars(module).values():
                if hasattr(factory, "cache_clear"):
                    factory.cache_clear()


def is_success(answer: Any) -> bool:
    """Whether the response of an HTTP, socket or event handler reports success."""
    return int(answer.get("statusCode", 200)) < 300 and not answer.get("batchItemFailures")


def _endpoint(endpoint: Endpoint, **options: Any) -> Scenario:
    function = endpoint.function
    handler = f"{function.__module__}.{function.__name__}"
    return _recorded(endpoint.routes[0], handler, endpoint, api_event(endpoint, **options))


def _recorded(
    name: str, handler: str, invoke: Callable[[dict[str, Any], None], Any], event: dict[str, Any]
) -> Scenario:
    forget_secrets()  # a new process reads them
    with recording() as responses:
        answer = invoke(event, None)
    if not is_success(answer):
        raise RuntimeError(f"{name} failed: {answer}")
    return Scenario(name, handler, event, responses)
