"""The catalogue's routes, driven through Lambda events, on the template's own tables."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from inventory.model import StockRequest
from inventory.wiring import inventory_service
from product import endpoints, streams, wiring
from product.service import ProductService
from supermarket.caller import Caller, Role
from supermarket.clock import new_id
from supermarket.dynamo.audit import AuditRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.http import Endpoint
from supermarket.money import Currency, Money
from support.api import Reply, a_caller, call
from support.cloud import client
from support.product import InMemoryPictures, png
from support.streams import records_of

# no new id per run: every worker must collect the same tests
A_FREE_ID = "01M83K9VF68985Q06XKS3Y0MER"
RICE = {"title": "Basmati rice", "priceAmount": 499.5, "stock": 5, "category": "Rice & Grains"}

type Part = tuple[str, str] | tuple[str, str, bytes]


@pytest.fixture(autouse=True)
def pictures(aws: None, monkeypatch: pytest.MonkeyPatch) -> InMemoryPictures:
    """The catalogue with pictures kept in memory."""
    kept = InMemoryPictures()
    service: ProductService = replace(wiring.product_service(), pictures=kept)
    monkeypatch.setattr(wiring, "product_service", lambda: service)
    return kept


@pytest.fixture
def seller() -> Caller:
    return a_caller(Role.SELLER)


def create(seller: Caller, **fields: Any) -> dict[str, Any]:
    reply = call(endpoints.create_product, body=RICE | fields, caller=seller)
    assert reply.status == 201, reply.body
    return public(reply.body["product"])


def public(product: dict[str, Any]) -> dict[str, Any]:
    """Return what all clients see of a product."""
    return {name: value for name, value in product.items() if name not in {"onHand", "reserved"}}


def sell(product: dict[str, Any], quantity: int) -> str:
    """Reserve stock for an order; returns its id."""
    order_id, price = new_id(), product["price"]
    money = Money.of(Decimal(str(price["amount"])), Currency(price["currency"]))
    request = StockRequest(product["id"], money, quantity)
    inventory_service().commit_reserving(order_id, [request], DynamoTransaction)
    return order_id


def deliver() -> None:
    """Deliver all changes of stock."""
    batch = {"Records": records_of("inventory", "bucket#")}
    assert streams.watch_stock(batch, None) == {"batchItemFailures": []}


def shown(product_id: str) -> Any:
    reply = call(endpoints.get_product, path={"productId": product_id})
    return reply.body["product"] if reply.status == 200 else reply.status


def form(*parts: Part) -> dict[str, Any]:
    """The body and headers of a form; a part is a name and a text, or a name, a file's name and
    its bytes.
    """
    boundary = uuid.uuid4().hex
    raw = b""
    for name, *value in parts:
        raw += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if len(value) == 2:
            raw += f'; filename="{value[0]}"\r\nContent-Type: image/x-liar'.encode()
        content = value[-1] if isinstance(value[-1], bytes) else str(value[-1]).encode()
        raw += b"\r\n\r\n" + content + b"\r\n"
    raw += f"--{boundary}--\r\n".encode()
    return {"raw": raw, "headers": {"content-type": f"multipart/form-data; boundary={boundary}"}}


FIELDS: list[Part] = [("title", "Basmati rice"), ("priceAmount", "499.50")]


def faults(reply: Reply) -> Sequence[str]:
    return [error["field"] for error in reply.body.get("errors", ())]


def test_a_created_product_is_visible_to_all_clients(seller: Caller) -> None:
    reply = call(
        endpoints.create_product,
        body=RICE | {"description": "Aged", "priceCurrency": "USD", "lowStockThreshold": 2},
        caller=seller,
    )
    assert reply.status == 201
    assert reply.body["message"]
    product = public(reply.body["product"])
    assert reply.body["product"] == product | {"onHand": 5, "reserved": 0}
    assert product == {
        "id": product["id"],
        "title": "Basmati rice",
        "description": "Aged",
        "price": {"amount": 499.5, "currency": "USD"},
        "seller": seller.user_id,
        "images": [],
        "stock": 5,
        "available": True,
        "category": "Rice & Grains",
        "version": 1,
        "createdAt": product["createdAt"],
        "updatedAt": product["createdAt"],
    }
    one = call(endpoints.get_product, path={"productId": product["id"]})
    assert (one.status, one.body) == (200, {"product": product})
    assert one.headers["cache-control"] == "public, max-age=10"


def test_the_same_key_creates_one_product(seller: Caller) -> None:
    def send(key: str, **fields: Any) -> Reply:
        headers = {"idempotency-key": key}
        return call(endpoints.create_product, body=RICE | fields, caller=seller, headers=headers)

    first, second = send("key-1"), send("key-1")
    assert (second.status, second.body) == (first.status, first.body) == (201, first.body)
    assert send("key-2").body["product"]["id"] != first.body["product"]["id"]
    assert send("key-1", title="Red rice").status == 422
    assert len(call(endpoints.list_products).body["products"]) == 2


def test_a_form_may_be_sent_again_with_another_boundary(seller: Caller) -> None:
    def send(*parts: Part) -> Reply:
        sent = form(*FIELDS, *parts)
        headers = sent["headers"] | {"idempotency-key": "key-1"}
        return call(endpoints.create_product, raw=sent["raw"], headers=headers, caller=seller)

    first = send()
    assert (first.status, send().body) == (201, first.body)
    assert send(("stock", "3")).status == 422


def test_optional_fields_may_be_left_out(seller: Caller) -> None:
    reply = call(endpoints.create_product, body={"title": " Tea ", "priceAmount": 1}, caller=seller)
    product = reply.body["product"]
    assert (product["title"], product["description"], product["stock"]) == ("Tea", "", 0)
    assert product["price"] == {"amount": 1.0, "currency": "INR"}
    assert product["category"] is None


INVALID_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"title": "ab"}, "title"),
    ({"title": "  ab  "}, "title"),
    ({"title": "x" * 121}, "title"),
    ({"title": "two\nlines"}, "title"),
    ({"title": "nul\0"}, "title"),
    ({"title": 5}, "title"),
    ({"title": None}, "title"),
    ({"title": {"$ne": 1}}, "title"),
    ({"description": "x" * 2001}, "description"),
    ({"description": None}, "description"),
    ({"title": "\u200b\u200b\u200b"}, "title"),
    ({"title": "a\u202ebc"}, "title"),
    ({"category": "\u200b"}, "category"),
    ({"priceAmount": 0}, "priceAmount"),
    ({"priceAmount": -1}, "priceAmount"),
    ({"priceAmount": 10_000_000}, "priceAmount"),
    ({"priceAmount": 0.001}, "priceAmount"),
    ({"priceAmount": 1.999}, "priceAmount"),
    ({"priceAmount": "NaN"}, "priceAmount"),
    ({"priceAmount": "Infinity"}, "priceAmount"),
    ({"priceAmount": True}, "priceAmount"),
    ({"priceAmount": None}, "priceAmount"),
    ({"priceAmount": "free"}, "priceAmount"),
    ({"priceAmount": "1_0"}, "priceAmount"),
    ({"priceAmount": "10"}, "priceAmount"),
    ({"priceAmount": "1e3"}, "priceAmount"),
    ({"priceAmount": [1]}, "priceAmount"),
    ({"priceCurrency": "EUR"}, "priceCurrency"),
    ({"priceCurrency": "inr"}, "priceCurrency"),
    ({"stock": -1}, "stock"),
    ({"stock": 1.5}, "stock"),
    ({"stock": "5"}, "stock"),
    ({"stock": True}, "stock"),
    ({"stock": 10**30}, "stock"),
    ({"category": "x" * 61}, "category"),
    ({"category": 5}, "category"),
    ({"lowStockThreshold": -1}, "lowStockThreshold"),
    ({"seller": "me"}, "seller"),
    ({"images": ["https://evil"]}, "images"),
    ({"id": "mine"}, "id"),
]


def test_an_invalid_product_is_400(seller: Caller) -> None:
    product = create(seller)
    path = {"productId": product["id"]}
    for fields, field in INVALID_FIELDS:
        reply = call(endpoints.create_product, body={**RICE, **fields}, caller=seller)
        assert (reply.status, list(faults(reply))) == (400, [field]), fields
        if field not in {"images", "id", "seller"}:
            patched = call(endpoints.update_product, body=fields, path=path, caller=seller)
            assert (patched.status, list(faults(patched))) == (400, [field]), fields
    assert [each["id"] for each in browse()] == [product["id"]]
    assert shown(product["id"]) == product


@pytest.mark.parametrize(
    "raw",
    [
        b'{"title": "Rice", "priceAmount": 1e400}',
        b'{"title": "Rice", "priceAmount": NaN}',
        b'{"title": "Rice", "priceAmount": -1e-400}',
        b'{"title": "\\ud800 rice", "priceAmount": 1}',
        b"[]",
        b"{",
        b"",
    ],
)
def test_hostile_json_is_400(seller: Caller, raw: bytes) -> None:
    assert call(endpoints.create_product, raw=raw, caller=seller).status == 400


def test_the_largest_and_longest_values_are_accepted(seller: Caller) -> None:
    product = create(
        seller,
        title="न" * 120,
        description="\n".join(f"शब्द{number}" for number in range(250))[:2000],
        priceAmount=9_999_999.99,
        stock=1_000_000_000,
        category="ç" * 60,
    )
    assert shown(product["id"]) == product
    assert browse(q="शब्द249") == [product] == browse(category="Ç" * 60)


def test_customers_and_anonymous_clients_cannot_create_products() -> None:
    assert call(endpoints.create_product, body=RICE, caller=a_caller(Role.USER)).status == 403
    assert call(endpoints.create_product, body=RICE).status == 401
    admin = call(endpoints.create_product, body=RICE, caller=a_caller(Role.ADMIN))
    assert admin.status == 201


def test_a_form_uploads_pictures(seller: Caller, pictures: InMemoryPictures) -> None:
    files: list[Part] = [("images", f"{number}.svg", png(number + 1)) for number in range(5)]
    none_chosen: Part = ("images", "", b"")
    others: list[Part] = [
        ("stock", "7"),
        ("category", ""),
        ("lowStockThreshold", ""),
        ("priceCurrency", "USD"),
    ]
    reply = call(
        endpoints.create_product, **form(*FIELDS, *others, *files, none_chosen), caller=seller
    )
    assert reply.status == 201
    product = reply.body["product"]
    assert (product["stock"], product["category"]) == (7, None)
    assert product["price"] == {"amount": 499.5, "currency": "USD"}
    assert [image["id"] for image in product["images"]] == list(pictures.kept)
    assert [kept.content for kept in pictures.kept.values()] == [png(n + 1) for n in range(5)]
    assert set(product["images"][0]) == {"id", "url", "thumbnail"}
    assert shown(product["id"]) == public(product)


@pytest.mark.parametrize(
    ("parts", "status", "field"),
    [
        ([*FIELDS, ("images", "a.png", b"GIF89a")], 400, "images"),
        ([*FIELDS, ("images", "a.jpg", b"<svg onload='x'/>")], 400, "images"),
        ([*FIELDS, ("images", "a.jpg", b"")], 400, "images"),
        ([*FIELDS, ("images", "a.png", png(9000))], 400, "images"),
        ([*FIELDS, *(("images", "a.png", png()) for _ in range(6))], 400, "images"),
        ([*FIELDS, ("images", "a.png", png(size=1_000_001))], 413, None),
        ([*FIELDS, *(("images", "a", png(size=1_000_000)) for _ in range(5))], 413, None),
        ([*FIELDS, ("avatar", "a.png", png())], 400, "body"),
        ([*FIELDS, ("images", "not a file")], 400, "images"),
        ([*FIELDS, ("title", "Twice")], 400, "title"),
        ([*FIELDS, ("seller", "me")], 400, "seller"),
        ([*FIELDS, ("description", "x" * 501)], 400, "description"),
        ([*FIELDS, ("stock", "many")], 400, "stock"),
        ([*FIELDS, ("stock", "1_0")], 400, "stock"),
        ([*FIELDS, ("stock", "١٢")], 400, "stock"),
        ([*FIELDS, ("lowStockThreshold", "5.0")], 400, "lowStockThreshold"),
        ([*FIELDS, ("stock", "1e3")], 400, "stock"),
        ([("title", "Rice"), ("priceAmount", "1e400")], 400, "priceAmount"),
        ([("title", "Rice"), ("priceAmount", "nan")], 400, "priceAmount"),
        ([("title", "Rice"), ("priceAmount", "-1")], 400, "priceAmount"),
        ([("priceAmount", "1")], 400, "title"),
        ([(f"field{number}", "x") for number in range(50)], 400, None),
        ([], 400, None),
    ],
)
def test_an_invalid_form_is_refused_and_stores_nothing(
    seller: Caller,
    pictures: InMemoryPictures,
    parts: Sequence[Part],
    status: int,
    field: str | None,
) -> None:
    reply = call(endpoints.create_product, **form(*parts), caller=seller)
    assert reply.status == status
    assert field is None or list(faults(reply)) == [field]
    assert (pictures.kept, browse()) == ({}, [])


@pytest.mark.parametrize(
    ("content_type", "raw", "status"),
    [
        ("multipart/form-data", b"--x--", 400),
        ("multipart/form-data; boundary=x", b"no form at all", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na", 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\na\r\n--x--',
            400,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n\xff\r\n--x--',
            400,
        ),
        ("multipart/form-data; boundary=" + "x" * 300, b"--", 400),
        ("application/x-www-form-urlencoded", b"title=Rice&priceAmount=1", 415),
        ("image/png", png(), 415),
        ("application/json", b" " * 70_000, 413),
    ],
)
def test_unusable_bodies_are_refused(
    seller: Caller, content_type: str, raw: bytes, status: int
) -> None:
    headers = {"content-type": content_type}
    for path in ({}, {"productId": create(seller)["id"]}):
        endpoint = endpoints.update_product if path else endpoints.create_product
        assert call(endpoint, raw=raw, headers=headers, path=path, caller=seller).status == status


def test_without_the_image_service_nothing_is_created(
    seller: Caller, pictures: InMemoryPictures
) -> None:
    pictures.is_down = True
    reply = call(endpoints.create_product, **form(*FIELDS, ("images", "a", png())), caller=seller)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert browse() == []


def test_a_seller_changes_a_product(seller: Caller, pictures: InMemoryPictures) -> None:
    created = call(
        endpoints.create_product,
        **form(*FIELDS, ("images", "a", png(1)), ("images", "b", png(2))),
        caller=seller,
    ).body["product"]
    path = {"productId": created["id"]}
    changes = {"title": "Brown rice", "priceAmount": 1.05, "category": "Rice"}
    reply = call(endpoints.update_product, body=changes, path=path, caller=seller)
    product = reply.body["product"]
    assert reply.status == 200
    assert product == created | {
        "title": "Brown rice",
        "price": {"amount": 1.05, "currency": "INR"},
        "category": "Rice",
        "version": 2,
        "updatedAt": product["updatedAt"],
    }
    removed = [image["id"] for image in created["images"]]
    parts: list[Part] = [("removeImages", each) for each in removed]
    reply = call(
        endpoints.update_product,
        **form(*parts, ("category", ""), ("priceAmount", " "), ("images", "c", png(3))),
        path=path,
        caller=seller,
    )
    assert [kept.content for kept in pictures.kept.values()] == [png(3)]
    assert shown(created["id"]) == public(reply.body["product"])
    assert (len(reply.body["product"]["images"]), reply.body["product"]["category"]) == (1, "Rice")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, None),
        ({"priceCurrency": "USD"}, "priceAmount"),
        ({"removeImages": ["x"]}, "removeImages"),
        ({"removeImages": "x"}, "removeImages"),
        ({"removeImages": ["x"] * 6}, "removeImages"),
        ({"price": -5}, "price"),
        ({"createdAt": "now"}, "createdAt"),
    ],
)
def test_an_invalid_change_is_400(
    seller: Caller, changes: Mapping[str, Any], field: str | None
) -> None:
    product = create(seller)
    path = {"productId": product["id"]}
    reply = call(endpoints.update_product, body=dict(changes), path=path, caller=seller)
    assert reply.status == 400
    assert field is None or field in faults(reply)
    assert shown(product["id"]) == product


def test_only_the_owner_and_admins_change_a_product(seller: Caller) -> None:
    product = create(seller)
    path = {"productId": product["id"]}
    title, stock = {"title": "Mine now"}, {"set": 0}
    for other, status in (
        (a_caller(Role.SELLER), 403),
        (a_caller(Role.USER), 403),
        (None, 401),
    ):
        replies = [
            call(endpoints.update_product, body=title, path=path, caller=other),
            call(endpoints.change_stock, body=stock, path=path, caller=other),
            call(endpoints.delete_product, path=path, caller=other),
            call(endpoints.list_stock_movements, path=path, caller=other),
        ]
        assert [reply.status for reply in replies] == [status] * 4
    assert shown(product["id"]) == product
    admin = a_caller(Role.ADMIN)
    assert call(endpoints.update_product, body=title, path=path, caller=admin).status == 200
    assert call(endpoints.change_stock, body=stock, path=path, caller=admin).status == 200
    assert call(endpoints.list_stock_movements, path=path, caller=admin).status == 200
    assert call(endpoints.delete_product, path=path, caller=admin).status == 200
    written = [(row.action, row.actor) for row in AuditRow.query(f"product#{product['id']}")]
    assert written == [
        ("product changed", admin.user_id),
        ("product restocked", admin.user_id),
        ("product withdrawn", admin.user_id),
    ]


@pytest.mark.parametrize("product_id", [A_FREE_ID, "x", "%00", "é", "0" * 3000, "../../etc"])
def test_unknown_and_malformed_ids_are_404(seller: Caller, product_id: str) -> None:
    path = {"productId": product_id}
    replies = [
        call(endpoints.get_product, path=path),
        call(endpoints.update_product, body={"title": "New"}, path=path, caller=seller),
        call(endpoints.change_stock, body={"set": 1}, path=path, caller=seller),
        call(endpoints.delete_product, path=path, caller=seller),
        call(endpoints.list_stock_movements, path=path, caller=seller),
    ]
    assert [reply.status for reply in replies] == [404] * 5


def test_a_deleted_product_is_404_and_its_pictures_are_deleted(
    seller: Caller, pictures: InMemoryPictures
) -> None:
    created = call(
        endpoints.create_product, **form(*FIELDS, ("images", "a", png())), caller=seller
    ).body["product"]
    path = {"productId": created["id"]}
    reply = call(endpoints.delete_product, path=path, caller=seller)
    assert (reply.status, set(reply.body)) == (200, {"message"})
    assert shown(created["id"]) == 404
    assert (browse(), browse(q="rice"), own(seller)) == ([], [], [])
    assert pictures.kept == {}
    assert call(endpoints.delete_product, path=path, caller=seller).status == 404
    items = client("dynamodb").scan(TableName="supermarket-test-search")["Items"]
    assert items == []


def test_stock_is_set_and_added_to(seller: Caller) -> None:
    product = create(seller, stock=5)
    path = {"productId": product["id"]}
    for body, stock in (({"set": 10}, 10), ({"add": -3}, 7), ({"add": 1}, 8), ({"set": 0}, 0)):
        reply = call(endpoints.change_stock, body=body, path=path, caller=seller)
        assert (reply.status, reply.body["product"]["stock"]) == (200, stock)
        assert reply.body["product"]["available"] is (stock > 0)
        assert shown(product["id"]) == public(reply.body["product"])
    reply = call(endpoints.change_stock, body={"add": -1}, path=path, caller=seller)
    assert reply.status == 409
    assert shown(product["id"])["stock"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"set": 1, "add": 1},
        {"set": -1},
        {"set": 1.5},
        {"set": "1"},
        {"set": None},
        {"set": True},
        {"set": 10**12},
        {"add": 10**12},
        {"stock": 1},
        {"counted": 1},
        [],
    ],
)
def test_an_invalid_stock_change_is_400(seller: Caller, body: Any) -> None:
    product = create(seller)
    path = {"productId": product["id"]}
    assert call(endpoints.change_stock, body=body, path=path, caller=seller).status == 400
    assert shown(product["id"]) == product


def test_the_owner_sees_what_is_on_hand_and_reserved(seller: Caller) -> None:
    product = create(seller, stock=5)
    path = {"productId": product["id"]}
    sell(product, 3)
    changed = call(endpoints.update_product, body={"title": "New"}, path=path, caller=seller)
    counted = call(endpoints.change_stock, body={"set": 6}, path=path, caller=seller)
    numbers = ("onHand", "reserved", "stock")
    views = [changed.body["product"], counted.body["product"], *own(seller)]
    assert [tuple(view[name] for name in numbers) for view in views] == [
        (5, 3, 2),
        (6, 3, 3),
        (6, 3, 3),
    ]
    for view in (shown(product["id"]), *browse()):
        assert (view["stock"], view["available"]) == (3, True)
        assert "onHand" not in view
        assert "reserved" not in view


def test_a_count_below_what_is_reserved_leaves_nothing_to_sell(seller: Caller) -> None:
    product = create(seller, stock=5)
    sell(product, 3)
    path = {"productId": product["id"]}
    reply = call(endpoints.change_stock, body={"set": 2}, path=path, caller=seller)
    view = reply.body["product"]
    assert (view["onHand"], view["reserved"], view["stock"], view["available"]) == (2, 3, 0, False)


@pytest.mark.parametrize("is_form", [False, True])
def test_the_product_form_cannot_set_the_stock(seller: Caller, is_form: bool) -> None:
    """Field case F04."""
    product = create(seller, stock=5)
    sell(product, 3)
    body: dict[str, Any] = {"body": {"title": "New", "stock": 5}}
    if is_form:
        body = form(("title", "New"), ("stock", "5"))
    path = {"productId": product["id"]}
    reply = call(endpoints.update_product, path=path, caller=seller, **body)
    (fault,) = reply.body["errors"]
    assert (reply.status, fault["field"]) == (400, "stock")
    assert "PATCH /api/products/{productId}/stock" in fault["message"]
    assert shown(product["id"])["stock"] == 2


CHANGES = [
    (endpoints.update_product, {"title": "Brown rice"}),
    (endpoints.change_stock, {"set": 9}),
    (endpoints.change_stock, {"add": 1}),
]


@pytest.mark.parametrize(("endpoint", "body"), CHANGES)
def test_a_change_with_another_version_is_412(
    seller: Caller, endpoint: Endpoint, body: dict[str, Any]
) -> None:
    product = create(seller)
    path, headers = {"productId": product["id"]}, {"if-match": f'"{product["version"]}"'}
    first = call(endpoint, body=body, path=path, caller=seller, headers=headers)
    assert first.status == 200
    sell(shown(product["id"]), 1)
    again = call(endpoint, body=body, path=path, caller=seller, headers=headers)
    assert (again.status, again.body["code"]) == (412, "PRECONDITION_FAILED")
    present = {"if-match": f'"{first.body["product"]["version"]}"'}
    assert call(endpoint, body=body, path=path, caller=seller, headers=present).status == 200


@pytest.mark.parametrize("header", ["", "1", "*", '"one"', 'W/"1"', '"1", "2"', '"-1"', '"1' * 20])
@pytest.mark.parametrize(("endpoint", "body"), CHANGES[:2])
def test_a_malformed_version_is_400(
    seller: Caller, endpoint: Endpoint, body: dict[str, Any], header: str
) -> None:
    product = create(seller)
    path, headers = {"productId": product["id"]}, {"if-match": header}
    reply = call(endpoint, body=body, path=path, caller=seller, headers=headers)
    assert (reply.status, list(faults(reply))) == (400, ["If-Match"])
    assert shown(product["id"]) == product


def history(product_id: str, seller: Caller, limit: int) -> list[dict[str, Any]]:
    """All pages of a product's movements."""
    return pages(
        {"limit": str(limit)},
        seller,
        endpoints.list_stock_movements,
        {"productId": product_id},
        "movements",
    )


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_history_of_the_stock_is_listed_newest_first(seller: Caller, limit: int) -> None:
    product = create(seller, stock=5)
    path = {"productId": product["id"]}
    time.sleep(0.002)
    order_id = sell(product, 3)
    time.sleep(0.002)
    call(endpoints.change_stock, body={"set": 9}, path=path, caller=seller)
    call(endpoints.update_product, body={"priceAmount": 1}, path=path, caller=seller)
    deliver()
    deliver()
    movements = history(product["id"], seller, limit)
    assert [(each["kind"], each["onHand"], each["reserved"], each["by"]) for each in movements] == [
        ("COUNTED", 4, 0, seller.user_id),
        ("RESERVED", 0, 3, order_id),
        ("OPENED", 5, 0, seller.user_id),
    ]
    assert set(movements[0]) == {"id", "kind", "onHand", "reserved", "by", "at"}


def test_a_cursor_of_the_history_is_valid_for_its_product_only(seller: Caller) -> None:
    product, other = create(seller), create(seller)
    path = {"productId": product["id"]}
    call(endpoints.change_stock, body={"add": 1}, path=path, caller=seller)
    deliver()
    first = call(endpoints.list_stock_movements, query={"limit": "1"}, path=path, caller=seller)
    cursor = first.body["nextCursor"]
    assert cursor
    for text, its_path in ((cursor, {"productId": other["id"]}), (cursor[:-2], path), ("x", path)):
        query = {"cursor": text}
        reply = call(endpoints.list_stock_movements, query=query, path=its_path, caller=seller)
        assert (reply.status, list(faults(reply))) == (400, ["cursor"])


def test_each_change_emits_one_event(seller: Caller) -> None:
    path = {"productId": create(seller)["id"]}
    call(endpoints.update_product, body={"title": "Brown rice"}, path=path, caller=seller)
    call(endpoints.change_stock, body={"add": 1}, path=path, caller=seller)
    call(endpoints.change_stock, body={"add": -100}, path=path, caller=seller)
    call(endpoints.delete_product, path=path, caller=seller)
    rows = client("dynamodb").scan(TableName="supermarket-test-outbox")["Items"]
    emitted = [(row["detailType"]["S"], json.loads(row["detail"]["S"])["data"]) for row in rows]
    assert sorted((kind, data["revision"]) for kind, data in emitted) == [
        ("ProductCreated", 1),
        ("ProductDeleted", 3),
        ("ProductUpdated", 2),
    ]


def browse(**query: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    return pages(query)


def own(seller: Caller, limit: int = 100) -> list[dict[str, Any]]:
    return pages({"limit": str(limit)}, seller)


def pages(
    query: Mapping[str, str],
    seller: Caller | None = None,
    endpoint: Endpoint | None = None,
    path: Mapping[str, str] | None = None,
    name: str = "products",
) -> list[dict[str, Any]]:
    endpoint = endpoint or (endpoints.list_own_products if seller else endpoints.list_products)
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = call(endpoint, query={**query, **cursor}, caller=seller, path=path)
        assert reply.status == 200, reply.body
        found += reply.body[name]
        if reply.body["nextCursor"] is None:
            return found
        cursor = {"cursor": reply.body["nextCursor"]}


def test_lists_are_filtered_sorted_and_paged(seller: Caller) -> None:
    cheap = create(seller, title="Cheap rice", priceAmount=10)
    dear = create(seller, title="Dear rice", priceAmount=30, stock=0)
    tea = create(seller, title="Rice tea", priceAmount=20, category="Tea")
    abroad = create(seller, title="Rice abroad", priceAmount=5, priceCurrency="USD")
    everything = [abroad, tea, dear, cheap]
    for limit in ("1", "3", "100"):
        assert browse(limit=limit) == everything
        assert browse(limit=limit, q="rice") == everything
        for text in ({}, {"q": "rice"}):
            assert browse(limit=limit, sort="price", **text) == [cheap, tea, dear]
            assert browse(limit=limit, sort="-price", **text) == [dear, tea, cheap]
            assert browse(limit=limit, currency="USD", sort="price", **text) == [abroad]
            assert browse(limit=limit, minprice="10.01", maxprice="30", **text) == [tea, dear]
            assert browse(limit=limit, inStock="true", **text) == [abroad, tea, cheap]
            assert browse(limit=limit, category="TEA", **text) == [tea]
            assert browse(limit=limit, category="tea", sort="price", **text) == [tea]
    assert browse(q="", sort="relevance") == everything
    assert browse(q="coffee") == []


def test_public_lists_are_cached_briefly_and_own_lists_are_not(seller: Caller) -> None:
    assert call(endpoints.list_products).headers["cache-control"] == "public, max-age=10"
    reply = call(endpoints.list_own_products, caller=seller)
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "1,2"}, "limit"),
        ({"minprice": "cheap"}, "minprice"),
        ({"minprice": "-1"}, "minprice"),
        ({"minprice": "NaN"}, "minprice"),
        ({"maxprice": "1e400"}, "maxprice"),
        ({"maxprice": "1.999"}, "maxprice"),
        ({"minprice": "2", "maxprice": "1"}, "maxprice"),
        ({"currency": "EUR"}, "currency"),
        ({"inStock": "perhaps"}, "inStock"),
        ({"sort": "random"}, "sort"),
        ({"q": "x" * 201}, "q"),
        ({"category": "x" * 61}, "category"),
        ({"cursor": "made-up"}, "cursor"),
        ({"minprice": "1_0"}, "minprice"),
        ({"limit": "1_0"}, "limit"),
        ({"limit": "\uff15"}, "limit"),
        ({"cursor": "x" * 3000}, "cursor"),
    ],
)
def test_invalid_queries_are_400(query: dict[str, str], field: str) -> None:
    reply = call(endpoints.list_products, query=query)
    assert (reply.status, list(faults(reply))) == (400, [field])


@pytest.mark.parametrize(
    "q", ["#", "%00", "\0", "' OR 1=1 --", "the", "x" * 200, "\u0301", "~", "🍚"]
)
def test_odd_searches_return_an_empty_page(seller: Caller, q: str) -> None:
    create(seller)
    assert browse(q=q) == []


def test_a_cursor_is_valid_for_its_own_list_only(seller: Caller) -> None:
    for _ in range(3):
        create(seller)
    first = call(endpoints.list_products, query={"limit": "1", "sort": "price"})
    cursor = first.body["nextCursor"]
    same = {"limit": "2", "sort": "price", "cursor": cursor}
    assert len(call(endpoints.list_products, query=same).body["products"]) == 2
    for changed in ({"sort": "newest"}, {"minprice": "1"}, {"q": "rice"}, {"category": "tea"}):
        assert call(endpoints.list_products, query={**same, **changed}).status == 400
    assert call(endpoints.list_own_products, query={"cursor": cursor}, caller=seller).status == 400
    mine = call(endpoints.list_own_products, query={"limit": "1"}, caller=seller)
    stolen = {"cursor": mine.body["nextCursor"]}
    other = a_caller(Role.SELLER)
    assert call(endpoints.list_own_products, query=stolen, caller=other).status == 400


def test_a_seller_lists_own_products_including_sold_out_ones(seller: Caller) -> None:
    create(a_caller(Role.SELLER))
    first, second = create(seller, stock=0), create(seller)
    assert own(seller) == own(seller, limit=1)
    assert [public(product) for product in own(seller)] == [second, first]
    assert own(a_caller(Role.SELLER)) == []
    assert call(endpoints.list_own_products, caller=a_caller(Role.USER)).status == 403
    assert call(endpoints.list_own_products).status == 401
