"""Queries and response views of the seller dashboard. A view reads its fields from the model; an
alias names an attribute of another name.
"""

import datetime
from typing import Annotated

from pydantic import AliasPath, Field

from seller_dashboard.projections.model import Period, SaleStatus
from supermarket.field_types import Day
from supermarket.money import Currency
from supermarket.people import Address
from supermarket.schemas import MoneyView, Page, Query, Timestamp, View

EARLIEST = datetime.date(2000, 1, 1)


class PeriodQuery(Query):
    """`?from=2026-11-01&to=2026-11-30`: days of the shop, both included."""

    first: Annotated[Day, Field(ge=EARLIEST)] | None = Field(default=None, alias="from")
    last: Annotated[Day, Field(ge=EARLIEST)] | None = Field(default=None, alias="to")


class ExportQuery(PeriodQuery):
    """The period of an export, and where its next part begins."""

    cursor: str | None = Field(default=None, max_length=2048)


class PeriodPageQuery(PeriodQuery, Page):
    """A page of a list, of orders that were placed in a period; both its ends may be open."""

    @property
    def period(self) -> Period:
        return Period.between(self.first, self.last)


class OrderPageQuery(PeriodPageQuery):
    """A page of orders, of one status or of all."""

    status: SaleStatus | None = None


class TopProductView(View):
    """A product with the most sales; `sold` is units."""

    id: str = Field(validation_alias="product_id")
    title: str
    sold: int = Field(validation_alias="units")
    revenue: list[MoneyView]


class TopOfCurrencyView(View):
    """The products with the most revenue in one currency."""

    currency: Currency
    products: list[TopProductView]


class DayView(View):
    """One day of the series; `sales` is units."""

    date: datetime.date = Field(validation_alias="day")
    orders: int
    sales: int = Field(validation_alias="units")
    revenue: list[MoneyView]
    refunds: list[MoneyView]


class LowStockView(View):
    """A product whose stock is at or below its threshold."""

    id: str = Field(validation_alias="product_id")
    title: str
    stock: int
    threshold: int


class SellerMetricsResponse(View):
    """`sales` is units sold, `placed` all orders, `orders` those that count, and `conversion` the
    share of the placed orders that were paid. Money is one amount per currency; revenue is net of
    `refunds`.
    """

    sales: int = Field(validation_alias="units")
    orders: int
    placed: int
    conversion: float | None
    revenue: list[MoneyView]
    refunds: list[MoneyView]
    average_order_value: list[MoneyView]
    top_products: list[TopProductView]
    top_products_by_revenue: list[TopOfCurrencyView]
    low_stock: list[LowStockView]
    series: list[DayView]


class CustomerView(View):
    """The customer of an order, without the mail address: sellers must not see it."""

    first_name: str


class ItemView(View):
    """One of the seller's lines."""

    product: str = Field(validation_alias="product_id")
    title: str
    quantity: int
    unit_price: MoneyView
    line_total: MoneyView


class PaymentView(View):
    """The state of the order's payment."""

    status: str


class SellerOrderView(View):
    """The seller's share of an order: `total` is the sum of the seller's own lines, `refunded` the
    part of it that was refunded.
    """

    id: str = Field(validation_alias="order_id")
    status: str
    customer: CustomerView
    items: list[ItemView] = Field(validation_alias="lines")
    total: MoneyView
    refunded: MoneyView
    payment: PaymentView | None
    shipping_address: Address | None = Field(validation_alias="address")
    placed_at: Timestamp
    updated_at: Timestamp


class SellerOrderListResponse(View):
    """A page of orders."""

    orders: list[SellerOrderView]
    next_cursor: str | None


class SellerProductView(View):
    """A product with its lifetime sales (`sold` is units); a deleted one is not on sale."""

    id: str = Field(validation_alias="product_id")
    title: str
    price: MoneyView | None
    category: str | None
    on_sale: bool
    sold: int = Field(validation_alias="units")
    revenue: list[MoneyView]


class SellerProductListResponse(View):
    """A page of products."""

    products: list[SellerProductView]
    next_cursor: str | None


class SellerPaymentView(View):
    """The seller's share of an order's payment and of its refunds."""

    id: str = Field(validation_alias=AliasPath("payment", "id"))
    order: str = Field(validation_alias="order_id")
    status: str = Field(validation_alias=AliasPath("payment", "status"))
    amount: MoneyView = Field(validation_alias="total")
    refunded: MoneyView
    placed_at: Timestamp
    updated_at: Timestamp = Field(validation_alias=AliasPath("payment", "at"))


class SellerPaymentListResponse(View):
    """A page of payments."""

    payments: list[SellerPaymentView]
    next_cursor: str | None


class SellerCustomerView(View):
    """A customer of the seller: the orders that count, and what they spent, net of refunds."""

    id: str = Field(validation_alias=AliasPath("customer", "id"))
    first_name: str = Field(validation_alias=AliasPath("customer", "first_name"))
    orders: int
    spent: list[MoneyView]
    last_order_at: Timestamp


class SellerCustomerListResponse(View):
    """A page of customers."""

    customers: list[SellerCustomerView]
    next_cursor: str | None
