"""The projections in DynamoDB."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
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
    CountedRow,
    CustomerRow,
    DayRow,
    Key,
    OrderRow,
    ProductRow,
    ProfileRow,
    SaleRow,
    SellerOfDayRow,
)
from seller_dashboard.projections.totals import (
    MINOR,
    UNITS,
    Counted,
    DailyTotals,
    nonzero,
    sum_by_day,
)
from supermarket.clock import from_iso, iso
from supermarket.days import start_of
from supermarket.dynamo.read_ahead import reading_ahead
from supermarket.dynamo.rows import Row
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write, update_if
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

SELLERS_PER_PAGE = 100
END = "~"  # sorts after every currency and part
# orders are placed between these days, whose moments are inside of what `datetime` has
EARLIEST, LATEST = date(2000, 1, 1), date(9999, 12, 30)


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

    def find(self, sale: Sale) -> tuple[Sale | None, Counted]:
        record = (Key.ORDER + sale.order_id, Key.COUNTED + sale.seller_id)
        with reading_ahead():
            CountedRow.plan_read(*record)
            row = SaleRow.find(Key.SELLER + sale.seller_id, Key.ORDER + sale.sort_key)
            counted = _counted(sale, CountedRow.find(*record))
        return _sale(row) if row else None, counted

    def save(self, sale: Sale, known: Sale | None) -> None:
        seller = Key.SELLER + sale.seller_id
        row = SaleRow(seller, Key.ORDER + sale.sort_key, sale=sale, version=sale.version)
        row.partition, row.sort_key = f"{seller}#{sale.status}", sale.sort_key
        unchanged = _has_version(SaleRow.version, known.version if known else 0)
        if not try_write(lambda: row.save(condition=unchanged)):
            raise StaleWrite

    def list_counted(self, sales: Sequence[Sale]) -> Mapping[str, Counted]:
        keys = [(Key.ORDER + sale.order_id, Key.COUNTED + sale.seller_id) for sale in sales]
        rows = {row.pk.removeprefix(Key.ORDER): row for row in CountedRow.find_many(keys)}
        return {sale.order_id: _counted(sale, rows.get(sale.order_id)) for sale in sales}

    def count(
        self, sale: Sale, counted: Counted, change: DailyTotals, transaction: Transaction
    ) -> Counted:
        writes, known = DynamoTransaction.of(transaction), counted.totals
        totals = replace(known + change, version=known.version + 1)
        record = CountedRow(Key.ORDER + sale.order_id, Key.COUNTED + sale.seller_id)
        record.numbers, record.version = +totals.numbers, totals.version
        record.counted = counted.sale_version
        writes.put(record, _has_version(CountedRow.version, known.version), StaleWrite())
        if not known.version:
            writes.put(SellerOfDayRow(f"{Key.DAY}{sale.day}", Key.SELLER + sale.seller_id))
        if sale.payment:
            paid = (Key.PAID + sale.seller_id, Key.PAYMENT + sale.sort_key)
            writes.put(SaleRow(*paid, sale=sale, version=sale.version))
        for part in change.parts(sale.order_id):
            day = DayRow(Key.TOTALS + sale.seller_id, _part_key(part))
            writes.update(day, [DayRow.version.add(1), *_additions(part.numbers)])
        self._add_to_lifetime(sale, change, writes)
        return replace(counted, totals=totals)

    def _add_to_lifetime(self, sale: Sale, change: DailyTotals, writes: DynamoTransaction) -> None:
        """Add the change to the totals of the products and the customer."""
        seller = Key.SELLER + sale.seller_id
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
        seller = Key.SELLER + seller_id
        if status is None:
            return map(_sale, _list_backwards(SaleRow, seller, Key.ORDER, part, period))
        after = str(part.after)
        partition = f"{seller}#{status}"
        within = ByStatus.sort_key.between(*_moments(period))
        start = {"pk": seller, "sk": Key.ORDER + after, "partition": partition, "sortKey": after}
        return map(_sale, SaleRow.by_status.query(partition, within, **_backwards(part, start)))

    def list_oldest_sales(self, seller_id: str, status: SaleStatus, limit: int) -> Iterator[Sale]:
        partition = f"{Key.SELLER}{seller_id}#{status}"
        rows = SaleRow.by_status.query(partition, limit=limit, page_size=limit)
        return map(_sale, rows)

    def list_payments(self, seller_id: str, period: Period, part: Slice) -> Iterator[Sale]:
        seller = Key.PAID + seller_id
        return map(_sale, _list_backwards(SaleRow, seller, Key.PAYMENT, part, period))

    def list_customers(self, seller_id: str, part: Slice) -> Iterator[CustomerSales]:
        seller = Key.SELLER + seller_id
        return map(_customer_sales, _list_backwards(CustomerRow, seller, Key.CUSTOMER, part))

    def list_daily_totals(self, seller_id: str, period: Period) -> Sequence[DailyTotals]:
        rows = DayRow.query(Key.TOTALS + seller_id, _days(period))
        return sum_by_day(map(_day_part, rows))

    def list_parts(self, seller_id: str, day: date) -> Iterator[DailyTotals]:
        of_day = _days(Period(day, day))
        rows = DayRow.query(Key.TOTALS + seller_id, of_day, consistent_read=True)
        return map(_day_part, rows)

    def list_sellers_of_day(self, day: date) -> Iterator[str]:
        rows = SellerOfDayRow.query(f"{Key.DAY}{day}")
        return (row.sk.removeprefix(Key.SELLER) for row in rows)

    def list_sales_of_day(self, seller_id: str, day: date) -> Iterator[Sale]:
        of_day = _within(Key.ORDER, Period(day, day))
        return map(_sale, SaleRow.query(Key.SELLER + seller_id, of_day, consistent_read=True))

    def replace_part(self, seller_id: str, part: DailyTotals, transaction: Transaction) -> None:
        row = DayRow(Key.TOTALS + seller_id, _part_key(part), version=part.version + 1)
        row.numbers = part.numbers
        unchanged = _has_version(DayRow.version, part.version)
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
        seller = Key.SELLER + seller_id
        return map(_product_sales, _list_backwards(ProductRow, seller, Key.PRODUCT, part))

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


def _days(period: Period) -> Condition:
    """Return the condition that a row is a part of a day of the period."""
    return Path("sk").between(f"{Key.DAY}{period.first}", f"{Key.DAY}{period.last}{END}")


def _within(prefix: str, period: Period | None) -> Condition:
    """Return the condition that a row begins with the prefix and a moment of the period, if any."""
    if period is None:
        return Path("sk").startswith(prefix)
    first, end = _moments(period)
    return Path("sk").between(f"{prefix}{first}", f"{prefix}{end}")


def _moments(period: Period) -> tuple[str, str]:
    """Return the beginning of a period and its end, which sorts before what is placed then."""
    end = min(period.last, LATEST) + timedelta(days=1)
    return iso(start_of(max(period.first, EARLIEST))), iso(start_of(end))


def _list_backwards[R: Row](
    kind: type[R], partition: str, prefix: str, part: Slice, period: Period | None = None
) -> Iterator[R]:
    start = {"pk": partition, "sk": f"{prefix}{part.after}"}
    return kind.query(partition, _within(prefix, period), **_backwards(part, start))


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


def _counted(sale: Sale, row: CountedRow | None) -> Counted:
    totals = DailyTotals(sale.day, sale.currency)
    if row is None:
        return Counted(totals)
    totals = replace(totals, numbers=Counter(row.numbers), version=int(row.version))
    return Counted(totals, int(row.counted))


def _part_key(totals: DailyTotals) -> str:
    return f"{Key.DAY}{totals.day}#{totals.currency}#{totals.part}"


def _additions(numbers: Mapping[str, int]) -> list[Action]:
    return [Path(name).add(number) for name, number in numbers.items() if number]


def _day_part(row: DayRow) -> DailyTotals:
    day, currency, part = row.sk.removeprefix(Key.DAY).split("#")
    numbers, version = Counter(row.numbers), int(row.version)
    return DailyTotals(date.fromisoformat(day), Currency(currency), numbers, part, version)


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
