"""The HTTP Lambdas of orders, called with API events, with the other domains and DynamoDB."""

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from auth.model import SavedAddress
from auth.wiring import account_service
from cart.endpoints import add_cart_item, change_cart_item, get_cart
from cart.model import CartLine
from cart.repository import DynamoCarts
from inventory.service import ATTEMPTS, BUSY
from inventory.wiring import inventory_service
from order import endpoints
from order.wiring import order_service
from payment.model.attempt import Attempt, AttemptStatus
from payment.repository import DynamoPayments
from product.model import Changes, Product
from product.wiring import product_service
from supermarket.caller import Caller, Role
from supermarket.clock import new_id, utc_now
from supermarket.dynamo.audit import AuditRow
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.http import Endpoint
from supermarket.people import Address, Recipient
from support.api import Reply, a_caller, call
from support.cart import rupees
from support.payment import a_payment
from support.product import a_product

pytestmark = pytest.mark.usefixtures("aws")

HOME = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
    "name": "Usha",
    "phone": "+918041123456",
}


def put_on_sale(*products: Product) -> None:
    for product in products:
        transaction = DynamoTransaction()
        product_service().products.add(product, transaction)
        product_service().stock.open(product, transaction)
        transaction.commit()


def on_sale(stock: int = 10, price: int = 120) -> Product:
    product = a_product(stock=stock, price=rupees(price))
    put_on_sale(product)
    return product


def stock_of(product: Product) -> int:
    return product_service().get_product(product.id).stock


def shelf_of(product: Product) -> tuple[int, int]:
    """How many are on hand, and how many of them are reserved."""
    level = inventory_service().get_level(product.id)
    return level.on_hand, level.reserved


def shelf_of_line(order: dict[str, Any]) -> tuple[int, int]:
    """The same of the product of an order's only line."""
    (line,) = order["items"]
    return shelf_of(product_service().get_product(line["product"]))


def add_to_cart(caller: Caller, product: Product, quantity: int = 1) -> None:
    item = {"productId": product.id, "quantity": quantity}
    assert call(add_cart_item, body=item, caller=caller).status == 200


def place_order(caller: Caller, key: str | None = None, body: Any = None) -> Reply:
    headers = {} if key is None else {"idempotency-key": key}
    body = {"shippingAddress": HOME} if body is None else body
    return call(endpoints.create_order, body=body, headers=headers, caller=caller)


def an_order_of(caller: Caller) -> dict[str, Any]:
    add_to_cart(caller, on_sale())
    order: dict[str, Any] = place_order(caller).body["order"]
    return order


def on_order(endpoint: Endpoint, order_id: str, caller: Caller, body: Any = None) -> Reply:
    return call(endpoint, path={"orderId": order_id}, body=body, caller=caller)


def events() -> list[str]:
    return sorted(row.detail_type for row in OutboxRow.scan())


def test_an_order_is_placed_and_returned() -> None:
    caller, product = a_caller(), on_sale(stock=10, price=120)
    add_to_cart(caller, product, 3)
    placed = place_order(caller)
    assert placed.status == 201
    order = placed.body["order"]
    inr = {"currency": "INR"}
    assert order["items"] == [
        {
            "product": product.id,
            "title": product.title,
            "seller": product.seller.user_id,
            "quantity": 3,
            "unitPrice": {"amount": 120.0, **inr},
            "lineTotal": {"amount": 360.0, **inr},
        }
    ]
    assert order["pricing"] == {
        "subtotal": {"amount": 360.0, **inr},
        "tax": {"amount": 0.0, **inr},
        "shipping": {"amount": 0.0, **inr},
        "total": {"amount": 360.0, **inr},
    }
    assert order["totalPrice"] == {"amount": 360.0, **inr}
    assert (order["status"], order["payment"]) == (
        "PENDING",
        {"status": "PENDING", "payUntil": None},
    )
    assert order["shippingAddress"] == HOME
    assert order["payment"]["payUntil"] is None
    assert order["reservedUntil"] > order["createdAt"] == order["timeline"][0]["at"]
    assert on_order(endpoints.get_order, order["id"], caller).body["order"] == order
    assert call(get_cart, caller=caller).body["cart"]["items"] == []
    assert (stock_of(product), events()) == (7, ["OrderPlaced"])
    assert shelf_of(product) == (10, 3)


def test_an_order_of_fifty_lines_fits_in_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = a_caller()
    products = [a_product() for _ in range(50)]
    put_on_sale(*products)
    for product in products:
        line = CartLine(product.id, 1, product.price, product.title, utc_now())
        assert DynamoCarts(utc_now).add(caller.user_id, line, max_quantity=1)
    sent: list[int] = []
    write: Callable[..., Any] = database().transact_write_items

    def counted(**operations: list[Any]) -> Any:
        sent.append(sum(len(each) for each in operations.values()))
        return write(**operations)

    monkeypatch.setattr(database(), "transact_write_items", counted)
    placed = place_order(caller, key="fifty")
    assert (placed.status, len(placed.body["order"]["items"])) == (201, 50)
    assert sent == [50 + 6]
    cancelled = on_order(endpoints.cancel_order, placed.body["order"]["id"], caller)
    assert (cancelled.status, sent) == (200, [50 + 6, 50 + 4])


def test_an_empty_cart_is_400() -> None:
    assert place_order(a_caller()).status == 400


def test_an_order_can_use_a_saved_address() -> None:
    caller, address_id = a_caller(), new_id()
    saved = SavedAddress(**vars(Address(**HOME)), id=address_id)
    account_service().add_address(caller.user_id, saved, make_default=True)
    add_to_cart(caller, on_sale())
    assert place_order(caller, body={"addressId": new_id()}).status == 404
    placed = place_order(caller, body={"addressId": address_id})
    assert placed.body["order"]["shippingAddress"] == HOME


def test_another_s_saved_address_is_404() -> None:
    caller, address_id = a_caller(), new_id()
    saved = SavedAddress("7 Residency Road", "Pune", "Maharashtra", "411001", "IN", id=address_id)
    account_service().add_address("another customer", saved, make_default=True)
    add_to_cart(caller, on_sale())
    assert place_order(caller, body={"addressId": address_id}).status == 404


MALFORMED_DESTINATIONS: list[Any] = [
    {},
    [],
    {"shippingAddress": HOME, "addressId": "a"},
    {"shippingAddress": None},
    {"addressId": ""},
    {"addressId": {"$ne": ""}},
    {"shippingAddress": "12 MG Road"},
    {"shippingAddress": {**HOME, "zip": "56000"}},
    {"shippingAddress": {**HOME, "zip": 560001}},
    {"shippingAddress": {**HOME, "country": "US", "zip": "560001"}},
    {"shippingAddress": {**HOME, "street": "   "}},
    {"shippingAddress": {**HOME, "phone": "12345"}},
    {"shippingAddress": {**HOME, "name": "\u200b"}},
    {"shippingAddress": {**HOME, "street": "s" * 121}},
    {"shippingAddress": {**HOME, "city": "Bengaluru\r\nBcc: x@example.com"}},
    {"shippingAddress": {**HOME, "planet": "Earth"}},
    {"shippingAddress": {k: v for k, v in HOME.items() if k != "state"}},
    {"shippingAddress": HOME, "total": 1},
]


def test_malformed_destinations_are_400_and_change_nothing() -> None:
    caller, product = a_caller(), on_sale(stock=5)
    add_to_cart(caller, product)
    for body in MALFORMED_DESTINATIONS:
        refused = place_order(caller, body=body)
        assert (refused.status, bool(refused.body["errors"])) == (400, True), body
        assert (stock_of(product), events()) == (5, [])


def test_each_unavailable_item_has_an_error_of_its_own() -> None:
    caller, dearer, scarce = a_caller(), on_sale(stock=5), on_sale(stock=5)
    seller = Caller(dearer.seller.user_id, "s", Role.SELLER, "ravi@example.com", "Ravi")
    add_to_cart(caller, dearer, 2)
    add_to_cart(caller, scarce, 4)
    product_service().update(dearer.id, Changes(price_amount=Decimal(150)), (), seller)
    rival = a_caller()
    add_to_cart(rival, scarce, 2)
    assert place_order(rival).status == 201
    refused = place_order(caller)
    assert refused.status == 409
    assert {error["field"]: error["message"] for error in refused.body["errors"]} == {
        f"items.{dearer.id}": "The price was 120.00 INR and is now 150.00 INR;"
        " set the quantity again to accept it",
        f"items.{scarce.id}": "Only 3 left in stock",
    }
    assert (stock_of(dearer), stock_of(scarce)) == (5, 3)
    for product, quantity in ((dearer, 2), (scarce, 3)):
        path = {"productId": product.id}
        call(change_cart_item, path=path, body={"quantity": quantity}, caller=caller)
    assert place_order(caller).body["order"]["totalPrice"]["amount"] == 2 * 150 + 3 * 120


def test_a_product_that_too_many_order_at_once_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    caller, product = a_caller(), on_sale(stock=5)
    add_to_cart(caller, product)
    client, attempts = database().client, []
    real: Callable[..., Any] = client._make_api_call
    monkeypatch.setattr("supermarket.dynamo.writes.time.sleep", lambda _: None)

    def conflict(operation: str, arguments: dict[str, Any]) -> Any:
        """Let another transaction hold every row that a transaction writes."""
        if operation != "TransactWriteItems":
            return real(operation, arguments)
        attempts.append(operation)
        reasons = [{"Code": "TransactionConflict"} for _ in arguments["TransactItems"]]
        error = {"Code": "TransactionCanceledException", "Message": "cancelled"}
        response: Any = {"Error": error, "CancellationReasons": reasons}
        raise ClientError(response, operation)

    with monkeypatch.context() as patch:
        patch.setattr(client, "_make_api_call", conflict)
        refused = place_order(caller, key="key-1")
    assert (refused.status, refused.body["code"]) == (503, "BUSY")
    assert refused.body["message"] == BUSY
    assert len(attempts) >= ATTEMPTS
    assert (shelf_of(product), events()) == ((5, 0), [])
    placed = place_order(caller, key="key-1")
    assert (placed.status, shelf_of(product)) == (201, (5, 1))


def test_an_idempotency_key_creates_one_order() -> None:
    caller, product = a_caller(), on_sale(stock=5)
    add_to_cart(caller, product)
    first = place_order(caller, key="key-1")
    again = place_order(caller, key="key-1")
    assert (again.status, again.body) == (201, first.body)
    assert place_order(caller, key="key-1", body={"addressId": new_id()}).status == 422
    assert (stock_of(product), events()) == (4, ["OrderPlaced"])


def test_idempotency_keys_of_two_callers_are_independent() -> None:
    one, another = a_caller(), a_caller()
    add_to_cart(one, on_sale())
    add_to_cart(another, on_sale())
    assert (
        place_order(one, key="k").body["order"]["id"]
        != place_order(another, key="k").body["order"]["id"]
    )


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "schlüssel", "\x00"])
def test_a_malformed_idempotency_key_is_400(key: str) -> None:
    caller, product = a_caller(), on_sale(stock=5)
    add_to_cart(caller, product)
    refused = place_order(caller, key=key)
    assert (refused.status, refused.body["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert stock_of(product) == 5


def test_orders_are_listed_newest_first_with_a_cursor_per_list() -> None:
    caller, other = a_caller(), a_caller()
    placed = [an_order_of(caller)["id"] for _ in range(3)]
    an_order_of(other)

    def listed(person: Caller, **query: str) -> Reply:
        return call(endpoints.list_my_orders, query=query, caller=person)

    first = listed(caller, limit="2")
    cursor = first.body["nextCursor"]
    second = listed(caller, limit="2", cursor=cursor)
    assert [order["id"] for order in first.body["orders"] + second.body["orders"]] == placed[::-1]
    assert second.body["nextCursor"] is None
    assert listed(other, cursor=cursor).status == 400
    assert listed(caller, cursor=cursor, status="PENDING").status == 400
    assert listed(caller, cursor=cursor[:-2]).status == 400


def test_orders_can_be_listed_by_state() -> None:
    caller = a_caller()
    kept, given_up = an_order_of(caller)["id"], an_order_of(caller)["id"]
    on_order(endpoints.cancel_order, given_up, caller)
    for status, expected in (("PENDING", [kept]), ("CANCELLED", [given_up]), ("SHIPPED", [])):
        listed = call(endpoints.list_my_orders, query={"status": status}, caller=caller)
        assert [order["id"] for order in listed.body["orders"]] == expected


@pytest.mark.parametrize(
    "query", [{"status": "LOST"}, {"status": "pending"}, {"limit": "0"}, {"limit": "101"}]
)
def test_malformed_lists_are_400(query: dict[str, str]) -> None:
    assert call(endpoints.list_my_orders, query=query, caller=a_caller()).status == 400


def test_a_seller_sees_only_their_own_lines() -> None:
    caller, product = a_caller(), on_sale(price=100)
    other = a_product(price=rupees(7), seller=Recipient(new_id(), "meera@example.com", "Meera"))
    put_on_sale(other)
    add_to_cart(caller, product)
    add_to_cart(caller, other)
    order_id = place_order(caller).body["order"]["id"]
    seller = a_caller(Role.SELLER, other.seller.user_id)
    seen = on_order(endpoints.get_order, order_id, seller).body["order"]
    assert [line["product"] for line in seen["items"]] == [other.id]
    assert seen["totalPrice"]["amount"] == seen["pricing"]["subtotal"]["amount"] == 7
    everything = on_order(endpoints.get_order, order_id, a_caller(Role.ADMIN)).body["order"]
    assert everything["totalPrice"]["amount"] == 107


def test_strangers_cannot_read_cancel_or_change_an_order() -> None:
    order_id = an_order_of(a_caller())["id"]
    thief = a_caller()
    assert on_order(endpoints.get_order, order_id, thief).status == 404
    assert on_order(endpoints.get_order, order_id, a_caller(Role.SELLER)).status == 404
    assert on_order(endpoints.cancel_order, order_id, thief).status == 404
    changed = on_order(endpoints.change_order_address, order_id, thief, {"street": "Thief Lane"})
    assert changed.status == 404
    assert events() == ["OrderPlaced"]


@pytest.mark.parametrize("order_id", ["nonsense", "0" * 26, "o" * 9000, "%00", "../me"])
def test_unknown_and_malformed_ids_are_404(order_id: str) -> None:
    caller = a_caller()
    assert on_order(endpoints.get_order, order_id, caller).status == 404
    assert on_order(endpoints.cancel_order, order_id, caller).status == 404
    body = {"street": "1 Park Street"}
    assert on_order(endpoints.change_order_address, order_id, caller, body).status == 404


def test_a_pending_order_is_cancelled_once() -> None:
    caller, product = a_caller(), on_sale(stock=5)
    add_to_cart(caller, product, 2)
    order_id = place_order(caller).body["order"]["id"]
    cancelled = on_order(endpoints.cancel_order, order_id, caller)
    assert (cancelled.status, cancelled.body["order"]["status"]) == (200, "CANCELLED")
    assert cancelled.body["order"]["payment"] == {"status": "FAILED", "payUntil": None}
    assert [step["by"] for step in cancelled.body["order"]["timeline"]] == ["customer", "customer"]
    assert on_order(endpoints.cancel_order, order_id, caller).status == 409
    assert (stock_of(product), events()) == (5, ["OrderCancelled", "OrderPlaced"])


def test_a_paid_order_is_cancelled_and_its_refund_is_pending() -> None:
    caller, product = a_caller(), on_sale(stock=5)
    add_to_cart(caller, product, 2)
    order_id = place_order(caller).body["order"]["id"]
    order_service().confirm(order_id)
    shown = on_order(endpoints.get_order, order_id, caller).body["order"]
    assert (shown["status"], shown["payment"]) == (
        "CONFIRMED",
        {"status": "COMPLETED", "payUntil": None},
    )
    assert shown["reservedUntil"] is None
    cancelled = on_order(endpoints.cancel_order, order_id, caller)
    assert cancelled.body["order"]["payment"] == {"status": "REFUND_PENDING", "payUntil": None}
    assert "refunded" in cancelled.body["message"]
    (written,) = AuditRow.query(f"order#{order_id}")
    assert (written.action, written.actor) == ("order cancelled", caller.user_id)
    assert stock_of(product) == 5
    order_service().mark_refunded(order_id)
    shown = on_order(endpoints.get_order, order_id, caller).body["order"]
    assert (shown["status"], shown["payment"]) == (
        "CANCELLED",
        {"status": "REFUNDED", "payUntil": None},
    )


def a_paid_order() -> tuple[dict[str, Any], Caller, Caller]:
    """Return a paid order, its customer and its only seller."""
    caller = a_caller()
    order = an_order_of(caller)
    pay(order["id"], caller)
    return order, caller, a_caller(Role.SELLER, order["items"][0]["seller"])


def pay(order_id: str, caller: Caller) -> None:
    """Store a complete payment of the order, and confirm the order."""
    payment = replace(a_payment(caller), order_id=order_id)
    attempt = Attempt("pay_1", payment.razorpay_order_id, payment.price, AttemptStatus.CAPTURED)
    transaction = DynamoTransaction()
    DynamoPayments().add(payment.completed(attempt, utc_now()), transaction)
    transaction.commit()
    order_service().confirm(order_id)


def test_the_customer_sees_how_an_order_is_shipped_and_delivered() -> None:
    order, customer, seller = a_paid_order()
    body = {"trackingNumber": "  DTDC 4711/08 · ✓ "}
    assert shelf_of_line(order) == (10, 1)
    shipped = on_order(endpoints.ship_order, order["id"], seller, body)
    assert (shipped.status, shipped.body["order"]["status"]) == (200, "SHIPPED")
    delivered = on_order(endpoints.deliver_order, order["id"], a_caller(Role.ADMIN), {})
    assert (delivered.status, delivered.body["order"]["status"]) == (200, "DELIVERED")
    seen = on_order(endpoints.get_order, order["id"], customer).body["order"]
    assert seen["trackingNumber"] == "DTDC 4711/08 · ✓"
    assert [(step["status"], step["by"]) for step in seen["timeline"]] == [
        ("PENDING", "customer"),
        ("CONFIRMED", "payment"),
        ("SHIPPED", "seller"),
        ("DELIVERED", "admin"),
    ]
    assert shelf_of_line(order) == (9, 0)
    assert on_order(endpoints.cancel_order, order["id"], customer).status == 409
    assert events() == ["OrderConfirmed", "OrderDelivered", "OrderPlaced", "OrderShipped"]
    audited = [row.actor for row in AuditRow.query(f"order#{order['id']}")]
    assert audited[0] == seller.user_id
    assert len(audited) == 2


def test_an_order_is_shipped_and_delivered_without_a_body() -> None:
    order, _, seller = a_paid_order()
    assert on_order(endpoints.ship_order, order["id"], seller).status == 200
    delivered = on_order(endpoints.deliver_order, order["id"], seller, {"trackingNumber": None})
    assert delivered.body["order"]["trackingNumber"] is None


MALFORMED_TRACKING_NUMBERS: list[Any] = [
    {"trackingNumber": ""},
    {"trackingNumber": "   "},
    {"trackingNumber": "t" * 61},
    {"trackingNumber": "DTDC\r\nBcc: x@example.com"},
    {"trackingNumber": "DTDC\u20284711"},
    {"trackingNumber": 4711},
    {"carrier": "DTDC"},
    [],
]


@pytest.mark.parametrize("endpoint", [endpoints.ship_order, endpoints.deliver_order])
def test_malformed_tracking_numbers_are_400_and_change_nothing(endpoint: Endpoint) -> None:
    order, customer, seller = a_paid_order()
    for body in MALFORMED_TRACKING_NUMBERS:
        assert on_order(endpoint, order["id"], seller, body).status == 400, body
    assert on_order(endpoints.get_order, order["id"], customer).body["order"]["status"] == (
        "CONFIRMED"
    )


@pytest.mark.parametrize("endpoint", [endpoints.ship_order, endpoints.deliver_order])
def test_only_the_only_seller_or_an_admin_ships_and_delivers(endpoint: Endpoint) -> None:
    customer, product = a_caller(), on_sale()
    other = a_product(seller=Recipient(new_id(), "meera@example.com", "Meera"))
    put_on_sale(other)
    add_to_cart(customer, product)
    add_to_cart(customer, other)
    order_id = place_order(customer).body["order"]["id"]
    order_service().confirm(order_id)
    before = on_order(endpoints.get_order, order_id, customer).body
    assert call(endpoint, path={"orderId": order_id}).status == 401
    for person, status in (
        (customer, 403),
        (a_caller(Role.SELLER, other.seller.user_id), 403),
        (a_caller(Role.SELLER), 404),
    ):
        assert on_order(endpoint, order_id, person, {"trackingNumber": "T"}).status == status
    assert on_order(endpoints.get_order, order_id, customer).body == before
    for malformed in ("nonsense", "0" * 26, "o" * 9000):
        assert on_order(endpoint, malformed, a_caller(Role.ADMIN)).status == 404


@pytest.mark.parametrize("endpoint", [endpoints.ship_order, endpoints.deliver_order])
def test_an_unpaid_order_is_neither_shipped_nor_delivered(endpoint: Endpoint) -> None:
    order = an_order_of(a_caller())
    seller = a_caller(Role.SELLER, order["items"][0]["seller"])
    assert on_order(endpoint, order["id"], seller).status == 409


def test_an_address_change_replaces_the_given_fields() -> None:
    caller = a_caller()
    order_id = an_order_of(caller)["id"]
    body = {"street": "1 Park Street", "city": "Kolkata", "zip": "700016"}
    changed = on_order(endpoints.change_order_address, order_id, caller, body)
    assert changed.body["order"]["shippingAddress"] == {**HOME, **body}
    order_service().confirm(order_id)
    inside = {"state": "West Bengal", "phone": "(033) 4000-1234", "name": ""}
    body_inside = {"shippingAddress": inside}
    again = on_order(endpoints.change_order_address, order_id, caller, body_inside)
    expected = {**HOME, **body, "state": "West Bengal", "phone": "+913340001234", "name": None}
    assert again.body["order"]["shippingAddress"] == expected


def test_the_address_of_a_cancelled_order_is_409() -> None:
    caller = a_caller()
    order_id = an_order_of(caller)["id"]
    on_order(endpoints.cancel_order, order_id, caller)
    body = {"street": "1 Park Street"}
    assert on_order(endpoints.change_order_address, order_id, caller, body).status == 409


def test_the_postal_code_of_a_changed_address_may_be_called_pincode() -> None:
    caller = a_caller()
    order = an_order_of(caller)
    body = {"pincode": "110 011"}
    changed = on_order(endpoints.change_order_address, order["id"], caller, body)
    assert (changed.status, changed.body["order"]["shippingAddress"]["zip"]) == (200, "110011")


MALFORMED_ADDRESS_CHANGES: list[Any] = [
    {},
    {"street": None},
    {"phone": "12345"},
    {"shippingAddress": {}},
    {"shippingAddress": None},
    {"street": ""},
    {"street": 12},
    {"zip": "56000"},
    {"country": "US"},
    {"planet": "Earth"},
    [],
]


def test_malformed_address_changes_are_400() -> None:
    caller = a_caller()
    order = an_order_of(caller)
    for body in MALFORMED_ADDRESS_CHANGES:
        changed = on_order(endpoints.change_order_address, order["id"], caller, body)
        assert changed.status == 400, body
    assert on_order(endpoints.get_order, order["id"], caller).body["order"] == order


@pytest.mark.parametrize("role", [Role.SELLER, Role.ADMIN])
def test_only_customers_place_and_cancel_orders(role: Role) -> None:
    caller = a_caller(role)
    assert place_order(caller).status == 403
    assert call(endpoints.list_my_orders, caller=caller).status == 403
    assert on_order(endpoints.cancel_order, "0" * 26, caller).status == 403


def test_orders_require_a_session() -> None:
    assert call(endpoints.create_order, body={"shippingAddress": HOME}).status == 401
    assert call(endpoints.get_order, path={"orderId": "0" * 26}).status == 401


def test_an_admin_lists_all_orders_by_day_status_and_seller() -> None:
    admin, customers, placed = a_caller(Role.ADMIN), [a_caller() for _ in range(3)], []
    for customer in customers:
        placed.append(an_order_of(customer))
        time.sleep(0.002)
    assert on_order(endpoints.cancel_order, placed[2]["id"], customers[2]).status == 200

    def listed(**query: str) -> list[str]:
        found: list[str] = []
        while True:
            sent = {"limit": "1", **query}
            reply = call(endpoints.list_all_orders, query=sent, caller=admin)
            assert reply.status == 200
            found += [each["id"] for each in reply.body["orders"]]
            if not reply.body["nextCursor"]:
                return found
            query["cursor"] = reply.body["nextCursor"]

    newest = [each["id"] for each in reversed(placed)]
    assert listed() == newest
    assert listed(status="PENDING") == newest[1:]
    assert listed(seller=placed[0]["items"][0]["seller"]) == newest
    assert listed(seller=new_id()) == listed(to="2020-01-31") == []
    assert listed(q=newest[1]) == [newest[1]]
    assert listed(q=newest[1], status="CANCELLED") == []
    assert listed(q=newest[0], status="CANCELLED") == newest[:1]
    assert listed(q=customers[2].user_id) == [newest[0]]
    assert call(endpoints.list_all_orders, caller=a_caller(Role.SELLER)).status == 403
