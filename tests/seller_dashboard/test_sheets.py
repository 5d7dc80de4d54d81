"""Sheets that any reader of RFC 4180 takes, and in which nothing is a formula."""

import codecs
import csv
import io
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seller_dashboard.model import Buyer, Customer, SoldProduct
from seller_dashboard.sheets import (
    CUSTOMERS,
    MOST_ROWS,
    ORDERS,
    PRODUCTS,
    Sheet,
    TooLong,
    of_customers,
    of_orders,
    of_products,
    part,
    sheet,
)
from supermarket.money import Money
from support.seller_dashboard import ASHA, PLACED, a_line, a_sale, inr, usd

FORMULAS = {*"=+-@"}
HOSTILE = st.text("=+-@;,\t\r\n\"' a\uff1d", max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def read(sheet: Sheet) -> list[list[str]]:
    text = sheet.text.removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def is_formula(cell: str) -> bool:
    return normalize("NFKC", cell.lstrip('" ')[:1]) in FORMULAS


@given(st.lists(st.tuples(TEXTS, TEXTS)))
def test_what_is_written_is_read_again_and_begins_with_no_formula(
    rows: list[tuple[str, str]],
) -> None:
    [_, *found] = read(sheet(("a", "b"), rows))
    assert len(found) == len(rows)
    for cells, row in zip(found, rows, strict=True):
        for cell, text in zip(cells, row, strict=True):
            assert cell.replace("'", "") == text.replace("'", "")
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b"))


@given(st.lists(st.tuples(st.just("id"), HOSTILE, HOSTILE, st.just("end"))))
@example([("id", "Pune;=cmd|' /C calc'!A0", "x", "end")])
@example([("id", 'Pune;"=cmd"', '"\n=1', "end")])
@example([("id", "a\r\n@SUM(A1)", 'b"\t=1', "end")])
def test_wherever_a_spreadsheet_splits_its_lines_no_cell_is_a_formula(
    rows: list[tuple[str, ...]],
) -> None:
    text = sheet(("a", "b", "c", "d"), rows).text.removeprefix("\ufeff")
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            assert not [cell for cell in row if is_formula(cell)], (delimiter, row)


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\tx", "'\tx"),
        ("\uff1d1", "'\uff1d1"),
        ("Pune;=1", "Pune;'=1"),
        ('Pune; "=1"', 'Pune;\' "=1"'),
        ("a-b; c=d, e+f", "a-b; c=d, e+f"),
    ],
)
def test_a_formula_becomes_text(text: str, guarded: str) -> None:
    assert read(sheet(("a", "b"), [(text, "x")]))[1] == [guarded, "x"]


def test_lines_end_as_the_standard_has_it_and_excel_knows_the_letters() -> None:
    found = sheet(("a", "b"), [("चाय", Money.zero(inr(0).currency))])
    assert found.text == "\ufeffa,b\r\nचाय,0.00\r\n"
    assert found.text.encode().startswith(codecs.BOM_UTF8)


def test_five_thousand_rows_fit_and_no_more() -> None:
    assert len(read(sheet(("a",), [("x",)] * MOST_ROWS))) == MOST_ROWS + 1
    with pytest.raises(TooLong):
        sheet(("a",), [("x",)] * (MOST_ROWS + 1))


def test_no_more_is_read_than_it_takes_to_know_that_it_is_too_much() -> None:
    orders = (a_sale(lines=[a_line(f"p{n}") for n in range(25)]) for _ in range(5001))
    with pytest.raises(TooLong, match="choose a shorter period"):
        sheet(ORDERS, of_orders(orders))
    assert len(list(orders)) == 5001 - (MOST_ROWS // 25 + 1)


def test_a_long_list_is_had_in_parts_that_have_each_thing_once_with_all_its_rows() -> None:
    buyers = [Buyer(Customer(f"c{n}", "A"), 1, (inr(1), usd(2)), PLACED) for n in range(5001)]
    found, after = list[str](), -1
    while True:
        one = part(CUSTOMERS, buyers[after + 1 :], of_customers, lambda buyer: buyer.customer.id)
        [_, *rows] = read(one)
        assert len(rows) <= MOST_ROWS
        found += [row[0] for row in rows]
        if one.next is None:
            break
        after = int(one.next.removeprefix("c"))
    assert found == [buyer.customer.id for buyer in buyers for _ in range(2)]


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
