"""Reads the sample shop from the TOML files in `data/` and refuses what the API would refuse."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from local.catalogue.model import Account, Address, Catalogue, Category, Picture, Product

DATA = Path(__file__).parent / "data"
HIGHEST_PRICE = Decimal("9999999.99")
USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,30}")
COLOR = re.compile(r"#[0-9a-f]{6}")


class BadSample(ValueError):
    """The sample data breaks the contract; the message lists every fault."""


@cache
def read(folder: Path = DATA) -> Catalogue:
    """The whole sample shop, in a stable order."""
    people = _toml(folder / "accounts.toml")
    catalogue = Catalogue(
        sellers=tuple(_account("seller", row) for row in people["sellers"]),
        customers=tuple(_account("user", row) for row in people["customers"]),
        categories=tuple(map(_category, sorted((folder / "categories").glob("*.toml")))),
    )
    if found := list(faults(catalogue)):
        raise BadSample("\n".join(found))
    return catalogue


def faults(catalogue: Catalogue) -> Iterator[str]:
    """Everything in the catalogue that the API's contract would not accept."""
    sellers = {seller.username for seller in catalogue.sellers}
    for account in catalogue.accounts:
        yield from (f"{account.username}: {fault}" for fault in _account_faults(account))
    for product in catalogue.products:
        yield from (f"{product.title}: {fault}" for fault in _product_faults(product, sellers))
    yield from _repeated("title", (product.title for product in catalogue.products))
    yield from _repeated("description", (product.description for product in catalogue.products))
    yield from _repeated("username", (account.username for account in catalogue.accounts))
    yield from _repeated("email", (account.email for account in catalogue.accounts))


def _account_faults(account: Account) -> Iterator[str]:
    if not USERNAME.fullmatch(account.username):
        yield "a username is 3 to 30 of A-Z a-z 0-9 _ . -"
    if not account.email.endswith("@example.com"):
        yield "a sample address ends in @example.com, where no mail can arrive"
    if not 8 <= len(account.password) <= 128:
        yield "a password has 8 to 128 characters"
    if account.address and not re.fullmatch(r"[1-9]\d{5}", account.address.zip):
        yield "an Indian pincode has 6 digits"


def _product_faults(product: Product, sellers: set[str]) -> Iterator[str]:
    if not 3 <= len(product.title) <= 120:
        yield "a title has 3 to 120 characters"
    if not 1 <= len(product.description) <= 500:
        yield "a description has 1 to 500 characters"
    if not 0 < product.price <= HIGHEST_PRICE or product.price != round(product.price, 2):
        yield f"a price is above 0, at most {HIGHEST_PRICE}, with two decimals at most"
    if product.stock < 0:
        yield "stock is 0 or more"
    if product.seller not in sellers:
        yield f"no seller is called {product.seller}"
    if not COLOR.fullmatch(product.picture.color):
        yield "a colour is written #rrggbb"


def _repeated(what: str, values: Iterable[str]) -> Iterator[str]:
    counted = Counter(value.casefold() for value in values)
    return (f"{what} used {count} times: {value}" for value, count in counted.items() if count > 1)


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def _category(path: Path) -> Category:
    row = _toml(path)
    products = tuple(_product(product) for product in row.pop("products"))
    return Category(slug=path.stem, products=products, **row)


def _product(row: dict[str, Any]) -> Product:
    return Product(**row | {"price": Decimal(row["price"]), "picture": Picture(**row["picture"])})


def _account(role: str, row: dict[str, Any]) -> Account:
    return Account(
        role=role,
        username=row["username"],
        email=row["email"],
        password=row["password"],
        first_name=row["firstName"],
        last_name=row["lastName"],
        address=Address(**row["address"]) if "address" in row else None,
    )
