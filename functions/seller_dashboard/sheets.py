"""A seller's lists as CSV (RFC 4180), safe to open in a spreadsheet.

What separates cells depends on where the spreadsheet was installed: a comma, a semicolon or a tab.
No cell is a formula for any of them, and none is lost to a quote that is not at its beginning.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from unicodedata import normalize

from seller_dashboard.model import Buyer, PaymentShare, Sale, SoldProduct
from seller_dashboard.numbers import DayTotals
from supermarket.clock import iso
from supermarket.errors import Invalid
from supermarket.money import Money

MOST_ROWS = 5000
# a spreadsheet takes a cell that begins so for a formula, and runs it
FORMULA = set("=+-@\t\r\n")
# where another cell begins for a spreadsheet that splits lines at something else than commas
BREAKS = re.compile(r"([;\t\r\n])")
BOM = "\ufeff"  # without it Excel takes UTF-8 for something older

type Cell = str | int | Money | None
type Row = Sequence[Cell]

ORDERS = (
    *("order", "placedAt", "status", "customer", "product", "title", "quantity", "currency"),
    *("unitPrice", "lineTotal", "refunded", "payment", "city", "state", "zip", "country"),
)
PAYMENTS = (
    *("payment", "order", "status", "currency", "amount", "refunded", "placedAt", "updatedAt"),
)
PRODUCTS = ("product", "title", "category", "onSale", "currency", "price", "sold", "revenue")
CUSTOMERS = ("customer", "firstName", "orders", "lastOrderAt", "currency", "spent")
DAYS = ("date", "currency", "placed", "paid", "orders", "sales", "revenue", "refunds")


class TooLong(Invalid):
    """More rows than one answer has room for."""

    code = "TOO_LONG"


@dataclass(frozen=True)
class Sheet:
    """CSV, and the position of the last thing in it where there are more."""

    text: str
    next: str | None = None


def sheet(columns: Sequence[str], rows: Iterable[Row]) -> Sheet:
    """All rows; TooLong as soon as they are known to be too many."""
    kept = list(islice(rows, MOST_ROWS + 1))
    if len(kept) > MOST_ROWS:
        raise TooLong(f"That is more than {MOST_ROWS} rows: choose a shorter period")
    return Sheet(_text(columns, kept))


def part[Thing](
    columns: Sequence[str],
    things: Iterable[Thing],
    rows_of: Callable[[Sequence[Thing]], Iterable[Row]],
    position: Callable[[Thing], str],
) -> Sheet:
    """As many things as there is room for, each with all of its rows."""
    kept: list[Row] = []
    last: str | None = None
    for thing in things:
        rows = list(rows_of([thing]))
        if len(kept) + len(rows) > MOST_ROWS:
            return Sheet(_text(columns, kept), last)
        kept += rows
        last = position(thing)
    return Sheet(_text(columns, kept))


def _text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    text.write(BOM)
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_written(cell) for cell in row] for row in rows)
    return text.getvalue()


def of_orders(sales: Iterable[Sale]) -> Iterator[Row]:
    """One row per line: an order of several products has several."""
    for sale in sales:
        to = sale.address
        for line in sale.lines:
            yield (
                *(sale.order_id, iso(sale.placed_at), sale.status, sale.customer.first_name),
                *(line.product_id, line.title, line.quantity, sale.currency),
                *(line.unit_price, line.line_total, line.refunded),
                sale.payment.status if sale.payment else None,
                *((to.city, to.state, to.zip, to.country) if to else (None,) * 4),
            )


def of_payments(shares: Iterable[PaymentShare]) -> Iterator[Row]:
    for share in shares:
        payment = share.payment
        yield (
            *(payment.id, share.order_id, payment.status, share.total.currency),
            *(share.total, share.refunded, iso(share.placed_at), iso(payment.at)),
        )


def of_products(products: Iterable[SoldProduct]) -> Iterator[Row]:
    """One row per product and currency that it brought money in; `sold` is of all currencies."""
    for product in products:
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


def of_customers(buyers: Iterable[Buyer]) -> Iterator[Row]:
    """One row per customer and currency."""
    for buyer in buyers:
        known = (buyer.customer.id, buyer.customer.first_name, buyer.orders)
        for spent in buyer.spent or (None,):
            yield (*known, iso(buyer.last_order_at), spent.currency if spent else None, spent)


def of_days(days: Iterable[DayTotals]) -> Iterator[Row]:
    for day in days:
        counts = (day.placed, day.paid, day.orders, day.sold.units)
        yield (str(day.day), day.currency, *counts, day.sold.revenue, day.refunded)


def _written(cell: Cell) -> str:
    if isinstance(cell, Money):
        return f"{cell.amount:.2f}"
    text = "" if cell is None else str(cell)
    begins_so = text[:1] in FORMULA
    guarded = "".join(f"'{piece}" if _is_formula(piece) else piece for piece in BREAKS.split(text))
    return guarded if guarded.startswith("'") or not begins_so else f"'{guarded}"


def _is_formula(piece: str) -> bool:
    """Whether one is left when a spreadsheet has taken away quotes and spaces before it. The
    full-width forms of those characters are as good to it.
    """
    begins = piece.lstrip("\"' ")[:1]
    return normalize("NFKC", begins) in FORMULA and begins not in "\t\r\n"
