"""The sample shop as data."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from sample import read
from sample.catalogue import FOLDER, Catalogue, Product

SAMPLE = read()


def test_there_are_at_least_240_products_in_12_categories() -> None:
    assert len(SAMPLE.products) >= 240
    assert len(SAMPLE.categories) == 12
    assert all(len(category.products) >= 20 for category in SAMPLE.categories)


def test_most_products_are_in_stock_some_are_low_and_some_are_sold_out() -> None:
    stocks = [product.stock for product in SAMPLE.products]
    assert min(stocks) == 0
    assert 3 <= sum(stock == 0 for stock in stocks) <= 20
    assert 3 <= sum(0 < stock <= 6 for stock in stocks) <= 20


def test_three_sellers_share_the_products_and_every_category_has_at_least_two_sellers() -> None:
    shares = Counter(product.seller for product in SAMPLE.products)
    assert set(shares) == {seller.username for seller in SAMPLE.sellers}
    assert len(shares) == 3
    assert min(shares.values()) >= 50
    for category in SAMPLE.categories:
        assert len({product.seller for product in category.products}) >= 2


def test_the_accounts_are_three_sellers_and_three_customers_with_addresses() -> None:
    assert [account.role for account in SAMPLE.accounts] == ["seller"] * 3 + ["user"] * 3
    assert all(customer.address for customer in SAMPLE.customers)


def test_every_product_has_a_picture_of_640_pixels_and_all_pictures_are_at_most_3_mb() -> None:
    pictures = {product.picture for product in SAMPLE.products}
    assert len(pictures) == len(SAMPLE.products)
    assert pictures == set((FOLDER / "pictures").iterdir())
    for path in pictures:
        assert 2_000 < path.stat().st_size < 20_000, path
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("WEBP", (640, 640)), path
    assert sum(path.stat().st_size for path in pictures) <= 3_000_000


def changed_product(**changes: Any) -> Product:
    return Product.model_validate({**SAMPLE.products[0].model_dump(), **changes})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": "x" * 121}, "3 to 120"),
        ({"description": "x" * 501}, "at most 500"),
        ({"description": ""}, "at least 20"),
        ({"price": Decimal(0)}, "greater than 0"),
        ({"price": Decimal("1.005")}, "2 decimal places"),
        ({"price": Decimal(10_000_000)}, "9999999.99"),
        ({"stock": -1}, "greater than or equal to 0"),
    ],
)
def test_a_product_that_the_api_would_refuse_is_refused(
    changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValidationError, match=fault):
        changed_product(**changes)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"username": "a b"}, "username"),
        ({"email": "asha@example.org"}, "email"),
        ({"password": "short"}, "password"),
        ({"address": {"zip": "012345"}}, "address.zip"),
    ],
)
def test_an_account_that_the_api_would_refuse_is_refused(
    changes: dict[str, Any], fault: str
) -> None:
    account = SAMPLE.customers[0]
    with pytest.raises(ValidationError, match=fault):
        type(account).model_validate({**account.model_dump(), **changes})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"seller": "ghost"}, "unknown sellers: ghost"),
        ({"name": SAMPLE.products[1].name, "pack": SAMPLE.products[1].pack}, "title used more"),
        ({"description": SAMPLE.products[1].description}, "description used more than once"),
    ],
)
def test_a_catalogue_with_an_unknown_seller_or_a_repetition_is_refused(
    changes: dict[str, Any], fault: str
) -> None:
    whole = SAMPLE.model_dump()
    whole["categories"][0]["products"][0].update(changes)
    with pytest.raises(ValidationError, match=fault):
        Catalogue.model_validate(whole)


@given(st.decimals(min_value="0.01", max_value="9999999.99", places=2))
def test_every_price_of_the_contract_is_accepted(price: Decimal) -> None:
    assert changed_product(price=price).price == price


def test_bad_sample_data_is_refused_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "accounts.toml").write_text("sellers = []\ncustomers = []")
    (tmp_path / "categories").mkdir()
    (tmp_path / "categories" / "odd.toml").write_text(
        'name = "Odd"\n[[products]]\nname = "Thing"\npack = "1 kg"\nprice = -1.00\nstock = 1\n'
        'seller = "ghost"\ndescription = "Long enough for a description."\n'
    )
    with pytest.raises(ValidationError, match=r"categories.0.products.0.price"):
        read(tmp_path)
