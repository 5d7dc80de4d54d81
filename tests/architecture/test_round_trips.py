"""The DynamoDB calls of each route, compared with those in the docs."""

import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from admin import endpoints as admin
from ai_buddy import endpoints as ai_buddy
from ai_buddy.conversations.repository import DynamoConversations
from ai_buddy.model import ConversationKey, Turn, TurnKey
from auth import endpoints as auth
from auth.model import Purpose
from auth.second_factor import STEP_SECONDS, code_at
from auth.wiring import token_links
from cart import endpoints as cart
from documentation import endpoints as documentation
from notification import endpoints as notification
from notification.model import Message
from notification.repository import DynamoMessages
from order import endpoints as order
from order.listeners import confirm_paid_order
from outbox import endpoints as outbox
from payment import endpoints as payment
from payment import wiring as payment_wiring
from payment.model.attempt import AttemptStatus
from product import endpoints as product
from seller_dashboard import endpoints as seller_dashboard
from supermarket.caller import Caller, Role
from supermarket.clock import new_id, utc_now
from supermarket.contracts import Amount, Metadata, PaymentCompleted
from supermarket.dynamo.rows import database
from supermarket.http import Endpoint
from supermarket.money import Currency
from supermarket.people import Recipient
from support.api import Reply, a_caller, api_event, bearer, call
from support.auth import register_somebody
from support.cloud import aws_in_memory
from support.domains import endpoints as all_endpoints
from support.payment import FakeRazorpay, a_payment_webhook

DOCUMENT = Path(__file__).parents[2] / "docs" / "round-trips.md"
ROW = re.compile(
    r"^\| `(?P<route>[A-Z]+ \S+)` \| (?P<total>\d+|not counted) "
    r"\| (?P<calls>[^|]*) \|$",
    re.MULTILINE,
)
NO_TRIPS = "none"

ADDRESS = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
}


class Ledger:
    """Counts the DynamoDB calls of each route, and its round trips: calls that are made at the same
    time, by one thread pool, are one.
    """

    def __init__(self) -> None:
        self.calls: dict[str, Counter[str]] = {}
        self.trips: dict[str, int] = {}

    @contextmanager
    def counting(self, endpoint: Endpoint) -> Iterator[None]:
        counted: Counter[str] = Counter()
        trips: Counter[str] = Counter()
        events = database().client.meta.events

        def save(model: Any, **_: Any) -> None:
            counted[model.name] += 1
            pool = threading.current_thread().name.rpartition("_")[0]
            trips[pool] = 1 if pool else trips[pool] + 1

        events.register("before-call.dynamodb", save)
        try:
            yield
        finally:
            events.unregister("before-call.dynamodb", save)
        self.calls[endpoint.routes[0]] = counted
        self.trips[endpoint.routes[0]] = trips.total()

    def call(self, endpoint: Endpoint, caller: Caller | None = None, **options: Any) -> Reply:
        """Send a request as a signed-in caller and count what it takes."""
        headers = {**(bearer(caller) if caller else {}), **options.pop("headers", {})}
        with self.counting(endpoint):
            reply = call(endpoint, headers=headers, **options)
        assert reply.status < 400, f"{endpoint.name}: {reply.body}"
        return reply


def as_text(calls: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(calls.items())) or NO_TRIPS


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """The calls of every route, counted once for all tests of this module."""
    razorpay = FakeRazorpay()
    with aws_in_memory(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(payment_wiring, "RazorpayApi", lambda _: razorpay)
        payment_wiring.payment_service.cache_clear()
        counted = count_every_route(razorpay)
    payment_wiring.payment_service.cache_clear()  # for tests that patch other simulators in
    return counted


def count_every_route(razorpay: FakeRazorpay) -> Ledger:
    ledger = Ledger()
    account = accounts(ledger)
    seller, customer = a_caller(Role.SELLER), account
    rice = catalogue(ledger, seller)
    basket(ledger, customer, rice)
    purchase(ledger, customer, seller, rice, razorpay)
    dashboard(ledger, seller)
    assistance(ledger, customer)
    inbox(ledger, customer)
    administration(ledger)
    ledger.call(auth.list_public_keys)
    ledger.call(outbox.check_health)
    ledger.call(documentation.get_api_description)
    ledger.call(documentation.get_api_docs)
    ledger.call(documentation.get_security_contact)
    ledger.call(documentation.find_password_page)
    ledger.call(product.delete_product, seller, path={"productId": rice["id"]})
    return ledger


def accounts(ledger: Ledger) -> Caller:
    name = {"firstName": "Asha", "lastName": "Rao"}
    account = {"username": "asha", "email": "asha@example.com", "password": "long enough"}
    user = ledger.call(auth.register, body={**account, "fullName": name}).body["user"]
    credentials = {"email": account["email"], "password": account["password"]}
    signed_in = ledger.call(auth.login, body=credentials).body
    ledger.call(auth.refresh_session, body={"refreshToken": signed_in["refreshToken"]})
    caller = a_caller(user_id=user["id"])
    ledger.call(auth.get_me, caller)
    ledger.call(auth.change_profile, caller, body={"phone": "+919876543210"})
    added = ledger.call(auth.add_address, caller, body=ADDRESS).body["address"]
    ledger.call(auth.list_addresses, caller)
    path = {"addressId": added["id"]}
    ledger.call(auth.change_address, caller, path=path, body={"city": "Mysuru"})
    ledger.call(auth.delete_address, caller, path=path)
    second_factor(ledger, caller, credentials)
    ledger.call(auth.logout, caller)
    recovery(ledger, account["email"], caller)
    return caller


def administration(ledger: Ledger) -> None:
    caller, user = a_caller(Role.ADMIN), register_somebody(role="seller")
    path = {"userId": user["id"]}
    ledger.call(admin.list_users, caller)
    ledger.call(admin.list_audit_entries, caller, query={"subject": f"user#{user['id']}"})
    ledger.call(order.list_all_orders, caller, query={"q": new_id()})
    ledger.call(payment.list_payment_drift, caller)
    ledger.call(admin.get_user, caller, path=path)
    ledger.call(admin.suspend_user, caller, path=path, body={"reason": "Sold fakes"})
    ledger.call(admin.reinstate_user, caller, path=path)
    ledger.call(admin.change_role, caller, path=path, body={"role": "user"})
    ledger.call(admin.approve_user, caller, path=path)
    ledger.call(admin.revoke_sessions, caller, path=path)


def second_factor(ledger: Ledger, caller: Caller, credentials: dict[str, str]) -> None:
    secret = ledger.call(auth.enrol_totp, caller).body["secret"]
    step = int(utc_now().timestamp()) // STEP_SECONDS
    first = {"code": code_at(secret, step - 1)}
    codes = ledger.call(auth.confirm_totp, caller, body=first).body["recoveryCodes"]
    token = call(auth.login, body=credentials).body["mfaToken"]
    body = {"mfaToken": token, "code": code_at(secret, step)}
    ledger.call(auth.complete_login, body=body)
    proof = {"password": credentials["password"], "code": codes[0]}
    ledger.call(auth.remove_totp, caller, body=proof)


def recovery(ledger: Ledger, email: str, caller: Caller) -> None:
    ledger.call(auth.resend_verification, body={"email": email})
    verification = token_links().create(Purpose.EMAIL_VERIFICATION, caller.user_id)
    ledger.call(auth.verify_email, body={"token": verification})
    ledger.call(auth.forgot_password, body={"email": email})
    token = token_links().create(Purpose.PASSWORD_RESET, caller.user_id)
    reset = {"token": token, "password": "longer still"}
    ledger.call(auth.reset_password, body=reset)
    change = {"email": "asha.rao@example.com", "password": "longer still"}
    ledger.call(auth.request_email_change, caller, body=change)
    token = token_links().create(Purpose.EMAIL_CHANGE, caller.user_id, change["email"])
    ledger.call(auth.confirm_email_change, body={"token": token})
    token = token_links().create(Purpose.EMAIL_UNDO, caller.user_id, email)
    ledger.call(auth.undo_email_change, body={"token": token})
    token = token_links().create(Purpose.PASSWORD_RESET, caller.user_id)
    call(auth.reset_password, body={"token": token, "password": "longer still"})
    ledger.call(auth.list_sessions, caller)
    ledger.call(auth.end_session, caller, path={"sessionId": caller.session_id})
    change = {"currentPassword": "longer still", "newPassword": "the longest of all"}
    ledger.call(auth.change_password, caller, body=change)
    ledger.call(auth.logout_all, caller)


def catalogue(ledger: Ledger, seller: Caller) -> dict[str, Any]:
    body = {"title": "Basmati rice", "priceAmount": 120.5, "stock": 50, "category": "grains"}
    rice: dict[str, Any] = ledger.call(product.create_product, seller, body=body).body["product"]
    path = {"productId": rice["id"]}
    ledger.call(product.get_product, path=path)
    ledger.call(product.update_product, seller, path=path, body={"title": "Brown rice"})
    ledger.call(product.change_stock, seller, path=path, body={"add": 5})
    ledger.call(product.list_stock_movements, seller, path=path)
    ledger.call(product.list_own_products, seller)
    ledger.call(product.list_products)
    return rice


def basket(ledger: Ledger, customer: Caller, rice: dict[str, Any]) -> None:
    path, item = {"productId": rice["id"]}, {"productId": rice["id"], "quantity": 1}
    ledger.call(cart.add_cart_item, customer, body=item)
    ledger.call(cart.remove_cart_item, customer, path=path)
    call(cart.add_cart_item, caller=customer, body=item)
    ledger.call(cart.clear_cart, customer)
    call(cart.add_cart_item, caller=customer, body=item)
    ledger.call(cart.change_cart_item, customer, path=path, body={"quantity": 2})
    ledger.call(cart.get_cart, customer)


def purchase(
    ledger: Ledger, customer: Caller, seller: Caller, rice: dict[str, Any], razorpay: FakeRazorpay
) -> None:
    body = {"shippingAddress": ADDRESS}
    placed = ledger.call(order.create_order, customer, body=body).body["order"]
    path = {"orderId": placed["id"]}
    ledger.call(order.get_order, customer, path=path)
    ledger.call(order.list_my_orders, customer)
    ledger.call(order.change_order_address, customer, path=path, body={"street": "Elsewhere 1"})
    created = ledger.call(payment.create_payment, customer, path=path).body
    proof = razorpay.pay(created["razorpay"]["orderId"])
    ledger.call(
        payment.verify_payment,
        customer,
        body={
            "razorpay_order_id": proof.razorpay_order_id,
            "razorpay_payment_id": proof.razorpay_payment_id,
            "razorpay_signature": proof.signature,
        },
    )
    a_webhook(ledger, customer, rice, razorpay)
    paid = {"paymentId": created["payment"]["id"]}
    key = {"idempotency-key": "one-refund"}
    admin = a_caller(Role.ADMIN)
    ledger.call(payment.refund_payment, admin, path=paid, body={"amount": 1}, headers=key)
    ledger.call(payment.get_payment, customer, path={"paymentId": created["payment"]["id"]})
    ledger.call(payment.get_order_payment, customer, path=path)
    confirm(placed["id"], customer)
    ledger.call(order.ship_order, seller, path=path, body={"trackingNumber": "DTDC-4711"})
    ledger.call(order.deliver_order, seller, path=path)
    item = {"productId": rice["id"], "quantity": 1}
    call(cart.add_cart_item, caller=customer, body=item)
    second = call(order.create_order, caller=customer, body=body).body["order"]
    ledger.call(order.cancel_order, customer, path={"orderId": second["id"]})


def a_webhook(
    ledger: Ledger, customer: Caller, rice: dict[str, Any], razorpay: FakeRazorpay
) -> None:
    """Another order, which Razorpay itself reports as paid."""
    call(cart.add_cart_item, caller=customer, body={"productId": rice["id"], "quantity": 1})
    placed = call(order.create_order, caller=customer, body={"shippingAddress": ADDRESS})
    path = {"orderId": placed.body["order"]["id"]}
    created = call(payment.create_payment, caller=customer, path=path).body
    proof = razorpay.pay(created["razorpay"]["orderId"], AttemptStatus.CAPTURED)
    sent = a_payment_webhook("payment.captured", razorpay.attempts[proof.razorpay_payment_id])
    ledger.call(payment.receive_webhook, raw=sent.body, headers=sent.headers)


def confirm(order_id: str, customer: Caller) -> None:
    person = Recipient(
        user_id=customer.user_id, email=customer.email, first_name=customer.first_name
    )
    amount = Amount(minor=1, currency=Currency.INR)
    event = PaymentCompleted(
        payment_id=new_id(),
        order_id=order_id,
        customer=person,
        amount=amount,
        razorpay_payment_id="pay_1",
        completed_at=utc_now(),
    )
    metadata = Metadata(event_id=new_id(), version=1, occurred_at=utc_now(), correlation_id="test")
    confirm_paid_order(event, metadata)


def dashboard(ledger: Ledger, seller: Caller) -> None:
    ledger.call(seller_dashboard.get_seller_metrics, seller)
    ledger.call(seller_dashboard.list_seller_orders, seller)
    ledger.call(seller_dashboard.list_seller_products, seller)
    ledger.call(seller_dashboard.list_seller_payments, seller)
    ledger.call(seller_dashboard.list_seller_customers, seller)
    ledger.call(seller_dashboard.export_seller_list, seller, path={"sheet": "orders"})


def inbox(ledger: Ledger, customer: Caller) -> None:
    """List messages, mark one as read, then mark all as read."""
    for number in range(2):
        message_id = f"{new_id()}.order_placed"
        details = ("order_placed", f"Order {number}", "Hello", utc_now())
        DynamoMessages(utc_now).save_sent(Message(message_id, customer.user_id, *details))
    ledger.call(notification.list_notifications, customer)
    path = {"notificationId": message_id}
    ledger.call(notification.read_notification, customer, path=path)
    ledger.call(notification.read_all_notifications, customer)


def assistance(ledger: Ledger, customer: Caller) -> None:
    conversation = ConversationKey(customer.user_id, new_id())
    turn = Turn(TurnKey(conversation, f"{conversation.id}-{new_id()}"), utc_now(), "Any rice?")
    DynamoConversations(utc_now).begin(turn, new=True)
    ledger.call(ai_buddy.create_ticket, customer)
    path = {"conversationId": conversation.id}
    ledger.call(ai_buddy.delete_conversation, customer, path=path)


def documented() -> dict[str, str]:
    return {row["route"]: row["calls"].strip() for row in ROW.finditer(DOCUMENT.read_text())}


def test_every_route_makes_the_round_trips_that_the_docs_list(ledger: Ledger) -> None:
    head, border, table = DOCUMENT.read_text().partition("|---|---|---|\n")
    rows = {row["route"]: f"{row[0]}\n" for row in ROW.finditer(table)}
    rows |= {
        route: f"| `{route}` | {ledger.trips[route]} | {as_text(calls)} |\n"
        for route, calls in ledger.calls.items()
    }
    text = head + border + "".join(rows[route] for route in sorted(rows))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        DOCUMENT.write_text(text)
    assert DOCUMENT.read_text() == text, "write docs/round-trips.md: make documents"


def test_every_route_is_counted_or_excluded_with_a_reason(ledger: Ledger) -> None:
    listed = documented().keys() - ledger.calls.keys()
    known = {endpoint.routes[0] for endpoint in all_endpoints().values()}
    forgotten = known - ledger.calls.keys() - listed
    assert not forgotten, (
        f"call {forgotten} in a scenario of {Path(__file__).name}, then: make documents"
    )
    assert listed <= known, "the document lists routes that do not exist"


def test_no_request_path_scans(ledger: Ledger) -> None:
    scans = [route for route, calls in ledger.calls.items() if calls["Scan"]]
    assert not scans


def test_a_search_makes_a_bounded_number_of_reads(aws: None) -> None:
    seller, ledger = a_caller(Role.SELLER), Ledger()
    for number in range(12):
        body = {"title": f"Rice of kind {number}", "priceAmount": 10, "stock": 1}
        event = api_event(product.create_product, body, headers=bearer(seller))
        assert product.create_product(event, None)["statusCode"] == 201
    few = ledger.call(product.list_products, query={"q": "rice", "limit": "3"})
    assert len(few.body["products"]) == 3
    assert sum(ledger.calls[product.list_products.routes[0]].values()) <= 4
