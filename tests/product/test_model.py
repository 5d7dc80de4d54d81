"""The rules of a product."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from product.model import (
    Availability,
    Changes,
    Filters,
    Image,
    category_key,
)
from supermarket.caller import Role
from supermarket.clock import is_id, new_id
from supermarket.errors import Forbidden, Invalid
from supermarket.money import Currency, Money
from support.api import a_caller
from support.product import SELLER, a_product

# no new id per run: every worker must collect the same tests
A_FREE_ID = "01M83K9VF68985Q06XKS3Y0MER"
LATER = a_product().created_at + timedelta(hours=1)
IMAGES = tuple(Image(f"https://i/{n}", f"https://t/{n}", str(n)) for n in range(5))


def test_only_the_seller_and_admins_may_change_a_product() -> None:
    product = a_product()
    product.require_editor(a_caller(Role.SELLER, SELLER.user_id))
    product.require_editor(a_caller(Role.ADMIN))
    for other in (Role.SELLER, Role.USER):
        with pytest.raises(Forbidden):
            product.require_editor(a_caller(other))


def test_a_change_sets_its_fields_and_raises_the_revision() -> None:
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
        (Changes(price_amount=Decimal("1.05")), Money(105, Currency.USD)),
        (
            Changes(price_amount=Decimal("1.05"), price_currency=Currency.INR),
            Money(105, Currency.INR),
        ),
    ],
)
def test_a_new_amount_is_in_the_products_currency_unless_one_is_given(
    changes: Changes, price: Money
) -> None:
    product = a_product(price=Money(500, Currency.USD))
    assert product.changed(changes, (), LATER).price == price


def test_a_product_has_at_most_five_pictures() -> None:
    product = a_product(images=IMAGES[:4])
    assert product.changed(Changes(), IMAGES[4:], LATER).images == IMAGES
    full = replace(product, images=IMAGES)
    full.check_images(Changes(remove_images=("0", "1")), 2)
    with pytest.raises(Invalid):
        full.check_images(Changes(remove_images=("0",)), 2)


def test_an_unknown_picture_cannot_be_removed() -> None:
    with pytest.raises(Invalid):
        a_product(images=IMAGES[:1]).check_images(Changes(remove_images=("0", "4")), 0)


def test_changes_by_the_seller_and_of_the_shelf_make_another_version() -> None:
    product = a_product(revision=3, shelf_revision=2, stock_revision=9)
    assert product.version == 5
    assert replace(product, stock_revision=10, stock=4, reserved=1).version == 5
    assert replace(product, shelf_revision=3).version == 6
    assert product.changed(Changes(title="Brown rice"), (), LATER).version == 6


def test_category_keys_ignore_case_and_white_space() -> None:
    assert category_key("  Rice &  GRAINS ") == category_key("rice & grains")
    assert category_key("Rice") != category_key("Grains")
    assert category_key("Caf\u00e9") == category_key("CAFE\u0301")
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
def test_filters_match_as_described(filters: Filters, admitted: bool) -> None:
    assert filters.matches(a_product(price=Money(49900, Currency.INR))) is admitted


def test_sold_out_products_are_not_in_stock() -> None:
    assert not Filters(in_stock=True).matches(a_product(shown=Availability(in_stock=False)))


@pytest.mark.parametrize("text", ["", "x", A_FREE_ID.lower(), A_FREE_ID + "\n", "é" * 26, "9" * 26])
def test_malformed_ids_are_recognised(text: str) -> None:
    assert not is_id(text)
    assert is_id(new_id())
