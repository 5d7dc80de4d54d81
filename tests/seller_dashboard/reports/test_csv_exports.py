"""CSV files that any reader of RFC 4180 reads, and in which no cell is a formula."""

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seller_dashboard.projections.model import Customer, CustomerSales, ProductSales
from seller_dashboard.reports.csv_exports import (
    CUSTOMERS,
    MAX_ROWS,
    ORDERS,
    PRODUCTS,
    CsvExport,
    CsvFile,
    Row,
    TooManyRows,
)
from supermarket.money import Money
from support.seller_dashboard import ASHA, PLACED, a_line, a_sale, inr, usd

FORMULAS = {*"=+-@"}
UNSEEN = "\u200b\ufeff\u00a0\u2060\u00ad\u034f\u3000\x0b"
HOSTILE = st.text("=+-@;,\t\r\n\"' a\uff1d" + UNSEEN, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def to_file(columns: Sequence[str], rows: Iterable[Row]) -> CsvFile:
    return CsvExport[Row](columns, lambda row: [row]).write(rows)


def read(file: CsvFile) -> list[list[str]]:
    text = file.text.removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def is_formula(cell: str) -> bool:
    return normalize("NFKC", cell.lstrip('" ' + UNSEEN)[:1]) in FORMULAS


@given(st.lists(st.tuples(TEXTS, TEXTS)))
def test_cells_are_read_as_written_and_begin_with_no_formula(
    rows: list[tuple[str, str]],
) -> None:
    [_, *found] = read(to_file(("a", "b"), rows))
    assert len(found) == len(rows)
    for cells, row in zip(found, rows, strict=True):
        for cell, text in zip(cells, row, strict=True):
            assert cell.replace("'", "") == text.replace("'", "")
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b"))


@given(st.lists(st.tuples(st.just("id"), HOSTILE, HOSTILE, st.just("end"))))
@example([("id", "Pune;=cmd|' /C calc'!A0", "x", "end")])
@example([("id", 'Pune;"=cmd"', '"\n=1', "end")])
@example([("id", "a\r\n@SUM(A1)", 'b"\t=1', "end")])
def test_no_cell_is_a_formula_for_any_delimiter_of_a_spreadsheet(
    rows: list[tuple[str, ...]],
) -> None:
    text = to_file(("a", "b", "c", "d"), rows).text.removeprefix("\ufeff")
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
        ("\u200b=1", "'\u200b=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\u00a0\u2060+1", "'\u00a0\u2060+1"),
        ("a;\u200d@x", "a;'\u200d@x"),
        ("\uff1d1", "'\uff1d1"),
        ("Pune;=1", "Pune;'=1"),
        ('Pune; "=1"', 'Pune;\' "=1"'),
        ("a-b; c=d, e+f", "a-b; c=d, e+f"),
    ],
)
def test_a_formula_is_escaped(text: str, guarded: str) -> None:
    assert read(to_file(("a", "b"), [(text, "x")]))[1] == [guarded, "x"]


def test_lines_end_with_cr_lf_and_the_file_begins_with_a_byte_order_mark() -> None:
    found = to_file(("a", "b"), [("चाय", Money.zero(inr(0).currency))])
    assert found.text == "\ufeffa,b\r\nचाय,0.00\r\n"
    assert found.text.encode().startswith(codecs.BOM_UTF8)


def test_a_file_has_at_most_five_thousand_rows() -> None:
    assert len(read(to_file(("a",), [("x",)] * MAX_ROWS))) == MAX_ROWS + 1
    with pytest.raises(TooManyRows):
        to_file(("a",), [("x",)] * (MAX_ROWS + 1))


def test_reading_stops_once_there_are_too_many_rows() -> None:
    sale = a_sale(lines=[a_line(f"p{n}") for n in range(25)])
    orders = (sale for _ in range(5001))
    with pytest.raises(TooManyRows, match="choose a shorter period"):
        ORDERS.write(orders)
    assert len(list(orders)) == 5001 - (MAX_ROWS // 25 + 1)


def test_the_parts_of_a_long_list_have_each_item_once_with_all_of_its_rows() -> None:
    customers = [
        CustomerSales(Customer(f"c{n}", "A"), 1, (inr(1), usd(2)), PLACED) for n in range(5001)
    ]
    found, after = list[str](), -1
    while True:
        one = CUSTOMERS.write(customers[after + 1 :])
        [_, *rows] = read(one)
        assert len(rows) <= MAX_ROWS
        found += [row[0] for row in rows]
        if one.next is None:
            break
        after = int(one.next.removeprefix("c"))
    assert found == [one.customer.id for one in customers for _ in range(2)]


def test_an_order_has_a_row_per_line() -> None:
    [_, *rows] = read(ORDERS.write([a_sale(lines=[a_line("p1"), a_line("p2")])]))
    assert [row[4] for row in rows] == ["p1", "p2"]


def test_amounts_of_two_currencies_are_in_two_rows() -> None:
    product = ProductSales("p1", "Tea", usd(300), None, True, 3, (inr(5), usd(600)))
    [_, rupees, dollars] = read(PRODUCTS.write([product]))
    assert rupees == ["p1", "Tea", "", "yes", "INR", "", "3", "0.05"]
    assert dollars == ["p1", "Tea", "", "yes", "USD", "3.00", "3", "6.00"]
    customer = CustomerSales(ASHA, 2, (inr(5), usd(600)), PLACED)
    [_, *rows] = read(CUSTOMERS.write([customer]))
    assert [row[4:] for row in rows] == [["INR", "0.05"], ["USD", "6.00"]]


def test_a_product_without_sales_has_a_row() -> None:
    unsold = ProductSales("p1", "Tea", inr(300), "tea", False, 0, ())
    unknown = ProductSales("p2", "", None, None, False, 0, ())
    [_, *rows] = read(PRODUCTS.write([unsold, unknown]))
    assert rows[0] == ["p1", "Tea", "tea", "no", "INR", "3.00", "0", "0.00"]
    assert rows[1] == ["p2", "", "", "no", "", "", "0", ""]
    [_, row] = read(CUSTOMERS.write([CustomerSales(ASHA, 0, (), PLACED)]))
    assert row[4:] == ["", ""]
