"""Scheduled jobs and alerts, end to end: low stock, reminders, reports, checks and purges."""

import io
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from supermarket.clock import iso, utc_now
from supermarket.days import day_of
from support.deployed import aws, rows, rows_of, run_job, table
from support.shop import Person, at_once, client, eventually

pytestmark = pytest.mark.e2e

REMINDERS = "cart.jobs.remind_of_abandoned_carts"
PURGE = "product.jobs.purge_deleted_products"
REMOVE_ORPHANS = "product.jobs.remove_orphans"
DAILY_TOTALS = "seller_dashboard.jobs.check_daily_totals"
WEEKLY = "seller_dashboard.jobs.report_week"
METRICS = "/api/seller/dashboard/metrics"
A_WEDNESDAY, THE_WEEK_AFTER = date(2026, 3, 11), date(2026, 3, 18)
REPORTED = "Your week at Super-Market"
TIME_FOR_A_SECOND_MAIL = 5


@pytest.fixture
def seller(endpoints: dict[str, Any]) -> Person:
    return Person.register(endpoints, "seller")


@pytest.fixture
def customer(endpoints: dict[str, Any]) -> Person:
    return Person.register(endpoints)


def mails(person: Person, endpoints: dict[str, Any], subject: str) -> int:
    return sum(subject in mail["subject"] for mail in person.mails(endpoints))


def assert_one_mail(person: Person, endpoints: dict[str, Any], subject: str) -> None:
    eventually(lambda: mails(person, endpoints, subject), f"a mail: {subject}")
    time.sleep(TIME_FOR_A_SECOND_MAIL)
    assert mails(person, endpoints, subject) == 1


def update_row(
    endpoints: dict[str, Any], name: str, key: dict[str, str], update: str, **values: Any
) -> None:
    """Change a row in DynamoDB directly."""
    aws(endpoints, "dynamodb").update_item(
        TableName=table(endpoints, name),
        Key={attribute: {"S": value} for attribute, value in key.items()},
        UpdateExpression=update,
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def sold_today(seller: Person) -> int:
    sales: int = seller.get(METRICS).json()["sales"]
    return sales


def sell_one(endpoints: dict[str, Any], seller: Person, customer: Person) -> None:
    customer.takes(seller.sells(stock=1, price=120.5))
    order: dict[str, Any] = customer.orders().json()["order"]
    assert customer.pays(endpoints, order["id"]).status_code == 200
    eventually(lambda: sold_today(seller) == 1, "the sale in the seller's numbers")


def copy_totals_to(day: date, endpoints: dict[str, Any], seller: Person, **changes: Any) -> None:
    """Copy the seller's totals of today to another day."""
    today = day_of(datetime.now(UTC))
    for part in parts_of_day(today, endpoints, seller):
        copy = {**part, "sk": {"S": part["sk"]["S"].replace(str(today), str(day))}, **changes}
        aws(endpoints, "dynamodb").put_item(TableName=table(endpoints, "sales"), Item=copy)


def parts_of_day(day: date, endpoints: dict[str, Any], seller: Person) -> list[dict[str, Any]]:
    rows = rows_of(endpoints, "sales", f"TOTALS#{seller.id}")
    return [row for row in rows if row["sk"]["S"].startswith(f"DAY#{day}")]


def delete_checkpoint_of_week(day: date, endpoints: dict[str, Any]) -> None:
    """Delete the checkpoint: on a Monday the scheduled job may have completed the week."""
    week = {"id": {"S": f"weekly-reports#{day - timedelta(days=day.weekday())}"}}
    name = table(endpoints, "job")
    aws(endpoints, "dynamodb").delete_item(TableName=name, Key=week)


def low_stock(seller: Person) -> dict[str, int]:
    products = seller.get(METRICS).json()["lowStock"]
    return {product["id"]: product["stock"] for product in products}


def low_stock_lines(endpoints: dict[str, Any], product: dict[str, Any]) -> int:
    """Count the lines about the product in the digests of its seller."""
    key = f"#low_stock#{product['id']}"

    def count() -> int:
        return sum(row["pk"]["S"].endswith(key) for row in rows(endpoints, "notification"))

    eventually(count, "the line of a digest")
    return count()


def test_an_order_that_lowers_stock_to_its_threshold_alerts_the_seller_once(
    endpoints: dict[str, Any], seller: Person, customer: Person
) -> None:
    product = seller.sells(stock=7, lowStockThreshold=5)
    plenty = seller.sells(stock=1)
    customer.takes(plenty)
    customer.takes(product, 2)
    assert customer.orders().status_code == 201
    eventually(lambda: low_stock(seller) == {product["id"]: 5}, "the product with low stock")
    customer.takes(product)
    order = customer.orders().json()["order"]
    eventually(lambda: low_stock(seller) == {product["id"]: 4}, "the reduced stock")
    assert low_stock_lines(endpoints, product) == 1

    assert customer.post(f"/api/orders/{order['id']}/cancel").status_code == 200
    eventually(lambda: low_stock(seller) == {product["id"]: 5}, "the released stock")
    restocked = seller.patch(f"/api/products/{product['id']}/stock", {"set": 20})
    assert restocked.status_code == 200, restocked.text
    eventually(lambda: low_stock(seller) == {}, "no product with low stock")
    assert low_stock_lines(endpoints, product) == 1


def test_an_abandoned_cart_gets_one_reminder_from_two_runs_at_the_same_time(
    endpoints: dict[str, Any], seller: Person, customer: Person
) -> None:
    tea, gone = seller.sells(stock=9, price=120.5), seller.sells(stock=9)
    customer.takes(tea, 2)
    customer.takes(gone)
    assert seller.delete(f"/api/products/{gone['id']}").status_code == 200

    def abandon() -> None:
        a_day_ago = {"S": iso(utc_now() - timedelta(hours=25))}
        key = {"userId": customer.id}
        update_row(endpoints, "cart", key, "SET updatedAt = :then", then=a_day_ago)

    abandon()
    reports = at_once([lambda: run_job(endpoints, REMINDERS)] * 2)
    assert sum(report["reminded"] for report in reports) == 1
    assert sum(report["failed"] for report in reports) == 0
    subject = "Your cart over ₹241.00 is waiting for you"
    assert_one_mail(customer, endpoints, subject)

    assert customer.patch(f"/api/cart/items/{tea['id']}", {"quantity": 3}).status_code == 200
    abandon()
    assert run_job(endpoints, REMINDERS)["reminded"] == 0
    assert customer.orders().status_code == 409, "one of its items is gone"
    assert customer.delete(f"/api/cart/items/{gone['id']}").status_code == 200
    assert customer.orders().status_code == 201
    customer.takes(tea)
    abandon()
    assert run_job(endpoints, REMINDERS)["reminded"] == 1
    assert_one_mail(customer, endpoints, "Your cart over ₹120.50 is waiting for you")


def test_a_week_is_reported_once_by_two_runs_at_the_same_time(
    endpoints: dict[str, Any], seller: Person, customer: Person
) -> None:
    sell_one(endpoints, seller, customer)
    copy_totals_to(A_WEDNESDAY, endpoints, seller)
    at_once([lambda: run_job(endpoints, WEEKLY, THE_WEEK_AFTER)] * 2)
    assert run_job(endpoints, WEEKLY, THE_WEEK_AFTER)["reported"] == 0
    assert_one_mail(seller, endpoints, REPORTED)


def test_a_seller_whose_report_failed_gets_it_from_a_later_run(
    endpoints: dict[str, Any], customer: Person
) -> None:
    broken, intact = (Person.register(endpoints, "seller") for _ in range(2))
    today = day_of(datetime.now(UTC))
    last_wednesday = today - timedelta(days=today.weekday() + 5)
    for each in (broken, intact):
        sell_one(endpoints, each, customer)
        copy_totals_to(last_wednesday, endpoints, each)
    copy_totals_to(last_wednesday, endpoints, broken, version={"S": "many"})
    delete_checkpoint_of_week(last_wednesday, endpoints)
    assert run_job(endpoints, WEEKLY)["failed"] == 1
    assert_one_mail(intact, endpoints, REPORTED)
    assert mails(broken, endpoints, REPORTED) == 0

    copy_totals_to(last_wednesday, endpoints, broken)
    again = run_job(endpoints, WEEKLY)
    assert (again["reported"], again["already_reported"], again["failed"]) == (1, 0, 0)
    assert_one_mail(broken, endpoints, REPORTED)
    assert mails(intact, endpoints, REPORTED) == 1


def test_daily_totals_that_were_tampered_with_are_repaired(
    endpoints: dict[str, Any], seller: Person, customer: Person
) -> None:
    sell_one(endpoints, seller, customer)
    right = seller.get(METRICS).json()
    today = day_of(datetime.now(UTC))
    [part] = [one for one in parts_of_day(today, endpoints, seller) if "placed" in one]
    key = {name: part[name]["S"] for name in ("pk", "sk")}
    update_row(endpoints, "sales", key, "SET units = :many, minor = :many", many={"N": "777"})
    assert sold_today(seller) == 777
    reports = at_once([lambda: run_job(endpoints, DAILY_TOTALS, today)] * 2)
    assert sum(report["repaired"] for report in reports) >= 1
    assert sum(report["failed"] for report in reports) == 0
    assert seller.get(METRICS).json() == right
    assert run_job(endpoints, DAILY_TOTALS, today)["repaired"] == 0


def test_a_second_run_skips_a_day_that_is_complete(endpoints: dict[str, Any]) -> None:
    runs = [run_job(endpoints, DAILY_TOTALS) for _ in range(2)]
    assert [run["failed"] + run["unfinished"] for run in runs] == [0, 0]
    assert runs[1]["sales"] == 0


def test_a_deleted_product_is_purged_with_its_pictures_and_search_entries_after_a_month(
    endpoints: dict[str, Any], seller: Person
) -> None:
    content = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(content, "PNG")
    fields = {"title": "Zzyzx ink", "priceAmount": "349.50", "stock": "3"}
    files = [("images", ("ink.png", content.getvalue(), "image/png"))]
    created = seller.send("POST", "/api/products", data=fields, files=files)
    product = created.json()["product"]
    picture = product["images"][0]["url"]

    def entries() -> int:
        found = rows(endpoints, "search")
        return sum(row["entry"]["S"].endswith(product["id"]) for row in found)

    def is_there() -> bool:
        found = rows(endpoints, "product")
        return any(row["productId"]["S"] == product["id"] for row in found)

    def set_withdrawn(days_ago: int) -> None:
        update_row(
            endpoints,
            "product",
            {"productId": product["id"]},
            "SET deletedAt = :then, withdrawn = :shelf REMOVE newest, cheapest",
            then={"S": iso(utc_now() - timedelta(days=days_ago))},
            shelf={"S": "0"},
        )

    set_withdrawn(days_ago=29)
    run_job(endpoints, PURGE)
    assert (is_there(), entries() > 0) == (True, True)
    set_withdrawn(days_ago=31)
    reports = at_once([lambda: run_job(endpoints, PURGE)] * 2)
    assert sum(report["purged"] for report in reports) == 1
    assert sum(report["failed"] for report in reports) == 0
    assert client(endpoints["api"]).get(picture).status_code == 404
    assert (is_there(), entries()) == (False, 0)
    assert run_job(endpoints, REMOVE_ORPHANS) == dict.fromkeys(
        ["undone", "removed", "failed", "unfinished"], 0
    )
