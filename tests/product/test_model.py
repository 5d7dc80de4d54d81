"""The rules of a product."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from product.model import (
    Changes,
    Filters,
    Image,
    StockChange,
    category_key,
    is_product_id,
)
from supermarket.caller import Role
from supermarket.clock import new_id
from supermarket.errors import Conflict, Forbidden, Invalid
from supermarket.money import Currency, Money
from support.api import a_caller
from support.product import SELLER, a_product

# no new id per run: every worker must collect the same tests
A_FREE_ID = "01M83K9VF68985Q06XKS3Y0MER"
LATER = a_product().created_at + timedelta(hours=1)
IMAGES = tuple(Image(f"https://i/{n}", f"https://t/{n}", str(n)) for n in range(5))


def test_a_product_is_its_sellers_and_the_admins_to_change() -> None:
    product = a_product()
    product.require_editor(a_caller(Role.SELLER, SELLER.user_id))
    product.require_editor(a_caller(Role.ADMIN))
    for other in (Role.SELLER, Role.USER):
        with pytest.raises(Forbidden):
            product.require_editor(a_caller(other))


def test_a_change_touches_what_it_names_and_raises_the_revision() -> None:
    product = a_product(images=IMAGES[:2])
    changes = Changes(title="Brown rice", category=None, remove_images=("0",))
    assert product.changed(changes, IMAGES[2:3], LATER) == replace(
        product,
        title="Brown rice",
        category=None,
        images=(IMAGES[1], IMAGES[2]),
        revision=2,
        updated_at=LATER,
    )


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        (Changes(amount=Decimal("1.05")), Money(105, Currency.USD)),
        (Changes(amount=Decimal("1.05"), currency=Currency.INR), Money(105, Currency.INR)),
    ],
)
def test_a_new_amount_is_in_the_products_currency_unless_told(
    changes: Changes, price: Money
) -> None:
    product = a_product(price=Money(500, Currency.USD))
    assert product.changed(changes, (), LATER).price == price


def test_a_product_has_at_most_five_pictures() -> None:
    product = a_product(images=IMAGES[:4])
    assert product.changed(Changes(), IMAGES[4:], LATER).images == IMAGES
    full = replace(product, images=IMAGES)
    full.require_room(Changes(remove_images=("0", "1")), 2)
    with pytest.raises(Invalid):
        full.require_room(Changes(remove_images=("0",)), 2)


def test_a_picture_that_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(Invalid):
        a_product(images=IMAGES[:1]).require_room(Changes(remove_images=("0", "4")), 0)


def test_stock_is_counted_or_moved_and_never_below_zero() -> None:
    assert StockChange(counted=0).of(7) == 0
    assert StockChange(added=-7).of(7) == 0
    assert a_product(stock=7).restocked(0, LATER).stock == 0
    with pytest.raises(Conflict, match="only 7"):
        a_product(stock=7).restocked(-1, LATER)


def test_categories_differ_in_more_than_case_and_blanks() -> None:
    assert category_key("  Rice &  GRAINS ") == category_key("rice & grains")
    assert category_key("Rice") != category_key("Grains")
    assert category_key(None) is None


@pytest.mark.parametrize(
    ("filters", "admitted"),
    [
        (Filters(), True),
        (Filters(category="rice & grains"), True),
        (Filters(category="tea"), False),
        (Filters(currency=Currency.INR), True),
        (Filters(currency=Currency.USD), False),
        (Filters(lowest=49900, highest=49900), True),
        (Filters(lowest=49901), False),
        (Filters(highest=49899), False),
        (Filters(in_stock=True), True),
        (Filters(seller_id=SELLER.user_id), True),
        (Filters(seller_id="another"), False),
    ],
)
def test_filters_admit_what_they_say(filters: Filters, admitted: bool) -> None:
    assert filters.admits(a_product(price=Money(49900, Currency.INR))) is admitted


def test_sold_out_products_are_not_in_stock() -> None:
    assert not Filters(in_stock=True).admits(a_product(stock=0))


@pytest.mark.parametrize("text", ["", "x", A_FREE_ID.lower(), A_FREE_ID + "\n", "é" * 26, "9" * 26])
def test_what_is_no_id_is_known_without_asking(text: str) -> None:
    assert not is_product_id(text)
    assert is_product_id(new_id())
