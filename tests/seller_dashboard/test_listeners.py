"""From events in the queue to what a seller sees, with the samples of the contracts."""

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from seller_dashboard import wiring
from seller_dashboard.listeners import reactions
from seller_dashboard.model import PaymentStatus, Period, SaleStatus
from seller_dashboard.service import Bookkeeping, Dashboard, NotedSale
from supermarket.money import Currency, Money
from support.contracts import sample, sqs_batch
from support.in_memory import InMemoryOutbox
from support.seller_dashboard import InMemoryCatalogue, InMemoryNotes, InMemorySales

LINES = sample("OrderPlaced")["detail"]["data"]["lines"]
MEERA, OTHER = (line["sellerId"] for line in LINES)
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Dashboard:
    catalogue, notes = InMemoryCatalogue(), InMemoryNotes()
    sales = InMemorySales(catalogue)
    books = Bookkeeping(sales, notes, catalogue, InMemoryOutbox().begin)
    monkeypatch.setattr(wiring, "bookkeeping", lambda: books)
    return Dashboard(sales, notes, catalogue)


def deliver(*names: str, **more: Any) -> None:
    batch = [sample(name) for name in names]
    for event in batch:
        event["detail"]["data"] |= more
    assert reactions(sqs_batch(*batch), None) == {"batchItemFailures": []}


def orders(dashboard: Dashboard, seller_id: str = MEERA) -> list[NotedSale]:
    return list(dashboard.orders(seller_id, 10, None).items)


def test_a_confirmed_order_is_a_sale_of_each_seller_with_the_own_lines(
    dashboard: Dashboard,
) -> None:
    deliver("OrderPlaced", "OrderConfirmed")
    found = {seller: dashboard.metrics(seller, NOVEMBER) for seller in (MEERA, OTHER)}
    assert [(one.units, one.orders) for one in found.values()] == [(2, 1), (1, 1)]
    assert found[MEERA].revenue == (Money(129_800, Currency.INR),)
    assert found[OTHER].revenue == (Money(28_550, Currency.INR),)
    assert [top.title for top in found[OTHER].top] == ["Assam tea, 500 g"]


def test_an_order_that_is_only_placed_is_shown_but_does_not_count(dashboard: Dashboard) -> None:
    deliver("OrderPlaced")
    assert [noted.sale.status for noted in orders(dashboard)] == [SaleStatus.PENDING]
    assert dashboard.metrics(MEERA, NOVEMBER).orders == 0


@pytest.mark.parametrize(
    "names", list(permutations(["OrderPlaced", "OrderConfirmed", "OrderCancelled"]))
)
def test_a_cancelled_order_does_not_count_whatever_came_first(
    dashboard: Dashboard, names: tuple[str, ...]
) -> None:
    deliver(*names, *names)
    metrics = dashboard.metrics(MEERA, NOVEMBER)
    assert (metrics.orders, metrics.units, metrics.revenue, metrics.top) == (0, 0, (), ())
    assert [noted.sale.status for noted in orders(dashboard)] == [SaleStatus.CANCELLED]


@pytest.mark.parametrize(
    "names",
    list(permutations(["PaymentInitiated", "PaymentFailed", "PaymentCompleted", "OrderPlaced"])),
)
def test_a_payment_shows_on_the_order_whichever_is_heard_of_first(
    dashboard: Dashboard, names: tuple[str, ...]
) -> None:
    deliver(*names)
    assert [noted.notes.payment for noted in orders(dashboard)] == [PaymentStatus.COMPLETED]


@pytest.mark.parametrize(
    "names", list(permutations(["OrderConfirmed", "OrderShipped", "OrderDelivered"]))
)
def test_a_delivered_order_counts_once_whatever_is_heard_of_first(
    dashboard: Dashboard, names: tuple[str, ...]
) -> None:
    deliver(*names, *names)
    assert [noted.sale.status for noted in orders(dashboard)] == [SaleStatus.DELIVERED]
    metrics = dashboard.metrics(MEERA, NOVEMBER)
    assert (metrics.orders, metrics.units) == (1, 2)


@pytest.mark.parametrize("names", list(permutations(["PaymentCompleted", "PaymentRefunded"])))
@pytest.mark.parametrize(
    ("fully", "shown"), [(True, PaymentStatus.REFUNDED), (False, PaymentStatus.COMPLETED)]
)
def test_a_payment_that_went_back_shows_on_the_order(
    dashboard: Dashboard, names: tuple[str, ...], fully: bool, shown: PaymentStatus
) -> None:
    deliver("OrderPlaced", "PaymentInitiated")
    deliver(*names, fully=fully)
    assert [noted.notes.payment for noted in orders(dashboard)] == [shown]


@pytest.mark.parametrize("names", list(permutations(["OrderPlaced", "OrderAddressChanged"])))
def test_the_changed_address_is_where_to_ship_to(
    dashboard: Dashboard, names: tuple[str, ...]
) -> None:
    deliver(*names)
    [noted] = orders(dashboard, OTHER)
    assert noted.notes.shipping_address is not None
    assert noted.notes.shipping_address.street == "14 Lake View Road"


@pytest.mark.parametrize(
    "names", list(permutations(["ProductCreated", "ProductUpdated", "ProductDeleted"]))
)
def test_a_deleted_product_stays_listed_with_its_last_facts_but_off_sale(
    dashboard: Dashboard, names: tuple[str, ...]
) -> None:
    deliver(*names)
    [product] = dashboard.products(MEERA, 10, None).items
    assert (product.on_sale, product.price) == (False, Money(62_900, Currency.INR))


def test_an_event_nobody_reacts_to_goes_back_to_the_queue_alone(dashboard: Dashboard) -> None:
    batch = sqs_batch(sample("UserRegistered"), sample("OrderConfirmed"))
    assert reactions(batch, None) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert dashboard.metrics(MEERA, NOVEMBER).orders == 1
