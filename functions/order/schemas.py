"""Bodies that place or redirect an order, and the view of one."""

from typing import Annotated, Self

from pydantic import StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from order.model import (
    Actor,
    Order,
    OrderLine,
    OrderStatus,
    PaymentStatus,
    Pricing,
    Returns,
    Step,
)
from supermarket.people import Address
from supermarket.postal_codes import is_postal_code
from supermarket.schemas import Body, MoneyView, Page, Timestamp, View

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"  # an address must not break out of its line

type Line = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=PRINTABLE)]
type Country = Annotated[str, StringConstraints(min_length=2, max_length=60, pattern=PRINTABLE)]
type Zip = Annotated[str, StringConstraints(min_length=1, max_length=12)]
type TrackingNumber = Annotated[
    str, StringConstraints(min_length=1, max_length=60, pattern=PRINTABLE)
]
type AddressId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class AddressBody(Body):
    """A whole address."""

    street: Line
    city: Line
    state: Line
    country: Country
    zip: Zip

    @field_validator("zip")
    @classmethod
    def _fits_the_country(cls, text: str, info: ValidationInfo) -> str:
        if not is_postal_code(text, info.data.get("country", "")):
            raise PydanticCustomError("postal_code", "not a postal code of this country")
        return text

    def address(self) -> Address:
        return Address(self.street, self.city, self.state, self.zip, self.country)


class PlaceOrder(Body):
    """Where the order goes: an address, or one of the customer's saved ones."""

    shipping_address: AddressBody | None = None
    address_id: AddressId | None = None

    @model_validator(mode="after")
    def _names_one_destination(self) -> Self:
        if (self.shipping_address is None) is (self.address_id is None):
            raise PydanticCustomError("destination", "shippingAddress or addressId is needed")
        return self

    def destination(self) -> Address | str:
        return self.shipping_address.address() if self.shipping_address else str(self.address_id)


class ChangeAddress(Body):
    """The fields of the address that change."""

    street: Line | None = None
    city: Line | None = None
    state: Line | None = None
    zip: Zip | None = None
    country: Country | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set or None in self.changes().values():
            raise PydanticCustomError("nothing_given", "at least one field is needed, none null")
        return self

    def changes(self) -> dict[str, str]:
        return self.model_dump(exclude_unset=True)


class Dispatch(Body):
    """What the carrier calls the parcel; a body without it, or none at all, is as good."""

    tracking_number: TrackingNumber | None = None


class MyOrders(Page):
    """A page of the customer's own orders, all of them or those in one state."""

    status: OrderStatus | None = None


class LineView(View):
    """One product of an order."""

    product: str
    title: str
    seller: str
    quantity: int
    unit_price: MoneyView
    line_total: MoneyView

    @classmethod
    def of(cls, line: OrderLine) -> Self:
        return cls(
            product=line.product_id,
            title=line.title,
            seller=line.seller_id,
            quantity=line.quantity,
            unit_price=MoneyView.of(line.unit_price),
            line_total=MoneyView.of(line.line_total),
        )


class PricingView(View):
    """What the order costs, and why."""

    subtotal: MoneyView
    tax: MoneyView
    shipping: MoneyView
    total: MoneyView

    @classmethod
    def of(cls, pricing: Pricing) -> Self:
        return cls(
            subtotal=MoneyView.of(pricing.subtotal),
            tax=MoneyView.of(pricing.tax),
            shipping=MoneyView.of(pricing.shipping),
            total=MoneyView.of(pricing.total),
        )


class AddressView(View):
    """Where the order goes."""

    street: str
    city: str
    state: str
    zip: str
    country: str

    @classmethod
    def of(cls, address: Address) -> Self:
        return cls.model_validate(vars(address))


class PaymentView(View):
    """What the order knows of its payment."""

    status: PaymentStatus


class RefundsView(View):
    """How much of the order's money is back with its customer, and how much on its way."""

    refunded: MoneyView
    returning: MoneyView

    @classmethod
    def of(cls, returns: Returns) -> Self:
        refunded, returning = MoneyView.of(returns.refunded), MoneyView.of(returns.returning)
        return cls(refunded=refunded, returning=returning)


class StepView(View):
    """An entry of the timeline."""

    status: OrderStatus
    at: Timestamp
    by: Actor

    @classmethod
    def of(cls, step: Step) -> Self:
        return cls(status=step.status, at=step.at, by=step.by)


class OrderView(View):
    """An order, as far as the one who asks may see it."""

    id: str
    status: OrderStatus
    items: list[LineView]
    pricing: PricingView
    total_price: MoneyView
    shipping_address: AddressView
    payment: PaymentView
    refunds: RefundsView | None
    timeline: list[StepView]
    tracking_number: str | None
    reserved_until: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls(
            id=order.id,
            status=order.status,
            items=[LineView.of(line) for line in order.lines],
            pricing=PricingView.of(order.pricing),
            total_price=MoneyView.of(order.pricing.total),
            shipping_address=AddressView.of(order.shipping_address),
            payment=PaymentView(status=order.payment_status),
            refunds=_refunds(order),
            timeline=[StepView.of(step) for step in order.timeline],
            tracking_number=order.tracking_number,
            reserved_until=order.reserved_until,
            created_at=order.created_at,
            updated_at=order.updated_at,
        )


def _refunds(order: Order) -> RefundsView | None:
    """The sums are those of the whole order: nothing for one of its sellers."""
    return RefundsView.of(order.returns) if order.returns and order.is_whole else None


class ShownOrder(View):
    """An order."""

    order: OrderView

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls(order=OrderView.of(order))


class OrderAnswer(View):
    """An order, and what was done with it."""

    message: str
    order: OrderView

    @classmethod
    def of(cls, order: Order, message: str) -> Self:
        return cls(message=message, order=OrderView.of(order))


class OrderList(View):
    """A page of orders."""

    orders: list[OrderView]
    next_cursor: str | None
