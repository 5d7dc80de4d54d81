"""Who may do what: every route of the API's description for every kind of caller.

The tables are written by hand and not read from the endpoints, so that a route without a decision
fails, and so does one whose decorator says something else.
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from ulid import ULID

from auth.authentication import OPERATOR
from auth.model import SavedAddress
from auth.signing import SigningKey
from auth.wiring import account_service, standing_service, token_issuing
from local.openapi import DESCRIPTION
from local.openapi.routes import endpoints
from notification.model import Message
from notification.repository import DynamoMessages
from order.wiring import order_service
from payment.model.attempt import Attempt, AttemptStatus
from payment.repository import DynamoPayments
from product.wiring import product_service
from supermarket.caller import Caller, Role, Standing, Status
from supermarket.clock import new_id, utc_now
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.http import Endpoint
from supermarket.people import Recipient
from supermarket.signatures import ALGORITHM, JWS
from supermarket.wiring import sessions
from support.api import a_caller, call
from support.auth import register_somebody
from support.cloud import SIGNING_KEY
from support.payment import a_payment
from support.product import a_product

pytestmark = pytest.mark.usefixtures("aws")

USER, SELLER, ADMIN = Role.USER, Role.SELLER, Role.ADMIN
ANYONE = {USER, SELLER, ADMIN}
METHODS = ("get", "post", "put", "patch", "delete")
HOME = {
    "street": "12 Residency Road",
    "city": "Pune",
    "state": "Maharashtra",
    "zip": "411001",
    "country": "IN",
}

OPEN = {
    "GET /.well-known/change-password": "password managers follow it",
    "GET /.well-known/jwks.json": "public keys",
    "GET /.well-known/security.txt": "researchers read it",
    "GET /api/docs": "the API's description",
    "GET /api/docs/{file}": "the API's description",
    "GET /api/openapi.json": "the API's description",
    "GET /api/products": "the shop's window",
    "GET /api/products/{productId}": "the shop's window",
    "GET /healthz": "monitors call it",
    "GET /readyz": "monitors call it",
    "POST /api/auth/register": "people without an account call it",
    "POST /api/auth/login": "people without a session call it",
    "POST /api/auth/login/totp": "the first step's token is the proof",
    "POST /api/auth/refresh": "the refresh token is the proof",
    "GET /api/auth/logout": "a session that has ended can be left, too",
    "POST /api/auth/logout": "a session that has ended can be left, too",
    "POST /api/auth/password/forgot": "people who cannot sign in call it",
    "POST /api/auth/password/reset": "the mailed token is the proof",
    "POST /api/auth/email/verify": "the mailed token is the proof",
    "POST /api/auth/email/resend": "people who cannot sign in call it",
    "POST /api/auth/email/change/confirm": "the mailed token is the proof",
    "POST /api/auth/email/change/undo": "the mailed token is the proof",
    "POST /api/payments/webhook": "Razorpay's signature is the proof",
}

# the roles of each other route; an account that is not approved may use those for `ANYONE`
ROLES = {
    "GET /api/admin/audit": {ADMIN},
    "GET /api/admin/orders": {ADMIN},
    "GET /api/admin/payments/drift": {ADMIN},
    "GET /api/admin/users": {ADMIN},
    "GET /api/admin/users/{userId}": {ADMIN},
    "POST /api/admin/users/{userId}/approve": {ADMIN},
    "POST /api/admin/users/{userId}/reinstate": {ADMIN},
    "POST /api/admin/users/{userId}/revoke-sessions": {ADMIN},
    "POST /api/admin/users/{userId}/role": {ADMIN},
    "POST /api/admin/users/{userId}/suspend": {ADMIN},
    "DELETE /api/ai/conversations/{conversationId}": ANYONE,
    "POST /api/ai/ticket": ANYONE,
    "POST /api/auth/email/change": ANYONE,
    "POST /api/auth/logout-all": ANYONE,
    "POST /api/auth/totp": ANYONE,
    "POST /api/auth/totp/confirm": ANYONE,
    "DELETE /api/auth/totp": ANYONE,
    "GET /api/auth/me": ANYONE,
    "PATCH /api/auth/me": ANYONE,
    "POST /api/auth/password/change": ANYONE,
    "GET /api/auth/sessions": ANYONE,
    "DELETE /api/auth/sessions/{sessionId}": ANYONE,
    "GET /api/auth/users/me/address": ANYONE,
    "POST /api/auth/users/me/address": ANYONE,
    "DELETE /api/auth/users/me/address/{addressId}": ANYONE,
    "PATCH /api/auth/users/me/address/{addressId}": ANYONE,
    "GET /api/auth/users/me/addresses": ANYONE,
    "POST /api/auth/users/me/addresses": ANYONE,
    "DELETE /api/auth/users/me/addresses/{addressId}": ANYONE,
    "PATCH /api/auth/users/me/addresses/{addressId}": ANYONE,
    "GET /api/cart": {USER},
    "DELETE /api/cart": {USER},
    "POST /api/cart/items": {USER},
    "PATCH /api/cart/items/{productId}": {USER},
    "DELETE /api/cart/items/{productId}": {USER},
    "GET /api/notifications": ANYONE,
    "POST /api/notifications/read-all": ANYONE,
    "POST /api/notifications/{notificationId}/read": ANYONE,
    "POST /api/orders": {USER},
    "GET /api/orders/me": {USER},
    "GET /api/orders/{orderId}": ANYONE,
    "PATCH /api/orders/{orderId}/address": {USER},
    "POST /api/orders/{orderId}/cancel": {USER},
    "POST /api/orders/{orderId}/deliver": {SELLER, ADMIN},
    "POST /api/orders/{orderId}/ship": {SELLER, ADMIN},
    "POST /api/payments/create/{orderId}": ANYONE,
    "GET /api/payments/order/{orderId}": ANYONE,
    "POST /api/payments/verify": ANYONE,
    "GET /api/payments/{paymentId}": ANYONE,
    "POST /api/payments/{paymentId}/refund": {ADMIN},
    "POST /api/products": {SELLER, ADMIN},
    "GET /api/products/seller": {SELLER},
    "PATCH /api/products/{productId}": {SELLER, ADMIN},
    "DELETE /api/products/{productId}": {SELLER, ADMIN},
    "PATCH /api/products/{productId}/stock": {SELLER, ADMIN},
    "GET /api/products/{productId}/stock/history": {SELLER, ADMIN},
    "GET /api/seller/dashboard/customers": {SELLER},
    "GET /api/seller/dashboard/metrics": {SELLER},
    "GET /api/seller/dashboard/orders": {SELLER},
    "GET /api/seller/dashboard/payments": {SELLER},
    "GET /api/seller/dashboard/products": {SELLER},
    "GET /api/seller/dashboard/{sheet}/export": {SELLER},
}

# routes that need a sign-in of the last minutes, with a body that is valid
RECENT = {
    "POST /api/admin/users/{userId}/approve": None,
    "POST /api/admin/users/{userId}/reinstate": None,
    "POST /api/admin/users/{userId}/revoke-sessions": None,
    "POST /api/admin/users/{userId}/role": {"role": "user"},
    "POST /api/admin/users/{userId}/suspend": {"reason": "Counterfeit goods"},
    "POST /api/auth/totp": None,
    "POST /api/auth/totp/confirm": {"code": "123456"},
    "POST /api/payments/{paymentId}/refund": {},
}

# the body that is valid for a route whose object is found before the body matters
BODIES: dict[str, Any] = {
    "PATCH /api/auth/users/me/address/{addressId}": {"street": "1 New Road"},
    "PATCH /api/auth/users/me/addresses/{addressId}": {"street": "1 New Road"},
    "PATCH /api/orders/{orderId}/address": {"street": "1 New Road"},
    "PATCH /api/products/{productId}": {"title": "Another title"},
    "PATCH /api/products/{productId}/stock": {"add": 1},
    "POST /api/payments/{paymentId}/refund": {},
}
# the people who may reach an object, by the last object of the path, besides administrators where
# the route is theirs; the others get 403 or 404
OWNERS: dict[str, set[str]] = {
    "GET /api/orders/{orderId}": {"customer", "seller", "admin"},
    "PATCH /api/orders/{orderId}/address": {"customer"},
    "POST /api/orders/{orderId}/cancel": {"customer"},
    "POST /api/orders/{orderId}/ship": {"seller", "admin"},
    "POST /api/orders/{orderId}/deliver": {"seller", "admin"},
    "GET /api/payments/order/{orderId}": {"customer", "admin"},
    "GET /api/payments/{paymentId}": {"customer", "admin"},
    "PATCH /api/products/{productId}": {"seller", "admin"},
    "DELETE /api/products/{productId}": {"seller", "admin"},
    "PATCH /api/products/{productId}/stock": {"seller", "admin"},
    "GET /api/products/{productId}/stock/history": {"seller", "admin"},
    "DELETE /api/auth/sessions/{sessionId}": {"customer"},
    "PATCH /api/auth/users/me/address/{addressId}": {"customer"},
    "DELETE /api/auth/users/me/address/{addressId}": {"customer"},
    "PATCH /api/auth/users/me/addresses/{addressId}": {"customer"},
    "DELETE /api/auth/users/me/addresses/{addressId}": {"customer"},
    "POST /api/notifications/{notificationId}/read": {"customer"},
}
# routes with a parameter that need no row above
NO_OBJECT = {
    "DELETE /api/ai/conversations/{conversationId}": "a journey of the chat has another's",
    "PATCH /api/cart/items/{productId}": "the line of the caller's own cart",
    "DELETE /api/cart/items/{productId}": "the line of the caller's own cart",
    "POST /api/payments/create/{orderId}": "calls Razorpay: tests/payment/test_endpoints.py",
    "GET /api/seller/dashboard/{sheet}/export": "the caller's own sheet",
}


def described() -> set[str]:
    paths = json.loads(DESCRIPTION.read_text())["paths"]
    return {f"{m.upper()} {path}" for path, item in paths.items() for m in item if m in METHODS}


def by_route() -> dict[str, Endpoint]:
    return {f"{route.method} {route.path}": route.endpoint for route in endpoints()}


@dataclass(frozen=True)
class Api:
    """The API's routes, called by their names."""

    routes: dict[str, Endpoint] = field(default_factory=by_route)

    def call(self, route: str, object_id: str = "", **options: Any) -> Any:
        """Call a route; its path parameter is an id, or a new one that no object has."""
        endpoint = self.routes[route]
        name = endpoint.path.partition("{")[2].partition("}")[0]
        path = {name: object_id or new_id()} if name else {}
        return call(endpoint, path=path, **options)


@pytest.fixture(scope="module")
def api() -> Api:
    return Api()


def test_every_route_has_a_row() -> None:
    assert described() == OPEN.keys() | ROLES.keys()
    assert OPEN.keys().isdisjoint(ROLES)
    assert {route for route in ROLES if "{" in route} == {
        *OWNERS,
        *NO_OBJECT,
        *(route for route in ROLES if ROLES[route] == {ADMIN} and "{" in route),
    }


# --- tokens ---------------------------------------------------------------------------------------


def forgeries() -> Iterator[tuple[str, str]]:
    """Yield tokens that no route accepts, with their names."""
    caller = a_caller()
    genuine = token_issuing().issue(caller)
    yield "no open session", genuine
    sessions().open(caller.session_id, caller.user_id, caller.standing)
    claims = jwt.decode(genuine, options={"verify_signature": False})
    key, other = SigningKey.of(SIGNING_KEY), SigningKey("k1", "another seed")

    def signed(claims: dict[str, Any], key: SigningKey, key_id: str = key.id) -> str:
        return JWS.encode(
            json.dumps(claims).encode(), key.private, ALGORITHM, headers={"kid": key_id}
        )

    past = {"iat": claims["iat"] - 3_600, "exp": claims["exp"] - 3_600}
    yield "expired", signed(claims | past, key)
    yield "another key", signed(claims, other)
    yield "an unknown key", signed(claims, other, "k2")
    yield "another role", signed(claims | {"role": "admin"}, other)
    yield "another API", signed(claims | {"aud": "another-api"}, key)
    yield "no algorithm", jwt.encode(claims, "", "none", {"kid": key.id})
    # the public key, which everybody knows, as the secret of a symmetric algorithm
    yield "a symmetric algorithm", jwt.encode(claims, key.public.key, "HS256", {"kid": key.id})
    header, payload, signature = genuine.split(".")
    changed = base64.urlsafe_b64encode(json.dumps(claims | {"role": "admin"}).encode())
    yield "changed claims", f"{header}.{changed.decode().rstrip('=')}.{signature}"
    yield "no signature", f"{header}.{payload}."
    yield "no token", ""


def test_no_route_accepts_a_token_that_is_not_valid(api: Api) -> None:
    for name, token in forgeries():
        headers = {"authorization": f"Bearer {token}"} if token else {}
        for route in ROLES:
            reply = api.call(route, headers=headers)
            assert (reply.status, reply.body["code"]) == (401, "UNAUTHENTICATED"), (name, route)


def registered(role: Role, status: Status = Status.ACTIVE) -> Caller:
    """Return the caller of an account with a role and a status."""
    user_id = register_somebody()["id"]
    standing_service().change(user_id, Standing(role, status), OPERATOR)
    return replace(a_caller(role, user_id), status=status)


# --- roles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("status", Status)
def test_a_route_is_for_its_roles_alone(api: Api, role: Role, status: Status) -> None:
    caller = registered(role, status)
    for route, roles in ROLES.items():
        may_call = role in roles and status is not Status.SUSPENDED
        if status is Status.PENDING:
            may_call &= roles == ANYONE
        reply = api.call(route, caller=caller)
        assert (reply.status not in (401, 403)) is may_call, (route, reply.status, reply.body)


@pytest.mark.parametrize("role", Role)
def test_what_needs_a_recent_sign_in_is_refused_an_hour_later(api: Api, role: Role) -> None:
    session_id = str(ULID.from_datetime(utc_now() - timedelta(hours=1)))
    caller = replace(registered(role), session_id=session_id)
    headers = {"idempotency-key": new_id()}
    for route in (route for route, roles in ROLES.items() if role in roles):
        reply = api.call(route, caller=caller, body=RECENT.get(route), headers=headers)
        is_refused = reply.status == 403 and reply.body["code"] == "SIGN_IN_AGAIN"
        assert is_refused is (route in RECENT), (route, reply.status, reply.body)


# --- objects --------------------------------------------------------------------------------------


@dataclass
class Objects:
    """A customer and a seller with one object of each kind, and people who own none of them."""

    customer: Caller = field(default_factory=a_caller)
    seller: Caller = field(default_factory=lambda: a_caller(SELLER))

    def __post_init__(self) -> None:
        self.payments: dict[str, str] = {}  # by order
        self.people = {
            "customer": self.customer,
            "seller": self.seller,
            "admin": a_caller(ADMIN),
            "another customer": a_caller(),
            "another seller": a_caller(SELLER),
        }

    def make(self, api: Api, parameter: str) -> str:
        """Make an object and return its id."""
        makers: dict[str, Callable[[Api], str]] = {
            "productId": lambda _: self._product(),
            "orderId": self._order,
            "paymentId": lambda api: self.payments[self._order(api)],
            "addressId": lambda _: self._address(),
            "sessionId": lambda _: self._session(),
            "notificationId": lambda _: self._notification(),
        }
        return makers[parameter](api)

    def _product(self) -> str:
        seller = Recipient(self.seller.user_id, self.seller.email, self.seller.first_name)
        product = a_product(seller=seller)
        transaction = DynamoTransaction()
        product_service().products.add(product, transaction)
        product_service().stock.open(product, transaction)
        transaction.commit()
        return product.id

    def _order(self, api: Api) -> str:
        item = {"productId": self._product(), "quantity": 1}
        api.call("POST /api/cart/items", caller=self.customer, body=item)
        home = {"shippingAddress": HOME}
        placed = api.call("POST /api/orders", caller=self.customer, body=home)
        order_id: str = placed.body["order"]["id"]
        self.payments[order_id] = self._payment(order_id)
        return order_id

    def _payment(self, order_id: str) -> str:
        payment = replace(a_payment(self.customer), order_id=order_id)
        paid = AttemptStatus.CAPTURED
        attempt = Attempt(f"pay_{new_id()}", payment.razorpay_order_id, payment.price, paid)
        transaction = DynamoTransaction()
        DynamoPayments().add(payment.completed(attempt, utc_now()), transaction)
        transaction.commit()
        return payment.id

    def _address(self) -> str:
        saved = SavedAddress(*HOME.values(), id=new_id())
        account_service().add_address(self.customer.user_id, saved, make_default=False)
        return saved.id

    def _session(self) -> str:
        session_id = new_id()
        sessions().open(session_id, self.customer.user_id, Standing(USER))
        return session_id

    def _notification(self) -> str:
        message = Message(
            id=f"{new_id()}.order_placed",
            recipient_id=self.customer.user_id,
            kind="order_placed",
            subject="Order",
            text=f"To {HOME['street']}",
            sent_at=utc_now(),
        )
        DynamoMessages(utc_now).save_sent(message)
        return message.id


@pytest.mark.parametrize("route", OWNERS)
def test_an_object_is_reached_by_its_owners_alone(api: Api, route: str) -> None:
    parameter = route.partition("{")[2].partition("}")[0]
    for name in Objects().people:
        objects = Objects()
        object_id = objects.make(api, parameter)
        if route.endswith(("/ship", "/deliver")):
            order_service().confirm(object_id)
        reply = api.call(route, object_id, caller=objects.people[name], body=BODIES.get(route))
        is_reached = reply.status not in (401, 403, 404)
        assert is_reached is (name in OWNERS[route]), (name, reply.status, reply.body)
        if not is_reached:
            assert HOME["street"] not in json.dumps(reply.body)
