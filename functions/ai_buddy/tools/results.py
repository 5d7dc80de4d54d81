"""The shop's products, carts and orders as the model reads them and as the person sees them."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from ai_buddy.agent.sanitise import fenced
from ai_buddy.agent.tool import ToolOutcome
from ai_buddy.model import DisplayedItems
from ai_buddy.tools.gateways import Cart, Order, OrderLine, Product
from supermarket.clock import iso
from supermarket.days import day_of
from supermarket.money import Currency, Money

SHORT_DESCRIPTION = 160  # characters, in a list
MAX_PRODUCTS = 8

type Id = Annotated[str, Field(min_length=1, max_length=64)]
ProductId = Annotated[Id, Field(description="The id of a product, from a list of products")]
OrderId = Annotated[Id, Field(description="The id of an order, from a list of orders")]


def products_outcome(products: Sequence[Product]) -> ToolOutcome:
    """A list of products, numbered as the person sees it."""
    listed = products[:MAX_PRODUCTS]
    result = numbered([product_result(product, SHORT_DESCRIPTION) for product in listed])
    displayed = DisplayedItems(products=tuple(map(_product_view, listed)))
    ids = frozenset(product.id for product in listed)
    return ToolOutcome({"products": result}, displayed, ids)


def product_result(product: Product, length: int) -> dict[str, Any]:
    return {
        "id": product.id,
        "title": fenced(product.title),
        "price": str(product.price),
        "stock": product.stock,
        "category": None if product.category is None else fenced(product.category, 60),
        "description": fenced(product.description, length),
    }


def _product_view(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "title": product.title,
        "price": _money_view(product.price),
        "stock": product.stock,
        "category": product.category,
        "image": product.images[0].thumbnail if product.images else None,
    }


def cart_outcome(cart: Cart, done: str | None = None) -> ToolOutcome:
    items = [
        {
            "product_id": each.line.product_id,
            "title": fenced(each.title),
            "quantity": each.line.quantity,
            "unit_price": str(each.unit_price),
            "line_total": str(each.line_total),
            **({} if each.available else {"available": False}),
            **({"notice": each.notice} if each.notice else {}),
        }
        for each in cart.lines
    ]
    result = {"cart": {"items": numbered(items), "total": str(cart.price)}}
    ids = frozenset(each.line.product_id for each in cart.lines)
    return ToolOutcome({"done": done, **result} if done else result, ids=ids)


def order_outcome(name: str, result: dict[str, Any], order: Order) -> ToolOutcome:
    """A result about one order, which is displayed."""
    number = order.tracking_number and fenced(order.tracking_number, 60)
    displayed = DisplayedItems(order=_order_view(order))
    return ToolOutcome({name: {**result, "tracking_number": number}}, displayed, order_ids(order))


def order_result(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "status": order.status,
        "payment": order.payment_status,
        "ordered_on": day_of(order.created_at).isoformat(),
        "total": str(order.pricing.total),
        "items": lines_result(order.lines),
    }


def lines_result(lines: Sequence[OrderLine]) -> list[dict[str, Any]]:
    return [{"title": fenced(line.title), "quantity": line.quantity} for line in lines]


def timeline_view(order: Order) -> list[dict[str, str]]:
    return [{"status": step.status, "at": iso(step.at)} for step in order.timeline]


def _order_view(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "status": order.status,
        "items": [
            {
                "product": line.product_id,
                "title": line.title,
                "quantity": line.quantity,
                "unitPrice": _money_view(line.unit_price),
                "lineTotal": _money_view(line.line_total),
            }
            for line in order.lines
        ],
        "totalPrice": _money_view(order.pricing.total),
        "payment": {"status": order.payment_status},
        "trackingNumber": order.tracking_number,
        "timeline": timeline_view(order),
        "createdAt": iso(order.created_at),
    }


def order_ids(order: Order) -> frozenset[str]:
    return frozenset({order.id, *(line.product_id for line in order.lines)})


def numbered(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"number": number, **result} for number, result in enumerate(results, 1)]


def _money_view(money: Money) -> dict[str, Any]:
    return {"amount": float(money.amount), "currency": money.currency.value}


def amounts_text(amounts: Sequence[Money]) -> str:
    """Amounts of several currencies; `0.00 INR` without any."""
    return " and ".join(map(str, amounts)) or str(Money.zero(Currency.INR))


def short_id(order_id: str) -> str:
    """The end of an id, by which a person can tell two orders apart."""
    return f"…{order_id[-6:]}"
