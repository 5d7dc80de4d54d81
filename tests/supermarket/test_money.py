"""Money: arithmetic, rounding and formatting without losing a minor unit."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supermarket.money import Currency, CurrencyMismatch, Money
from supermarket.schemas import MoneyView

MINORS = st.integers(-(10**15), 10**15)
RATES = st.decimals(min_value=0, max_value=100, places=3)
INR, USD = Currency.INR, Currency.USD


@given(MINORS)
def test_formatting_and_parsing_an_amount_returns_the_same_amount(minor: int) -> None:
    money = Money(minor, INR)
    assert Money.of(money.amount, INR) == money


@given(st.integers(-(10**12), 10**12))
def test_serialising_and_reading_an_amount_returns_the_same_amount(minor: int) -> None:
    text = MoneyView.of(Money(minor, USD)).model_dump_json()
    sent = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert Money.of(sent["amount"], Currency(sent["currency"])) == Money(minor, USD)


@given(st.lists(MINORS))
def test_a_total_is_the_sum_of_its_minor_units(minors: list[int]) -> None:
    assert Money.total((Money(minor, INR) for minor in minors), INR) == Money(sum(minors), INR)


@given(MINORS, st.integers(0, 99))
def test_multiplying_equals_repeated_addition(minor: int, times: int) -> None:
    money = Money(minor, INR)
    assert money * times == Money.total([money] * times, INR)


@given(MINORS, MINORS)
def test_subtracting_an_added_amount_returns_the_first_amount(one: int, other: int) -> None:
    assert Money(one, INR) + Money(other, INR) - Money(other, INR) == Money(one, INR)


@given(st.integers(0, 10**15), RATES)
def test_a_percentage_is_rounded_to_the_nearest_minor_unit_and_half_up(
    minor: int, rate: Decimal
) -> None:
    exact = Fraction(minor) * Fraction(rate) / 100
    assert Money(minor, INR).percent(rate).minor == (exact + Fraction(1, 2)).__floor__()


@pytest.mark.parametrize(
    ("minor", "rate", "share"), [(50, "1", 1), (49, "1", 0), (1050, "5", 53), (999, "18", 180)]
)
def test_percentages_by_example(minor: int, rate: str, share: int) -> None:
    assert Money(minor, INR).percent(Decimal(rate)) == Money(share, INR)


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    assert Money.of(Decimal("0.1"), INR) + Money.of(Decimal("0.2"), INR) == Money(30, INR)
    assert (Money(10, INR) * 3).amount == Decimal("0.30")


@pytest.mark.parametrize("amount", ["1", "1.0", "1.00", "1.000", "1E+0", "0.1E+1"])
def test_different_notations_of_one_unit_are_the_same_amount(amount: str) -> None:
    assert Money.of(Decimal(amount), INR) == Money(100, INR)


@pytest.mark.parametrize("amount", ["0.001", "1.005", "1E-30", "0.1" + "0" * 40 + "1", "NaN"])
def test_an_amount_finer_than_a_minor_unit_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"decimal places|NaN"):
        Money.of(Decimal(amount), INR)


def test_amounts_of_two_currencies_cannot_be_added() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(1, INR) + Money(1, USD)
    with pytest.raises(CurrencyMismatch):
        Money(1, INR) - Money(1, USD)
    with pytest.raises(CurrencyMismatch):
        Money.total([Money(1, USD)], INR)
    assert Money(1, INR) != Money(1, USD)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(49_950, INR), "499.50 INR"),
        (Money(7, USD), "0.07 USD"),
        (Money(10**9, INR), "10000000.00 INR"),
    ],
)
def test_money_is_written_in_whole_units_with_two_decimal_places(money: Money, text: str) -> None:
    assert str(money) == text
