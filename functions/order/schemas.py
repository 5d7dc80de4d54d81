"""Request bodies, queries and responses of orders."""

from typing import Annotated, Self

from pydantic import AliasPath, Field, model_validator
from pydantic_core import PydanticCustomError

from order.model import Actor, Order, OrderStatus, PaymentStatus, WantedOrders
from supermarket.address_schemas import AddressChanges, AddressRequest, AddressView
from supermarket.field_types import LINE
from supermarket.people import Address
from supermarket.schemas import Body, DayPage, MoneyView, Page, Timestamp, View


class PlaceOrderRequest(Body):
    """Where to send the order: an address, or the id of a saved one."""

    shipping_address: AddressRequest | None = None
    address_id: str | None = Field(default=None, min_length=1, max_length=64)

    @model_validator(mode="after")
    def _has_one_destination(self) -> Self:
        if (self.shipping_address is None) is (self.address_id is None):
            raise PydanticCustomError("destination", "send either shippingAddress or addressId")
        return self

    def destination(self) -> Address | str:
        return self.shipping_address.address() if self.shipping_address else str(self.address_id)


class ChangeAddressRequest(AddressChanges):
    """The fields of the address to replace, also inside `shippingAddress`."""

    shipping_address: AddressChanges | None = None

    def changes(self) -> dict[str, str]:
        inside = self.shipping_address.changes() if self.shipping_address else {}
        return {**super().changes(), **inside}


class FulfilmentRequest(Body):
    """The carrier's number of the parcel, if there is one; the body may be missing."""

    tracking_number: Annotated[str, Field(min_length=1, max_length=60), LINE] | None = None


class OrderListQuery(Page):
    """A page of the customer's own orders: all, or those in one state."""

    status: OrderStatus | None = None


class AllOrdersQuery(DayPage):
    """Orders of some days: all, or those with a status or lines of a seller; or those with the id
    of an order or a customer, `q`.
    """

    q: Annotated[str, Field(max_length=64)] = ""
    status: OrderStatus | None = None
    seller: Annotated[str, Field(max_length=64)] | None = None

    def wanted(self) -> WantedOrders:
        return WantedOrders(self.q, self.status, self.seller)


class LineView(View):
    """One product of an order."""

    product: str = Field(validation_alias="product_id")
    title: str
    seller: str = Field(validation_alias="seller_id")
    quantity: int
    unit_price: MoneyView
    line_total: MoneyView


class PricingView(View):
    """What the order costs, by its parts."""

    subtotal: MoneyView
    tax: MoneyView
    shipping: MoneyView
    total: MoneyView


class PaymentView(View):
    """The state of the order's payment, and until when it can be paid once it is open."""

    status: PaymentStatus
    pay_until: Timestamp | None


class RefundsView(View):
    """How much of the order's money was refunded, and how much is being refunded."""

    refunded: MoneyView
    returning: MoneyView = Field(validation_alias="pending")


class TimelineEntryView(View):
    """The start of a state."""

    status: OrderStatus
    at: Timestamp
    by: Actor


class OrderView(View):
    """An order, as far as the caller may see it; a copy of `order.model.Order`."""

    id: str
    status: OrderStatus
    items: list[LineView] = Field(validation_alias="lines")
    pricing: PricingView
    total_price: MoneyView = Field(validation_alias=AliasPath("pricing", "total"))
    shipping_address: AddressView
    payment: PaymentView
    refunds: RefundsView | None = Field(validation_alias="customer_refunds")
    timeline: list[TimelineEntryView]
    tracking_number: str | None
    reserved_until: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class OrderResponse(View):
    """An order."""

    order: OrderView


class OrderChangeResponse(OrderResponse):
    """An order, and what was done with it."""

    message: str

    @classmethod
    def of(cls, order: Order, message: str) -> Self:
        return cls(message=message, order=OrderView.model_validate(order))


class OrderListResponse(View):
    """A page of orders."""

    orders: list[OrderView]
    next_cursor: str | None
