"""What may be in a cart, and what it costs."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart.model import (
    MAX_ITEMS,
    MAX_QUANTITY,
    Cart,
    CartLine,
    PricedCart,
    why_not_add,
    why_not_change,
)
from supermarket.errors import Conflict, NotFound
from supermarket.money import Currency, Money
from support.cart import APicture, AProduct, ASeller, dollars, rupees

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def a_line(product_id: str = "tea", quantity: int = 1, price: Money | None = None) -> CartLine:
    return CartLine(product_id, quantity, price or rupees(100), "Tea", NOW)


def a_cart(*lines: CartLine) -> Cart:
    return Cart("user", 1, lines, NOW, NOW)


def a_product(price: Money, stock: int, product_id: str = "tea") -> AProduct:
    picture = APicture("https://images.example/tea.png", "https://images.example/tea-small.png")
    return AProduct(product_id, "Green tea", price, stock, ASeller("seller"), (picture,))


def test_an_empty_cart_takes_a_line() -> None:
    assert why_not_add(a_cart(), a_line(), stock=1) is None


def test_a_cart_takes_fifty_different_items_and_no_more() -> None:
    lines = [a_line(str(number)) for number in range(MAX_ITEMS)]
    assert why_not_add(a_cart(*lines[:-1]), a_line("new"), stock=9) is None
    assert isinstance(why_not_add(a_cart(*lines), a_line("new"), stock=9), Conflict)
    assert why_not_add(a_cart(*lines), a_line("0"), stock=9) is None


@given(present=st.integers(1, 99), more=st.integers(1, 200), stock=st.integers(0, 200))
def test_an_item_never_exceeds_its_limit_or_the_stock(present: int, more: int, stock: int) -> None:
    refusal = why_not_add(a_cart(a_line(quantity=present)), a_line(quantity=more), stock)
    assert (refusal is None) is (present + more <= min(MAX_QUANTITY, stock))


@given(quantity=st.integers(1, 200), stock=st.integers(0, 200))
def test_a_changed_quantity_keeps_the_same_limits(quantity: int, stock: int) -> None:
    refusal = why_not_change(a_cart(a_line(quantity=7)), a_line(quantity=quantity), stock)
    assert (refusal is None) is (quantity <= min(MAX_QUANTITY, stock))


def test_what_is_not_in_the_cart_cannot_be_changed() -> None:
    assert isinstance(why_not_change(a_cart(), a_line(), stock=5), NotFound)


def test_a_cart_has_one_currency() -> None:
    refusal = why_not_add(a_cart(a_line()), a_line("coffee", price=dollars(1)), stock=5)
    assert isinstance(refusal, Conflict)
    assert "INR" in refusal.message


@pytest.mark.parametrize(
    ("product", "available", "notice"),
    [
        (a_product(rupees(100), 5), True, None),
        (a_product(rupees(120), 5), True, "The price was 100.00 INR and is now 120.00 INR"),
        (a_product(rupees(100), 1), False, "Only 1 left"),
        (a_product(rupees(100), 0), False, "Sold out"),
        (a_product(dollars(2), 5), False, "The price was 100.00 INR and is now 2.00 USD"),
        (None, False, "No longer for sale"),
    ],
)
def test_a_line_tells_what_has_changed_since_it_was_added(
    product: AProduct | None, available: bool, notice: str | None
) -> None:
    priced = PricedCart.of(a_cart(a_line(quantity=2)), {"tea": product} if product else {})
    line = priced.lines[0]
    assert line.available is available
    assert (line.notice or "").startswith(notice or "nothing") or line.notice is notice
    assert priced.price == (line.line_total if available else rupees(0))


def test_a_line_shows_the_present_price_and_title_and_the_first_picture() -> None:
    line = PricedCart.of(a_cart(a_line(quantity=3)), {"tea": a_product(rupees(120), 5)}).lines[0]
    assert (line.title, line.unit_price, line.line_total) == (
        "Green tea",
        rupees(120),
        rupees(360),
    )
    assert line.image is not None
    assert line.image.thumbnail.endswith("tea-small.png")


def test_what_is_gone_keeps_the_title_and_price_it_had() -> None:
    line = PricedCart.of(a_cart(a_line()), {}).lines[0]
    assert (line.title, line.unit_price, line.image) == ("Tea", rupees(100), None)


def test_an_empty_cart_costs_nothing() -> None:
    assert PricedCart.of(a_cart(), {}).price == Money.zero(Currency.INR)
