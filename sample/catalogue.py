"""The sample shop as data: accounts, categories and products, read from TOML files and checked."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

FOLDER = Path(__file__).parent


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Address(_Frozen):
    """A delivery address in India."""

    street: str
    city: str
    state: str
    zip: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{5}$")]
    country: Literal["IN"]
    phone: str


class Account(_Frozen):
    """A seller or a customer. Sample addresses end in `example.com`, which receives no mail."""

    role: Literal["seller", "user"]
    username: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{3,30}$")]
    email: Annotated[str, StringConstraints(pattern=r"@example\.com$")]
    password: Annotated[str, StringConstraints(min_length=8, max_length=128)]
    first_name: str
    last_name: str
    address: Address | None = None


class Product(_Frozen):
    """A product in one pack size; the price is in rupees, the seller a username."""

    name: str
    pack: str
    price: Annotated[Decimal, Field(gt=0, le=Decimal("9999999.99"), decimal_places=2)]
    stock: Annotated[int, Field(ge=0)]
    seller: str
    description: Annotated[str, StringConstraints(min_length=20, max_length=500)]

    @property
    def title(self) -> str:
        return f"{self.name}, {self.pack}"

    @property
    def picture(self) -> Path:
        """The product's picture: WebP, 640 by 640 pixels."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")
        return FOLDER / "pictures" / f"{slug}.webp"

    @model_validator(mode="after")
    def _check_title(self) -> Self:
        if not 3 <= len(self.title) <= 120:
            raise ValueError(f"a title has 3 to 120 characters: {self.title}")
        return self


class Category(_Frozen):
    """A category of the shop with its products."""

    slug: str
    name: str
    products: tuple[Product, ...]


class Catalogue(_Frozen):
    """The whole sample shop. Titles, descriptions, usernames and emails are unique."""

    sellers: tuple[Account, ...]
    customers: tuple[Account, ...]
    categories: tuple[Category, ...]

    @property
    def accounts(self) -> tuple[Account, ...]:
        return self.sellers + self.customers

    @property
    def products(self) -> tuple[Product, ...]:
        return tuple(product for category in self.categories for product in category.products)

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_unique("title", (product.title for product in self.products))
        _check_unique("description", (product.description for product in self.products))
        _check_unique("username", (account.username for account in self.accounts))
        _check_unique("email", (account.email for account in self.accounts))
        sellers = {seller.username for seller in self.sellers}
        if unknown := {product.seller for product in self.products} - sellers:
            raise ValueError(f"unknown sellers: {', '.join(sorted(unknown))}")
        return self


def _check_unique(field: str, values: Iterable[str]) -> None:
    counts = Counter(value.casefold() for value in values)
    if repeated := [value for value, count in counts.items() if count > 1]:
        raise ValueError(f"{field} used more than once: {'; '.join(repeated)}")


@cache
def read(folder: Path = FOLDER) -> Catalogue:
    """Read the sample shop in a stable order.

    Raises `pydantic.ValidationError` for whatever the shop's API would refuse.
    """
    people = _toml(folder / "accounts.toml")
    categories = sorted((folder / "categories").glob("*.toml"))
    return Catalogue.model_validate(
        {
            "sellers": [{"role": "seller", **row} for row in people["sellers"]],
            "customers": [{"role": "user", **row} for row in people["customers"]],
            "categories": [{"slug": path.stem, **_toml(path)} for path in categories],
        }
    )


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
