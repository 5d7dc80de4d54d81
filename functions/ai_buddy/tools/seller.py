"""The tools of a seller: read figures, products and orders, and propose changes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from ai_buddy.agent.sanitise import fenced
from ai_buddy.agent.tool import ToolOutcome, tool
from ai_buddy.tools.actions import (
    MAX_STOCK,
    MarkShipped,
    SetStock,
    TrackingNumber,
    reserved_text,
)
from ai_buddy.tools.gateways import OrderStatus, Product, ProductSales, SellerMetrics, Shop
from ai_buddy.tools.proposals import Proposals
from ai_buddy.tools.results import (
    OrderId,
    ProductId,
    amounts_text,
    lines_result,
    numbered,
    order_ids,
    products_outcome,
    short_id,
)
from supermarket.caller import Caller
from supermarket.errors import Conflict

MAX_SCANNED = 300  # products of a seller, newest first
MAX_RESULTS = 10
LOW_STOCK = 5  # without a threshold of the seller
PERIOD = " Days of the shop, both included; the last thirty when they are left out."

Day = Annotated[date | None, "YYYY-MM-DD"]
type TitlePart = Annotated[str, Field(max_length=100)]
type Threshold = Annotated[int, Field(ge=0, le=10_000)]
type Stock = Annotated[int, Field(ge=0, le=MAX_STOCK)]


class SellerTools:
    """The tools of one seller."""

    def __init__(self, caller: Caller, shop: Shop, metrics: SellerMetrics) -> None:
        self._caller = caller
        self._shop = shop
        self._metrics = metrics
        self._proposals = Proposals()

    @tool("sales_figures", f"Units, orders, revenue of a period.{PERIOD}")
    def get_metrics(self, first: Day = None, last: Day = None) -> ToolOutcome:
        period, found = self._metrics.get_metrics(self._caller, first, last)
        result = {
            "period": period,
            "units_sold": found.units,
            "orders": found.orders,
            "orders_placed": found.placed,
            "revenue": amounts_text(found.revenue),
            "refunds": amounts_text(found.refunds),
            "average_order": amounts_text(found.average_order_value),
        }
        return ToolOutcome({"figures": result})

    @tool("top_products", f"What sold best in a period.{PERIOD}")
    def list_top_products(self, first: Day = None, last: Day = None) -> ToolOutcome:
        period, found = self._metrics.get_metrics(self._caller, first, last)
        return _ranking("top_products", found.top_products, {"period": period})

    @tool("slow_products", "Products that hardly ever sold.")
    def list_slow_products(self) -> ToolOutcome:
        sold = self._metrics.list_product_sales(self._caller, MAX_SCANNED)
        slowest = sorted(sold, key=lambda product: product.units)[:MAX_RESULTS]
        return _ranking("slow_products", slowest, {"period": "ever", **_scope(sold)})

    @tool("my_products", "The seller's own products.")
    def list_products(self, text: Annotated[TitlePart, "A part of the title"] = "") -> ToolOutcome:
        wanted = text.casefold()
        own = self._metrics.list_products(self._caller, MAX_SCANNED)
        return _list([each for each in own if wanted in each.title.casefold()], own)

    @tool("low_stock", "Products of which few are left.")
    def list_low_stock(
        self,
        at_most: Annotated[
            Threshold | None, "Each product's own threshold when it is left out"
        ] = None,
    ) -> ToolOutcome:
        own = self._metrics.list_products(self._caller, MAX_SCANNED)
        low = [each for each in own if each.stock <= _threshold(each, at_most)]
        return _list(sorted(low, key=lambda product: product.stock), own)

    @tool("orders_to_ship", "Paid orders that wait.")
    def list_orders_to_ship(self) -> ToolOutcome:
        orders = self._metrics.list_orders_to_ship(self._caller, MAX_RESULTS)
        results = [
            {
                "id": order.order_id,
                "items": lines_result(order.lines),
                "total": str(order.total),
                "ordered_on": order.day.isoformat(),
            }
            for order in orders
        ]
        ids = frozenset(order.order_id for order in orders)
        return ToolOutcome({"orders_to_ship": numbered(results)}, ids=ids)

    @tool("propose_stock", "Ask the person to confirm a count of a product's stock on hand.")
    def propose_stock(
        self,
        product_id: ProductId,
        stock: Annotated[Stock, "How many are on hand, with those reserved"],
    ) -> ToolOutcome:
        product = self._metrics.get_product(self._caller, product_id)
        text = f"Set the stock on hand of {product.title} from {product.on_hand} to {stock}."
        text += reserved_text(product)
        return self._proposals.add(SetStock(product_id=product.id, stock=stock), text)

    @tool("propose_shipped", "Ask the person to confirm that an order was shipped.")
    def propose_shipped(
        self, order_id: OrderId, tracking_number: TrackingNumber | None = None
    ) -> ToolOutcome:
        order = self._shop.get_order(self._caller, order_id)
        if order.status is not OrderStatus.CONFIRMED:
            raise Conflict(f"An order that is {order.status} cannot be shipped")
        action = MarkShipped(order_id=order.id, tracking_number=tracking_number)
        number = f" under the tracking number {tracking_number}" if tracking_number else ""
        text = f"Mark order {short_id(order.id)} as shipped{number}. Its customer is notified."
        return replace(self._proposals.add(action, text), ids=order_ids(order))


def _list(products: Sequence[Product], own: Sequence[Product]) -> ToolOutcome:
    outcome = products_outcome(products)
    results = [
        {**result, "on_hand": product.on_hand, "reserved": product.reserved}
        for result, product in zip(outcome.result["products"], products, strict=False)
    ]
    more = {"products": results, "found": len(products), **_scope(own)}
    return replace(outcome, result={**outcome.result, **more})


def _scope(scanned: Sequence[object]) -> dict[str, str]:
    """Which products a list was chosen from, when it may not be all."""
    newest = f"the newest {MAX_SCANNED} products only"
    return {"scope": newest} if len(scanned) == MAX_SCANNED else {}


def _ranking(name: str, sold: Sequence[ProductSales], more: dict[str, Any]) -> ToolOutcome:
    results = [
        {
            "id": each.product_id,
            "title": fenced(each.title),
            "units_sold": each.units,
            "revenue": amounts_text(each.revenue),
        }
        for each in sold
    ]
    ids = frozenset(each.product_id for each in sold)
    return ToolOutcome({**more, name: numbered(results)}, ids=ids)


def _threshold(product: Product, at_most: int | None) -> int:
    if at_most is not None:
        return at_most
    return LOW_STOCK if product.low_stock_threshold is None else product.low_stock_threshold
