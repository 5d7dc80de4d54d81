"""What clients send about products, and what they get to see of them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints

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
)
from supermarket.errors import FieldError, Invalid
from supermarket.money import Currency, Money
from supermarket.schemas import Body, MoneyView, Page, Timestamp, View

# one line of text: no control characters, for it goes into mails, pages and logs
ONE_LINE = r"^[^\x00-\x1f\x7f\u2028\u2029]*$"
NO_CONTROLS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


def _none_if_blank(value: Any) -> Any:
    """A form cannot send null: an empty field stands for it."""
    return None if isinstance(value, str) and not value.strip() else value


type Title = Annotated[str, StringConstraints(min_length=3, max_length=120, pattern=ONE_LINE)]
type Description = Annotated[str, StringConstraints(max_length=2000, pattern=NO_CONTROLS)]
type Amount = Annotated[Decimal, Field(gt=0, le=Decimal("9999999.99"), decimal_places=2)]
type Limit = Annotated[Decimal, Field(ge=0, le=Decimal("9999999.99"), decimal_places=2)]
type ImageId = Annotated[str, StringConstraints(max_length=100)]
type Stock = Annotated[int, Field(ge=0, le=MAX_STOCK)]
type Category = Annotated[
    Annotated[str, StringConstraints(max_length=60, pattern=ONE_LINE)] | None,
    BeforeValidator(_none_if_blank),
]
type Threshold = Annotated[
    Annotated[int, Field(ge=0, le=MAX_STOCK)] | None, BeforeValidator(_none_if_blank)
]


class CreateProduct(Body):
    """A product to be put on sale."""

    title: Title
    description: Description = ""
    price_amount: Amount
    price_currency: Currency = Currency.INR
    stock: Stock = 0
    category: Category = None
    low_stock_threshold: Threshold = None

    def draft(self) -> Draft:
        return Draft(
            title=self.title,
            description=self.description,
            price=Money.of(self.price_amount, self.price_currency),
            stock=self.stock,
            category=self.category,
            low_stock_threshold=self.low_stock_threshold,
        )


class UpdateProduct(Body):
    """What changes of a product: the fields that were sent. Null empties one that may be empty."""

    # the defaults are never used: what was not sent is not changed
    title: Title = ""
    description: Description = ""
    price_amount: Amount = Decimal(0)
    price_currency: Currency = Currency.INR
    stock: Stock = 0
    category: Category = None
    low_stock_threshold: Threshold = None
    remove_images: Annotated[tuple[ImageId, ...], Field(max_length=MAX_IMAGES)] = ()

    def changes(self) -> Changes:
        """Invalid when a currency comes without an amount: the old number would mean another
        price.
        """
        sent = {name: getattr(self, name) for name in self.model_fields_set}
        amount, currency = sent.pop("price_amount", None), sent.pop("price_currency", None)
        if currency is not None and amount is None:
            raise _invalid("priceAmount", "a currency is changed together with the amount")
        return Changes(**sent, amount=amount, currency=currency)


class ChangeStock(Body):
    """Either `set`, what was counted, or `add`, what came (or, below zero, went)."""

    set: Stock | None = None
    add: Annotated[int, Field(ge=-MAX_STOCK, le=MAX_STOCK)] | None = None

    def change(self) -> StockChange:
        if (self.set is None) == (self.add is None):
            raise _invalid("set", "exactly one of set and add is needed")
        return StockChange(counted=self.set, added=self.add or 0)


class ListProducts(Page):
    """Which products, and in which order. Prices are compared within one currency."""

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
            raise _invalid("maxprice", "is less than minprice")
        filters = Filters(
            category=category_key(self.category or None),
            currency=self.currency or (Currency.INR if self._compares_prices() else None),
            lowest=lowest,
            highest=highest,
            in_stock=self.in_stock,
        )
        # without words nothing is more relevant than what is new
        sort = Sort.NEWEST if self.sort is Sort.RELEVANCE and not self.q else self.sort
        return Selection(filters, sort, self.q)

    def purpose(self) -> str:
        """What a cursor of this list is good for: this list."""
        return f"products {self.model_dump_json(exclude={'limit', 'cursor'})}"

    def _compares_prices(self) -> bool:
        by_price = self.sort in {Sort.CHEAPEST, Sort.DEAREST}
        return by_price or self.minprice is not None or self.maxprice is not None

    @staticmethod
    def _minor(amount: Decimal | None) -> int | None:
        return None if amount is None else Money.of(amount, Currency.INR).minor


class ImageView(View):
    """A picture, and a small one of it."""

    url: str
    thumbnail: str
    id: str


class ProductView(View):
    """A product as everybody sees it."""

    id: str
    title: str
    description: str
    price: MoneyView
    seller: str
    images: list[ImageView]
    stock: int
    category: str | None
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, product: Product) -> Self:
        return cls(
            id=product.id,
            title=product.title,
            description=product.description,
            price=MoneyView.of(product.price),
            seller=product.seller.user_id,
            images=[ImageView(**vars(image)) for image in product.images],
            stock=product.stock,
            category=product.category,
            created_at=product.created_at,
            updated_at=product.updated_at,
        )


class ProductAnswer(View):
    """A product alone."""

    product: ProductView

    @classmethod
    def of(cls, product: Product) -> Self:
        return cls(product=ProductView.of(product))


class ProductChanged(View):
    """A product, and what became of it."""

    message: str
    product: ProductView

    @classmethod
    def of(cls, message: str, product: Product) -> Self:
        return cls(message=message, product=ProductView.of(product))


class ProductsAnswer(View):
    """A page of products."""

    products: list[ProductView]
    next_cursor: str | None

    @classmethod
    def of(cls, products: Iterable[Product], next_cursor: str | None) -> Self:
        return cls(
            products=[ProductView.of(product) for product in products], next_cursor=next_cursor
        )


def _invalid(field: str, message: str) -> Invalid:
    return Invalid("The request is not valid", (FieldError(field, message),))
