"""Sheets that any reader of RFC 4180 takes, and in which nothing is a formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.model import Buyer, SoldProduct
from seller_dashboard.sheets import (
    CUSTOMERS,
    MOST_ROWS,
    PRODUCTS,
    TooLong,
    of_customers,
    of_orders,
    of_products,
    sheet,
)
from supermarket.money import Money
from support.seller_dashboard import ASHA, PLACED, a_line, a_sale, inr, usd

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@given(st.lists(st.tuples(TEXTS, TEXTS)))
def test_what_is_written_is_read_again_and_begins_with_no_formula(
    rows: list[tuple[str, str]],
) -> None:
    [_, *found] = read(sheet(("a", "b"), rows))
    assert len(found) == len(rows)
    for cells, row in zip(found, rows, strict=True):
        for cell, text in zip(cells, row, strict=True):
            assert cell in (text, f"'{text}")
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"])
def test_a_formula_becomes_text(text: str) -> None:
    assert read(sheet(("a", "b"), [(text, "x")]))[1] == [f"'{text}", "x"]


def test_lines_end_as_the_standard_has_it() -> None:
    assert sheet(("a", "b"), [("1", Money.zero(inr(0).currency))]) == "a,b\r\n1,0.00\r\n"


def test_five_thousand_rows_fit_and_no_more() -> None:
    assert len(read(sheet(("a",), [("x",)] * MOST_ROWS))) == MOST_ROWS + 1
    with pytest.raises(TooLong):
        sheet(("a",), [("x",)] * (MOST_ROWS + 1))


def test_an_order_has_a_row_per_line() -> None:
    rows = list(of_orders([a_sale(lines=[a_line("p1"), a_line("p2")])]))
    assert [row[4] for row in rows] == ["p1", "p2"]


def test_money_of_two_currencies_is_in_two_rows() -> None:
    product = SoldProduct("p1", "Tea", usd(300), None, True, 3, (inr(5), usd(600)))
    [_, rupees, dollars] = read(sheet(PRODUCTS, of_products([product])))
    assert rupees == ["p1", "Tea", "", "yes", "INR", "", "3", "0.05"]
    assert dollars == ["p1", "Tea", "", "yes", "USD", "3.00", "3", "6.00"]
    buyer = Buyer(ASHA, 2, (inr(5), usd(600)), PLACED)
    [_, *rows] = read(sheet(CUSTOMERS, of_customers([buyer])))
    assert [row[4:] for row in rows] == [["INR", "0.05"], ["USD", "6.00"]]


def test_what_brought_nothing_yet_has_a_row_all_the_same() -> None:
    unsold = SoldProduct("p1", "Tea", inr(300), "tea", False, 0, ())
    unknown = SoldProduct("p2", "", None, None, False, 0, ())
    [_, *rows] = read(sheet(PRODUCTS, of_products([unsold, unknown])))
    assert rows[0] == ["p1", "Tea", "tea", "no", "INR", "3.00", "0", "0.00"]
    assert rows[1] == ["p2", "", "", "no", "", "", "0", ""]
    [_, row] = read(sheet(CUSTOMERS, of_customers([Buyer(ASHA, 0, (), PLACED)])))
    assert row[4:] == ["", ""]
