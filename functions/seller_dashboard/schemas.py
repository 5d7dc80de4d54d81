"""What a seller may ask for, and what a seller gets to see."""

from collections.abc import Iterable
from datetime import date
from typing import Self

from pydantic import Field

from seller_dashboard.model import (
    Buyer,
    Customer,
    LowStock,
    PaymentShare,
    Period,
    Sale,
    SaleStatus,
    SoldLine,
    SoldProduct,
)
from seller_dashboard.numbers import DaySales, Metrics, TopOfCurrency, TopProduct
from supermarket.money import Currency, Money
from supermarket.people import Address
from supermarket.schemas import MoneyView, Page, Query, Timestamp, View

EARLIEST = date(2000, 1, 1)


class Days(Query):
    """`?from=2026-11-01&to=2026-11-30`: days in UTC, both included."""

    first: date | None = Field(default=None, alias="from", ge=EARLIEST)
    last: date | None = Field(default=None, alias="to", ge=EARLIEST)


class DaysAndCursor(Days):
    """What a sheet is of, and where it goes on."""

    cursor: str | None = Field(default=None, max_length=2048)


class PageOfDays(Days, Page):
    """A page of what was placed in a period; both its ends may be open."""

    @property
    def period(self) -> Period:
        return Period.between(self.first, self.last)

    def purpose(self, things: str, seller_id: str) -> str:
        """What a cursor is good for: this list, of this seller, in this period."""
        return f"seller {things} {seller_id} {self.first} {self.last}"


class PageOfOrders(PageOfDays):
    """A page of orders, those in one status if so wished."""

    status: SaleStatus | None = None

    def purpose(self, things: str, seller_id: str) -> str:
        return f"{super().purpose(things, seller_id)} {self.status}"


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


class TopOfCurrencyView(View):
    """The products that brought most in one currency."""

    currency: Currency
    products: list[TopProductView]

    @classmethod
    def of(cls, top: TopOfCurrency) -> Self:
        return cls(
            currency=top.currency, products=[TopProductView.of(each) for each in top.products]
        )


class DayView(View):
    """One day of the series."""

    date: date
    orders: int
    sales: int
    revenue: list[MoneyView]
    refunds: list[MoneyView]

    @classmethod
    def of(cls, day: DaySales) -> Self:
        return cls(
            date=day.day,
            orders=day.orders,
            sales=day.units,
            revenue=_amounts(day.revenue),
            refunds=_amounts(day.refunds),
        )


class LowStockView(View):
    """A product at its threshold, or below it."""

    id: str
    title: str
    stock: int
    threshold: int

    @classmethod
    def of(cls, low: LowStock) -> Self:
        return cls(id=low.product_id, title=low.title, stock=low.stock, threshold=low.threshold)


class MetricsView(View):
    """`sales` is units sold, `placed` all orders and `orders` those that count, `conversion` the
    part of those placed that came to be paid. Money is one amount per currency, everywhere; revenue
    is net of `refunds`.
    """

    sales: int
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

    @classmethod
    def of(cls, found: Metrics) -> Self:
        return cls(
            sales=found.units,
            orders=found.orders,
            placed=found.placed,
            conversion=found.conversion,
            revenue=_amounts(found.revenue),
            refunds=_amounts(found.refunds),
            average_order_value=_amounts(found.average_order),
            top_products=[TopProductView.of(top) for top in found.top],
            top_products_by_revenue=[TopOfCurrencyView.of(top) for top in found.top_by_revenue],
            low_stock=[LowStockView.of(low) for low in found.low_stock],
            series=[DayView.of(day) for day in found.series],
        )


class CustomerView(View):
    """Enough to write "Dear Asha" on the parcel; the mail address is the customer's own affair."""

    first_name: str

    @classmethod
    def of(cls, customer: Customer) -> Self:
        return cls(first_name=customer.first_name)


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
    """The seller's share of an order: `total` is of the own lines, `refunded` what of it went
    back.
    """

    id: str
    status: str
    customer: CustomerView
    items: list[ItemView]
    total: MoneyView
    refunded: MoneyView
    payment: PaymentView | None
    shipping_address: AddressView | None
    placed_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, sale: Sale) -> Self:
        return cls(
            id=sale.order_id,
            status=sale.status,
            customer=CustomerView.of(sale.customer),
            items=[ItemView.of(line) for line in sale.lines],
            total=MoneyView.of(sale.total),
            refunded=MoneyView.of(sale.refunded),
            payment=PaymentView(status=sale.payment.status) if sale.payment else None,
            shipping_address=AddressView.of(sale.address) if sale.address else None,
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


class SellerPaymentView(View):
    """The seller's share of an order's payment, and of what went back of it."""

    id: str
    order: str
    status: str
    amount: MoneyView
    refunded: MoneyView
    placed_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, share: PaymentShare) -> Self:
        return cls(
            id=share.payment.id,
            order=share.order_id,
            status=share.payment.status,
            amount=MoneyView.of(share.total),
            refunded=MoneyView.of(share.refunded),
            placed_at=share.placed_at,
            updated_at=share.payment.at,
        )


class SellerPaymentsView(View):
    """A page of payments."""

    payments: list[SellerPaymentView]
    next_cursor: str | None


class SellerCustomerView(View):
    """A customer of the seller: the orders that count, and what they brought, net of refunds."""

    id: str
    first_name: str
    orders: int
    spent: list[MoneyView]
    last_order_at: Timestamp

    @classmethod
    def of(cls, buyer: Buyer) -> Self:
        return cls(
            id=buyer.customer.id,
            first_name=buyer.customer.first_name,
            orders=buyer.orders,
            spent=_amounts(buyer.spent),
            last_order_at=buyer.last_order_at,
        )


class SellerCustomersView(View):
    """A page of customers."""

    customers: list[SellerCustomerView]
    next_cursor: str | None


def _amounts(amounts: Iterable[Money]) -> list[MoneyView]:
    return [MoneyView.of(amount) for amount in amounts]
