"""A seller's lists as CSV (RFC 4180), safe to open in a spreadsheet.

A spreadsheet separates cells at commas, semicolons or tabs, depending on its locale. No cell is a
formula in any of them, and no cell is lost to a quote inside of it.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from unicodedata import category, normalize

from seller_dashboard.projections.model import CustomerSales, ProductSales, Sale
from seller_dashboard.projections.totals import DailyTotals
from supermarket.clock import iso
from supermarket.errors import Invalid
from supermarket.money import Money

MAX_ROWS = 5000
# a spreadsheet executes a cell that begins with one of these as a formula
FORMULA_STARTS = set("=+-@\t\r\n")
# where a spreadsheet that does not split at commas may begin another cell
UNSEEN = {"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"}  # categories of Unicode
CELL_BREAKS = re.compile(r"([;\t\r\n])")
BOM = "\ufeff"  # without it Excel does not read the file as UTF-8

type Cell = str | int | Money | None
type Row = Sequence[Cell]


class TooManyRows(Invalid):
    """More rows than one file may have."""

    code = "TOO_MANY_ROWS"


@dataclass(frozen=True)
class CsvFile:
    """CSV text and, when more items follow, the sort key of the last one in it."""

    text: str
    next: str | None = None


@dataclass(frozen=True)
class CsvExport[Item]:
    """Columns of a list and how an item becomes rows; with a `sort_key`, long lists have parts."""

    columns: Sequence[str]
    to_rows: Callable[[Item], Iterable[Row]]
    sort_key: Callable[[Item], str] | None = None

    def write(self, items: Iterable[Item]) -> CsvFile:
        """Return a file with as many items as fit, each with all of its rows; reads no further.

        Raises TooManyRows when they do not fit and have no `sort_key`.
        """
        rows: list[Row] = []
        last: str | None = None
        for item in items:
            added = list(self.to_rows(item))
            if len(rows) + len(added) > MAX_ROWS:
                if self.sort_key is None:
                    raise TooManyRows(f"More than {MAX_ROWS} rows: choose a shorter period")
                return CsvFile(_text(self.columns, rows), last)
            rows += added
            last = self.sort_key(item) if self.sort_key else None
        return CsvFile(_text(self.columns, rows))


def _order_rows(sale: Sale) -> Iterator[Row]:
    """Yield one row per line."""
    to = sale.address
    for line in sale.lines:
        yield (
            *(sale.order_id, iso(sale.placed_at), sale.status, sale.customer.first_name),
            *(line.product_id, line.title, line.quantity, sale.currency),
            *(line.unit_price, line.line_total, line.refunded),
            sale.payment.status if sale.payment else None,
            *((to.city, to.state, to.zip, to.country) if to else (None,) * 4),
            *((to.name, to.phone, to.street) if to else (None,) * 3),
        )


def _payment_rows(sale: Sale) -> Iterator[Row]:
    if payment := sale.payment:
        yield (
            *(payment.id, sale.order_id, payment.status, sale.currency),
            *(sale.total, sale.refunded, iso(sale.placed_at), iso(payment.at)),
        )


def _day_rows(day: DailyTotals) -> Iterator[Row]:
    counts = (day.numbers[name] for name in ("placed", "paid", "orders", "units"))
    yield (str(day.day), day.currency, *counts, day.revenue, day.refunded)


def _product_rows(product: ProductSales) -> Iterator[Row]:
    """Yield one row per currency of the revenue; `sold` is of all currencies."""
    price = product.price
    for revenue in product.revenue or (Money.zero(price.currency) if price else None,):
        yield (
            *(product.product_id, product.title, product.category),
            "yes" if product.on_sale else "no",
            revenue.currency if revenue else None,
            price if price and revenue and price.currency is revenue.currency else None,
            product.units,
            revenue,
        )


def _customer_rows(one: CustomerSales) -> Iterator[Row]:
    """Yield one row per currency that the customer spent."""
    for spent in one.spent or (None,):
        yield (
            *(one.customer.id, one.customer.first_name, one.orders, iso(one.last_order_at)),
            *(spent.currency if spent else None, spent),
        )


ORDERS = CsvExport(
    (
        *("order", "placedAt", "status", "customer", "product", "title", "quantity", "currency"),
        *("unitPrice", "lineTotal", "refunded", "payment", "city", "state", "zip", "country"),
        *("recipient", "phone", "street"),
    ),
    _order_rows,
)
PAYMENTS = CsvExport(
    ("payment", "order", "status", "currency", "amount", "refunded", "placedAt", "updatedAt"),
    _payment_rows,
)
DAYS = CsvExport(
    ("date", "currency", "placed", "paid", "orders", "sales", "revenue", "refunds"), _day_rows
)
PRODUCTS = CsvExport[ProductSales](
    ("product", "title", "category", "onSale", "currency", "price", "sold", "revenue"),
    _product_rows,
    sort_key=lambda product: product.product_id,
)
CUSTOMERS = CsvExport[CustomerSales](
    ("customer", "firstName", "orders", "lastOrderAt", "currency", "spent"),
    _customer_rows,
    sort_key=lambda one: one.customer.id,
)


def _text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    text.write(BOM)
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_escape(cell) for cell in row] for row in rows)
    return text.getvalue()


def _escape(cell: Cell) -> str:
    """Put an apostrophe before whatever a spreadsheet would take for a formula."""
    if isinstance(cell, Money):
        return f"{cell.amount:.2f}"
    text = "" if cell is None else str(cell)
    pieces = CELL_BREAKS.split(text)
    escaped = "".join(f"'{piece}" if _is_formula(piece) else piece for piece in pieces)
    needs_quote = text[:1] in FORMULA_STARTS and not escaped.startswith("'")
    return f"'{escaped}" if needs_quote else escaped


def _is_formula(piece: str) -> bool:
    """Return whether a piece is a formula once a spreadsheet has removed quotes, blanks and
    invisible characters before it; it treats the full-width forms of the characters alike.
    """
    first = next((one for one in piece if one not in "\"'" and category(one) not in UNSEEN), "")
    return normalize("NFKC", first) in FORMULA_STARTS
