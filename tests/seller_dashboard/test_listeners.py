"""From events in the queue to what a seller sees, with the samples of the contracts."""

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from seller_dashboard import wiring
from seller_dashboard.listeners import event_handlers
from seller_dashboard.model import PaymentStatus, Period, Sale, SaleStatus, Seller
from support.contracts import sample, sqs_batch
from support.seller_dashboard import Books, inr

LINES = sample("OrderPlaced")["detail"]["data"]["lines"]
MEERA, OTHER = (line["sellerId"] for line in LINES)
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))


EVER = Period.between(None, None)


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    books = Books()
    monkeypatch.setattr(wiring, "bookkeeping", lambda: books.keeping)
    return books


def deliver(*names: str, **more: Any) -> None:
    batch = [sample(name) for name in names]
    for event in batch:
        event["detail"]["data"] |= more
    assert event_handlers(sqs_batch(*batch), None) == {"batchItemFailures": []}


def orders(books: Books, seller_id: str = MEERA) -> list[Sale]:
    return list(books.dashboard.orders(seller_id, EVER, None, 10, None).items)


def payments(books: Books) -> list[PaymentStatus | None]:
    return [sale.payment.status if sale.payment else None for sale in orders(books)]


def test_a_confirmed_order_is_a_sale_of_each_seller_with_the_own_lines(
    books: Books,
) -> None:
    deliver("OrderPlaced", "OrderConfirmed")
    found = {seller: books.dashboard.metrics(seller, NOVEMBER) for seller in (MEERA, OTHER)}
    assert [(one.units, one.orders) for one in found.values()] == [(2, 1), (1, 1)]
    assert found[MEERA].revenue == (inr(129_800),)
    assert found[OTHER].revenue == (inr(28_550),)
    assert [top.title for top in found[OTHER].top] == ["Assam tea, 500 g"]


def test_an_order_that_is_only_placed_is_shown_but_does_not_count(books: Books) -> None:
    deliver("OrderPlaced")
    assert [sale.status for sale in orders(books)] == [SaleStatus.PENDING]
    assert books.dashboard.metrics(MEERA, NOVEMBER).orders == 0


@pytest.mark.parametrize(
    "names", list(permutations(["OrderPlaced", "OrderConfirmed", "OrderCancelled"]))
)
def test_a_cancelled_order_does_not_count_whatever_came_first(
    books: Books, names: tuple[str, ...]
) -> None:
    deliver(*names, *names)
    metrics = books.dashboard.metrics(MEERA, NOVEMBER)
    assert (metrics.orders, metrics.units, metrics.revenue, metrics.top) == (0, 0, (), ())
    assert [sale.status for sale in orders(books)] == [SaleStatus.CANCELLED]


@pytest.mark.parametrize(
    "names",
    list(permutations(["PaymentInitiated", "PaymentFailed", "PaymentCompleted", "OrderPlaced"])),
)
def test_a_payment_shows_on_the_order_whichever_is_heard_of_first(
    books: Books, names: tuple[str, ...]
) -> None:
    deliver(*names)
    assert [sale.payment and sale.payment.status for sale in orders(books)] == [
        PaymentStatus.COMPLETED
    ]


@pytest.mark.parametrize(
    "names", list(permutations(["OrderConfirmed", "OrderShipped", "OrderDelivered"]))
)
def test_a_delivered_order_counts_once_whatever_is_heard_of_first(
    books: Books, names: tuple[str, ...]
) -> None:
    deliver(*names, *names)
    assert [sale.status for sale in orders(books)] == [SaleStatus.DELIVERED]
    metrics = books.dashboard.metrics(MEERA, NOVEMBER)
    assert (metrics.orders, metrics.units) == (1, 2)


@pytest.mark.parametrize("names", list(permutations(["PaymentCompleted", "PaymentRefunded"])))
@pytest.mark.parametrize(
    ("fully", "shown"), [(True, PaymentStatus.REFUNDED), (False, PaymentStatus.COMPLETED)]
)
def test_a_payment_that_went_back_shows_on_the_order(
    books: Books, names: tuple[str, ...], fully: bool, shown: PaymentStatus
) -> None:
    deliver("OrderPlaced", "PaymentInitiated")
    deliver(*names, fully=fully)
    assert payments(books) == [shown]


@pytest.mark.parametrize("names", list(permutations(["OrderPlaced", "OrderAddressChanged"])))
def test_the_changed_address_is_where_to_ship_to(books: Books, names: tuple[str, ...]) -> None:
    deliver(*names)
    [sale] = orders(books, OTHER)
    assert sale.address is not None
    assert sale.address.street == "14 Lake View Road"


@pytest.mark.parametrize(
    "names", list(permutations(["ProductCreated", "ProductUpdated", "ProductDeleted"]))
)
def test_a_deleted_product_stays_listed_with_its_last_facts_but_off_sale(
    books: Books, names: tuple[str, ...]
) -> None:
    deliver(*names)
    [product] = books.dashboard.products(MEERA, 10, None).items
    assert (product.on_sale, product.price) == (False, inr(62_900))


REFUND = {"amount": {"minor": 63_600, "currency": "INR"}, "fully": False}


@pytest.mark.parametrize(
    "names", list(permutations(["OrderPlaced", "OrderConfirmed", "PaymentRefunded"]))
)
def test_what_went_back_is_taken_off_each_sellers_revenue_in_proportion(
    books: Books, names: tuple[str, ...]
) -> None:
    total = sample("OrderPlaced")["detail"]["data"]["total"]["minor"]
    for name in (*names, *names):
        deliver(name, **(REFUND if name == "PaymentRefunded" else {}))
    found = {seller: books.dashboard.metrics(seller, NOVEMBER) for seller in (MEERA, OTHER)}
    for seller, own in ((MEERA, 129_800), (OTHER, 28_550)):
        share = round(own * 63_600 / total)
        assert abs(found[seller].refunds[0].minor - share) <= 1
        assert found[seller].revenue[0].minor == own - found[seller].refunds[0].minor
        assert (found[seller].orders, found[seller].placed) == (1, 1)


@pytest.mark.parametrize(
    "names", list(permutations(["OrderConfirmed", "OrderCancelled", "PaymentRefunded"]))
)
def test_what_was_cancelled_and_given_back_is_taken_off_once(
    books: Books, names: tuple[str, ...]
) -> None:
    for name in names:
        total = sample("OrderPlaced")["detail"]["data"]["total"]
        deliver(name, **({"amount": total} if name == "PaymentRefunded" else {}))
    metrics = books.dashboard.metrics(MEERA, NOVEMBER)
    assert (metrics.orders, metrics.revenue, metrics.refunds) == (0, (), (inr(129_800),))
    assert metrics.conversion == 1.0


@pytest.mark.parametrize(
    "names", list(permutations(["ProductUpdated", "StockRanLow", "StockMoved"]))
)
def test_low_stock_is_what_the_last_fact_of_the_stock_told(
    books: Books, names: tuple[str, ...]
) -> None:
    product = sample("StockRanLow")["detail"]["data"]
    about = {"productId": product["productId"]}
    told = {
        "ProductUpdated": {"stock": 40, "lowStockThreshold": 5, "stockRevision": 1},
        "StockRanLow": {"stock": 5, "threshold": 5, "stockRevision": 2},
        "StockMoved": {"stock": 2, "threshold": 5, "stockRevision": 3},
    }
    for name in names:
        deliver(name, **about, **told[name])
    seller_id = product["seller"]["userId"]
    [low] = books.catalogue.low_stock(seller_id, 10)
    assert (low.stock, low.threshold) == (2, 5)
    deliver("StockMoved", **about, stock=30, stockRevision=4)
    assert list(books.catalogue.low_stock(seller_id, 10)) == []


def test_a_seller_is_known_from_the_first_day_and_by_the_last_word(books: Books) -> None:
    deliver("UserRegistered", userId=MEERA, role="seller", email="old@example.com")
    assert books.sellers.find(MEERA) == Seller(
        MEERA, "old@example.com", sample("UserRegistered")["detail"]["data"]["firstName"]
    )
    late = sample("ProductUpdated")
    late["detail"]["metadata"]["occurredAt"] = "2026-12-01T00:00:00.000Z"
    late["detail"]["data"]["seller"] |= {"userId": MEERA, "email": "new@example.com"}
    assert event_handlers(sqs_batch(late), None) == {"batchItemFailures": []}
    deliver("ProductCreated")
    seller = books.sellers.find(MEERA)
    assert seller is not None
    assert seller.email == "new@example.com"


def test_a_customer_is_no_seller(books: Books) -> None:
    deliver("UserRegistered", userId="u1", role="user")
    assert books.sellers.find("u1") is None


def test_an_event_nobody_reacts_to_goes_back_to_the_queue_alone(books: Books) -> None:
    batch = sqs_batch(sample("CartAbandoned"), sample("OrderConfirmed"))
    assert event_handlers(batch, None) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert books.dashboard.metrics(MEERA, NOVEMBER).orders == 1
