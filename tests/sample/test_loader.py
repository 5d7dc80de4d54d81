"""Loading the sample shop into a running shop."""

import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress
from starlette.applications import Starlette

from sample import Loaded, load
from sample.client import UnexpectedResponse
from support.fake_shop import FakeShop
from support.sample import first_products

Serve = Callable[[Starlette, str], str]
LoadSmall = Callable[..., Loaded]

SMALL = first_products(2)


@pytest.fixture
def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture
def address(shop: FakeShop, serve: Serve) -> str:
    return serve(shop.app(), "/shop")


@pytest.fixture
def load_small(address: str) -> LoadSmall:
    def load_it(**options: Any) -> Loaded:
        quiet = Progress(console=Console(file=io.StringIO()))
        return load(address, quiet, catalogue=SMALL, **options)

    return load_it


def test_loading_creates_accounts_addresses_and_products(
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


def test_each_product_gets_its_own_picture(shop: FakeShop, load_small: LoadSmall) -> None:
    load_small()
    titles = {product["id"]: product["title"] for product in shop.products.values()}
    uploaded = {titles[product_id]: picture for product_id, picture in shop.pictures.items()}
    assert uploaded == {p.title: p.picture.read_bytes() for p in SMALL.products}


def test_a_second_run_creates_nothing(shop: FakeShop, load_small: LoadSmall) -> None:
    load_small()
    assert load_small() == Loaded(0, 0, 24)
    assert len(shop.products) == 24
    assert [len(addresses) for addresses in shop.addresses.values()] == [1, 1, 1]


def test_products_on_later_pages_of_a_sellers_list_are_found(
    shop: FakeShop, load_small: LoadSmall
) -> None:
    load_small()
    lakshmi = shop.users["lakshmi@example.com"]["user"]["id"]
    for number in range(150):
        product = {"id": f"a{number}", "title": f"Extra {number}", "seller": lakshmi}
        shop.products = {product["id"]: product} | shop.products
    assert load_small().products_created == 0


def test_the_next_run_creates_what_a_failed_run_has_not(
    shop: FakeShop, load_small: LoadSmall
) -> None:
    title = SMALL.products[5].title
    shop.broken.add(title)
    with pytest.raises(UnexpectedResponse, match="The title is refused"):
        load_small()
    created = len(shop.products)
    assert created < 24
    shop.broken.clear()
    assert load_small() == Loaded(0, 24 - created, created)


def test_an_account_with_another_password_stops_the_loading(
    shop: FakeShop, load_small: LoadSmall
) -> None:
    load_small()
    shop.users["asha@example.com"]["password"] = "changed by another person"
    with pytest.raises(UnexpectedResponse, match="Invalid credentials"):
        load_small()


def test_an_expired_token_is_renewed(shop: FakeShop, load_small: LoadSmall) -> None:
    shop.uses_of_first_token = 4
    assert load_small().products_created == 24
    assert shop.requests.count("POST /api/auth/login") == 6 + 3


def test_at_most_one_request_per_worker_runs_at_a_time(
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
