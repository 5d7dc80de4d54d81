"""Request bodies, queries and views of products."""

from decimal import Decimal
from typing import Annotated, Any, Self, cast

from pydantic import AliasPath, BeforeValidator, Field, StringConstraints

from product.model import (
    MAX_IMAGES,
    MAX_STOCK,
    Changes,
    Draft,
    Filters,
    Product,
    Selection,
    Sort,
    StockChange,
    category_key,
    invalid_field,
)
from supermarket.field_types import LINE, NUMBER_ONLY, PLAIN_DECIMAL, PLAIN_INTEGER, TEXT
from supermarket.money import Currency, Money
from supermarket.schemas import Body, MoneyView, Page, Timestamp, View


def _none_if_blank(value: Any) -> Any:
    """A blank category means none."""
    return None if isinstance(value, str) and not value.strip() else value


type Title = Annotated[str, StringConstraints(min_length=3, max_length=120), LINE]
type Description = Annotated[str, StringConstraints(max_length=2000), TEXT]
type Amount = Annotated[
    Decimal,
    Field(gt=0, le=Decimal("9999999.99"), decimal_places=2),
    PLAIN_DECIMAL,
    NUMBER_ONLY,
]
type Limit = Annotated[
    Decimal,
    Field(ge=0, le=Decimal("9999999.99"), decimal_places=2),
    PLAIN_DECIMAL,
    NUMBER_ONLY,
]
type ImageId = Annotated[str, StringConstraints(max_length=100)]
type Stock = Annotated[int, Field(ge=0, le=MAX_STOCK), PLAIN_INTEGER]
type Category = Annotated[
    Annotated[str, StringConstraints(max_length=60), LINE] | None,
    BeforeValidator(_none_if_blank),
]
type Threshold = Stock | None


class CreateProductRequest(Body):
    """A new product."""

    title: Title
    description: Description = ""
    price_amount: Amount
    price_currency: Currency = Currency.INR
    stock: Stock = 0
    category: Category = None
    low_stock_threshold: Threshold = None

    def draft(self) -> Draft:
        price = Money.of(self.price_amount, self.price_currency)
        return Draft(price=price, **self.model_dump(exclude={"price_amount", "price_currency"}))


class UpdateProductRequest(Body):
    """Changes of a product: the fields that were sent. Null clears an optional field."""

    # the defaults are not used: fields that were not sent stay unchanged
    title: Title = ""
    description: Description = ""
    price_amount: Amount = Decimal(0)
    price_currency: Currency = Currency.INR
    category: Category = None
    low_stock_threshold: Threshold = None
    remove_images: Annotated[tuple[ImageId, ...], Field(max_length=MAX_IMAGES)] = ()

    def changes(self) -> Changes:
        """Return the changes. Raises Invalid for a currency without an amount, which would change
        the price.
        """
        sent = self.model_fields_set
        if "price_currency" in sent and "price_amount" not in sent:
            raise invalid_field("priceAmount", "is required with priceCurrency")
        unused = set() if self.remove_images else {"remove_images"}
        return cast("Changes", self.model_dump(exclude_unset=True, exclude=unused))


class ChangeStockRequest(Body):
    """Either `set`, the counted stock, or `add`, a difference."""

    set: Stock | None = None
    add: Annotated[int, Field(ge=-MAX_STOCK, le=MAX_STOCK)] | None = None

    def change(self) -> StockChange:
        if (self.set is None) == (self.add is None):
            raise invalid_field("set", "send exactly one of set and add")
        return StockChange(counted=self.set, added=self.add or 0)


class ListProductsQuery(Page):
    """Filters and order of a list. Prices are compared within one currency."""

    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    minprice: Limit | None = None
    maxprice: Limit | None = None
    category: Annotated[str, StringConstraints(strip_whitespace=True, max_length=60)] = ""
    currency: Currency | None = None
    in_stock: bool = False
    sort: Sort = Sort.RELEVANCE

    def selection(self) -> Selection:
        lowest, highest = self._minor(self.minprice), self._minor(self.maxprice)
        if lowest is not None and highest is not None and lowest > highest:
            raise invalid_field("maxprice", "must not be less than minprice")
        filters = Filters(
            category=category_key(self.category or None),
            currency=self.currency or (Currency.INR if self._compares_prices() else None),
            lowest=lowest,
            highest=highest,
            in_stock=self.in_stock,
        )
        # without words the newest products are the most relevant
        sort = Sort.NEWEST if self.sort is Sort.RELEVANCE and not self.q else self.sort
        return Selection(filters, sort, self.q)

    def purpose(self) -> str:
        """The purpose of this list's cursors."""
        return f"products {self.model_dump_json(exclude={'limit', 'cursor'})}"

    def _compares_prices(self) -> bool:
        by_price = self.sort in {Sort.CHEAPEST, Sort.DEAREST}
        return by_price or self.minprice is not None or self.maxprice is not None

    @staticmethod
    def _minor(amount: Decimal | None) -> int | None:
        return None if amount is None else Money.of(amount, Currency.INR).minor


class ImageView(View):
    """A picture and its thumbnail."""

    url: str
    thumbnail: str
    id: str


class ProductView(View):
    """A product as all clients see it."""

    id: str
    title: str
    description: str
    price: MoneyView
    seller: str = Field(validation_alias=AliasPath("seller", "user_id"))
    images: list[ImageView]
    stock: int
    available: bool
    category: str | None
    version: int
    created_at: Timestamp
    updated_at: Timestamp


class OwnProductView(ProductView):
    """A product as its seller sees it: what is on hand, and how much of it is reserved. `onHand` is
    negative when more was shipped than was counted.
    """

    on_hand: int
    reserved: int


class ProductResponse(View):
    """A product."""

    product: ProductView

    @classmethod
    def of(cls, product: Product) -> Self:
        return cls.model_validate({"product": product})


class ProductListResponse(View):
    """A page of products."""

    products: list[ProductView]
    next_cursor: str | None


class OwnProductResponse(View):
    """A product of the caller."""

    product: OwnProductView

    @classmethod
    def of(cls, product: Product) -> Self:
        return cls.model_validate({"product": product})


class OwnProductChangedResponse(View):
    """A changed product with a message."""

    message: str
    product: OwnProductView

    @classmethod
    def of(cls, message: str, product: Product) -> Self:
        return cls.model_validate({"message": message, "product": product})


class OwnProductListResponse(View):
    """A page of the caller's products."""

    products: list[OwnProductView]
    next_cursor: str | None


class MovementView(View):
    """One change of a product's stock: the differences, and the person or order that made it."""

    id: str
    kind: str
    on_hand: int
    reserved: int
    by: str
    at: Timestamp


class StockHistoryResponse(View):
    """A page of movements, newest first."""

    movements: list[MovementView]
    next_cursor: str | None
