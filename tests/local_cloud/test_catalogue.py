"""The sample shop: what it holds, and how it gets into a running shop."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from starlette.applications import Starlette

from local.catalogue import Loaded, load, read
from local.catalogue.model import Catalogue, Category
from local.catalogue.sample import BadSample, faults
from local.client import UnexpectedAnswer
from support.fake_shop import FakeShop

Serve = Callable[[Starlette, str], str]
LoadSmall = Callable[..., Loaded]

SAMPLE = read()


def test_there_are_at_least_240_products_in_12_categories() -> None:
    assert len(SAMPLE.products) >= 240
    assert len(SAMPLE.categories) == 12
    assert all(len(category.products) >= 20 for category in SAMPLE.categories)


def test_no_two_products_share_a_title_or_a_description() -> None:
    assert len({product.title.casefold() for product in SAMPLE.products}) == len(SAMPLE.products)
    assert len({product.description for product in SAMPLE.products}) == len(SAMPLE.products)


@pytest.mark.parametrize("category", SAMPLE.categories, ids=lambda category: category.slug)
def test_every_product_keeps_to_the_contract(category: Category) -> None:
    for product in category.products:
        assert 3 <= len(product.title) <= 120, product
        assert 20 <= len(product.description) <= 500, product
        assert Decimal(0) < product.price <= Decimal("9999999.99"), product
        assert product.price == product.price.quantize(Decimal("0.01")), product


def test_most_products_are_in_stock_some_are_low_and_some_are_sold_out() -> None:
    stocks = [product.stock for product in SAMPLE.products]
    assert min(stocks) == 0
    assert 3 <= sum(stock == 0 for stock in stocks) <= 20
    assert 3 <= sum(0 < stock <= 6 for stock in stocks) <= 20


def test_three_sellers_share_the_shelves_and_every_category_has_at_least_two() -> None:
    shares = Counter(product.seller for product in SAMPLE.products)
    assert set(shares) == {seller.username for seller in SAMPLE.sellers}
    assert len(shares) == 3
    assert min(shares.values()) >= 50
    for category in SAMPLE.categories:
        assert len({product.seller for product in category.products}) >= 2


def test_the_accounts_are_three_sellers_and_three_customers_with_addresses() -> None:
    assert [account.role for account in SAMPLE.accounts] == ["seller"] * 3 + ["user"] * 3
    assert all(8 <= len(account.password) <= 128 for account in SAMPLE.accounts)
    assert all(account.email.endswith("@example.com") for account in SAMPLE.accounts)
    assert all(customer.address for customer in SAMPLE.customers)


def test_the_sample_data_has_no_fault() -> None:
    assert list(faults(SAMPLE)) == []


def with_first_product(**changes: Any) -> Catalogue:
    first, *rest = SAMPLE.categories
    product, *others = first.products
    changed = replace(first, products=(replace(product, **changes), *others))
    return replace(SAMPLE, categories=(changed, *rest))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": "x" * 121}, "3 to 120"),
        ({"description": "x" * 501}, "1 to 500"),
        ({"description": ""}, "1 to 500"),
        ({"price": Decimal(0)}, "above 0"),
        ({"price": Decimal("1.005")}, "two decimals"),
        ({"price": Decimal(10_000_000)}, "9999999.99"),
        ({"stock": -1}, "0 or more"),
        ({"seller": "nobody"}, "nobody"),
        ({"name": SAMPLE.products[1].name, "pack": SAMPLE.products[1].pack}, "title used 2 times"),
    ],
)
def test_a_product_the_api_would_refuse_is_named(changes: dict[str, Any], fault: str) -> None:
    assert any(fault in found for found in faults(with_first_product(**changes)))


@given(st.decimals(min_value="0.01", max_value="9999999.99", places=2))
def test_every_price_of_the_contract_is_accepted(price: Decimal) -> None:
    assert list(faults(with_first_product(price=price))) == []


def test_bad_sample_data_is_refused_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "accounts.toml").write_text("sellers = []\ncustomers = []")
    (tmp_path / "categories").mkdir()
    (tmp_path / "categories" / "odd.toml").write_text(
        'name = "Odd"\nbackground = "#ffffff"\naccent = "#000000"\n[[products]]\n'
        'name = "Thing"\npack = "1 kg"\nprice = -1.00\nstock = 1\nseller = "ghost"\n'
        'description = "Odd."\npicture = { shape = "jar", color = "#ffffff" }\n'
    )
    with pytest.raises(BadSample, match=r"Thing, 1 kg: a price(.|\n)*ghost"):
        read(tmp_path)


# --- loading ---


@pytest.fixture
def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture
def address(shop: FakeShop, serve: Serve) -> str:
    return serve(shop.app(), "/shop")


def some_of(category: Category, number: int) -> Category:
    return replace(category, products=category.products[:number])


SMALL = replace(SAMPLE, categories=tuple(some_of(category, 2) for category in SAMPLE.categories))


@pytest.fixture(scope="module")
def kept_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture
def load_small(address: str, kept_pictures: Path) -> LoadSmall:
    def load_it(**options: Any) -> Loaded:
        quiet = Progress(console=Console(file=io.StringIO()))
        return load(address, quiet, catalogue=SMALL, kept_pictures=kept_pictures, **options)

    return load_it


def test_loading_makes_accounts_addresses_and_products(
    shop: FakeShop, load_small: LoadSmall
) -> None:
    assert load_small() == Loaded(6, 24, 0)
    assert len(shop.users) == 6
    assert [len(addresses) for addresses in shop.addresses.values()] == [1, 1, 1]
    listed = {
        (product["title"], Decimal(str(product["price"]["amount"])), product["stock"])
        for product in shop.products.values()
    }
    assert listed == {(p.title, p.price, p.stock) for p in SMALL.products}


def test_each_product_is_offered_by_its_own_seller(shop: FakeShop, load_small: LoadSmall) -> None:
    load_small()
    names = {known["user"]["id"]: known["user"]["username"] for known in shop.users.values()}
    offered = {product["title"]: names[product["seller"]] for product in shop.products.values()}
    assert offered == {product.title: product.seller for product in SMALL.products}


def test_each_product_comes_with_its_picture(
    shop: FakeShop, load_small: LoadSmall, kept_pictures: Path
) -> None:
    load_small()
    assert set(shop.pictures) == set(shop.products)
    with Image.open(io.BytesIO(next(iter(shop.pictures.values())))) as picture:
        assert picture.size == (640, 640)
    assert len(list(kept_pictures.glob("*.jpg"))) == len(SMALL.products)


def test_a_second_run_makes_nothing_twice(shop: FakeShop, load_small: LoadSmall) -> None:
    load_small()
    assert load_small() == Loaded(0, 0, 24)
    assert len(shop.products) == 24
    assert [len(addresses) for addresses in shop.addresses.values()] == [1, 1, 1]


def test_products_on_later_pages_of_a_sellers_list_count_as_there(
    shop: FakeShop, load_small: LoadSmall
) -> None:
    load_small()
    lakshmi = shop.users["lakshmi@example.com"]["user"]["id"]
    for number in range(150):
        product = {"id": f"a{number}", "title": f"Extra {number}", "seller": lakshmi}
        shop.products = {product["id"]: product} | shop.products
    assert load_small().products_created == 0


def test_what_is_missing_after_a_broken_run_is_made_by_the_next(
    shop: FakeShop, load_small: LoadSmall
) -> None:
    title = SMALL.products[5].title
    shop.broken.add(title)
    with pytest.raises(UnexpectedAnswer, match="The title is not liked here"):
        load_small()
    made = len(shop.products)
    assert made < 24
    shop.broken.clear()
    assert load_small() == Loaded(0, 24 - made, made)


def test_an_account_that_belongs_to_somebody_else_stops_the_loading(
    shop: FakeShop, load_small: LoadSmall
) -> None:
    load_small()
    shop.users["asha@example.com"]["password"] = "changed by somebody"
    with pytest.raises(UnexpectedAnswer, match="Invalid credentials"):
        load_small()


def test_a_token_that_runs_out_on_the_way_is_renewed(shop: FakeShop, load_small: LoadSmall) -> None:
    shop.uses_of_first_token = 4
    assert load_small().products_created == 24
    assert shop.requests.count("POST /api/auth/login") == 6 + 3


def test_no_more_requests_are_under_way_than_there_are_workers(
    shop: FakeShop, load_small: LoadSmall
) -> None:
    load_small(workers=2)
    assert 1 <= shop.busiest <= 2


def test_progress_is_shown(address: str) -> None:
    seen = io.StringIO()
    console = Console(file=seen, force_terminal=True, width=100)
    load(address, Progress(console=console), catalogue=SMALL)
    with Progress(console=console) as progress:
        load(address, progress, catalogue=SMALL)
        assert [task.description for task in progress.tasks] == [
            "sample accounts",
            "sample products",
        ]
        assert progress.tasks[0].completed == 6
    assert "sample accounts" in seen.getvalue()
