"""What a seller may ask for, and what a seller gets to see."""

from collections.abc import Iterable
from datetime import date
from typing import Self

from pydantic import Field

from seller_dashboard.model import (
    Address,
    DaySales,
    Metrics,
    Sale,
    SoldLine,
    SoldProduct,
    TopProduct,
)
from seller_dashboard.service import NotedSale
from supermarket.money import Money
from supermarket.schemas import MoneyView, Query, Timestamp, View

EARLIEST = date(2000, 1, 1)


class MetricsQuery(Query):
    """`?from=2026-11-01&to=2026-11-30`: days in UTC, both included."""

    first: date | None = Field(default=None, alias="from", ge=EARLIEST)
    last: date | None = Field(default=None, alias="to", ge=EARLIEST)


class TopProductView(View):
    """`sold` is units."""

    id: str
    title: str
    sold: int
    revenue: list[MoneyView]

    @classmethod
    def of(cls, top: TopProduct) -> Self:
        return cls(
            id=top.product_id, title=top.title, sold=top.units, revenue=_amounts(top.revenue)
        )


class DayView(View):
    """One day of the series."""

    date: date
    sales: int
    revenue: list[MoneyView]

    @classmethod
    def of(cls, day: DaySales) -> Self:
        return cls(date=day.day, sales=day.units, revenue=_amounts(day.revenue))


class MetricsView(View):
    """`sales` is units sold; money is one amount per currency, everywhere."""

    sales: int
    orders: int
    revenue: list[MoneyView]
    average_order_value: list[MoneyView]
    top_products: list[TopProductView]
    series: list[DayView]

    @classmethod
    def of(cls, found: Metrics) -> Self:
        return cls(
            sales=found.units,
            orders=found.orders,
            revenue=_amounts(found.revenue),
            average_order_value=_amounts(found.average_order),
            top_products=[TopProductView.of(top) for top in found.top],
            series=[DayView.of(day) for day in found.series],
        )


class CustomerView(View):
    """Enough to write "Dear Asha" on the parcel; the mail address is the customer's own affair."""

    first_name: str


class ItemView(View):
    """One of the seller's lines."""

    product: str
    title: str
    quantity: int
    unit_price: MoneyView
    line_total: MoneyView

    @classmethod
    def of(cls, line: SoldLine) -> Self:
        return cls(
            product=line.product_id,
            title=line.title,
            quantity=line.quantity,
            unit_price=MoneyView.of(line.unit_price),
            line_total=MoneyView.of(line.line_total),
        )


class PaymentView(View):
    """How the order's payment stands."""

    status: str


class AddressView(View):
    """Where to ship to."""

    street: str
    city: str
    state: str
    zip: str
    country: str

    @classmethod
    def of(cls, address: Address) -> Self:
        return cls.model_validate(vars(address))


class SellerOrderView(View):
    """The seller's share of an order; `total` is of the own lines."""

    id: str
    status: str
    customer: CustomerView
    items: list[ItemView]
    total: MoneyView
    payment: PaymentView | None
    shipping_address: AddressView | None
    placed_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, noted: NotedSale) -> Self:
        sale, notes = noted.sale, noted.notes
        address = notes.shipping_address
        return cls(
            id=sale.order_id,
            status=sale.status,
            customer=_customer(sale),
            items=[ItemView.of(line) for line in sale.lines],
            total=MoneyView.of(sale.total),
            payment=PaymentView(status=notes.payment) if notes.payment else None,
            shipping_address=AddressView.of(address) if address else None,
            placed_at=sale.placed_at,
            updated_at=sale.updated_at,
        )


class SellerOrdersView(View):
    """A page of orders."""

    orders: list[SellerOrderView]
    next_cursor: str | None


class SellerProductView(View):
    """A product and all it ever sold (`sold` is units); a deleted one is no longer on sale."""

    id: str
    title: str
    price: MoneyView | None
    category: str | None
    on_sale: bool
    sold: int
    revenue: list[MoneyView]

    @classmethod
    def of(cls, product: SoldProduct) -> Self:
        return cls(
            id=product.product_id,
            title=product.title,
            price=MoneyView.of(product.price) if product.price else None,
            category=product.category,
            on_sale=product.on_sale,
            sold=product.units,
            revenue=_amounts(product.revenue),
        )


class SellerProductsView(View):
    """A page of products."""

    products: list[SellerProductView]
    next_cursor: str | None


def _amounts(amounts: Iterable[Money]) -> list[MoneyView]:
    return [MoneyView.of(amount) for amount in amounts]


def _customer(sale: Sale) -> CustomerView:
    return CustomerView(first_name=sale.customer_first_name)
