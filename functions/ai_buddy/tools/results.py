"""What the tools of both roles share: arguments, and results for the model and the person."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from ai_buddy.agent.policies import Policies
from ai_buddy.agent.sanitise import fenced
from ai_buddy.agent.tool import SHOWN_BEFORE, Arguments, NoArguments, Outcome, Shown, Tool
from ai_buddy.model import DisplayedProducts
from ai_buddy.tools.ports import Cart, Order, OrderLine, Product, Wish
from supermarket.clock import iso
from supermarket.money import Currency, Money

SHORT = 160  # of a description in a list
MOST_PRODUCTS = 8

type Id = Annotated[str, Field(min_length=1, max_length=64)]
type Words = Annotated[str, Field(max_length=200)]
type Price = Annotated[float, Field(ge=0, le=9_999_999.99)]
type Quantity = Annotated[int, Field(ge=1, le=99)]
ProductId = Annotated[Id, Field(description="The id of a product, from a list of products")]
OrderId = Annotated[Id, Field(description="The id of an order, from a list of orders")]


class FindProducts(Arguments):
    """Which products are looked for."""

    text: Words = Field("", description="What the product is called, in English, singular")
    category: Annotated[str, Field(max_length=60)] | None = Field(
        None, description="Only when the person names one, such as dairy or spices"
    )
    min_price: Price | None = Field(None, description="In rupees")
    max_price: Price | None = Field(None, description="In rupees")
    in_stock: bool = Field(False, description="Leave out what is sold out")
    cheapest_first: bool = False

    def wish(self) -> Wish:
        return Wish(
            self.text,
            self.category or None,
            _minor(self.min_price),
            _minor(self.max_price),
            self.in_stock,
            self.cheapest_first,
        )


class OneProduct(Arguments):
    product_id: ProductId


class Ask(Arguments):
    question: Annotated[str, Field(min_length=1, max_length=300)] = Field(
        description="What the person wants to know, in English keywords"
    )


def policy_tool(policies: Policies) -> Tool:
    """For everybody."""

    def answer(asked: Ask) -> Outcome:
        found = policies.about(asked.question)
        return Outcome({"passages": [{"title": one.title, "text": one.text} for one in found]})

    return Tool(
        "shop_policy",
        "The shop's rules on delivery, returns, refunds, cancelling, payment and privacy.",
        Ask,
        answer,
    )


def memory_tool(shown: Shown) -> Tool:
    """For everybody: what the person saw last."""

    def recall(_: NoArguments) -> Outcome:
        return Outcome(shown.told(), ids=shown.ids)

    return Tool(
        SHOWN_BEFORE,
        "The products that were shown last, numbered as the person saw them, and the last order.",
        NoArguments,
        recall,
    )


def products_outcome(products: Sequence[Product]) -> Outcome:
    """A list, numbered as it is shown."""
    shown = products[:MOST_PRODUCTS]
    told = [
        {"number": number, **product_told(product, SHORT)}
        for number, product in enumerate(shown, 1)
    ]
    return Outcome(
        {"products": told},
        (DisplayedProducts(tuple(map(product_view, shown))),),
        frozenset(product.id for product in shown),
    )


def product_told(product: Product, longest: int) -> dict[str, Any]:
    return {
        "id": product.id,
        "title": fenced(product.title),
        "price": in_words(product.price),
        "stock": product.stock,
        "category": None if product.category is None else fenced(product.category, 60),
        "description": fenced(product.description, longest),
    }


def product_view(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "title": product.title,
        "price": money_view(product.price),
        "stock": product.stock,
        "category": product.category,
        "image": product.thumbnail,
    }


def cart_outcome(cart: Cart, done: str | None = None) -> Outcome:
    items = [
        {
            "number": number,
            "product_id": line.product_id,
            "title": fenced(line.title),
            "quantity": line.quantity,
            "unit_price": in_words(line.unit_price),
            "line_total": in_words(line.line_total),
            **({} if line.available else {"available": False}),
            **({"notice": line.notice} if line.notice else {}),
        }
        for number, line in enumerate(cart.lines, 1)
    ]
    told = {"cart": {"items": items, "total": in_words(cart.total)}}
    ids = frozenset(line.product_id for line in cart.lines)
    return Outcome({"done": done, **told} if done else told, ids=ids)


def order_told(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "status": order.status,
        "payment": order.payment_status,
        "ordered_on": order.created_at.date().isoformat(),
        "total": in_words(order.total),
        "items": lines_told(order.lines),
    }


def lines_told(lines: Sequence[OrderLine]) -> list[dict[str, Any]]:
    return [{"title": fenced(line.title), "quantity": line.quantity} for line in lines]


def order_view(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "status": order.status,
        "items": [
            {
                "product": line.product_id,
                "title": line.title,
                "quantity": line.quantity,
                "unitPrice": money_view(line.unit_price),
                "lineTotal": money_view(line.line_total),
            }
            for line in order.lines
        ],
        "totalPrice": money_view(order.total),
        "payment": {"status": order.payment_status},
        "trackingNumber": order.tracking_number,
        "timeline": [{"status": step.status, "at": iso(step.at)} for step in order.timeline],
        "createdAt": iso(order.created_at),
    }


def order_ids(order: Order) -> frozenset[str]:
    return frozenset({order.id, *(line.product_id for line in order.lines)})


def money_view(money: Money) -> dict[str, Any]:
    return {"amount": float(money.amount), "currency": money.currency.value}


def in_words(money: Money) -> str:
    return f"{money.amount:.2f} {money.currency}"


def all_in_words(amounts: Sequence[Money]) -> str:
    return " and ".join(map(in_words, amounts)) or in_words(Money.zero(Currency.INR))


def short(order_id: str) -> str:
    """The end of an id, which is what tells two of them apart for a person."""
    return f"…{order_id[-6:]}"


def _minor(amount: float | None) -> int | None:
    return None if amount is None else round(Decimal(str(amount)) * 100)
