"""The tools of a customer: search products, change the cart, read orders, propose the rest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Annotated

from pydantic import Field

from ai_buddy.agent.cart_commands import CartChange, Command, Titles
from ai_buddy.agent.sanitise import MAX_LENGTH, fenced
from ai_buddy.agent.tool import ToolOutcome, tool
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
from ai_buddy.tools.gateways import (
    ADDRESS_CHANGEABLE,
    Cart,
    Checkout,
    Filters,
    Order,
    OrderStatus,
    Product,
    Shop,
    category_key,
)
from ai_buddy.tools.proposals import Proposals
from ai_buddy.tools.results import (
    MAX_PRODUCTS,
    OrderId,
    ProductId,
    cart_outcome,
    numbered,
    order_ids,
    order_outcome,
    order_result,
    product_result,
    products_outcome,
    short_id,
    timeline_view,
)
from supermarket.caller import Caller
from supermarket.errors import Conflict, Invalid, NotFound
from supermarket.money import Currency

MAX_ORDERS = 5
MAX_NAMED_LINES = 5
MAX_QUANTITY = 99
NOT_ON_SALE = "There is no such product; ids come from a list of products"
NOT_IN_CART = "There is no such item in the cart"

type Words = Annotated[str, Field(max_length=200)]
type Category = Annotated[str, Field(max_length=60)]
type Price = Annotated[float, Field(ge=0, le=9_999_999.99)]
type Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
type AddressNumber = Annotated[int, Field(ge=1, le=20)]
NewestOrderId = Annotated[OrderId | None, "The newest order when it is left out"]


class CustomerTools:
    """The tools of one customer, for one question.

    The cart changes at once only by `commands`, which code has read in the person's own words: each
    changes one product, once, which the person named among those `seen` in a list or in the cart.
    After the model has read what sellers write, and for everything else, a change is proposed: the
    person sees it first, whatever a title or a description talked the model into.
    """

    def __init__(
        self,
        caller: Caller,
        shop: Shop,
        checkout: Checkout,
        seen: Titles,
        commands: Sequence[Command],
    ) -> None:
        self._caller = caller
        self._shop = shop
        self._checkout = checkout
        self._seen = seen
        self._commands = list(commands)  # that were not carried out yet
        self._proposals = Proposals()
        self._has_read = False  # what sellers wrote, for this question
        self._changed: set[str] = set()  # products in the cart, at once

    @tool(
        "search_products",
        "Find products by name, category and price. The list is shown to the person.",
    )
    def search(
        self,
        text: Annotated[Words, "What the product is called, in English, singular"] = "",
        category: Annotated[
            Category | None, "Only when the person names one, such as dairy or spices"
        ] = None,
        min_price: Annotated[Price | None, "In rupees"] = None,
        max_price: Annotated[Price | None, "In rupees"] = None,
        in_stock: Annotated[bool, "Leave out what is sold out"] = False,
        cheapest_first: bool = False,
    ) -> ToolOutcome:
        lowest, highest = _minor(min_price), _minor(max_price)
        compares_prices = cheapest_first or (lowest, highest) != (None, None)
        currency = Currency.INR if compares_prices else None
        filters = Filters(category_key(category or None), currency, lowest, highest, in_stock)
        search = partial(self._shop.search, text, limit=MAX_PRODUCTS, cheapest_first=cheapest_first)
        found = search(filters)
        if not found and text and category:
            # sellers name the categories, and the model's guess at one must hide nothing
            found = search(replace(filters, category=None))
        return self._list(found)

    @tool("product_details", "All about one product.")
    def get_product(self, product_id: ProductId) -> ToolOutcome:
        product = self._product(product_id)
        result = {"product": product_result(product, MAX_LENGTH)}
        return replace(self._list([product]), result=result)

    @tool("compare_products", "Two to five products side by side.")
    def compare(
        self, product_ids: Annotated[list[ProductId], Field(min_length=2, max_length=5)]
    ) -> ToolOutcome:
        found = self._shop.find_products(product_ids)
        products = [found[each] for each in dict.fromkeys(product_ids) if each in found]
        if len(products) < 2:
            raise NotFound(NOT_ON_SALE)
        outcome = self._list(products)
        cheapest = min(products, key=lambda product: product.price.minor)
        return replace(outcome, result={**outcome.result, "cheapest": cheapest.id})

    @tool("show_cart", "What is in the cart, and its total.")
    def show_cart(self) -> ToolOutcome:
        return cart_outcome(self._shop.get_cart(self._caller))

    @tool("add_to_cart", "Put more of a product in the cart.")
    def add_item(
        self, product_id: ProductId, quantity: Annotated[Quantity, "How many more"] = 1
    ) -> ToolOutcome:
        if not self._is_commanded(CartChange.ADD, product_id, quantity):
            return self._propose_quantity(product_id, quantity, is_addition=True)
        cart = self._shop.add_item(self._caller, product_id, quantity)
        return cart_outcome(cart, f"added {quantity} of {fenced(_titles(cart)[product_id])}")

    @tool("change_cart_quantity", "Set how many of an item.")
    def change_quantity(
        self, product_id: ProductId, quantity: Annotated[Quantity, "How many there shall be"]
    ) -> ToolOutcome:
        if not self._is_commanded(CartChange.SET, product_id, quantity):
            return self._propose_quantity(product_id, quantity, is_addition=False)
        cart = self._shop.change_quantity(self._caller, product_id, quantity)
        return cart_outcome(cart, f"now {quantity} of {fenced(_titles(cart)[product_id])}")

    @tool("remove_from_cart", "Take an item out of the cart.")
    def remove_item(self, product_id: ProductId) -> ToolOutcome:
        if self._is_commanded(CartChange.REMOVE, product_id, 0):
            return cart_outcome(self._shop.remove_item(self._caller, product_id), "removed")
        titles = _titles(self._shop.get_cart(self._caller))
        if product_id not in titles:
            raise NotFound(NOT_IN_CART)
        text = f"Take {titles[product_id]} out of your cart."
        return self._proposals.add(TakeFromCart(product_id=product_id), text)

    @tool("list_my_orders", "The newest orders.")
    def list_orders(
        self, status: Annotated[OrderStatus | None, "Only the orders in this state"] = None
    ) -> ToolOutcome:
        orders = self._shop.list_orders(self._caller, status, MAX_ORDERS)
        self._has_read |= bool(orders)
        ids = frozenset().union(*map(order_ids, orders))
        return ToolOutcome({"orders": numbered([*map(order_result, orders)])}, ids=ids)

    @tool("order_status", "State, payment and contents of an order.")
    def get_order(self, order_id: NewestOrderId = None) -> ToolOutcome:
        order = self._order(order_id)
        address = fenced(str(order.shipping_address))
        more = {"delivered_to": address, "can_be_cancelled": order.can_be_cancelled}
        return order_outcome("order", order_result(order) | more, order)

    @tool("track_order", "Where an order is by now.")
    def track_order(self, order_id: NewestOrderId = None) -> ToolOutcome:
        order = self._order(order_id)
        result = {"id": order.id, "status": order.status, "timeline": timeline_view(order)}
        return order_outcome("tracking", result, order)

    @tool("propose_order", "Ask the person to confirm that all in the cart is ordered.")
    def propose_order(
        self,
        address_number: Annotated[
            AddressNumber | None, "Number of a saved address; the default one when it is left out"
        ] = None,
    ) -> ToolOutcome:
        cart = self._shop.get_cart(self._caller)
        _require_orderable(cart)
        address_id, address = self._checkout.find_address(self._caller, address_number)
        contents = _list_items((each.line.quantity, each.title) for each in cart.lines)
        total = self._checkout.charge(cart.price)
        text = f"Order {contents} for {total}, taxes and delivery included, to {address}."
        return self._proposals.add(PlaceOrder.of(cart, address_id), text)

    @tool("propose_cancellation", "Ask the person to confirm that an order is cancelled.")
    def propose_cancellation(self, order_id: NewestOrderId = None) -> ToolOutcome:
        order = self._order(order_id)
        if not order.can_be_cancelled:
            raise Conflict(f"An order that is {order.status} cannot be cancelled")
        contents = _list_items((line.quantity, line.title) for line in order.lines)
        total = order.pricing.total
        text = f"Cancel your order {short_id(order.id)} of {contents} ({total})."
        if order.payment_status == "COMPLETED":
            text += f" The {total} you paid will be refunded."
        return self._proposals.add(CancelOrder(order_id=order.id), text)

    @tool(
        "propose_address_change",
        "Ask the person to confirm another delivery address of an order."
        " Fields that stay the same are left out.",
    )
    def propose_address_change(
        self,
        order_id: NewestOrderId = None,
        street: Line | None = None,
        city: Line | None = None,
        state: Line | None = None,
        zip: Zip | None = None,  # noqa: A002 - the model's name for it
        country: Country | None = None,
    ) -> ToolOutcome:
        parts = {"street": street, "city": city, "state": state, "zip": zip, "country": country}
        changes = {name: value for name, value in parts.items() if value is not None}
        if not changes:
            raise Invalid("Say which part of the address changes")
        order = self._order(order_id)
        if order.status not in ADDRESS_CHANGEABLE:
            raise Conflict(f"The address of an order that is {order.status} cannot be changed")
        address = ", ".join(f"{name}: {value}" for name, value in changes.items())
        text = f"Change the delivery address of your order {short_id(order.id)} to {address}."
        return self._proposals.add(RedirectOrder(order_id=order.id, **changes), text)

    def _is_commanded(self, change: CartChange, product_id: str, quantity: int) -> bool:
        """Whether a command allows this change at once; the command is used up then."""
        if self._has_read or product_id in self._changed:
            return False
        for command in self._commands:
            if command.matches_action(change, quantity) and any(
                command.matches_product(product_id, titles) for titles in self._lists(command)
            ):
                self._commands.remove(command)
                self._changed.add(product_id)
                return True
        return False

    def _lists(self, command: Command) -> Iterator[Titles]:
        """The lists that a command may refer to; the cart where it speaks of an item in there."""
        yield self._seen
        if command.is_more or command.change is not CartChange.ADD:
            yield _titles(self._shop.get_cart(self._caller))

    def _list(self, products: Sequence[Product]) -> ToolOutcome:
        self._has_read |= bool(products)
        return products_outcome(products)

    def _propose_quantity(
        self, product_id: str, quantity: int, *, is_addition: bool
    ) -> ToolOutcome:
        product = self._product(product_id)
        present = self._shop.get_cart(self._caller).cart.quantity_of(product_id)
        if not present and not is_addition:
            raise NotFound(NOT_IN_CART)
        total = quantity + (present if is_addition else 0)
        available = min(product.stock, MAX_QUANTITY)
        if total > available:
            raise Conflict(f"Only {available} can be had")
        text = f"Put {total} x {product.title} in your cart, at {product.price} each."
        return self._proposals.add(PutInCart(product_id=product.id, quantity=total), text)

    def _product(self, product_id: str) -> Product:
        product = self._shop.find_products([product_id]).get(product_id)
        if product is None:
            raise NotFound(NOT_ON_SALE)
        return product

    def _order(self, order_id: str | None) -> Order:
        if order_id is not None:
            order = self._shop.get_order(self._caller, order_id)
        elif newest := self._shop.list_orders(self._caller, None, 1):
            [order] = newest
        else:
            raise NotFound("There are no orders yet")
        self._has_read = True
        return order


def _require_orderable(cart: Cart) -> None:
    if not cart.lines:
        raise Conflict("The cart is empty")
    for line in cart.lines:
        if not line.available or line.notice:
            raise Conflict(f"{fenced(line.title)}: {line.notice or 'cannot be had'}")


def _list_items(items: Iterable[tuple[int, str]]) -> str:
    named = [f"{quantity} x {title}" for quantity, title in items]
    others = len(named) - MAX_NAMED_LINES
    listed = ", ".join(named[:MAX_NAMED_LINES])
    return f"{listed} and {others} more" if others > 0 else listed


def _titles(cart: Cart) -> Titles:
    return {each.line.product_id: each.title for each in cart.lines}


def _minor(rupees: float | None) -> int | None:
    return None if rupees is None else round(Decimal(str(rupees)) * 100)
