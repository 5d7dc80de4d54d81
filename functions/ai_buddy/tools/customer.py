"""What the assistant can do for a customer: look around, fill the cart, ask for the rest."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ai_buddy.agent.cart_commands import Change, Command, Titles
from ai_buddy.agent.sanitise import LONGEST, fenced
from ai_buddy.agent.tool import Arguments, NoArguments, Outcome, Tool
from ai_buddy.model import DisplayedOrder
from ai_buddy.tools.actions import (
    CancelOrder,
    Country,
    Line,
    PlaceOrder,
    PutInCart,
    RedirectOrder,
    TakeFromCart,
    Zip,
)
from ai_buddy.tools.ports import (
    AddressBook,
    Cart,
    CartLine,
    Carts,
    Catalogue,
    Order,
    OrderLine,
    Orders,
    Product,
    SavedAddress,
)
from ai_buddy.tools.proposals import Proposals
from ai_buddy.tools.results import (
    MOST_PRODUCTS,
    FindProducts,
    OneProduct,
    OrderId,
    ProductId,
    Quantity,
    cart_outcome,
    in_words,
    order_ids,
    order_told,
    order_view,
    product_told,
    products_outcome,
    short,
)
from supermarket.caller import Caller
from supermarket.clock import iso
from supermarket.errors import Conflict, Invalid, NotFound
from supermarket.money import Money

MOST_ORDERS = 5
MOST_NAMED = 5
MOST_OF_AN_ITEM = 99
NOT_ON_SALE = "There is no such product; ids come from a list of products"


class OrderState(StrEnum):
    """Where an order can stand."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


class SomeProducts(Arguments):
    product_ids: Annotated[list[ProductId], Field(min_length=2, max_length=5)]


class AddItem(Arguments):
    product_id: ProductId
    quantity: Quantity = Field(1, description="How many more")


class ChangeItem(Arguments):
    product_id: ProductId
    quantity: Quantity = Field(description="How many there shall be")


class MyOrders(Arguments):
    status: OrderState | None = Field(None, description="Only the orders in this state")


class OneOrder(Arguments):
    order_id: OrderId | None = Field(None, description="The newest order when it is left out")


class Checkout(Arguments):
    address_number: Annotated[int, Field(ge=1, le=20)] | None = Field(
        None, description="Number of a saved address; the default one when it is left out"
    )


class NewAddress(Arguments):
    """Fields that stay the same are left out."""

    order_id: OrderId | None = Field(None, description="The newest order when it is left out")
    street: Line | None = None
    city: Line | None = None
    state: Line | None = None
    zip: Zip | None = None
    country: Country | None = None

    def changes(self) -> dict[str, str]:
        return self.model_dump(exclude={"order_id"}, exclude_none=True)


@dataclass(frozen=True)
class CustomerTools:
    """The tools of one customer, for one question.

    A turn in which the model has read what sellers write of their products does not change the
    cart, but proposes to: whatever their words talked it into, the person sees it first. Nor does
    it do what the person's own words do not command: titles of the list before and of the cart are
    always in the model's sight. A command changes the one product that it means, of those that the
    person has `seen` in a list or has in the cart, and does so once; no title can get anything else
    in.
    """

    caller: Caller
    catalogue: Catalogue
    carts: Carts
    orders: Orders
    addresses: AddressBook
    charged: Callable[[Money], Money]  # what goods of a price cost with all that comes on top
    seen: Titles
    commands: list[Command]  # that were not carried out so far
    proposals: Proposals = field(default_factory=Proposals, init=False)
    read: list[str] = field(default_factory=list, init=False)  # what was read about in this turn
    changed: list[str] = field(default_factory=list, init=False)  # products, at once, in this turn

    def all(self) -> Sequence[Tool]:
        return (*self._looking(), *self._cart(), *self._orders(), *self._proposals())

    def _looking(self) -> Sequence[Tool]:
        return (
            Tool(
                "search_products",
                "Find products by name, category and price. The list is shown to the person.",
                FindProducts,
                self.search,
            ),
            Tool("product_details", "All about one product.", OneProduct, self.details),
            Tool("compare_products", "Two to five products side by side.", SomeProducts, self.both),
        )

    def _cart(self) -> Sequence[Tool]:
        return (
            Tool("show_cart", "What is in the cart, and its total.", NoArguments, self.show_cart),
            Tool("add_to_cart", "Put more of a product in the cart.", AddItem, self.add),
            Tool("change_cart_quantity", "Set how many of an item.", ChangeItem, self.change),
            Tool("remove_from_cart", "Take an item out of the cart.", OneProduct, self.remove),
        )

    def _orders(self) -> Sequence[Tool]:
        return (
            Tool("list_my_orders", "The newest orders.", MyOrders, self.mine),
            Tool("order_status", "State, payment and contents of an order.", OneOrder, self.status),
            Tool("track_order", "Where an order is by now.", OneOrder, self.track),
        )

    def _proposals(self) -> Sequence[Tool]:
        return (
            Tool(
                "propose_order",
                "Ask the person to confirm that all in the cart is ordered.",
                Checkout,
                self.propose_order,
            ),
            Tool(
                "propose_cancellation",
                "Ask the person to confirm that an order is cancelled.",
                OneOrder,
                self.propose_cancellation,
            ),
            Tool(
                "propose_address_change",
                "Ask the person to confirm another delivery address of an order.",
                NewAddress,
                self.propose_address_change,
            ),
        )

    def search(self, wanted: FindProducts) -> Outcome:
        wish = wanted.wish()
        found = self.catalogue.search(wish, MOST_PRODUCTS)
        if not found and wish.text and wish.category:
            # categories are the sellers' words, and a guess at one must not hide everything
            found = self.catalogue.search(replace(wish, category=None), MOST_PRODUCTS)
        return self._listed(found)

    def details(self, asked: OneProduct) -> Outcome:
        product = self._product(asked.product_id)
        outcome = self._listed([product])
        return Outcome({"product": product_told(product, LONGEST)}, outcome.shown, outcome.ids)

    def both(self, asked: SomeProducts) -> Outcome:
        found = self.catalogue.find_many(asked.product_ids)
        products = [found[each] for each in dict.fromkeys(asked.product_ids) if each in found]
        if len(products) < 2:
            raise NotFound(NOT_ON_SALE)
        outcome = self._listed(products)
        cheapest = min(products, key=lambda product: product.price.minor)
        return Outcome({**outcome.told, "cheapest": cheapest.id}, outcome.shown, outcome.ids)

    def show_cart(self, _: NoArguments) -> Outcome:
        return cart_outcome(self.carts.look(self.caller))

    def add(self, item: AddItem) -> Outcome:
        if not self._is_at_once(Change.ADD, item.product_id, item.quantity):
            return self._propose_to_put(item.product_id, item.quantity, in_addition=True)
        cart = self.carts.add(self.caller, item.product_id, item.quantity)
        return cart_outcome(cart, f"added {item.quantity} of {_title(cart, item.product_id)}")

    def change(self, item: ChangeItem) -> Outcome:
        if not self._is_at_once(Change.SET, item.product_id, item.quantity):
            return self._propose_to_put(item.product_id, item.quantity, in_addition=False)
        cart = self.carts.change(self.caller, item.product_id, item.quantity)
        return cart_outcome(cart, f"now {item.quantity} of {_title(cart, item.product_id)}")

    def remove(self, item: OneProduct) -> Outcome:
        if self._is_at_once(Change.REMOVE, item.product_id, 0):
            return cart_outcome(self.carts.remove(self.caller, item.product_id), "removed")
        line = self.carts.look(self.caller).line(item.product_id)
        if line is None:
            raise NotFound("There is no such item in the cart")
        action = TakeFromCart(product_id=line.product_id)
        return self.proposals.ask(action, f"Take {line.title} out of your cart.")

    def mine(self, asked: MyOrders) -> Outcome:
        orders = self.orders.newest(self.caller, asked.status, MOST_ORDERS)
        self.read.extend(order.id for order in orders)
        told = [{"number": number, **order_told(order)} for number, order in enumerate(orders, 1)]
        return Outcome({"orders": told}, ids=frozenset().union(*map(order_ids, orders)))

    def status(self, asked: OneOrder) -> Outcome:
        order = self._order(asked.order_id)
        told = {
            **order_told(order),
            "delivered_to": fenced(str(order.address)),
            "tracking_number": order.tracking_number and fenced(order.tracking_number, 60),
            "can_be_cancelled": order.can_be_cancelled,
        }
        return Outcome({"order": told}, (DisplayedOrder(order_view(order)),), order_ids(order))

    def track(self, asked: OneOrder) -> Outcome:
        order = self._order(asked.order_id)
        told = {
            "id": order.id,
            "status": order.status,
            "timeline": [{"status": step.status, "at": iso(step.at)} for step in order.timeline],
            "tracking_number": order.tracking_number and fenced(order.tracking_number, 60),
        }
        return Outcome({"tracking": told}, (DisplayedOrder(order_view(order)),), order_ids(order))

    def propose_order(self, wanted: Checkout) -> Outcome:
        cart = self.carts.look(self.caller)
        _require_orderable(cart)
        address = self._saved_address(wanted.address_number)
        arguments = PlaceOrder.of(cart, address)
        text = (
            f"Order {_listed(cart.lines)} for {in_words(self.charged(cart.total))}, taxes and"
            f" delivery included, to {address.address}."
        )
        return self.proposals.ask(arguments, text)

    def propose_cancellation(self, asked: OneOrder) -> Outcome:
        order = self._order(asked.order_id)
        if not order.can_be_cancelled:
            raise Conflict(f"An order that is {order.status} cannot be cancelled")
        text = f"Cancel your order {short(order.id)} of {_contents(order)}."
        if order.payment_status == "COMPLETED":
            text += f" The {in_words(order.total)} you paid will be refunded."
        return self.proposals.ask(CancelOrder(order_id=order.id), text)

    def propose_address_change(self, wanted: NewAddress) -> Outcome:
        changes = wanted.changes()
        if not changes:
            raise Invalid("Say which part of the address changes")
        order = self._order(wanted.order_id)
        if not order.address_is_open:
            raise Conflict(f"The address of an order that is {order.status} cannot be changed")
        parts = ", ".join(f"{name}: {value}" for name, value in changes.items())
        text = f"Change the delivery address of your order {short(order.id)} to {parts}."
        return self.proposals.ask(RedirectOrder(order_id=order.id, **changes), text)

    def _is_at_once(self, change: Change, product_id: str, quantity: int) -> bool:
        """Whether the cart may be changed without another word of the person."""
        if self.read or product_id in self.changed:
            return False
        for command in self.commands:
            if command.asks(change, quantity) and self._is_meant(product_id, command):
                self.commands.remove(command)
                self.changed.append(product_id)
                return True
        return False

    def _is_meant(self, product_id: str, command: Command) -> bool:
        return any(command.means(product_id, listed) for listed in self._lists(command))

    def _lists(self, command: Command) -> Iterator[Titles]:
        """What the person may speak of: of the cart only where it is about what is in there."""
        yield self.seen
        if command.is_more or command.change is not Change.ADD:
            lines = self.carts.look(self.caller).lines
            yield {line.product_id: line.title for line in lines}

    def _listed(self, products: Sequence[Product]) -> Outcome:
        self.read.extend(product.id for product in products)
        return products_outcome(products)

    def _propose_to_put(self, product_id: str, quantity: int, *, in_addition: bool) -> Outcome:
        product = self._product(product_id)
        line = self.carts.look(self.caller).line(product_id)
        if line is None and not in_addition:
            raise NotFound("There is no such item in the cart")
        total = quantity + (line.quantity if line and in_addition else 0)
        if total > min(product.stock, MOST_OF_AN_ITEM):
            raise Conflict(f"Only {min(product.stock, MOST_OF_AN_ITEM)} can be had")
        text = f"Put {total} x {product.title} in your cart, at {in_words(product.price)} each."
        return self.proposals.ask(PutInCart(product_id=product.id, quantity=total), text)

    def _product(self, product_id: str) -> Product:
        product = self.catalogue.find_many([product_id]).get(product_id)
        if product is None:
            raise NotFound(NOT_ON_SALE)
        return product

    def _order(self, order_id: str | None) -> Order:
        order = self._newest() if order_id is None else self.orders.one(self.caller, order_id)
        self.read.append(order.id)
        return order

    def _newest(self) -> Order:
        newest = self.orders.newest(self.caller, None, 1)
        if not newest:
            raise NotFound("There are no orders yet")
        return newest[0]

    def _saved_address(self, number: int | None) -> SavedAddress:
        saved = self.addresses.of(self.caller)
        if not saved:
            raise Conflict("There is no saved address; one must be added in the account first")
        if number is None:
            return next((one for one in saved if one.is_default), saved[0])
        if number > len(saved):
            raise NotFound(f"There are only {len(saved)} saved addresses")
        return saved[number - 1]


def _require_orderable(cart: Cart) -> None:
    if not cart.lines:
        raise Conflict("The cart is empty")
    for line in cart.lines:
        if not line.available or line.notice:
            raise Conflict(f"{fenced(line.title)}: {line.notice or 'cannot be had'}")


def _contents(order: Order) -> str:
    return f"{_listed(order.lines)} ({in_words(order.total)})"


def _listed(lines: Sequence[CartLine | OrderLine]) -> str:
    named = ", ".join(f"{line.quantity} x {line.title}" for line in lines[:MOST_NAMED])
    others = len(lines) - MOST_NAMED
    return f"{named} and {others} more" if others > 0 else named


def _title(cart: Cart, product_id: str) -> str:
    return next((fenced(one.title) for one in cart.lines if one.product_id == product_id), "it")
