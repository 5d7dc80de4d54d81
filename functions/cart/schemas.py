"""Request bodies and the response of the cart."""

from typing import Self

from pydantic import AliasPath, Field

from cart.model import PricedCart
from supermarket.schemas import Body, MoneyView, Timestamp, View


class AddItemRequest(Body):
    """How many of a product to add."""

    product_id: str = Field(min_length=1, max_length=64)
    quantity: int = Field(ge=1)


class ChangeItemRequest(Body):
    """The new quantity of a product."""

    quantity: int = Field(ge=1)


class ImageView(View):
    """A product's first picture."""

    url: str
    thumbnail: str


class ItemView(View):
    """A line of the cart at today's price."""

    product_id: str = Field(validation_alias=AliasPath("line", "product_id"))
    title: str
    image: ImageView | None
    unit_price: MoneyView
    quantity: int = Field(validation_alias=AliasPath("line", "quantity"))
    line_total: MoneyView
    available: bool
    notice: str | None


class CartView(View):
    """The lines of a cart."""

    items: list[ItemView] = Field(validation_alias="lines")
    updated_at: Timestamp = Field(validation_alias=AliasPath("cart", "updated_at"))


class TotalsView(View):
    """Sums over the cart; `price` is the sum of the lines that can be ordered."""

    item_count: int
    total_quantity: int
    price: MoneyView


class CartResponse(View):
    """The cart and its totals."""

    message: str | None = None
    cart: CartView
    totals: TotalsView

    @classmethod
    def of(cls, priced: PricedCart, message: str | None = None) -> Self:
        return cls.model_validate({"message": message, "cart": priced, "totals": priced})
