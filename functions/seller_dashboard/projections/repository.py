"""The projections in DynamoDB."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from pynamodb.attributes import NumberAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from seller_dashboard.projections.model import (
    Customer,
    CustomerSales,
    LowStock,
    OrderFacts,
    Period,
    ProductFacts,
    ProductSales,
    Sale,
    SaleStatus,
    Slice,
)
from seller_dashboard.projections.rows import (
    ByStatus,
    CustomerRow,
    DayRow,
    Key,
    OrderRow,
    ProductRow,
    ProfileRow,
    SaleRow,
    SellerOfDayRow,
)
from seller_dashboard.projections.totals import MINOR, UNITS, DailyTotals, nonzero
from supermarket.clock import from_iso
from supermarket.dynamo.rows import Row
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write, update_if
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

SELLERS_PER_PAGE = 100
END = "~"  # sorts after every time and currency


class DynamoOrders:
    """`Orders` in DynamoDB."""

    def find(self, order_id: str) -> OrderFacts | None:
        row = OrderRow.find(Key.ORDER + order_id, Key.WHOLE_ORDER)
        return replace(row.order, version=int(row.version)) if row else None

    def save(self, order: OrderFacts) -> OrderFacts:
        saved = replace(order, version=order.version + 1)
        row = OrderRow(Key.ORDER + order.id, Key.WHOLE_ORDER, order=saved, version=saved.version)
        unchanged = _has_version(OrderRow.version, order.version)
        if not try_write(lambda: row.save(condition=unchanged)):
            raise StaleWrite
        return saved


class DynamoSales:
    """`Sales` in DynamoDB."""

    def find(self, sale: Sale) -> Sale | None:
        row = SaleRow.find(Key.SELLER + sale.seller_id, Key.ORDER + sale.sort_key)
        return _sale(row) if row else None

    def save(self, sale: Sale, known: Sale | None, transaction: Transaction) -> None:
        writes, seller = DynamoTransaction.of(transaction), Key.SELLER + sale.seller_id
        stored: dict[str, Any] = {"sale": sale, "version": sale.version}
        index: dict[str, Any] = {"partition": f"{seller}#{sale.status}", "sort_key": sale.sort_key}
        row = SaleRow(seller, Key.ORDER + sale.sort_key, **index, **stored)
        unchanged = _has_version(SaleRow.version, known.version if known else 0)
        writes.put(row, unchanged, StaleWrite())
        if sale.payment:
            writes.put(SaleRow(seller, Key.PAYMENT + sale.sort_key, **stored))
        if known is None:
            writes.put(SellerOfDayRow(f"{Key.DAY}{sale.day}", seller))

    def add_to_totals(self, sale: Sale, change: DailyTotals, transaction: Transaction) -> None:
        writes, seller = DynamoTransaction.of(transaction), Key.SELLER + sale.seller_id
        day = DayRow(seller, _day_key(change))
        writes.update(day, [DayRow.version.add(1), *_additions(change.numbers)])
        titles = {line.product_id: line.title for line in sale.lines}
        units, minor = change.by_product(UNITS), change.by_product(MINOR)
        revenue = MINOR + change.currency
        for product_id in {**units, **minor}:
            added = _additions({"units": units[product_id], revenue: minor[product_id]})
            named = ProductRow.sold_as.set(titles[product_id])
            writes.update(ProductRow(seller, Key.PRODUCT + product_id), [named, *added])
        numbers = {"orders": change.numbers["orders"], revenue: change.revenue.minor}
        if added := _additions(numbers):
            writes.update(CustomerRow(seller, Key.CUSTOMER + sale.customer.id), added)

    def record_last_order(self, sale: Sale) -> None:
        last = CustomerRow.last_order
        update_if(
            CustomerRow(Key.SELLER + sale.seller_id, Key.CUSTOMER + sale.customer.id),
            [CustomerRow.first_name.set(sale.customer.first_name), last.set(sale.sort_key)],
            last.does_not_exist() | (last < sale.sort_key),
        )

    def list_sales(
        self, seller_id: str, period: Period, status: SaleStatus | None, part: Slice
    ) -> Iterator[Sale]:
        if status is None:
            return map(_sale, _list_backwards(SaleRow, seller_id, Key.ORDER, part, period))
        seller, after = Key.SELLER + seller_id, str(part.after)
        partition = f"{seller}#{status}"
        within = ByStatus.sort_key.between(str(period.first), f"{period.last}{END}")
        start = {"pk": seller, "sk": Key.ORDER + after, "partition": partition, "sortKey": after}
        return map(_sale, SaleRow.by_status.query(partition, within, **_backwards(part, start)))

    def list_oldest_sales(self, seller_id: str, status: SaleStatus, limit: int) -> Iterator[Sale]:
        partition = f"{Key.SELLER}{seller_id}#{status}"
        rows = SaleRow.by_status.query(partition, limit=limit, page_size=limit)
        return map(_sale, rows)

    def list_payments(self, seller_id: str, period: Period, part: Slice) -> Iterator[Sale]:
        return map(_sale, _list_backwards(SaleRow, seller_id, Key.PAYMENT, part, period))

    def list_customers(self, seller_id: str, part: Slice) -> Iterator[CustomerSales]:
        return map(_customer_sales, _list_backwards(CustomerRow, seller_id, Key.CUSTOMER, part))

    def list_daily_totals(
        self, seller_id: str, period: Period, *, consistent: bool = False
    ) -> Sequence[DailyTotals]:
        within = _within(Key.DAY, period)
        rows = DayRow.query(Key.SELLER + seller_id, within, consistent_read=consistent)
        return [_daily_totals(row) for row in rows]

    def list_sellers_of_day(self, day: date) -> Iterator[str]:
        rows = SellerOfDayRow.query(f"{Key.DAY}{day}")
        return (row.sk.removeprefix(Key.SELLER) for row in rows)

    def list_sales_of_day(self, seller_id: str, day: date) -> Iterator[Sale]:
        of_day = _within(Key.ORDER, Period(day, day))
        return map(_sale, SaleRow.query(Key.SELLER + seller_id, of_day, consistent_read=True))

    def replace_totals(self, seller_id: str, totals: DailyTotals, transaction: Transaction) -> None:
        row, unchanged = _day_row(seller_id, totals), _has_version(DayRow.version, totals.version)
        DynamoTransaction.of(transaction).put(row, unchanged, StaleWrite())


class DynamoCatalogue:
    """`Catalogue` in DynamoDB."""

    def find(self, seller_id: str, product_id: str) -> ProductFacts | None:
        row = ProductRow.find(Key.SELLER + seller_id, Key.PRODUCT + product_id)
        return _product(row) if row else None

    def save(self, product: ProductFacts) -> None:
        row = ProductRow(Key.SELLER + product.seller_id, Key.PRODUCT + product.id)
        changes = [ProductRow.product.set(product), ProductRow.version.set(product.version + 1)]
        if low := product.low_stock:
            changes.append(ProductRow.partition.set(f"{row.pk}#{Key.LOW_STOCK}"))
            changes.append(ProductRow.sort_key.set(f"{low.stock:010}#{product.id}"))
        else:
            changes += [ProductRow.partition.remove(), ProductRow.sort_key.remove()]
        if not update_if(row, changes, _has_version(ProductRow.version, product.version)):
            raise StaleWrite

    def list_products(self, seller_id: str, part: Slice) -> Iterator[ProductSales]:
        return map(_product_sales, _list_backwards(ProductRow, seller_id, Key.PRODUCT, part))

    def get_titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]:
        keys = [(Key.SELLER + seller_id, Key.PRODUCT + product_id) for product_id in product_ids]
        rows = ProductRow.find_many(keys, consistent=False)
        return {row.sk.removeprefix(Key.PRODUCT): _title(row) for row in rows}

    def list_low_stock(self, seller_id: str, limit: int) -> Sequence[LowStock]:
        partition = f"{Key.SELLER}{seller_id}#{Key.LOW_STOCK}"
        rows = ProductRow.by_status.query(partition, limit=limit, page_size=limit)
        return [low for row in rows if (low := _product(row).low_stock)]


class DynamoSellers:
    """`Sellers` in DynamoDB."""

    def upsert(self, seller: Recipient, as_of: str) -> None:
        row = ProfileRow(Key.SELLER + seller.user_id, Key.PROFILE, seller=seller, as_of=as_of)
        row.partition, row.sort_key = Key.ALL_SELLERS, seller.user_id
        is_newer = ProfileRow.as_of.does_not_exist() | (ProfileRow.as_of < as_of)
        try_write(lambda: row.save(condition=is_newer))

    def find(self, seller_id: str) -> Recipient | None:
        row = ProfileRow.find(Key.SELLER + seller_id, Key.PROFILE)
        return row.seller if row else None

    def list_all(self, after: str) -> Iterator[Recipient]:
        rest = ByStatus.sort_key > after if after else None
        rows = ProfileRow.by_status.query(Key.ALL_SELLERS, rest, page_size=SELLERS_PER_PAGE)
        return (row.seller for row in rows)


def _within(prefix: str, period: Period | None) -> Condition:
    if period is None:
        return Path("sk").startswith(prefix)
    return Path("sk").between(f"{prefix}{period.first}", f"{prefix}{period.last}{END}")


def _list_backwards[R: Row](
    kind: type[R], seller_id: str, prefix: str, part: Slice, period: Period | None = None
) -> Iterator[R]:
    seller = Key.SELLER + seller_id
    start = {"pk": seller, "sk": f"{prefix}{part.after}"}
    return kind.query(seller, _within(prefix, period), **_backwards(part, start))


def _backwards(part: Slice, start: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a query that begins at the key `start`, which need not exist any more,
    if the part is not the first.
    """
    last_key = {name: {"S": key} for name, key in start.items()} if part.after else None
    paging = {"limit": part.limit, "page_size": part.limit, "last_evaluated_key": last_key}
    return {"scan_index_forward": False, **paging}


def _has_version(version: NumberAttribute, known: int) -> Condition:
    return version == known if known else version.does_not_exist()


def _sale(row: SaleRow) -> Sale:
    return replace(row.sale, version=int(row.version))


def _day_key(totals: DailyTotals) -> str:
    return f"{Key.DAY}{totals.day}#{totals.currency}"


def _additions(numbers: Mapping[str, int]) -> list[Action]:
    return [Path(name).add(number) for name, number in numbers.items() if number]


def _day_row(seller_id: str, totals: DailyTotals) -> DayRow:
    row = DayRow(Key.SELLER + seller_id, _day_key(totals), version=totals.version + 1)
    row.numbers = totals.numbers
    return row


def _daily_totals(row: DayRow) -> DailyTotals:
    day, currency = row.sk.removeprefix(Key.DAY).split("#")
    numbers, version = Counter(row.numbers), int(row.version)
    return DailyTotals(date.fromisoformat(day), Currency(currency), numbers, version)


def _product(row: ProductRow) -> ProductFacts:
    """Return the stored facts; only the ids before an event of the product has arrived."""
    ids = ProductFacts(row.pk.removeprefix(Key.SELLER), row.sk.removeprefix(Key.PRODUCT))
    return replace(row.product or ids, version=int(row.version or 0))


def _product_sales(row: ProductRow) -> ProductSales:
    product = _product(row)
    details = product.details
    return ProductSales(
        product_id=product.id,
        title=_title(row),
        price=details.price if details else None,
        category=details.category if details else None,
        on_sale=details is not None and not product.is_deleted,
        units=row.numbers.get("units", 0),
        revenue=_amounts(row.numbers),
    )


def _title(row: ProductRow) -> str:
    details = _product(row).details
    return details.title if details else row.sold_as or ""


def _customer_sales(row: CustomerRow) -> CustomerSales:
    return CustomerSales(
        Customer(row.sk.removeprefix(Key.CUSTOMER), row.first_name),
        orders=row.numbers.get("orders", 0),
        spent=_amounts(row.numbers),
        last_order_at=from_iso(row.last_order.partition("#")[0]),
    )


def _amounts(numbers: Mapping[str, int]) -> tuple[Money, ...]:
    return nonzero(Money(numbers.get(MINOR + currency, 0), currency) for currency in Currency)
