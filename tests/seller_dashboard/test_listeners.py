"""From events in the queue to what a seller sees, with the sample events of the contracts."""

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from seller_dashboard import wiring
from seller_dashboard.listeners import event_handlers
from seller_dashboard.projections.model import PaymentStatus, Period, Sale, SaleStatus, Slice
from supermarket.people import Recipient
from support.contracts import sample, sqs_batch
from support.seller_dashboard import Projections, inr

LINES = sample("OrderPlaced")["detail"]["data"]["lines"]
MEERA, OTHER = (line["sellerId"] for line in LINES)
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))


EVER = Period.between(None, None)


@pytest.fixture
def projections(monkeypatch: pytest.MonkeyPatch) -> Projections:
    projections = Projections()
    monkeypatch.setattr(wiring, "projector", lambda: projections.projector)
    monkeypatch.setattr(wiring, "sellers", lambda: projections.sellers)
    return projections


def deliver(*names: str, **more: Any) -> None:
    batch = [sample(name) for name in names]
    for event in batch:
        event["detail"]["data"] |= more
    assert event_handlers(sqs_batch(*batch), None) == {"batchItemFailures": []}


def orders(projections: Projections, seller_id: str = MEERA) -> list[Sale]:
    return list(projections.dashboard.list_orders(seller_id, EVER, None, Slice(10)).items)


def payments(projections: Projections) -> list[PaymentStatus | None]:
    return [sale.payment.status if sale.payment else None for sale in orders(projections)]


def test_a_confirmed_order_is_a_sale_of_each_seller_in_it(
    projections: Projections,
) -> None:
    deliver("OrderPlaced", "OrderConfirmed")
    found = {
        seller: projections.dashboard.get_metrics(seller, NOVEMBER) for seller in (MEERA, OTHER)
    }
    assert [(one.units, one.orders) for one in found.values()] == [(2, 1), (1, 1)]
    assert found[MEERA].revenue == (inr(129_800),)
    assert found[OTHER].revenue == (inr(28_550),)
    assert [top.title for top in found[OTHER].top_products] == ["Assam tea, 500 g"]


def test_an_order_of_the_last_evening_of_a_month_belongs_to_the_shops_next_month(
    projections: Projections,
) -> None:
    deliver("OrderPlaced", "OrderConfirmed", placedAt="2026-11-30T20:00:00.000Z")
    december = Period(date(2026, 12, 1), date(2026, 12, 31))
    for period, number in ((NOVEMBER, 0), (december, 1)):
        assert projections.dashboard.get_metrics(MEERA, period).orders == number
        assert len(projections.dashboard.list_orders(MEERA, period, None, Slice(9)).items) == number


def test_a_placed_order_is_listed_and_does_not_count(projections: Projections) -> None:
    deliver("OrderPlaced")
    assert [sale.status for sale in orders(projections)] == [SaleStatus.PENDING]
    assert projections.dashboard.get_metrics(MEERA, NOVEMBER).orders == 0


@pytest.mark.parametrize(
    "names", list(permutations(["OrderPlaced", "OrderConfirmed", "OrderCancelled"]))
)
def test_a_cancelled_order_does_not_count_in_any_order_of_its_events(
    projections: Projections, names: tuple[str, ...]
) -> None:
    deliver(*names, *names)
    metrics = projections.dashboard.get_metrics(MEERA, NOVEMBER)
    assert (metrics.orders, metrics.units, metrics.revenue, metrics.top_products) == (0, 0, (), ())
    assert [sale.status for sale in orders(projections)] == [SaleStatus.CANCELLED]


@pytest.mark.parametrize(
    "names",
    list(permutations(["PaymentInitiated", "PaymentFailed", "PaymentCompleted", "OrderPlaced"])),
)
def test_an_order_has_the_last_status_of_its_payment_in_any_order_of_the_events(
    projections: Projections, names: tuple[str, ...]
) -> None:
    deliver(*names)
    assert [sale.payment and sale.payment.status for sale in orders(projections)] == [
        PaymentStatus.COMPLETED
    ]


@pytest.mark.parametrize(
    "names", list(permutations(["OrderConfirmed", "OrderShipped", "OrderDelivered"]))
)
def test_a_delivered_order_counts_once_in_any_order_of_its_events(
    projections: Projections, names: tuple[str, ...]
) -> None:
    deliver(*names, *names)
    assert [sale.status for sale in orders(projections)] == [SaleStatus.DELIVERED]
    metrics = projections.dashboard.get_metrics(MEERA, NOVEMBER)
    assert (metrics.orders, metrics.units) == (1, 2)


@pytest.mark.parametrize("names", list(permutations(["PaymentCompleted", "PaymentRefunded"])))
@pytest.mark.parametrize(
    ("fully", "shown"), [(True, PaymentStatus.REFUNDED), (False, PaymentStatus.COMPLETED)]
)
def test_a_full_refund_changes_the_status_of_the_payment(
    projections: Projections, names: tuple[str, ...], fully: bool, shown: PaymentStatus
) -> None:
    deliver("OrderPlaced", "PaymentInitiated")
    deliver(*names, fully=fully)
    assert payments(projections) == [shown]


@pytest.mark.parametrize("names", list(permutations(["OrderPlaced", "OrderAddressChanged"])))
def test_an_order_has_the_changed_shipping_address(
    projections: Projections, names: tuple[str, ...]
) -> None:
    deliver(*names)
    [sale] = orders(projections, OTHER)
    assert sale.address
    assert (sale.address.street, sale.address.name, sale.address.phone) == ("", None, None)
    assert sale.address.city == "Kolkata"
    deliver("OrderConfirmed")
    [sale] = orders(projections, OTHER)
    assert sale.address
    assert (sale.address.street, sale.address.name) == ("14 Lake View Road", "Asha Sen")
    deliver("OrderCancelled")
    [sale] = orders(projections, OTHER)
    assert sale.address
    assert (sale.address.street, sale.address.phone) == ("", None)


@pytest.mark.parametrize(
    "names", list(permutations(["ProductCreated", "ProductUpdated", "ProductDeleted"]))
)
def test_a_deleted_product_is_listed_with_its_last_details_and_not_on_sale(
    projections: Projections, names: tuple[str, ...]
) -> None:
    deliver(*names)
    [product] = projections.dashboard.list_products(MEERA, Slice(10)).items
    assert (product.on_sale, product.price) == (False, inr(62_900))


REFUND = {"amount": {"minor": 63_600, "currency": "INR"}, "fully": False}


@pytest.mark.parametrize(
    "names", list(permutations(["OrderPlaced", "OrderConfirmed", "PaymentRefunded"]))
)
def test_a_refund_reduces_the_revenue_of_each_seller_in_proportion(
    projections: Projections, names: tuple[str, ...]
) -> None:
    total = sample("OrderPlaced")["detail"]["data"]["total"]["minor"]
    for name in (*names, *names):
        deliver(name, **(REFUND if name == "PaymentRefunded" else {}))
    found = {
        seller: projections.dashboard.get_metrics(seller, NOVEMBER) for seller in (MEERA, OTHER)
    }
    for seller, own in ((MEERA, 129_800), (OTHER, 28_550)):
        share = round(own * 63_600 / total)
        assert abs(found[seller].refunds[0].minor - share) <= 1
        assert found[seller].revenue[0].minor == own - found[seller].refunds[0].minor
        assert (found[seller].orders, found[seller].placed) == (1, 1)


@pytest.mark.parametrize(
    "names", list(permutations(["OrderConfirmed", "OrderCancelled", "PaymentRefunded"]))
)
def test_a_cancelled_and_refunded_order_is_subtracted_once(
    projections: Projections, names: tuple[str, ...]
) -> None:
    for name in names:
        total = sample("OrderPlaced")["detail"]["data"]["total"]
        deliver(name, **({"amount": total} if name == "PaymentRefunded" else {}))
    metrics = projections.dashboard.get_metrics(MEERA, NOVEMBER)
    assert (metrics.orders, metrics.revenue, metrics.refunds) == (0, (), (inr(129_800),))
    assert metrics.conversion == 1.0


@pytest.mark.parametrize(
    "names", list(permutations(["ProductUpdated", "StockRanLow", "StockMoved"]))
)
def test_low_stock_follows_the_highest_stock_revision(
    projections: Projections, names: tuple[str, ...]
) -> None:
    product = sample("StockRanLow")["detail"]["data"]
    about = {"productId": product["productId"]}
    changes = {
        "ProductUpdated": {"stock": 40, "lowStockThreshold": 5, "stockRevision": 1},
        "StockRanLow": {"stock": 5, "threshold": 5, "stockRevision": 2},
        "StockMoved": {"stock": 2, "threshold": 5, "stockRevision": 3},
    }
    for name in names:
        deliver(name, **about, **changes[name])
    seller_id = product["seller"]["userId"]
    [low] = projections.catalogue.list_low_stock(seller_id, 10)
    assert (low.stock, low.threshold) == (2, 5)
    deliver("StockMoved", **about, stock=30, stockRevision=4)
    assert list(projections.catalogue.list_low_stock(seller_id, 10)) == []


def test_a_seller_has_the_mail_address_of_the_latest_event(
    projections: Projections,
) -> None:
    deliver("UserRegistered", userId=MEERA, role="seller", email="old@example.com")
    assert projections.sellers.find(MEERA) == Recipient(
        MEERA, "old@example.com", sample("UserRegistered")["detail"]["data"]["firstName"]
    )
    late = sample("ProductUpdated")
    late["detail"]["metadata"]["occurredAt"] = "2026-12-01T00:00:00.000Z"
    late["detail"]["data"]["seller"] |= {"userId": MEERA, "email": "new@example.com"}
    assert event_handlers(sqs_batch(late), None) == {"batchItemFailures": []}
    deliver("ProductCreated")
    seller = projections.sellers.find(MEERA)
    assert seller is not None
    assert seller.email == "new@example.com"


def test_a_registered_customer_is_not_stored_as_a_seller(projections: Projections) -> None:
    deliver("UserRegistered", userId="u1", role="user")
    assert projections.sellers.find("u1") is None


def test_an_event_without_a_handler_is_retried_alone(projections: Projections) -> None:
    batch = sqs_batch(sample("CartAbandoned"), sample("OrderConfirmed"))
    assert event_handlers(batch, None) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert projections.dashboard.get_metrics(MEERA, NOVEMBER).orders == 1
