"""The rules and the prices of a cart."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart.model import (
    MAX_ITEMS,
    MAX_QUANTITY,
    Cart,
    CartLimitReached,
    CartLine,
    Image,
    ItemNotFound,
    OtherCurrency,
    PricedCart,
    Product,
    check_add,
    check_change,
)
from supermarket.errors import Conflict
from supermarket.money import Currency, Money
from support.cart import dollars, rupees

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def a_line(product_id: str = "tea", quantity: int = 1, price: Money | None = None) -> CartLine:
    return CartLine(product_id, quantity, price or rupees(100), "Tea", NOW)


def a_cart(*lines: CartLine) -> Cart:
    return Cart("user", 1, lines, NOW, NOW)


def a_product(price: Money, stock: int, product_id: str = "tea") -> Product:
    image = Image("https://images.example/tea.png", "https://images.example/tea-small.png")
    return Product(product_id, "Green tea", price, stock, "seller", image)


def test_a_line_can_be_added_to_an_empty_cart() -> None:
    check_add(a_cart(), a_line(), stock=1)


def test_a_cart_has_at_most_fifty_different_products() -> None:
    lines = [a_line(str(number)) for number in range(MAX_ITEMS)]
    check_add(a_cart(*lines[:-1]), a_line("new"), stock=9)
    with pytest.raises(CartLimitReached):
        check_add(a_cart(*lines), a_line("new"), stock=9)
    check_add(a_cart(*lines), a_line("0"), stock=9)


@given(present=st.integers(1, 99), more=st.integers(1, 200), stock=st.integers(0, 200))
def test_adding_never_exceeds_the_limit_or_the_stock(present: int, more: int, stock: int) -> None:
    cart, line = a_cart(a_line(quantity=present)), a_line(quantity=more)
    if present + more <= min(MAX_QUANTITY, stock):
        check_add(cart, line, stock)
    else:
        with pytest.raises(Conflict):
            check_add(cart, line, stock)


@given(quantity=st.integers(1, 200), stock=st.integers(0, 200))
def test_a_changed_quantity_never_exceeds_the_limit_or_the_stock(quantity: int, stock: int) -> None:
    cart, line = a_cart(a_line(quantity=7)), a_line(quantity=quantity)
    if quantity <= min(MAX_QUANTITY, stock):
        check_change(cart, line, stock)
    else:
        with pytest.raises(Conflict):
            check_change(cart, line, stock)


def test_a_product_that_is_not_in_the_cart_cannot_be_changed() -> None:
    with pytest.raises(ItemNotFound):
        check_change(a_cart(), a_line(), stock=5)


def test_a_cart_has_one_currency() -> None:
    with pytest.raises(OtherCurrency, match="INR"):
        check_add(a_cart(a_line()), a_line("coffee", price=dollars(1)), stock=5)


CHEAPER_BEFORE = (
    "The price was 100.00 INR and is now 120.00 INR; set the quantity again to accept it"
)
IN_RUPEES_BEFORE = (
    "The price was 100.00 INR and is now 2.00 USD; remove it and add it again to accept it"
)


@pytest.mark.parametrize(
    ("product", "available", "code", "notice"),
    [
        (a_product(rupees(100), 5), True, None, None),
        (a_product(rupees(120), 5), True, "PRICE_CHANGED", CHEAPER_BEFORE),
        (a_product(rupees(100), 1), False, "OUT_OF_STOCK", "Only 1 left in stock"),
        (a_product(rupees(100), 0), False, "OUT_OF_STOCK", "Sold out"),
        (a_product(dollars(2), 5), False, "PRICE_CHANGED", IN_RUPEES_BEFORE),
        (None, False, "NOT_FOR_SALE", "No longer for sale"),
    ],
)
def test_a_line_says_what_has_changed_since_it_was_added(
    product: Product | None, available: bool, code: str | None, notice: str | None
) -> None:
    priced = PricedCart.of(a_cart(a_line(quantity=2)), {"tea": product} if product else {})
    line = priced.lines[0]
    assert line.available is available
    assert line.notice == notice
    assert (line.problem.code if line.problem else None) == code
    assert priced.price == (line.line_total if available else rupees(0))


def test_a_line_shows_the_present_price_title_and_image() -> None:
    line = PricedCart.of(a_cart(a_line(quantity=3)), {"tea": a_product(rupees(120), 5)}).lines[0]
    assert (line.title, line.unit_price, line.line_total) == (
        "Green tea",
        rupees(120),
        rupees(360),
    )
    assert line.image is not None
    assert line.image.thumbnail.endswith("tea-small.png")


def test_a_line_of_a_removed_product_keeps_its_title_and_price() -> None:
    line = PricedCart.of(a_cart(a_line()), {}).lines[0]
    assert (line.title, line.unit_price, line.image) == ("Tea", rupees(100), None)


def test_an_empty_cart_costs_nothing() -> None:
    assert PricedCart.of(a_cart(), {}).price == Money.zero(Currency.INR)
