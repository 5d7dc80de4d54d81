"""Bodies that change a cart, and the view of one."""

from typing import Self

from pydantic import Field

from cart.model import PricedCart, PricedLine
from supermarket.schemas import Body, MoneyView, Timestamp, View


class AddItem(Body):
    """How many more of a product."""

    product_id: str = Field(min_length=1, max_length=64)
    quantity: int = Field(ge=1)


class ChangeItem(Body):
    """How many of an item there shall be."""

    quantity: int = Field(ge=1)


class ImageView(View):
    """A product's first picture."""

    url: str
    thumbnail: str


class ItemView(View):
    """A line of the cart at today's price."""

    product_id: str
    title: str
    image: ImageView | None
    unit_price: MoneyView
    quantity: int
    line_total: MoneyView
    available: bool
    notice: str | None

    @classmethod
    def of(cls, priced: PricedLine) -> Self:
        image = priced.image
        return cls(
            product_id=priced.line.product_id,
            title=priced.title,
            image=ImageView(url=image.url, thumbnail=image.thumbnail) if image else None,
            unit_price=MoneyView.of(priced.unit_price),
            quantity=priced.line.quantity,
            line_total=MoneyView.of(priced.line_total),
            available=priced.available,
            notice=priced.notice,
        )


class CartView(View):
    """The lines of a cart."""

    items: list[ItemView]
    updated_at: Timestamp


class TotalsView(View):
    """Sums over the cart; `price` is what the lines that can be had cost together."""

    item_count: int
    total_quantity: int
    price: MoneyView


class CartAnswer(View):
    """What every route of the cart answers."""

    message: str | None = None
    cart: CartView
    totals: TotalsView

    @classmethod
    def of(cls, priced: PricedCart, message: str | None = None) -> Self:
        return cls(
            message=message,
            cart=CartView(
                items=[ItemView.of(line) for line in priced.lines],
                updated_at=priced.cart.updated_at,
            ),
            totals=TotalsView(
                item_count=len(priced.lines),
                total_quantity=priced.total_quantity,
                price=MoneyView.of(priced.price),
            ),
        )
