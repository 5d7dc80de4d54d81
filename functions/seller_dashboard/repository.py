"""The projections in DynamoDB, all in the table `sales`.

| pk          | sk                            | one row per                                      |
|-------------|-------------------------------|--------------------------------------------------|
| ORDER#<id>  | ORDER                         | order: what is known of it, for all its sellers  |
| SELLER#<id> | ORDER#<placedAt>#<order id>   | sale: the seller's share of an order             |
| SELLER#<id> | PAYMENT#<placedAt>#<order id> | sale of which a payment is known                 |
| SELLER#<id> | DAY#<date>#<currency>         | day: sums, and each product's share of them      |
| SELLER#<id> | PRODUCT#<product id>          | product: the catalogue's facts, all it ever sold |
| SELLER#<id> | CUSTOMER#<user id>            | customer: sums, and the last order               |
| SELLER#<id> | PROFILE                       | seller: whom mail goes to                        |
| DAY#<date>  | SELLER#<id>                   | seller who had orders on that day                |

The index `byShelf` holds the sales by status (shelf `<seller>#<status>`, by the time they were
placed) and the products that run low (shelf `<seller>#LOW`, the scarcest first).

A day's products are attributes of its row (`units#<product id>`), so that the best sellers of a
period are read with its days: a row of DynamoDB's 400 KB has room for five thousand products sold
on one day.

What `version` and `soldAs` say depends on the order in which the facts arrived, all else on the
facts alone; a rebuild holds the rows to that (`checksum.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from pydantic import TypeAdapter
from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.constants import STRING
from pynamodb.exceptions import PutError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from seller_dashboard.model import (
    Buyer,
    Customer,
    LowStock,
    Order,
    Overtaken,
    PaymentShare,
    Period,
    Product,
    Sale,
    SaleStatus,
    Seller,
    Sold,
    SoldProduct,
)
from seller_dashboard.numbers import DayTotals
from seller_dashboard.reports import Week
from seller_dashboard.upkeep import Reached
from supermarket import telemetry
from supermarket.clock import Clock, from_iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import error_code, retry_on_transaction_conflict
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction

ORDER, PAYMENT, DAY, PRODUCT = "ORDER#", "PAYMENT#", "DAY#", "PRODUCT#"
CUSTOMER, SELLER, PROFILE, WHOLE, LOW = "CUSTOMER#", "SELLER#", "PROFILE", "ORDER", "LOW"
SELLERS = "SELLERS"
SELLERS_PER_PAGE = 100
PROGRESS_KEPT_FOR = timedelta(days=7)
REPORTS_KEPT_FOR = timedelta(days=400)
UNITS, MINOR = "units#", "minor#"
AFTER_ALL = "~"
REFUSED = "ConditionalCheckFailedException"
SALES = "sales"


class ByShelf(GlobalSecondaryIndex[Any]):
    """Sales by status, products that run low, and everybody who sells."""

    class Meta:
        index_name = "byShelf"
        projection = AllProjection()

    shelf = UnicodeAttribute(hash_key=True)
    place = UnicodeAttribute(range_key=True)


class JsonOf[Thing](Attribute[Thing]):
    """A dataclass of the model as JSON; what it compares by, and nothing else."""

    attr_type = STRING

    def __init__(self, kind: type[Any], **options: Any) -> None:
        super().__init__(**options)
        self._adapter = TypeAdapter(kind)

    def serialize(self, value: Thing) -> str:
        return self._adapter.dump_json(value, exclude={"version"}).decode()

    def deserialize(self, value: str) -> Thing:
        stored: Thing = self._adapter.validate_json(value)
        return stored


class OrderRow(Row):
    """An order as the facts told of it so far."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=WHOLE)
    order = JsonOf[Order](Order)
    version = NumberAttribute()


class SaleRow(Row):
    """One seller's share of one order."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    shelf = UnicodeAttribute()
    place = UnicodeAttribute()
    by_shelf = ByShelf()
    sale = JsonOf[Sale](Sale)
    version = NumberAttribute()


class PaymentRow(Row):
    """One seller's share of the payment of one order."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    share = JsonOf[PaymentShare](PaymentShare)


class DayRow(Row):
    """The sums of one day in one currency; the products' shares are attributes of their own, which
    `ADD` can change without anybody having to make room for them first.
    """

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    placed = NumberAttribute(default=0)
    paid = NumberAttribute(default=0)
    orders = NumberAttribute(default=0)
    units = NumberAttribute(default=0)
    minor = NumberAttribute(default=0)
    refunded = NumberAttribute(default=0)
    version = NumberAttribute(default=0)
    shares: Mapping[str, int] = {}

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        row = super().from_raw_data(data)
        row.shares = _numbers(data, (UNITS, MINOR))
        return row

    def serialize(self, null_check: bool = True) -> dict[str, Any]:
        shares = {name: {"N": str(number)} for name, number in self.shares.items()}
        return {**super().serialize(null_check), **shares}


class ProductRow(Row):
    """One product; a row that a sale made before the catalogue's facts arrived has no `product`,
    and until then bears the title that it was sold under.
    """

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    shelf = UnicodeAttribute(null=True)
    place = UnicodeAttribute(null=True)
    by_shelf = ByShelf()
    product = JsonOf[Product | None](Product, null=True)
    sold_as = UnicodeAttribute(attr_name="soldAs", null=True)
    version = NumberAttribute(null=True)
    units = NumberAttribute(null=True)
    shares: Mapping[str, int] = {}

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        row = super().from_raw_data(data)
        row.shares = _numbers(data, (MINOR,))
        return row


class CustomerRow(Row):
    """One customer of a seller."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    first_name = UnicodeAttribute(attr_name="firstName")
    last_order = UnicodeAttribute(attr_name="lastOrder")
    orders = NumberAttribute(default=0)
    shares: Mapping[str, int] = {}

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        row = super().from_raw_data(data)
        row.shares = _numbers(data, (MINOR,))
        return row


class ProfileRow(Row):
    """Whom a seller's mail goes to."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=PROFILE)
    shelf = UnicodeAttribute()
    place = UnicodeAttribute()
    by_shelf = ByShelf()
    email = UnicodeAttribute()
    first_name = UnicodeAttribute(attr_name="firstName")
    told = UnicodeAttribute()


class RegisterRow(Row):
    """A seller had orders on a day."""

    Meta = table("sales")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)


class ProgressRow(Row):
    """How far a job has got with a day or a week. It lies outside the books, which are made of
    facts only; DynamoDB removes it some time after `expires_at`.
    """

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True)
    reached = UnicodeAttribute()
    failed = UnicodeSetAttribute(null=True)
    retried = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class ReportRow(Row):
    """A seller's report of a week that was told, as lasting as that."""

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class RebuildRow(Row):
    """Whose rebuild is at work, until when unless it says so again, and whether the books lack what
    a rebuild has dropped. That is so until a rebuild has come to its end, so nothing removes the
    row.
    """

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True, default="rebuild#seller_dashboard")
    holder = UnicodeAttribute()
    ends_at = NumberAttribute(attr_name="endsAt")
    incomplete = BooleanAttribute(null=True)


class DynamoOrders:
    """`Orders` in DynamoDB."""

    def find(self, order_id: str) -> Order | None:
        try:
            row = OrderRow.get(ORDER + order_id, WHOLE, consistent_read=True)
        except OrderRow.DoesNotExist:
            return None
        return replace(row.order, version=int(row.version))

    def save(self, order: Order) -> Order:
        saved = replace(order, version=order.version + 1)
        row = OrderRow(ORDER + order.id, order=saved, version=saved.version)
        try:
            row.save(condition=_unchanged(OrderRow.version, order.version))
        except PutError as refused:
            if error_code(refused) != REFUSED:
                raise
            raise Overtaken("The order has changed") from refused
        return saved


class DynamoSales:
    """`Sales` in DynamoDB."""

    def find(self, sale: Sale) -> Sale | None:
        try:
            row = SaleRow.get(_seller(sale.seller_id), ORDER + sale.position, consistent_read=True)
        except SaleRow.DoesNotExist:
            return None
        return _sale(row)

    def save(
        self, sale: Sale, known: Sale | None, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        unchanged = _unchanged(SaleRow.version, known.version if known else 0)
        DynamoTransaction.of(transaction).put(
            _sale_row(sale), condition=unchanged, on_conflict=on_conflict
        )
        if share := sale.payment_share:
            row = PaymentRow(_seller(sale.seller_id), PAYMENT + share.position, share=share)
            DynamoTransaction.of(transaction).put(row)
        if known is None:
            seller = _seller(sale.seller_id)
            DynamoTransaction.of(transaction).put(RegisterRow(f"{DAY}{sale.day}", seller))

    def count(self, sale: Sale, change: DayTotals, transaction: Transaction) -> None:
        seller = _seller(sale.seller_id)
        day = DayRow(seller, _day_key(change))
        DynamoTransaction.of(transaction).update(day, list(_day_changes(change)))
        titles = {line.product_id: line.title for line in sale.lines}
        for product_id, sold in change.products.items():
            DynamoTransaction.of(transaction).update(
                _product_row(sale.seller_id, product_id),
                [
                    ProductRow.sold_as.set(titles[product_id]),
                    ProductRow.units.add(sold.units),
                    Path(MINOR + sold.revenue.currency).add(sold.revenue.minor),
                ],
            )
        if change.orders or change.sold:
            customer = CustomerRow(seller, CUSTOMER + sale.customer.id)
            spent = Path(MINOR + change.currency).add(change.sold.revenue.minor)
            DynamoTransaction.of(transaction).update(
                customer, [CustomerRow.orders.add(change.orders), spent]
            )

    def meet(self, sale: Sale) -> None:
        known = CustomerRow.last_order
        _update_if(
            known.does_not_exist() | (known < sale.position),
            CustomerRow(_seller(sale.seller_id), CUSTOMER + sale.customer.id),
            [CustomerRow.first_name.set(sale.customer.first_name), known.set(sale.position)],
        )

    def newest(
        self,
        seller_id: str,
        period: Period,
        status: SaleStatus | None,
        limit: int,
        after: str | None,
    ) -> Iterator[Sale]:
        if status is None:
            return map(_sale, _backwards(SaleRow, seller_id, ORDER, limit, after, period))
        return map(_sale, _on_shelf(seller_id, status, period, limit, after))

    def payments(
        self, seller_id: str, period: Period, limit: int, after: str | None
    ) -> Iterator[PaymentShare]:
        rows = _backwards(PaymentRow, seller_id, PAYMENT, limit, after, period)
        return (row.share for row in rows)

    def buyers(self, seller_id: str, limit: int, after: str | None) -> Iterator[Buyer]:
        return map(_buyer, _backwards(CustomerRow, seller_id, CUSTOMER, limit, after))

    def days(self, seller_id: str, period: Period) -> Sequence[DayTotals]:
        rows = DayRow.query(_seller(seller_id), _within(DAY, period))
        return [_day_totals(row) for row in rows]

    def sellers_on(self, day: date) -> Iterable[str]:
        for row in RegisterRow.query(f"{DAY}{day}"):
            yield row.sk.removeprefix(SELLER)

    def of_day(self, seller_id: str, day: date) -> Iterable[Sale]:
        of_day = _within(ORDER, Period(day, day))
        for row in SaleRow.query(_seller(seller_id), of_day, consistent_read=True):
            yield _sale(row)

    def sums_of_day(self, seller_id: str, day: date) -> Sequence[DayTotals]:
        of_day = _within(DAY, Period(day, day))
        rows = DayRow.query(_seller(seller_id), of_day, consistent_read=True)
        return [_day_totals(row) for row in rows]

    def replace_sums(
        self, seller_id: str, sums: DayTotals, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        unchanged = _unchanged(DayRow.version, sums.version)
        DynamoTransaction.of(transaction).put(_day_row(seller_id, sums), unchanged, on_conflict)


class DynamoCatalogue:
    """`Catalogue` in DynamoDB."""

    def find(self, seller_id: str, product_id: str) -> Product | None:
        try:
            row = ProductRow.get(_seller(seller_id), PRODUCT + product_id, consistent_read=True)
        except ProductRow.DoesNotExist:
            return None
        return _product(row)

    def save(self, product: Product) -> None:
        row, low = ProductRow, product.low_stock
        changes = [
            row.product.set(product),
            row.version.set(product.version + 1),
            _set_or_remove(row.shelf, _shelf(product.seller_id, LOW) if low else None),
            _set_or_remove(row.place, f"{low.stock:010}#{product.id}" if low else None),
        ]
        unchanged = _unchanged(row.version, product.version)
        if not _update_if(unchanged, _product_row(product.seller_id, product.id), changes):
            raise Overtaken("The catalogue has changed")

    def newest(self, seller_id: str, limit: int, after: str | None) -> Iterator[SoldProduct]:
        return map(_sold_product, _backwards(ProductRow, seller_id, PRODUCT, limit, after))

    def titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]:
        keys = [(_seller(seller_id), PRODUCT + product_id) for product_id in product_ids]
        return {row.sk.removeprefix(PRODUCT): _title(row) for row in ProductRow.batch_get(keys)}

    def low_stock(self, seller_id: str, limit: int) -> Sequence[LowStock]:
        rows = ProductRow.by_shelf.query(_shelf(seller_id, LOW), limit=limit, page_size=limit)
        return [low for row in rows if (low := _product(row).low_stock)]


class DynamoSellers:
    """`Sellers` in DynamoDB."""

    def introduce(self, seller: Seller, told: str) -> None:
        _update_if(
            ProfileRow.told.does_not_exist() | (ProfileRow.told < told),
            ProfileRow(_seller(seller.id)),
            [
                ProfileRow.email.set(seller.email),
                ProfileRow.first_name.set(seller.first_name),
                ProfileRow.told.set(told),
                ProfileRow.shelf.set(SELLERS),
                ProfileRow.place.set(seller.id),
            ],
        )

    def find(self, seller_id: str) -> Seller | None:
        try:
            row = ProfileRow.get(_seller(seller_id), PROFILE)
        except ProfileRow.DoesNotExist:
            return None
        return Seller(seller_id, row.email, row.first_name)

    def all(self, after: str) -> Iterator[Seller]:
        rest = ByShelf.place > after if after else None
        for row in ProfileRow.by_shelf.query(SELLERS, rest, page_size=SELLERS_PER_PAGE):
            yield Seller(row.place, row.email, row.first_name)


class DynamoProgress:
    """`Progress` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def of(self, work: str) -> Reached:
        try:
            row = ProgressRow.get(work, consistent_read=True)
        except ProgressRow.DoesNotExist:
            return Reached()
        return Reached(row.reached, frozenset(row.failed or ()), row.retried or "")

    def note(self, work: str, reached: Reached) -> None:
        ends = int((self._clock() + PROGRESS_KEPT_FOR).timestamp())
        failed = set(reached.failed) or None  # DynamoDB knows no empty set
        ProgressRow(
            work,
            reached=reached.last,
            failed=failed,
            retried=reached.retried or None,
            expires_at=ends,
        ).save()


class DynamoRebuilds:
    """`Rebuilds` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def are_under_way(self) -> bool:
        try:
            row = RebuildRow.get(RebuildRow().id, consistent_read=True)
        except RebuildRow.DoesNotExist:
            return False
        is_at_work = row.ends_at > self._clock().timestamp()
        if row.incomplete and not is_at_work:
            telemetry.logger.error("the dashboards were left half made: run the rebuild again")
        return is_at_work or bool(row.incomplete)

    def forbid(self, transaction: Transaction, on_conflict: DomainError) -> None:
        none_at_work = no_rebuild_holds_it(self._clock()) & RebuildRow.incomplete.does_not_exist()
        DynamoTransaction.of(transaction).condition_check(RebuildRow(), none_at_work, on_conflict)


def no_rebuild_holds_it(now: datetime) -> Condition:
    has_ended: Condition = RebuildRow.ends_at <= int(now.timestamp())
    nobody: Condition = RebuildRow.id.does_not_exist() | has_ended
    return nobody


class DynamoReports:
    """`Reports` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def told(self, week: Week, seller_ids: Sequence[str]) -> set[str]:
        keys = [_report_key(week, seller_id) for seller_id in seller_ids]
        return {row.id.rpartition("#")[2] for row in ReportRow.batch_get(keys)}

    def claim(
        self, week: Week, seller_id: str, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        ends = int((self._clock() + REPORTS_KEPT_FOR).timestamp())
        row = ReportRow(_report_key(week, seller_id), expires_at=ends)
        DynamoTransaction.of(transaction).put(row, ReportRow.id.does_not_exist(), on_conflict)


def _report_key(week: Week, seller_id: str) -> str:
    return f"weekly-report#{week.first}#{seller_id}"


def _seller(seller_id: str) -> str:
    return f"{SELLER}{seller_id}"


def _shelf(seller_id: str, name: str) -> str:
    return f"{_seller(seller_id)}#{name}"


def _day_key(sums: DayTotals) -> str:
    return f"{DAY}{sums.day}#{sums.currency}"


def _within(prefix: str, period: Period | None) -> Condition:
    if period is None:
        return Path("sk").startswith(prefix)
    return Path("sk").between(f"{prefix}{period.first}", f"{prefix}{period.last}{AFTER_ALL}")


def _backwards[R: Row](
    kind: type[R],
    seller_id: str,
    prefix: str,
    limit: int,
    after: str | None,
    period: Period | None = None,
) -> Iterator[R]:
    """From `after`, which need not be there any more."""
    seller = _seller(seller_id)
    start = {"pk": {"S": seller}, "sk": {"S": f"{prefix}{after}"}}
    return kind.query(
        seller,
        _within(prefix, period),
        scan_index_forward=False,
        limit=limit,
        page_size=limit,
        last_evaluated_key=None if after is None else start,
    )


def _on_shelf(
    seller_id: str, status: SaleStatus, period: Period, limit: int, after: str | None
) -> Iterator[SaleRow]:
    seller, shelf = _seller(seller_id), _shelf(seller_id, status)
    start = {"pk": seller, "sk": f"{ORDER}{after}", "shelf": shelf, "place": after}
    return SaleRow.by_shelf.query(
        shelf,
        ByShelf.place.between(str(period.first), f"{period.last}{AFTER_ALL}"),
        scan_index_forward=False,
        limit=limit,
        page_size=limit,
        last_evaluated_key=None if after is None else {k: {"S": v} for k, v in start.items()},
    )


def _unchanged(version: NumberAttribute, known: int) -> Condition:
    return version == known if known else version.does_not_exist()


def _update_if(condition: Condition, row: Row, actions: Sequence[Action]) -> bool:
    """Whether the condition held."""
    try:
        retry_on_transaction_conflict(lambda: row.update(list(actions), condition=condition))
    except UpdateError as refused:
        if error_code(refused) != REFUSED:
            raise
        return False
    return True


def _numbers(data: dict[str, Any], prefixes: tuple[str, ...]) -> dict[str, int]:
    return {name: int(value["N"]) for name, value in data.items() if name.startswith(prefixes)}


def _day_changes(change: DayTotals) -> Iterator[Action]:
    yield DayRow.version.add(1)
    yield DayRow.placed.add(change.placed)
    yield DayRow.paid.add(change.paid)
    yield DayRow.orders.add(change.orders)
    yield DayRow.units.add(change.sold.units)
    yield DayRow.minor.add(change.sold.revenue.minor)
    yield DayRow.refunded.add(change.refunded.minor)
    for product_id, sold in change.products.items():
        yield Path(UNITS + product_id).add(sold.units)
        yield Path(MINOR + product_id).add(sold.revenue.minor)


def _set_or_remove(attribute: Any, value: Any) -> Action:
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action


def _sale_row(sale: Sale) -> SaleRow:
    return SaleRow(
        _seller(sale.seller_id),
        ORDER + sale.position,
        shelf=_shelf(sale.seller_id, sale.status),
        place=sale.position,
        sale=sale,
        version=sale.version,
    )


def _sale(row: SaleRow) -> Sale:
    return replace(row.sale, version=int(row.version))


def _day_row(seller_id: str, sums: DayTotals) -> DayRow:
    row = DayRow(
        _seller(seller_id),
        _day_key(sums),
        placed=sums.placed,
        paid=sums.paid,
        orders=sums.orders,
        units=sums.sold.units,
        minor=sums.sold.revenue.minor,
        refunded=sums.refunded.minor,
        version=sums.version + 1,
    )
    row.shares = {UNITS + product_id: sold.units for product_id, sold in sums.products.items()} | {
        MINOR + product_id: sold.revenue.minor for product_id, sold in sums.products.items()
    }
    return row


def _day_totals(row: DayRow) -> DayTotals:
    day, currency_code = row.sk.removeprefix(DAY).split("#")
    currency = Currency(currency_code)
    products = {
        product_id: Sold(units, Money(row.shares[MINOR + product_id], currency))
        for name, units in row.shares.items()
        if (product_id := name.removeprefix(UNITS)) != name
    }
    return DayTotals(
        day=date.fromisoformat(day),
        placed=int(row.placed),
        paid=int(row.paid),
        orders=int(row.orders),
        sold=Sold(int(row.units), Money(int(row.minor), currency)),
        refunded=Money(int(row.refunded), currency),
        products={product_id: sold for product_id, sold in products.items() if sold},
        version=int(row.version),
    )


def _product_row(seller_id: str, product_id: str) -> ProductRow:
    return ProductRow(_seller(seller_id), PRODUCT + product_id)


def _product(row: ProductRow) -> Product:
    """Nothing but its ids before the catalogue has told of it."""
    told = row.product or Product(row.pk.removeprefix(SELLER), row.sk.removeprefix(PRODUCT))
    return replace(told, version=int(row.version or 0))


def _sold_product(row: ProductRow) -> SoldProduct:
    product = _product(row)
    details = product.details
    return SoldProduct(
        product_id=product.id,
        title=_title(row),
        price=details.price if details else None,
        category=details.category if details else None,
        on_sale=details is not None and not product.is_deleted,
        units=int(row.units or 0),
        revenue=_amounts(row.shares),
    )


def _title(row: ProductRow) -> str:
    details = _product(row).details
    return details.title if details else row.sold_as or ""


def _buyer(row: CustomerRow) -> Buyer:
    return Buyer(
        Customer(row.sk.removeprefix(CUSTOMER), row.first_name),
        orders=int(row.orders),
        spent=_amounts(row.shares),
        last_order_at=from_iso(row.last_order.partition("#")[0]),
    )


def _amounts(shares: Mapping[str, int]) -> tuple[Money, ...]:
    return tuple(
        Money(minor, currency)
        for currency in Currency
        if (minor := shares.get(MINOR + currency, 0))
    )
