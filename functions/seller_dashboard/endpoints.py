"""HTTP Lambdas of the seller dashboard; everything is the caller's own."""

from seller_dashboard import wiring
from seller_dashboard.model import Period
from seller_dashboard.schemas import (
    MetricsQuery,
    MetricsView,
    SellerOrdersView,
    SellerOrderView,
    SellerProductsView,
    SellerProductView,
)
from supermarket.caller import Caller, Role
from supermarket.clock import utc_now
from supermarket.http import get
from supermarket.schemas import Page
from supermarket.wiring import cursors

SELLERS = {Role.SELLER}


@get("/api/seller/dashboard/metrics", roles=SELLERS)
def get_seller_metrics(query: MetricsQuery, caller: Caller) -> MetricsView:
    period = Period.of(query.first, query.last, today=utc_now().date())
    return MetricsView.of(wiring.dashboard().metrics(caller.user_id, period))


@get("/api/seller/dashboard/orders", roles=SELLERS)
def list_seller_orders(page: Page, caller: Caller) -> SellerOrdersView:
    purpose = f"seller orders {caller.user_id}"
    after = _opened(page.cursor, purpose)
    found = wiring.dashboard().orders(caller.user_id, page.limit, after)
    return SellerOrdersView(
        orders=[SellerOrderView.of(noted) for noted in found.items],
        next_cursor=_sealed(found.next, purpose),
    )


@get("/api/seller/dashboard/products", roles=SELLERS)
def list_seller_products(page: Page, caller: Caller) -> SellerProductsView:
    purpose = f"seller products {caller.user_id}"
    after = _opened(page.cursor, purpose)
    found = wiring.dashboard().products(caller.user_id, page.limit, after)
    return SellerProductsView(
        products=[SellerProductView.of(product) for product in found.items],
        next_cursor=_sealed(found.next, purpose),
    )


def _opened(cursor: str | None, purpose: str) -> str | None:
    position = cursors().open(cursor, purpose)
    return None if position is None else str(position["after"])


def _sealed(position: str | None, purpose: str) -> str | None:
    return cursors().seal(None if position is None else {"after": position}, purpose)
