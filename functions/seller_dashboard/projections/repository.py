"""The projections in DynamoDB."""

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
    PaymentShare,
    Period,
    ProductFacts,
    ProductSales,
    Sale,
    SaleStatus,
    SalesTotals,
)
from seller_dashboard.projections.rows import (
    CUSTOMER,
    DAY,
    LOW_STOCK,
    MINOR,
    ORDER,
    PAYMENT,
    PRODUCT,
    PROFILE,
    SELLER,
    SELLERS,
    UNITS,
    WHOLE_ORDER,
    ByStatus,
    CustomerRow,
    DayRow,
    OrderRow,
    PaymentRow,
    ProductRow,
    ProfileRow,
    SaleRow,
    SellerOfDayRow,
)
from seller_dashboard.projections.totals import DailyTotals
from supermarket.clock import from_iso
from supermarket.dynamo.rows import Row
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write, update_if
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

SELLERS_PER_PAGE = 100
END = "~"  # sorts after every time and currency


class DynamoOrders:
    """`Orders` in DynamoDB."""

    def find(self, order_id: str) -> OrderFacts | None:
        row = _find(OrderRow, ORDER + order_id, WHOLE_ORDER)
        return replace(row.order, version=int(row.version)) if row else None

    def save(self, order: OrderFacts) -> OrderFacts:
        saved = replace(order, version=order.version + 1)
        row = OrderRow(ORDER + order.id, WHOLE_ORDER, order=saved, version=saved.version)
        unchanged = _has_version(OrderRow.version, order.version)
        if not try_write(lambda: row.save(condition=unchanged)):
            raise StaleWrite
        return saved


class DynamoSales:
    """`Sales` in DynamoDB."""

    def find(self, sale: Sale) -> Sale | None:
        row = _find(SaleRow, SELLER + sale.seller_id, ORDER + sale.sort_key)
        return _sale(row) if row else None

    def save(
        self, sale: Sale, known: Sale | None, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        writes, seller = DynamoTransaction.of(transaction), SELLER + sale.seller_id
        row = SaleRow(
            seller,
            ORDER + sale.sort_key,
            partition=f"{seller}#{sale.status}",
            sort_key=sale.sort_key,
            sale=sale,
            version=sale.version,
        )
        unchanged = _has_version(SaleRow.version, known.version if known else 0)
        writes.put(row, unchanged, on_conflict)
        if share := sale.payment_share:
            writes.put(PaymentRow(seller, PAYMENT + share.sort_key, share=share))
        if known is None:
            writes.put(SellerOfDayRow(f"{DAY}{sale.day}", seller))

    def add_to_totals(self, sale: Sale, change: DailyTotals, transaction: Transaction) -> None:
        writes, seller = DynamoTransaction.of(transaction), SELLER + sale.seller_id
        day = DayRow(seller, _day_key(change))
        writes.update(day, [DayRow.version.add(1), *_additions(_numbers(change))])
        titles = {line.product_id: line.title for line in sale.lines}
        for product_id, sold in change.products.items():
            added = {"units": sold.units, MINOR + change.currency: sold.revenue.minor}
            changes = [ProductRow.sold_as.set(titles[product_id]), *_additions(added)]
            writes.update(ProductRow(seller, PRODUCT + product_id), changes)
        if change.orders or change.sold:
            added = {"orders": change.orders, MINOR + change.currency: change.sold.revenue.minor}
            writes.update(CustomerRow(seller, CUSTOMER + sale.customer.id), _additions(added))

    def record_last_order(self, sale: Sale) -> None:
        last = CustomerRow.last_order
        update_if(
            CustomerRow(SELLER + sale.seller_id, CUSTOMER + sale.customer.id),
            [CustomerRow.first_name.set(sale.customer.first_name), last.set(sale.sort_key)],
            last.does_not_exist() | (last < sale.sort_key),
        )

    def list_sales(
        self,
        seller_id: str,
        period: Period,
        status: SaleStatus | None,
        limit: int,
        after: str | None,
    ) -> Iterator[Sale]:
        if status is None:
            return map(_sale, _list_backwards(SaleRow, seller_id, ORDER, limit, after, period))
        return map(_sale, _list_by_status(seller_id, status, period, limit, after))

    def list_payments(
        self, seller_id: str, period: Period, limit: int, after: str | None
    ) -> Iterator[PaymentShare]:
        rows = _list_backwards(PaymentRow, seller_id, PAYMENT, limit, after, period)
        return (row.share for row in rows)

    def list_customers(
        self, seller_id: str, limit: int, after: str | None
    ) -> Iterator[CustomerSales]:
        rows = _list_backwards(CustomerRow, seller_id, CUSTOMER, limit, after)
        return map(_customer_sales, rows)

    def list_daily_totals(self, seller_id: str, period: Period) -> Sequence[DailyTotals]:
        return _list_daily_totals(seller_id, period)

    def list_sellers_of_day(self, day: date) -> Iterator[str]:
        rows = SellerOfDayRow.query(f"{DAY}{day}")
        return (row.sk.removeprefix(SELLER) for row in rows)

    def list_sales_of_day(self, seller_id: str, day: date) -> Iterator[Sale]:
        of_day = _within(ORDER, Period(day, day))
        return map(_sale, SaleRow.query(SELLER + seller_id, of_day, consistent_read=True))

    def list_totals_of_day(self, seller_id: str, day: date) -> Sequence[DailyTotals]:
        return _list_daily_totals(seller_id, Period(day, day), consistent_read=True)

    def replace_totals(
        self,
        seller_id: str,
        totals: DailyTotals,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        unchanged = _has_version(DayRow.version, totals.version)
        DynamoTransaction.of(transaction).put(_day_row(seller_id, totals), unchanged, on_conflict)


class DynamoCatalogue:
    """`Catalogue` in DynamoDB."""

    def find(self, seller_id: str, product_id: str) -> ProductFacts | None:
        row = _find(ProductRow, SELLER + seller_id, PRODUCT + product_id)
        return _product(row) if row else None

    def save(self, product: ProductFacts) -> None:
        row, low = ProductRow(SELLER + product.seller_id, PRODUCT + product.id), product.low_stock
        changes = [
            ProductRow.product.set(product),
            ProductRow.version.set(product.version + 1),
            _set_or_remove(ProductRow.partition, f"{row.pk}#{LOW_STOCK}" if low else None),
            _set_or_remove(ProductRow.sort_key, f"{low.stock:010}#{product.id}" if low else None),
        ]
        if not update_if(row, changes, _has_version(ProductRow.version, product.version)):
            raise StaleWrite

    def list_products(
        self, seller_id: str, limit: int, after: str | None
    ) -> Iterator[ProductSales]:
        rows = _list_backwards(ProductRow, seller_id, PRODUCT, limit, after)
        return map(_product_sales, rows)

    def get_titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]:
        keys = [(SELLER + seller_id, PRODUCT + product_id) for product_id in product_ids]
        return {row.sk.removeprefix(PRODUCT): _title(row) for row in ProductRow.batch_get(keys)}

    def list_low_stock(self, seller_id: str, limit: int) -> Sequence[LowStock]:
        partition = f"{SELLER}{seller_id}#{LOW_STOCK}"
        rows = ProductRow.by_status.query(partition, limit=limit, page_size=limit)
        return [low for row in rows if (low := _product(row).low_stock)]


class DynamoSellers:
    """`Sellers` in DynamoDB."""

    def upsert(self, seller: Recipient, as_of: str) -> None:
        changes = [
            ProfileRow.email.set(seller.email),
            ProfileRow.first_name.set(seller.first_name),
            ProfileRow.as_of.set(as_of),
            ProfileRow.partition.set(SELLERS),
            ProfileRow.sort_key.set(seller.user_id),
        ]
        is_older = ProfileRow.as_of.does_not_exist() | (ProfileRow.as_of < as_of)
        update_if(ProfileRow(SELLER + seller.user_id, PROFILE), changes, is_older)

    def find(self, seller_id: str) -> Recipient | None:
        row = _find(ProfileRow, SELLER + seller_id, PROFILE)
        return Recipient(seller_id, row.email, row.first_name) if row else None

    def list_all(self, after: str) -> Iterator[Recipient]:
        rest = ByStatus.sort_key > after if after else None
        for row in ProfileRow.by_status.query(SELLERS, rest, page_size=SELLERS_PER_PAGE):
            yield Recipient(row.sort_key, row.email, row.first_name)


def _find[R: Row](kind: type[R], pk: str, sk: str) -> R | None:
    try:
        return kind.get(pk, sk, consistent_read=True)
    except kind.DoesNotExist:
        return None


def _within(prefix: str, period: Period | None) -> Condition:
    if period is None:
        return Path("sk").startswith(prefix)
    return Path("sk").between(f"{prefix}{period.first}", f"{prefix}{period.last}{END}")


def _list_backwards[R: Row](
    kind: type[R],
    seller_id: str,
    prefix: str,
    limit: int,
    after: str | None,
    period: Period | None = None,
) -> Iterator[R]:
    """Query from `after`, which need not exist any more, in descending order."""
    start = {"pk": SELLER + seller_id, "sk": f"{prefix}{after}"}
    return kind.query(
        SELLER + seller_id,
        _within(prefix, period),
        scan_index_forward=False,
        limit=limit,
        page_size=limit,
        last_evaluated_key=None if after is None else _raw(start),
    )


def _list_by_status(
    seller_id: str, status: SaleStatus, period: Period, limit: int, after: str | None
) -> Iterator[SaleRow]:
    seller, partition = SELLER + seller_id, f"{SELLER}{seller_id}#{status}"
    start = {"pk": seller, "sk": f"{ORDER}{after}", "partition": partition, "sortKey": str(after)}
    return SaleRow.by_status.query(
        partition,
        ByStatus.sort_key.between(str(period.first), f"{period.last}{END}"),
        scan_index_forward=False,
        limit=limit,
        page_size=limit,
        last_evaluated_key=None if after is None else _raw(start),
    )


def _raw(key: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {name: {"S": value} for name, value in key.items()}


def _list_daily_totals(
    seller_id: str, period: Period, *, consistent_read: bool = False
) -> Sequence[DailyTotals]:
    within = _within(DAY, period)
    rows = DayRow.query(SELLER + seller_id, within, consistent_read=consistent_read)
    return [_daily_totals(row) for row in rows]


def _has_version(version: NumberAttribute, known: int) -> Condition:
    return version == known if known else version.does_not_exist()


def _set_or_remove(attribute: Any, value: Any) -> Action:
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action


def _sale(row: SaleRow) -> Sale:
    return replace(row.sale, version=int(row.version))


def _day_key(totals: DailyTotals) -> str:
    return f"{DAY}{totals.day}#{totals.currency}"


def _additions(numbers: Mapping[str, int]) -> list[Action]:
    return [Path(name).add(number) for name, number in numbers.items()]


def _numbers(totals: DailyTotals) -> dict[str, int]:
    products = totals.products.items()
    return {
        "placed": totals.placed,
        "paid": totals.paid,
        "orders": totals.orders,
        "units": totals.sold.units,
        "minor": totals.sold.revenue.minor,
        "refunded": totals.refunded.minor,
        **{UNITS + product_id: sold.units for product_id, sold in products},
        **{MINOR + product_id: sold.revenue.minor for product_id, sold in products},
    }


def _day_row(seller_id: str, totals: DailyTotals) -> DayRow:
    row = DayRow(SELLER + seller_id, _day_key(totals), version=totals.version + 1)
    row.numbers = _numbers(totals)
    return row


def _daily_totals(row: DayRow) -> DailyTotals:
    day, currency_code = row.sk.removeprefix(DAY).split("#")
    currency, numbers = Currency(currency_code), row.numbers
    products = {
        product_id: SalesTotals(units, Money(numbers[MINOR + product_id], currency))
        for name, units in numbers.items()
        if (product_id := name.removeprefix(UNITS)) != name
    }
    return DailyTotals(
        day=date.fromisoformat(day),
        placed=numbers["placed"],
        paid=numbers["paid"],
        orders=numbers["orders"],
        sold=SalesTotals(numbers["units"], Money(numbers["minor"], currency)),
        refunded=Money(numbers["refunded"], currency),
        products={product_id: sold for product_id, sold in products.items() if sold},
        version=int(row.version),
    )


def _product(row: ProductRow) -> ProductFacts:
    """Return the stored facts; only the ids before an event of the product has arrived."""
    ids = ProductFacts(row.pk.removeprefix(SELLER), row.sk.removeprefix(PRODUCT))
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
        Customer(row.sk.removeprefix(CUSTOMER), row.first_name),
        orders=row.numbers.get("orders", 0),
        spent=_amounts(row.numbers),
        last_order_at=from_iso(row.last_order.partition("#")[0]),
    )


def _amounts(numbers: Mapping[str, int]) -> tuple[Money, ...]:
    amounts = (Money(numbers.get(MINOR + currency, 0), currency) for currency in Currency)
    return tuple(amount for amount in amounts if amount.minor)
