"""The events between domains: one class per event, locked to its schema in `events/contracts`."""

import re
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from supermarket.clock import iso
from supermarket.money import Currency, Money
from supermarket.people import Address, Recipient

type Moment = Annotated[datetime, PlainSerializer(iso, return_type=str)]

_NAME_AND_VERSION = re.compile(r"(\w+?)(?:V(\d+))?")


class ContractModel(BaseModel):
    """Immutable, camelCase on the wire; ignores unknown fields, so that producers can add some."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
        frozen=True,
        defer_build=True,  # a Lambda uses few of the events, and builds those when it does
        hide_input_in_errors=True,  # errors are logged, and the input holds people's addresses
    )


class Metadata(ContractModel):
    """The metadata of every event."""

    event_id: str
    version: int
    occurred_at: Moment
    correlation_id: str
    causation_id: str | None = None


class Event(ContractModel):
    """Base of all events. The class name is the detail-type; from its second version on, an event
    has the number at the end: `OrderPlacedV2` is version 2 of `OrderPlaced`. The first field is the
    id of the event's subject.
    """

    SOURCE: ClassVar[str]
    NAME: ClassVar[str]
    VERSION: ClassVar[int]
    PUBLIC: ClassVar[bool] = False  # for consumers outside the platform
    DEPRECATED: ClassVar[bool] = False  # True once its producer emits only a newer version

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        name, number = _NAME_AND_VERSION.fullmatch(cls.__name__).groups()  # type: ignore[union-attr]
        cls.NAME, cls.VERSION = name, int(number or 1)


class Envelope(ContractModel):
    """An event in the form of the `detail` of an EventBridge event."""

    metadata: Metadata
    data: dict[str, Any]


class Amount(ContractModel):
    """Money on the wire: an integer of minor units and its currency."""

    minor: int
    currency: Currency

    @classmethod
    def of(cls, money: Money) -> Self:
        return cls(minor=money.minor, currency=money.currency)

    def money(self) -> Money:
        return Money(self.minor, self.currency)


class OrderLine(ContractModel):
    """One line of an order, as it was bought."""

    product_id: str
    title: str
    seller_id: str
    quantity: int = Field(ge=1)
    unit_price: Amount
    line_total: Amount


class UserRegistered(Event):
    """An account was created."""

    SOURCE = "supermarket.auth"
    user_id: str
    username: str
    email: str
    first_name: str
    last_name: str
    role: Literal["user", "seller", "admin"]


class UserStandingChanged(Event):
    """The role or the status of an account was changed. The event with the highest `revision` is
    the latest.
    """

    SOURCE = "supermarket.auth"
    user_id: str
    role: Literal["user", "seller", "admin"]
    status: Literal["active", "pending", "suspended"]
    revision: int = Field(ge=1)


class EmailVerificationRequested(Event):
    """A person requested another verification link. The link is a secret and not part of the event:
    the sender of the mail has auth create it.
    """

    SOURCE = "supermarket.auth"
    user_id: str
    email: str
    first_name: str


class PasswordResetRequested(Event):
    """The owner of an account requested a link to reset the password. The link is a secret and not
    part of the event: the sender of the mail has auth create it.
    """

    SOURCE = "supermarket.auth"
    user_id: str
    email: str
    first_name: str


class EmailChangeRequested(Event):
    """The owner of an account requested another email address, which has to be proven by a link.
    The link is a secret and not part of the event: the sender of the mail has auth create it.
    """

    SOURCE = "supermarket.auth"
    user_id: str
    email: str = Field(description="the new address")


class EmailChanged(Event):
    """Another email address was proven. The address before it is sent a link that undoes the
    change, which is a secret and not part of the event.
    """

    SOURCE = "supermarket.auth"
    user_id: str
    email: str = Field(description="the address before")
    first_name: str


class AccountChanged(Event):
    """Something happened to an account that only its owner should do."""

    SOURCE = "supermarket.auth"
    user_id: str
    email: str
    first_name: str
    change: Literal["password", "new-device", "second-factor-added", "second-factor-removed"]
    changed_at: Moment


class ProductFacts(Event):
    """The fields of catalogue events that describe a product."""

    SOURCE = "supermarket.product"
    product_id: str
    seller: Recipient
    title: str
    price: Amount
    stock: int
    category: str | None = None
    revision: int = Field(
        ge=1, description="grows with every change; the highest revision is the current one"
    )
    low_stock_threshold: int | None = None
    stock_revision: int = Field(
        default=0, ge=0, description="grows with every change of the stock, sales included"
    )


class ProductCreated(ProductFacts):
    """A product was put on sale."""


class ProductUpdated(ProductFacts):
    """A product's details, price or stock were changed by its seller."""


class ProductDeleted(Event):
    """A product was deleted."""

    SOURCE = "supermarket.product"
    product_id: str
    seller_id: str
    revision: int = Field(ge=1)


class StockRanLow(Event):
    """The stock of a product fell to its seller's threshold or below it."""

    SOURCE = "supermarket.product"
    product_id: str
    seller: Recipient
    title: str
    stock: int
    threshold: int
    stock_revision: int = Field(ge=0)


class StockMoved(Event):
    """The stock changed of a product that was low, or its seller changed it."""

    SOURCE = "supermarket.product"
    product_id: str
    seller_id: str
    title: str
    stock: int
    threshold: int | None = None
    stock_revision: int = Field(ge=0)


class CartLine(ContractModel):
    """One line of a cart, at the price it was added at."""

    product_id: str
    title: str
    quantity: int = Field(ge=1)
    unit_price: Amount


class CartAbandoned(Event):
    """A cart with items was not changed for a day; emitted once until the cart is emptied."""

    SOURCE = "supermarket.cart"
    user_id: str
    customer: Recipient
    lines: list[CartLine] = Field(min_length=1)
    total: Amount
    idle_since: Moment


class OrderFacts(Event):
    """The fields of most events about an order."""

    SOURCE = "supermarket.order"
    order_id: str
    customer: Recipient
    lines: list[OrderLine] = Field(min_length=1)


class OrderPlaced(OrderFacts):
    """An order was created and its stock reserved until `reservedUntil`."""

    total: Amount
    shipping_address: Address
    placed_at: Moment
    reserved_until: Moment


class OrderConfirmed(OrderFacts):
    """The payment of the order was completed."""

    total: Amount
    placed_at: Moment
    confirmed_at: Moment


class OrderCancelled(OrderFacts):
    """The order was cancelled; the same transaction released its stock."""

    total: Amount
    placed_at: Moment
    cancelled_at: Moment
    cancelled_by: Literal["customer", "expiry", "seller", "admin"]
    was_paid: bool


class OrderAddressChanged(Event):
    """The shipping address of the order was changed."""

    SOURCE = "supermarket.order"
    order_id: str
    seller_ids: list[str] = Field(min_length=1)
    shipping_address: Address
    changed_at: Moment


class OrderShipped(OrderFacts):
    """All items of the order were handed to the carrier."""

    tracking_number: str | None = None
    placed_at: Moment
    shipped_at: Moment


class OrderDelivered(OrderFacts):
    """The order was delivered to its customer."""

    tracking_number: str | None = None
    placed_at: Moment
    delivered_at: Moment


class PaymentFacts(Event):
    """The fields of most events about a payment. The event of a payment with the highest `revision`
    is the latest; events of before 2026-11-29 have none.
    """

    SOURCE = "supermarket.payment"
    payment_id: str
    order_id: str
    customer: Recipient
    amount: Amount
    revision: int = 0


class PaymentInitiated(PaymentFacts):
    """A Razorpay order exists for this order; the customer can pay."""

    initiated_at: Moment


class PaymentCompleted(PaymentFacts):
    """Razorpay confirmed that the payment was captured. It `goes_back` (is refunded) if its order
    was cancelled before.
    """

    razorpay_payment_id: str
    completed_at: Moment
    goes_back: bool = False


class PaymentFailed(PaymentFacts):
    """The payment was declined, or its order was cancelled before it was paid."""

    reason: str
    failed_at: Moment


class PaymentRefunded(PaymentFacts):
    """Razorpay confirmed a refund. `amount` is the amount of this refund; `fully` is true when
    nothing of the payment is left. A `surplus` is money that did not complete the payment, since it
    was paid again or was another amount: its refund does not change the payment, its order or any
    sale.
    """

    refund_id: str
    fully: bool
    surplus: bool = False
    reason: str
    refunded_at: Moment


class PaymentRefundProgressed(Event):
    """A refund was requested, was processed or failed. Of the order's payment, `refunded` has been
    refunded and `returning` is pending; the event with the highest `revision` is the latest.
    """

    SOURCE = "supermarket.payment"
    payment_id: str
    order_id: str
    revision: int
    refunded: Amount
    returning: Amount
    progressed_at: Moment


class PaymentAuthorizedLate(Event):
    """A customer's money was authorized after the order was cancelled. Payment releases it."""

    SOURCE = "supermarket.payment"
    payment_id: str
    order_id: str
    razorpay_payment_id: str
    authorized_at: Moment


class PaymentDisputed(Event):
    """A dispute (chargeback) of a payment was opened, is reviewed or has ended. The shop has until
    `respond_by` to contest it. Of the `amount`, `lost` went back to the customer.
    """

    SOURCE = "supermarket.payment"
    PUBLIC = True
    payment_id: str
    order_id: str
    dispute_id: str
    status: Literal["OPEN", "UNDER_REVIEW", "CLOSED", "WON", "LOST"]
    amount: Amount
    lost: Amount
    reason: str
    respond_by: Moment | None = None
    changed_at: Moment


class PaymentDriftFound(Event):
    """The records of the shop and of Razorpay differ on the subject (a payment of the shop, or an
    order, payment or refund at Razorpay), and the difference needs manual action.
    """

    SOURCE = "supermarket.payment"
    PUBLIC = True
    subject_id: str
    kind: Literal["missing_here", "missing_there", "different_amount", "different_state"]
    details: str
    payment_id: str | None = None
    order_id: str | None = None
    found_at: Moment


class SalesOfDay(ContractModel):
    """The sales of one day; `revenue` has an amount per currency with sales."""

    day: date
    units: int
    revenue: list[Amount]


class SalesOfProduct(ContractModel):
    """The sales of one product in a period."""

    product_id: str
    title: str
    units: int
    revenue: list[Amount]


class LowStock(ContractModel):
    """A product with low stock."""

    product_id: str
    title: str
    stock: int


class SalesReportReady(Event):
    """The figures of a seller's past week, Monday to Sunday in the shop's time zone. Amounts are
    net of refunds, one per currency.
    """

    SOURCE = "supermarket.seller_dashboard"
    seller_id: str
    seller: Recipient
    first: date
    last: date
    orders: int
    units: int
    revenue: list[Amount]
    revenue_before: list[Amount] = Field(description="of the seven days before")
    refunds: list[Amount]
    days: list[SalesOfDay] = Field(min_length=7, max_length=7)
    top_products: list[SalesOfProduct] = Field(max_length=5)
    low_stock: list[LowStock] = Field(max_length=20)


BASES = {Event, ProductFacts, OrderFacts, PaymentFacts}
EVENTS: dict[str, type[Event]] = {
    name: item
    for name, item in dict(globals()).items()
    if isinstance(item, type) and issubclass(item, Event) and item not in BASES
}
