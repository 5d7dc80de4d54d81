"""What the assistant can do for a seller: read the books, and ask for what changes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated

from pydantic import Field

from ai_buddy.agent.sanitise import fenced
from ai_buddy.agent.tool import Arguments, NoArguments, Outcome, Tool
from ai_buddy.tools.actions import MAX_STOCK, MarkShipped, SetStock, Tracking
from ai_buddy.tools.ports import Books, Orders, Product, ProductSales, SalesFigures
from ai_buddy.tools.proposals import Proposals
from ai_buddy.tools.results import (
    OrderId,
    ProductId,
    all_in_words,
    in_words,
    lines_told,
    order_ids,
    products_outcome,
    short,
)
from supermarket.caller import Caller
from supermarket.errors import Conflict

LOOKED_AT = 300  # products of a seller, newest first
MOST_TOLD = 10
LOW_STOCK = 5  # where the seller has set no threshold


class Period(Arguments):
    """Days in UTC, both included; the last thirty when they are left out."""

    first: date | None = Field(None, description="YYYY-MM-DD")
    last: date | None = Field(None, description="YYYY-MM-DD")


class OwnProducts(Arguments):
    text: Annotated[str, Field(max_length=100)] = Field("", description="A part of the title")


class LowStock(Arguments):
    at_most: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        None, description="Each product's own threshold when it is left out"
    )


class Counted(Arguments):
    product_id: ProductId
    stock: Annotated[int, Field(ge=0, le=MAX_STOCK)] = Field(description="How many there are")


class Dispatched(Arguments):
    order_id: OrderId
    tracking_number: Tracking | None = None


@dataclass(frozen=True)
class SellerTools:
    """The tools of one seller."""

    caller: Caller
    books: Books
    orders: Orders
    proposals: Proposals = field(default_factory=Proposals, init=False)

    def all(self) -> Sequence[Tool]:
        return (
            Tool("sales_figures", "Units, orders, revenue of a period.", Period, self.figures),
            Tool("top_products", "What sold best in a period.", Period, self.top),
            Tool("slow_products", "Products that hardly ever sold.", NoArguments, self.slow),
            Tool("my_products", "The seller's own products.", OwnProducts, self.products),
            Tool("low_stock", "Products of which few are left.", LowStock, self.low_stock),
            Tool("orders_to_ship", "Paid orders that wait.", NoArguments, self.to_ship),
            Tool(
                "propose_stock",
                "Ask the person to confirm a product's counted stock.",
                Counted,
                self.propose_stock,
            ),
            Tool(
                "propose_shipped",
                "Ask the person to confirm that an order was shipped.",
                Dispatched,
                self.propose_shipped,
            ),
        )

    def figures(self, period: Period) -> Outcome:
        found = self.books.figures(self.caller, period.first, period.last)
        told = {
            "period": _period(found),
            "units_sold": found.units,
            "orders": found.orders,
            "orders_placed": found.placed,
            "revenue": all_in_words(found.revenue),
            "refunds": all_in_words(found.refunds),
            "average_order": all_in_words(found.average_order),
        }
        return Outcome({"figures": told})

    def top(self, period: Period) -> Outcome:
        found = self.books.figures(self.caller, period.first, period.last)
        return _ranking("top_products", found.top, {"period": _period(found)})

    def slow(self, _: NoArguments) -> Outcome:
        sold = self.books.sold(self.caller, LOOKED_AT)
        slowest = sorted(sold, key=lambda product: product.units)[:MOST_TOLD]
        return _ranking("slow_products", slowest, {"period": "ever", **_extent(sold)})

    def products(self, asked: OwnProducts) -> Outcome:
        wanted = asked.text.casefold()
        own = self.books.stock(self.caller, LOOKED_AT)
        return _listed([one for one in own if wanted in one.title.casefold()], own)

    def low_stock(self, asked: LowStock) -> Outcome:
        own = self.books.stock(self.caller, LOOKED_AT)
        low = [one for one in own if one.stock <= _threshold(one, asked.at_most)]
        return _listed(sorted(low, key=lambda product: product.stock), own)

    def to_ship(self, _: NoArguments) -> Outcome:
        waiting = self.books.to_ship(self.caller, MOST_TOLD)
        told = [
            {
                "number": number,
                "id": order.order_id,
                "items": lines_told(order.lines),
                "total": in_words(order.total),
                "ordered_on": order.placed_at.date().isoformat(),
            }
            for number, order in enumerate(waiting, 1)
        ]
        ids = {order.order_id for order in waiting}
        return Outcome({"orders_to_ship": told}, ids=frozenset(ids))

    def propose_stock(self, counted: Counted) -> Outcome:
        product = self.books.product(self.caller, counted.product_id)
        text = f"Set the stock of {product.title} from {product.stock} to {counted.stock}."
        action = SetStock(product_id=product.id, stock=counted.stock)
        return self.proposals.ask(action, text)

    def propose_shipped(self, dispatched: Dispatched) -> Outcome:
        order = self.orders.one(self.caller, dispatched.order_id)
        if order.status != "CONFIRMED":
            raise Conflict(f"An order that is {order.status} cannot be shipped")
        action = MarkShipped(order_id=order.id, tracking_number=dispatched.tracking_number)
        number = dispatched.tracking_number
        under = f" under the tracking number {number}" if number else ""
        text = f"Mark order {short(order.id)} as shipped{under}. Its customer is told."
        outcome = self.proposals.ask(action, text)
        return Outcome(outcome.told, outcome.shown, order_ids(order))


def _listed(chosen: Sequence[Product], own: Sequence[Product]) -> Outcome:
    outcome = products_outcome(chosen)
    return replace(outcome, told={**outcome.told, "found": len(chosen), **_extent(own)})


def _extent(looked_at: Sequence[object]) -> dict[str, str]:
    """What a list is made of, where that is not all there is."""
    newest = f"the newest {LOOKED_AT} products only"
    return {"looked_at": newest} if len(looked_at) == LOOKED_AT else {}


def _period(found: SalesFigures) -> str:
    return f"{found.first.isoformat()} to {found.last.isoformat()}"


def _ranking(name: str, sold: Sequence[ProductSales], more: dict[str, str]) -> Outcome:
    told = [
        {
            "number": number,
            "id": one.product_id,
            "title": fenced(one.title),
            "units_sold": one.units,
            "revenue": all_in_words(one.revenue),
        }
        for number, one in enumerate(sold, 1)
    ]
    return Outcome({**more, name: told}, ids=frozenset(one.product_id for one in sold))


def _threshold(product: Product, at_most: int | None) -> int:
    if at_most is not None:
        return at_most
    return LOW_STOCK if product.low_stock_threshold is None else product.low_stock_threshold
