"""Payments in DynamoDB: payments with pointers to them, and ledger entries."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, islice, zip_longest
from operator import attrgetter
from typing import Self
from zlib import crc32

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

from payment.ledger import Entry, Kind
from payment.model.early_reports import EarlyReports
from payment.model.payment import Payment, sort_key
from supermarket.clock import Clock, from_iso, iso
from supermarket.dynamo.rows import Mapped, Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import update_if
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

UNSENT, SENT = "unsent", "sent"
EARLY_REPORTS_KEPT_FOR = timedelta(days=30)
SHARDS = range(8)  # of an index with few other keys, so that no partition takes all writes


class ByOpenRefunds(GlobalSecondaryIndex["PaymentRow"]):
    """The payments with open refunds, by their last change or synchronisation; those with an unsent
    refund have partitions of their own.
    """

    class Meta:
        index_name = "byOpenRefunds"
        projection = IncludeProjection(["paymentId"])

    open_refunds = UnicodeAttribute(hash_key=True, attr_name="openRefunds")
    updated_at = UnicodeAttribute(range_key=True, attr_name="updatedAt")
    payment_id = UnicodeAttribute(attr_name="paymentId")


class ByDay(GlobalSecondaryIndex["PaymentRow"]):
    """All payments, by the day and the time of their creation."""

    class Meta:
        index_name = "byDay"
        projection = KeysOnlyProjection()

    day = UnicodeAttribute(hash_key=True)
    sort_key = UnicodeAttribute(range_key=True, attr_name="sortKey")
    pk = UnicodeAttribute()


class PaymentRow(Row):
    """A payment, at `payment#<id>`. `updated_at` is also the time of the last synchronisation;
    `unsettled` exists while it is not paid.
    """

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    payment_id = UnicodeAttribute(attr_name="paymentId")
    payment = Mapped[Payment](Payment)
    updated_at = UnicodeAttribute(attr_name="updatedAt")
    open_refunds = UnicodeAttribute(attr_name="openRefunds", null=True)
    unsettled = UnicodeAttribute(null=True)
    day = UnicodeAttribute()
    sort_key = UnicodeAttribute(attr_name="sortKey")

    by_day = ByDay()
    by_unsettled = index("byUnsettled", "unsettled", "sortKey", keys_only=True)
    by_open_refunds = ByOpenRefunds()

    @classmethod
    def of(cls, payment: Payment) -> Self:
        is_unsent = any(not refund.is_sent for refund in payment.open_refunds)
        shard = crc32(payment.id.encode()) % len(SHARDS)
        state = f"{UNSENT if is_unsent else SENT}#{shard}"
        return cls(
            _payment_key(payment.id),
            payment_id=payment.id,
            payment=payment,
            updated_at=iso(payment.updated_at),
            open_refunds=state if payment.open_refunds else None,
            unsettled=None if payment.is_paid else str(shard),
            day=payment.created_at.date().isoformat(),
            sort_key=sort_key(payment),
        )

    def read(self) -> Payment:
        return replace(self.payment, updated_at=from_iso(self.updated_at))


class PointerRow(Row):
    """The id of a payment, at `order#<id>` and, for its Razorpay order and the attempts that took
    money, at `razorpay#<id>`.
    """

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    payment_id = UnicodeAttribute(attr_name="paymentId")


class DynamoPayments:
    """`Payments` and `ReconciledPayments` in DynamoDB."""

    def find(self, payment_id: str) -> Payment | None:
        row = PaymentRow.find(_payment_key(payment_id))
        return row.read() if row else None

    def find_many(self, payment_ids: Collection[str]) -> list[Payment]:
        return [
            row.read() for row in PaymentRow.find_many((_payment_key(id_),) for id_ in payment_ids)
        ]

    @staticmethod
    def plan_read(razorpay_order_id: str) -> None:
        """Read which payment a Razorpay order has, together with the session."""
        PointerRow.plan_read(_razorpay_key(razorpay_order_id))

    def find_by_order(self, order_id: str) -> Payment | None:
        return self._find_at(_order_key(order_id))

    def find_by_razorpay_id(self, razorpay_id: str) -> Payment | None:
        return self._find_at(_razorpay_key(razorpay_id))

    def find_by_razorpay_ids(self, razorpay_ids: Collection[str]) -> dict[str, Payment]:
        ids = {_razorpay_key(id_): id_ for id_ in razorpay_ids}
        pointers = PointerRow.find_many((key,) for key in ids)
        payment_ids = {ids[pointer.pk]: pointer.payment_id for pointer in pointers}
        found = {payment.id: payment for payment in self.find_many(set(payment_ids.values()))}
        return {id_: found[payment_id] for id_, payment_id in payment_ids.items()}

    def add(self, payment: Payment, transaction: Transaction) -> None:
        writes = DynamoTransaction.of(transaction)
        for key in (_order_key(payment.order_id), _razorpay_key(payment.razorpay_order_id)):
            _point(key, payment, writes)
        writes.put(PaymentRow.of(payment), PaymentRow.pk.does_not_exist(), StaleWrite())

    def save(self, before: Payment, after: Payment, transaction: Transaction) -> None:
        writes = DynamoTransaction.of(transaction)
        row, state, unsettled = PaymentRow.of(after), PaymentRow.open_refunds, PaymentRow.unsettled
        actions = [
            PaymentRow.payment.set(after),
            PaymentRow.updated_at.set(row.updated_at),
            state.set(row.open_refunds) if row.open_refunds else state.remove(),
            unsettled.set(row.unsettled) if row.unsettled else unsettled.remove(),
        ]
        writes.update(row, actions, Path("payment.version") == before.version, StaleWrite())
        for attempt_id in after.attempt_ids - before.attempt_ids:
            _point(_razorpay_key(attempt_id), after, writes)

    def require_unchanged(self, payment: Payment, transaction: Transaction) -> None:
        is_same = Path("payment.version") == payment.version
        row = PaymentRow(_payment_key(payment.id))
        DynamoTransaction.of(transaction).condition_check(row, is_same, StaleWrite())

    def require_none(self, order_id: str, transaction: Transaction) -> None:
        DynamoTransaction.of(transaction).condition_check(
            PointerRow(_order_key(order_id)), PointerRow.pk.does_not_exist(), StaleWrite()
        )

    def list_with_open_refunds(self, limit: int) -> list[str]:
        ids = (self._list_by_refunds(state, limit) for state in (UNSENT, SENT))
        return list(islice(filter(None, chain.from_iterable(zip_longest(*ids))), limit))

    def touch(self, payment_id: str, at: datetime) -> None:
        touched = PaymentRow.updated_at.set(iso(at))
        update_if(PaymentRow(_payment_key(payment_id)), [touched], PaymentRow.open_refunds.exists())

    def list_keys_between(self, since: datetime, until: datetime) -> Iterator[str]:
        between = PaymentRow.sort_key.between(iso(since), _end_of(until))
        for number in range((until.date() - since.date()).days + 1):
            day = since.date() + timedelta(days=number)
            for row in PaymentRow.by_day.query(day.isoformat(), between):
                yield row.sort_key

    def list_unsettled_between(self, since: datetime, until: datetime) -> list[Payment]:
        between = PaymentRow.sort_key.between(iso(since), _end_of(until))
        query = PaymentRow.by_unsettled.query
        keys = [row.pk for shard in SHARDS for row in query(str(shard), between)]
        # the index is eventually consistent, so the payments are read from the table
        found = (row.read() for row in PaymentRow.find_many((key,) for key in keys))
        return [payment for payment in found if not payment.is_paid]

    def _list_by_refunds(self, state: str, limit: int) -> list[str]:
        listing = PaymentRow.by_open_refunds
        shards = (listing.query(f"{state}#{shard}", limit=limit) for shard in SHARDS)
        oldest_first = sorted(chain.from_iterable(shards), key=attrgetter("updated_at"))
        return [row.payment_id for row in oldest_first]

    def _find_at(self, key: str) -> Payment | None:
        pointer = PointerRow.find(key)
        return self.find(pointer.payment_id) if pointer else None


class EntryRow(Row):
    """A ledger entry at `payment#<id>`, or for a settlement at `settlement#<id>`, and
    `<kind>#<reference>`.
    """

    Meta = table("ledger")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    entry = Mapped[Entry](Entry)


class DynamoLedger:
    """`Ledger` in DynamoDB. No policy allows to update or delete its rows."""

    def add(self, entry: Entry, transaction: Transaction) -> None:
        keys = (_owner_key(entry), f"{entry.kind}#{entry.reference}")
        # a put would replace a row, so it must be new
        DynamoTransaction.of(transaction).put(
            EntryRow(*keys, entry=entry), EntryRow.pk.does_not_exist(), StaleWrite()
        )

    def find_settlement(self, settlement_id: str) -> Entry | None:
        key = f"{Kind.SETTLEMENT}#{settlement_id}"
        row = EntryRow.find(key, key)
        return row.entry if row else None

    def list_by_payment(self, payment_id: str) -> tuple[Entry, ...]:
        rows = EntryRow.query(_payment_key(payment_id), consistent_read=True)
        return tuple(sorted((row.entry for row in rows), key=lambda entry: entry.at))


class EarlyReportsRow(Row):
    """Early reports, at `early#<attempt id>`. DynamoDB deletes them after `expires_at`."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    reports = Mapped[EarlyReports](EarlyReports)
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoEarlyReports:
    """`EarlyReportStore` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def find(self, attempt_id: str) -> EarlyReports:
        row = EarlyReportsRow.find(_early_key(attempt_id))
        return row.reports if row else EarlyReports(attempt_id)

    def save(self, reports: EarlyReports, transaction: Transaction) -> None:
        expires_at = int((self._clock() + EARLY_REPORTS_KEPT_FOR).timestamp())
        key = _early_key(reports.attempt_id)
        row = EarlyReportsRow(key, reports=reports, expires_at=expires_at)
        is_unchanged = _has_version(reports.version - 1)
        DynamoTransaction.of(transaction).put(row, is_unchanged, StaleWrite())

    def require_unchanged(self, reports: EarlyReports, transaction: Transaction) -> None:
        row = EarlyReportsRow(_early_key(reports.attempt_id))
        is_unchanged = _has_version(reports.version)
        DynamoTransaction.of(transaction).condition_check(row, is_unchanged, StaleWrite())


def _has_version(version: int) -> Condition:
    if version:
        return Path("reports.version") == version
    return EarlyReportsRow.pk.does_not_exist()


def _early_key(attempt_id: str) -> str:
    return f"early#{attempt_id}"


def _owner_key(entry: Entry) -> str:
    if entry.payment_id is None:
        return f"{entry.kind}#{entry.reference}"
    return _payment_key(entry.payment_id)


def _point(key: str, payment: Payment, writes: DynamoTransaction) -> None:
    pointer = PointerRow(key, payment_id=payment.id)
    writes.put(pointer, PointerRow.pk.does_not_exist(), StaleWrite())


def _payment_key(payment_id: str) -> str:
    return f"payment#{payment_id}"


def _order_key(order_id: str) -> str:
    return f"order#{order_id}"


def _razorpay_key(razorpay_id: str) -> str:
    return f"razorpay#{razorpay_id}"


def _end_of(until: datetime) -> str:
    """Return a sort key behind those of `until`."""
    return f"{iso(until)}~"
