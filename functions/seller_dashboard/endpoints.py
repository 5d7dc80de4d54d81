"""HTTP Lambdas of the seller dashboard; each shows the caller's own data."""

from urllib.parse import urlencode

from seller_dashboard import wiring
from seller_dashboard.projections.model import Period, Slice
from seller_dashboard.reports.csv_exports import TooManyRows
from seller_dashboard.schemas import (
    ExportQuery,
    OrderPageQuery,
    PeriodPageQuery,
    PeriodQuery,
    SellerCustomerListResponse,
    SellerMetricsResponse,
    SellerOrderListResponse,
    SellerPaymentListResponse,
    SellerProductListResponse,
)
from supermarket.caller import Caller, Role
from supermarket.clock import utc_now
from supermarket.days import day_of
from supermarket.http import Response, get
from supermarket.init_phase import prepare
from supermarket.schemas import Page
from supermarket.wiring import cursors

SELLERS = {Role.SELLER}
CSV = "text/csv; charset=utf-8; header=present"


@get("/api/seller/dashboard/metrics", roles=SELLERS)
def get_seller_metrics(query: PeriodQuery, caller: Caller) -> SellerMetricsResponse:
    metrics = wiring.dashboard().get_metrics(caller.user_id, _bounded(query))
    return SellerMetricsResponse.model_validate(metrics)


@get("/api/seller/dashboard/orders", roles=SELLERS)
def list_seller_orders(page: OrderPageQuery, caller: Caller) -> SellerOrderListResponse:
    part, purpose = _slice("orders", page, caller)
    found = wiring.dashboard().list_orders(caller.user_id, page.period, page.status, part)
    return SellerOrderListResponse(orders=found.items, next_cursor=_encode(found.next, purpose))


@get("/api/seller/dashboard/products", roles=SELLERS)
def list_seller_products(page: Page, caller: Caller) -> SellerProductListResponse:
    part, purpose = _slice("products", page, caller)
    found = wiring.dashboard().list_products(caller.user_id, part)
    return SellerProductListResponse(products=found.items, next_cursor=_encode(found.next, purpose))


@get("/api/seller/dashboard/payments", roles=SELLERS)
def list_seller_payments(page: PeriodPageQuery, caller: Caller) -> SellerPaymentListResponse:
    part, purpose = _slice("payments", page, caller)
    found = wiring.dashboard().list_payments(caller.user_id, page.period, part)
    return SellerPaymentListResponse(payments=found.items, next_cursor=_encode(found.next, purpose))


@get("/api/seller/dashboard/customers", roles=SELLERS)
def list_seller_customers(page: Page, caller: Caller) -> SellerCustomerListResponse:
    part, purpose = _slice("customers", page, caller)
    found = wiring.dashboard().list_customers(caller.user_id, part)
    return SellerCustomerListResponse(
        customers=found.items, next_cursor=_encode(found.next, purpose)
    )


@get("/api/seller/dashboard/{sheet}/export", roles=SELLERS, media_type=CSV, errors=(TooManyRows,))
def export_seller_list(sheet: str, query: ExportQuery, caller: Caller) -> Response[str]:
    """Return a list as a CSV file. When it has several parts, the header `link` leads to the next
    one, and the file name says that it is a part.
    """
    period, purpose = _bounded(query), f"seller sheet {sheet} {caller.user_id}"
    after = _decode(query.cursor, purpose)
    file = wiring.dashboard().export(sheet, caller.user_id, period, after)
    following = _encode(file.next, purpose)
    part = "-part" if following or after else ""
    name = f"{sheet}-{period.first}-{period.last}{part}.csv"
    return Response(file.text, headers=_headers(sheet, name, period, following))


def _headers(sheet: str, name: str, period: Period, following: str | None) -> dict[str, str]:
    headers = {"content-type": CSV, "content-disposition": f'attachment; filename="{name}"'}
    if following:
        query = urlencode({"from": period.first, "to": period.last, "cursor": following})
        headers["link"] = f'</api/seller/dashboard/{sheet}/export?{query}>; rel="next"'
    return headers


def _bounded(query: PeriodQuery) -> Period:
    return Period.of(query.first, query.last, today=day_of(utc_now()))


def _slice(name: str, page: Page, caller: Caller) -> tuple[Slice, str]:
    """Return the requested part of a list, and what its cursors are valid for: this list, of this
    seller, with these filters.
    """
    filters = page.model_dump(exclude={"limit", "cursor"})
    purpose = f"seller {name} {caller.user_id} {filters}"
    return Slice(page.limit, _decode(page.cursor, purpose)), purpose


def _decode(cursor: str | None, purpose: str) -> str | None:
    position = cursors().decode(cursor, purpose)
    return None if position is None else str(position["after"])


def _encode(sort_key: str | None, purpose: str) -> str | None:
    return cursors().encode(None if sort_key is None else {"after": sort_key}, purpose)


prepare(__name__)
