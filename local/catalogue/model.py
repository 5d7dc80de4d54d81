"""What the sample shop is made of: people, products and the pictures drawn for them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Picture:
    """What to draw: a shape from `pictures.SHAPES`, its main colour and what shows inside it."""

    shape: str
    color: str
    texture: str = ""


@dataclass(frozen=True)
class Product:
    name: str
    pack: str
    price: Decimal
    stock: int
    seller: str
    description: str
    picture: Picture

    @property
    def title(self) -> str:
        return f"{self.name}, {self.pack}"


@dataclass(frozen=True)
class Category:
    slug: str
    name: str
    background: str
    accent: str
    products: tuple[Product, ...]


@dataclass(frozen=True)
class Address:
    street: str
    city: str
    state: str
    zip: str
    country: str
    phone: str


@dataclass(frozen=True)
class Account:
    role: str
    username: str
    email: str
    password: str
    first_name: str
    last_name: str
    address: Address | None = None


@dataclass(frozen=True)
class Catalogue:
    sellers: tuple[Account, ...]
    customers: tuple[Account, ...]
    categories: tuple[Category, ...]

    @property
    def accounts(self) -> tuple[Account, ...]:
        return self.sellers + self.customers

    @property
    def products(self) -> tuple[Product, ...]:
        return tuple(product for category in self.categories for product in category.products)
