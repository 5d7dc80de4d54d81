"""HTTP Lambdas of the seller dashboard; everything is the caller's own."""

from urllib.parse import urlencode

from seller_dashboard import wiring
from seller_dashboard.model import Period
from seller_dashboard.schemas import (
    Days,
    DaysAndCursor,
    MetricsView,
    PageOfDays,
    PageOfOrders,
    SellerCustomersView,
    SellerCustomerView,
    SellerOrdersView,
    SellerOrderView,
    SellerPaymentsView,
    SellerPaymentView,
    SellerProductsView,
    SellerProductView,
)
from supermarket.caller import Caller, Role
from supermarket.clock import utc_now
from supermarket.http import Response, get
from supermarket.init_phase import prepare
from supermarket.schemas import Page
from supermarket.wiring import cursors

SELLERS = {Role.SELLER}
CSV = "text/csv; charset=utf-8; header=present"


@get("/api/seller/dashboard/metrics", roles=SELLERS)
def get_seller_metrics(query: Days, caller: Caller) -> MetricsView:
    period = _bounded(query)
    return MetricsView.of(wiring.dashboard().metrics(caller.user_id, period))


@get("/api/seller/dashboard/orders", roles=SELLERS)
def list_seller_orders(page: PageOfOrders, caller: Caller) -> SellerOrdersView:
    purpose = page.purpose("orders", caller.user_id)
    after = _opened(page.cursor, purpose)
    seller = caller.user_id
    found = wiring.dashboard().orders(seller, page.period, page.status, page.limit, after)
    return SellerOrdersView(
        orders=[SellerOrderView.of(sale) for sale in found.items],
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


@get("/api/seller/dashboard/payments", roles=SELLERS)
def list_seller_payments(page: PageOfDays, caller: Caller) -> SellerPaymentsView:
    purpose = page.purpose("payments", caller.user_id)
    after = _opened(page.cursor, purpose)
    found = wiring.dashboard().payments(caller.user_id, page.period, page.limit, after)
    return SellerPaymentsView(
        payments=[SellerPaymentView.of(share) for share in found.items],
        next_cursor=_sealed(found.next, purpose),
    )


@get("/api/seller/dashboard/customers", roles=SELLERS)
def list_seller_customers(page: Page, caller: Caller) -> SellerCustomersView:
    purpose = f"seller customers {caller.user_id}"
    after = _opened(page.cursor, purpose)
    found = wiring.dashboard().customers(caller.user_id, page.limit, after)
    return SellerCustomersView(
        customers=[SellerCustomerView.of(buyer) for buyer in found.items],
        next_cursor=_sealed(found.next, purpose),
    )


@get("/api/seller/dashboard/{sheet}/export", roles=SELLERS, media_type=CSV)
def export_seller_list(sheet: str, query: DaysAndCursor, caller: Caller) -> Response[str]:
    """Where there is more than one sheet of a list, `Link` tells of the next, as lists do of pages;
    and the name of the file, that it is a part.
    """
    period, purpose = _bounded(query), f"seller sheet {sheet} {caller.user_id}"
    after = _opened(query.cursor, purpose)
    found = wiring.exports().sheet(sheet, caller.user_id, period, after)
    following = _sealed(found.next, purpose)
    part = "-part" if following or after else ""
    name = f"{sheet}-{period.first}-{period.last}{part}.csv"
    return Response(found.text, headers=_headers(sheet, name, period, following))


def _headers(sheet: str, name: str, period: Period, following: str | None) -> dict[str, str]:
    attached = {"content-type": CSV, "content-disposition": f'attachment; filename="{name}"'}
    if following is None:
        return attached
    query = urlencode({"from": period.first, "to": period.last, "cursor": following})
    address = f"/api/seller/dashboard/{sheet}/export?{query}"
    return attached | {"link": f'<{address}>; rel="next"'}


def _bounded(query: Days) -> Period:
    return Period.of(query.first, query.last, today=utc_now().date())


def _opened(cursor: str | None, purpose: str) -> str | None:
    position = cursors().decode(cursor, purpose)
    return None if position is None else str(position["after"])


def _sealed(position: str | None, purpose: str) -> str | None:
    return cursors().encode(None if position is None else {"after": position}, purpose)


prepare(__name__)
