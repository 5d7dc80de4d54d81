"""The projections in DynamoDB, all in the table `sales`.

| pk          | sk                          | one row per                                          |
|-------------|-----------------------------|------------------------------------------------------|
| SELLER#<id> | ORDER#<placedAt>#<order id> | sale: the seller's lines of an order, its status     |
| SELLER#<id> | DAY#<date>#<currency>       | day: sums, and each product's share of them          |
| SELLER#<id> | PRODUCT#<product id>        | product: the catalogue's facts, all it ever sold     |
| ORDER#<id>  | NOTES                       | order: payment and address, whosever lines it has    |

A day's products are attributes of its row (`units#<product id>`), so that the best sellers of a
period are read with its days: a row of DynamoDB's 400 KB has room for five thousand products sold
on one day.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Self

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.exceptions import UpdateError
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from seller_dashboard.model import (
    Address,
    CatalogueEntry,
    DayTotals,
    OrderNotes,
    PaymentStatus,
    Period,
    Sale,
    SaleStatus,
    Sold,
    SoldLine,
    SoldProduct,
)
from supermarket.clock import from_iso, iso
from supermarket.dynamo.rows import Row, error_code, table
from supermarket.dynamo.transaction import dynamo
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction

ORDER, DAY, PRODUCT, NOTES = "ORDER#", "DAY#", "PRODUCT#", "NOTES"
UNITS, MINOR = "units#", "minor#"
AFTER_ANY_CURRENCY = "~"


class SaleRow(Row):
    """One seller's share of one order."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    order_id = UnicodeAttribute(attr_name="orderId")
    status = UnicodeAttribute()
    customer_first_name = UnicodeAttribute(attr_name="customerFirstName")
    currency = UnicodeAttribute()
    lines = JSONAttribute()
    placed_at = UnicodeAttribute(attr_name="placedAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")


class DayRow(Row):
    """The sums of one day in one currency; the products' shares are attributes of their own, which
    `ADD` can change without anybody having to make room for them first.
    """

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    orders = NumberAttribute()
    units = NumberAttribute()
    minor = NumberAttribute()
    shares: dict[str, int]

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        row = super().from_raw_data(data)
        row.shares = {
            name: int(value["N"]) for name, value in data.items() if name.startswith((UNITS, MINOR))
        }
        return row


class ProductRow(Row):
    """One product; a row that a sale made before the catalogue's fact arrived has no revision."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    title = UnicodeAttribute(null=True)
    price = NumberAttribute(null=True)
    currency = UnicodeAttribute(null=True)
    category = UnicodeAttribute(null=True)
    revision = NumberAttribute(null=True)
    deleted = BooleanAttribute(null=True)
    units = NumberAttribute(null=True)
    shares: dict[str, int]

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        row = super().from_raw_data(data)
        row.shares = {
            name: int(value["N"]) for name, value in data.items() if name.startswith(MINOR)
        }
        return row


class NotesRow(Row):
    """What is known of an order as a whole."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=NOTES)
    payment = UnicodeAttribute(null=True)
    payment_standing = UnicodeAttribute(attr_name="paymentStanding", null=True)
    address = JSONAttribute(null=True)
    address_since = UnicodeAttribute(attr_name="addressSince", null=True)


class DynamoSales:
    """`Sales` in DynamoDB."""

    def find(self, sale: Sale) -> Sale | None:
        try:
            row = SaleRow.get(_seller(sale.seller_id), ORDER + sale.position, consistent_read=True)
        except SaleRow.DoesNotExist:
            return None
        return _sale(row)

    def save(
        self, sale: Sale, known: Sale | None, transaction: Transaction, refused: DomainError
    ) -> None:
        unchanged = SaleRow.sk.does_not_exist() if known is None else SaleRow.status == known.status
        dynamo(transaction).put(_sale_row(sale), condition=unchanged, refused=refused)

    def count(self, sale: Sale, change: int, transaction: Transaction) -> None:
        day = DayRow(_seller(sale.seller_id), f"{DAY}{sale.day}#{sale.currency}")
        dynamo(transaction).update(day, list(_day_changes(sale, change)))
        titles = {line.product_id: line.title for line in sale.lines}
        for product_id, sold in sale.products.items():
            product = ProductRow(_seller(sale.seller_id), PRODUCT + product_id)
            dynamo(transaction).update(
                product,
                [
                    ProductRow.title.set(ProductRow.title | titles[product_id]),
                    ProductRow.units.add(change * sold.units),
                    Path(MINOR + sold.revenue.currency).add(change * sold.revenue.minor),
                ],
            )

    def newest(self, seller_id: str, limit: int, after: str | None) -> Sequence[Sale]:
        rows = _newest(SaleRow, seller_id, ORDER, limit, after)
        return [_sale(row) for row in rows]

    def days(self, seller_id: str, period: Period) -> Sequence[DayTotals]:
        between = DayRow.sk.between(
            f"{DAY}{period.first}", f"{DAY}{period.last}#{AFTER_ANY_CURRENCY}"
        )
        return [_day_totals(row) for row in DayRow.query(_seller(seller_id), between)]


class DynamoNotes:
    """`Notes` in DynamoDB."""

    def payment(self, order_id: str, status: PaymentStatus, standing: str) -> None:
        known = NotesRow.payment_standing
        _update_unless_stale(
            NotesRow(ORDER + order_id),
            [NotesRow.payment.set(status), known.set(standing)],
            known.does_not_exist() | (known < standing),
        )

    def address(self, order_id: str, address: Address, since: datetime) -> None:
        known = NotesRow.address_since
        _update_unless_stale(
            NotesRow(ORDER + order_id),
            [NotesRow.address.set(vars(address)), known.set(iso(since))],
            known.does_not_exist() | (known < iso(since)),
        )

    def find_many(self, order_ids: Iterable[str]) -> Mapping[str, OrderNotes]:
        rows = NotesRow.batch_get([(ORDER + order_id, NOTES) for order_id in order_ids])
        return {row.pk.removeprefix(ORDER): _notes(row) for row in rows}


class DynamoCatalogue:
    """`Catalogue` in DynamoDB."""

    def revise(self, entry: CatalogueEntry) -> None:
        known = ProductRow.revision
        category = ProductRow.category
        _update_unless_stale(
            ProductRow(_seller(entry.seller_id), PRODUCT + entry.product_id),
            [
                ProductRow.title.set(entry.title),
                ProductRow.price.set(entry.price.minor),
                ProductRow.currency.set(entry.price.currency),
                category.remove() if entry.category is None else category.set(entry.category),
                known.set(entry.revision),
            ],
            known.does_not_exist() | (known < entry.revision),
        )

    def take_off_sale(self, seller_id: str, product_id: str) -> None:
        """For good: nothing ever takes the mark away, so it does not matter when it comes."""
        ProductRow(_seller(seller_id), PRODUCT + product_id).update([ProductRow.deleted.set(True)])

    def newest(self, seller_id: str, limit: int, after: str | None) -> Sequence[SoldProduct]:
        rows = _newest(ProductRow, seller_id, PRODUCT, limit, after)
        return [_product(row) for row in rows]

    def titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]:
        keys = [(_seller(seller_id), PRODUCT + product_id) for product_id in product_ids]
        return {row.sk.removeprefix(PRODUCT): row.title or "" for row in ProductRow.batch_get(keys)}


def _seller(seller_id: str) -> str:
    return f"SELLER#{seller_id}"


def _newest[R: Row](
    kind: type[R], seller_id: str, prefix: str, limit: int, after: str | None
) -> Iterator[R]:
    """Backwards from `after`, which need not be there any more."""
    seller = _seller(seller_id)
    start = {"pk": {"S": seller}, "sk": {"S": f"{prefix}{after}"}}
    return kind.query(
        seller,
        Path("sk").startswith(prefix),
        scan_index_forward=False,
        limit=limit,
        page_size=limit,
        last_evaluated_key=None if after is None else start,
    )


def _update_unless_stale(row: Row, actions: list[Action], is_news: Any) -> None:
    try:
        row.update(actions, condition=is_news)
    except UpdateError as refused:
        if error_code(refused) != "ConditionalCheckFailedException":
            raise


def _day_changes(sale: Sale, change: int) -> Iterator[Action]:
    yield DayRow.orders.add(change)
    yield DayRow.units.add(change * sale.units)
    yield DayRow.minor.add(change * sale.total.minor)
    for product_id, sold in sale.products.items():
        yield Path(UNITS + product_id).add(change * sold.units)
        yield Path(MINOR + product_id).add(change * sold.revenue.minor)


def _sale_row(sale: Sale) -> SaleRow:
    return SaleRow(
        _seller(sale.seller_id),
        ORDER + sale.position,
        order_id=sale.order_id,
        status=sale.status,
        customer_first_name=sale.customer_first_name,
        currency=sale.currency,
        lines=[
            [
                line.product_id,
                line.title,
                line.quantity,
                line.unit_price.minor,
                line.line_total.minor,
            ]
            for line in sale.lines
        ],
        placed_at=iso(sale.placed_at),
        updated_at=iso(sale.updated_at),
    )


def _sale(row: SaleRow) -> Sale:
    currency = Currency(row.currency)
    return Sale(
        seller_id=row.pk.removeprefix("SELLER#"),
        order_id=row.order_id,
        status=SaleStatus(row.status),
        customer_first_name=row.customer_first_name,
        lines=tuple(
            SoldLine(product_id, title, quantity, Money(unit, currency), Money(line, currency))
            for product_id, title, quantity, unit, line in row.lines
        ),
        placed_at=from_iso(row.placed_at),
        updated_at=from_iso(row.updated_at),
    )


def _day_totals(row: DayRow) -> DayTotals:
    day, currency_code = row.sk.removeprefix(DAY).split("#")
    currency = Currency(currency_code)
    return DayTotals(
        day=date.fromisoformat(day),
        orders=int(row.orders),
        sold=Sold(int(row.units), Money(int(row.minor), currency)),
        products={
            product_id: Sold(units, Money(row.shares[MINOR + product_id], currency))
            for name, units in row.shares.items()
            if (product_id := name.removeprefix(UNITS)) != name
        },
    )


def _product(row: ProductRow) -> SoldProduct:
    listed = row.revision is not None
    return SoldProduct(
        product_id=row.sk.removeprefix(PRODUCT),
        title=row.title or "",
        price=Money(int(row.price), Currency(row.currency)) if listed else None,
        category=row.category,
        on_sale=listed and not row.deleted,
        units=int(row.units or 0),
        revenue=tuple(
            Money(minor, currency)
            for currency in Currency
            if (minor := row.shares.get(MINOR + currency, 0))
        ),
    )


def _notes(row: NotesRow) -> OrderNotes:
    return OrderNotes(
        payment=PaymentStatus(row.payment) if row.payment else None,
        shipping_address=Address(**row.address) if row.address else None,
    )
