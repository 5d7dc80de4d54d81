"""Payments in DynamoDB: a row per payment, a pointer to it from its order, its Razorpay order and
the attempts that took money for it, its ledger, the webhooks that were handled, and how far it was
held against Razorpay's records.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import chain, islice, zip_longest
from typing import Any, Self

from pynamodb.attributes import (
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.exceptions import UpdateError
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

from payment.ledger import Account, Entry, Kind, Line
from payment.model import (
    Customer,
    Failure,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
    Surplus,
)
from payment.ports import Overtaken
from payment.reconciliation import Checkpoint, Drift, FoundBefore, OtherRun, Walk, place_of
from supermarket.clock import Clock, from_iso, iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction

OVERTAKEN = "This payment was changed by somebody else at this very moment"
OTHER_RUN = "Another run reconciles at this very moment, and goes on"
FOUND_BEFORE = "This drift was found before"
UNSENT, SENT = "unsent", "sent"
WEBHOOK_REMEMBERED_FOR = timedelta(days=7)  # Razorpay sends for one day


class RefundMap(MapAttribute[str, object]):
    """A refund, in the currency of its payment."""

    id = UnicodeAttribute()
    minor = NumberAttribute()
    reason = UnicodeAttribute()
    requested_by = UnicodeAttribute(attr_name="requestedBy")
    requested_at = UnicodeAttribute(attr_name="requestedAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")
    status = UnicodeAttribute()
    razorpay_refund_id = UnicodeAttribute(attr_name="razorpayRefundId", null=True)
    attempt_id = UnicodeAttribute(attr_name="attemptId", null=True)
    refused_at = UnicodeAttribute(attr_name="refusedAt", null=True)

    @classmethod
    def of(cls, refund: Refund) -> Self:
        return cls(
            id=refund.id,
            minor=refund.amount.minor,
            reason=refund.reason,
            requested_by=refund.requested_by,
            requested_at=iso(refund.requested_at),
            updated_at=iso(refund.updated_at),
            status=refund.status.value,
            razorpay_refund_id=refund.razorpay_refund_id,
            attempt_id=refund.attempt_id,
            refused_at=iso(refund.refused_at) if refund.refused_at else None,
        )

    def refund(self, currency: Currency) -> Refund:
        return Refund(
            id=self.id,
            amount=Money(int(self.minor), currency),
            reason=self.reason,
            requested_by=self.requested_by,
            requested_at=from_iso(self.requested_at),
            updated_at=from_iso(self.updated_at),
            status=RefundStatus(self.status),
            razorpay_refund_id=self.razorpay_refund_id,
            attempt_id=self.attempt_id,
            refused_at=from_iso(self.refused_at) if self.refused_at else None,
        )


class SurplusMap(MapAttribute[str, object]):
    """An attempt that took the price once more, in the currency of its payment."""

    attempt_id = UnicodeAttribute(attr_name="attemptId")
    fee_minor = NumberAttribute(attr_name="feeMinor", null=True)
    fee_currency = UnicodeAttribute(attr_name="feeCurrency", null=True)


class ByRefunding(GlobalSecondaryIndex["PaymentRow"]):
    """Only the payments with refunds that are not at their end, by when they were changed or asked
    after last; those with one that Razorpay has not heard of are apart.
    """

    class Meta:
        index_name = "byRefunding"
        projection = IncludeProjection(["paymentId"])

    refunding = UnicodeAttribute(hash_key=True)
    updated_at = UnicodeAttribute(range_key=True, attr_name="updatedAt")
    payment_id = UnicodeAttribute(attr_name="paymentId")


class ByDay(GlobalSecondaryIndex["PaymentRow"]):
    """All payments, by the day and the place of their beginning."""

    class Meta:
        index_name = "byDay"
        projection = KeysOnlyProjection()

    day = UnicodeAttribute(hash_key=True)
    place = UnicodeAttribute(range_key=True)
    pk = UnicodeAttribute()


class PaymentRow(Row):
    """One payment, at `payment#<id>`."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    payment_id = UnicodeAttribute(attr_name="paymentId")
    order_id = UnicodeAttribute(attr_name="orderId")
    razorpay_order_id = UnicodeAttribute(attr_name="razorpayOrderId")
    razorpay_payment_id = UnicodeAttribute(attr_name="razorpayPaymentId", null=True)
    user_id = UnicodeAttribute(attr_name="userId")
    email = UnicodeAttribute()
    first_name = UnicodeAttribute(attr_name="firstName")
    minor = NumberAttribute()
    currency = UnicodeAttribute()
    status = UnicodeAttribute()
    failure = UnicodeAttribute(null=True)
    declined = UnicodeSetAttribute(null=True)
    fee_minor = NumberAttribute(attr_name="feeMinor", null=True)
    fee_currency = UnicodeAttribute(attr_name="feeCurrency", null=True)
    refunds: ListAttribute[RefundMap] = ListAttribute(of=RefundMap, null=True)
    refunding = UnicodeAttribute(null=True)
    surplus: ListAttribute[SurplusMap] = ListAttribute(of=SurplusMap, null=True)
    version = NumberAttribute()
    created_at = UnicodeAttribute(attr_name="createdAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")
    day = UnicodeAttribute()
    place = UnicodeAttribute()

    by_day = ByDay()
    by_refunding = ByRefunding()

    @classmethod
    def of(cls, payment: Payment) -> Self:
        return cls(
            _payment_key(payment.id),
            payment_id=payment.id,
            order_id=payment.order_id,
            razorpay_order_id=payment.razorpay_order_id,
            razorpay_payment_id=payment.razorpay_payment_id,
            user_id=payment.customer.user_id,
            email=payment.customer.email,
            first_name=payment.customer.first_name,
            minor=payment.price.minor,
            currency=payment.price.currency.value,
            status=payment.status.value,
            failure=payment.failure.value if payment.failure else None,
            # DynamoDB knows no empty set
            declined=set(payment.declined) or None,
            fee_minor=payment.fee.minor if payment.fee else None,
            fee_currency=payment.fee.currency.value if payment.fee else None,
            refunds=[RefundMap.of(refund) for refund in payment.refunds] or None,
            refunding=_refunding(payment),
            surplus=[_surplus_map(one) for one in payment.surplus] or None,
            version=payment.version,
            created_at=iso(payment.created_at),
            updated_at=iso(payment.updated_at),
            day=payment.created_at.date().isoformat(),
            place=place_of(payment),
        )

    def payment(self) -> Payment:
        currency = Currency(self.currency)
        return Payment(
            id=self.payment_id,
            order_id=self.order_id,
            razorpay_order_id=self.razorpay_order_id,
            customer=Customer(self.user_id, self.email, self.first_name),
            price=Money(int(self.minor), currency),
            created_at=from_iso(self.created_at),
            updated_at=from_iso(self.updated_at),
            status=PaymentStatus(self.status),
            razorpay_payment_id=self.razorpay_payment_id,
            failure=Failure(self.failure) if self.failure else None,
            declined=frozenset(self.declined or ()),
            fee=_fee(self.fee_minor, self.fee_currency or currency),
            refunds=tuple(refund.refund(currency) for refund in self.refunds or ()),
            surplus=tuple(
                Surplus(one.attempt_id, _fee(one.fee_minor, one.fee_currency or currency))
                for one in self.surplus or ()
            ),
            version=int(self.version),
        )


class PointerRow(Row):
    """Where the payment of an order is, at `order#<id>`; and at `razorpay#<id>` that of a Razorpay
    order and of the attempts that took money for it.
    """

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    payment_id = UnicodeAttribute(attr_name="paymentId")


class DynamoPayments:
    """`Payments` in DynamoDB."""

    def find(self, payment_id: str) -> Payment | None:
        try:
            return PaymentRow.get(_payment_key(payment_id), consistent_read=True).payment()
        except PaymentRow.DoesNotExist:
            return None

    def find_by_order(self, order_id: str) -> Payment | None:
        return self._find_at(_order_key(order_id))

    def find_by_razorpay_order(self, razorpay_order_id: str) -> Payment | None:
        return self._find_at(_razorpay_key(razorpay_order_id))

    def find_by_razorpay_orders(self, razorpay_order_ids: Collection[str]) -> dict[str, Payment]:
        pointers = [_razorpay_key(order_id) for order_id in razorpay_order_ids]
        found = PointerRow.batch_get(pointers, consistent_read=True)
        keys = {_payment_key(pointer.payment_id) for pointer in found}
        rows = PaymentRow.batch_get(list(keys), consistent_read=True)
        payments = (row.payment() for row in rows)
        return {payment.razorpay_order_id: payment for payment in payments}

    def add(self, payment: Payment, transaction: Transaction) -> None:
        writes = DynamoTransaction.of(transaction)
        for key in (_order_key(payment.order_id), _razorpay_key(payment.razorpay_order_id)):
            pointer = PointerRow(key, payment_id=payment.id)
            writes.put(pointer, PointerRow.pk.does_not_exist(), Overtaken(OVERTAKEN))
        new = PaymentRow.pk.does_not_exist()
        writes.put(PaymentRow.of(payment), new, Overtaken(OVERTAKEN))

    def save(self, read: Payment, changed: Payment, transaction: Transaction) -> None:
        writes = DynamoTransaction.of(transaction)
        unchanged = PaymentRow.version == read.version
        row = PaymentRow.of(changed)
        writes.update(row, _changes(row), unchanged, Overtaken(OVERTAKEN))
        for attempt_id in changed.attempts - read.attempts:
            pointer = PointerRow(_razorpay_key(attempt_id), payment_id=changed.id)
            writes.put(pointer, PointerRow.pk.does_not_exist(), Overtaken(OVERTAKEN))

    def find_by_attempt(self, razorpay_payment_id: str) -> Payment | None:
        return self._find_at(_razorpay_key(razorpay_payment_id))

    def refunding(self, limit: int) -> list[str]:
        rows = (PaymentRow.by_refunding.query(state, limit=limit) for state in (UNSENT, SENT))
        in_turn = filter(None, chain.from_iterable(zip_longest(*rows)))
        return [row.payment_id for row in islice(in_turn, limit)]

    def put_last(self, payment_id: str, at: datetime) -> None:
        row = PaymentRow(_payment_key(payment_id))
        try:
            row.update([PaymentRow.updated_at.set(iso(at))], PaymentRow.refunding.exists())
        except UpdateError as refused:
            if refused.cause_response_code != "ConditionalCheckFailedException":
                raise

    def created_between(
        self, since: datetime, until: datetime, after: str, count: int
    ) -> Sequence[Payment]:
        """The index says which; what they are is read where it is true."""
        first, last = max(iso(since), after), f"{iso(until)}~"
        keys: list[str] = []
        for day in _days(from_iso(first[:24]).date(), until.date()):
            # what begins with the first place lies behind it
            places = ByDay.place.between(f"{first}!" if after else first, last)
            rows = PaymentRow.by_day.query(day.isoformat(), places, limit=count - len(keys))
            keys += [row.pk for row in rows]
            if len(keys) == count:
                break
        found = (self.find(key.removeprefix("payment#")) for key in keys)
        return [payment for payment in found if payment is not None]

    def _find_at(self, key: str) -> Payment | None:
        try:
            pointer = PointerRow.get(key, consistent_read=True)
        except PointerRow.DoesNotExist:
            return None
        return self.find(pointer.payment_id)


class LineMap(MapAttribute[str, object]):
    """What one account gains or loses, in the currency of the entry."""

    account = UnicodeAttribute()
    minor = NumberAttribute()


class EntryRow(Row):
    """One entry of the ledger, under its payment at `<kind>#<reference>`."""

    Meta = table("ledger")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    currency = UnicodeAttribute()
    lines: ListAttribute[LineMap] = ListAttribute(of=LineMap)
    at = UnicodeAttribute()

    def entry(self, payment_id: str) -> Entry:
        kind, _, reference = self.sk.partition("#")
        lines = tuple(Line(Account(line.account), int(line.minor)) for line in self.lines)
        currency = Currency(self.currency)
        return Entry(payment_id, Kind(kind), reference, currency, lines, from_iso(self.at))


class DynamoLedger:
    """`Ledger` in DynamoDB. No function may update or delete its rows: see the policies."""

    def book(self, entry: Entry, transaction: Transaction) -> None:
        row = EntryRow(
            _payment_key(entry.payment_id),
            f"{entry.kind}#{entry.reference}",
            currency=entry.currency.value,
            lines=[LineMap(account=line.account.value, minor=line.minor) for line in entry.lines],
            at=iso(entry.at),
        )
        # a put could replace a row, so it must be new
        DynamoTransaction.of(transaction).put(
            row, EntryRow.pk.does_not_exist(), Overtaken(OVERTAKEN)
        )

    def of_payment(self, payment_id: str) -> tuple[Entry, ...]:
        rows = EntryRow.query(_payment_key(payment_id), consistent_read=True)
        return tuple(sorted((row.entry(payment_id) for row in rows), key=lambda entry: entry.at))


class WebhookRow(Row):
    """A webhook that was handled, at `webhook#<id>`. DynamoDB removes it after `expires_at`."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    digest = UnicodeAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoHandledWebhooks:
    """`HandledWebhooks` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def has(self, event_id: str, digest: str) -> bool:
        try:
            row = WebhookRow.get(_webhook_key(event_id), consistent_read=True)
        except WebhookRow.DoesNotExist:
            return False
        return row.digest == digest

    def add(self, event_id: str, digest: str) -> None:
        ends = self._clock() + WEBHOOK_REMEMBERED_FOR
        row = WebhookRow(_webhook_key(event_id), digest=digest, expires_at=int(ends.timestamp()))
        row.save()


class CheckpointRow(Row):
    """How far a reconciliation has got, at `checkpoint#reconciliation#<name>`."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    since = UnicodeAttribute()
    own_since = UnicodeAttribute(attr_name="ownSince")
    until = UnicodeAttribute()
    walk = UnicodeAttribute()
    position = UnicodeAttribute()
    version = NumberAttribute()
    found = NumberAttribute(default=0)


class DriftRow(Row):
    """A drift that was found, at `drift#<subject>#<kind>`; it stays, so that it is told once."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    details = UnicodeAttribute()
    payment_id = UnicodeAttribute(attr_name="paymentId", null=True)
    order_id = UnicodeAttribute(attr_name="orderId", null=True)
    found_at = UnicodeAttribute(attr_name="foundAt")


class DynamoFindings:
    """`Findings` in DynamoDB."""

    def checkpoint(self, name: str) -> Checkpoint | None:
        try:
            row = CheckpointRow.get(_checkpoint_key(name), consistent_read=True)
        except CheckpointRow.DoesNotExist:
            return None
        return Checkpoint(
            name=name,
            since=from_iso(row.since),
            own_since=from_iso(row.own_since),
            until=from_iso(row.until),
            walk=Walk(row.walk),
            position=row.position,
            version=int(row.version),
            found=int(row.found or 0),
        )

    def save(self, checkpoint: Checkpoint) -> None:
        row = CheckpointRow(
            _checkpoint_key(checkpoint.name),
            since=iso(checkpoint.since),
            own_since=iso(checkpoint.own_since),
            until=iso(checkpoint.until),
            walk=checkpoint.walk.value,
            position=checkpoint.position,
            version=checkpoint.version,
            found=checkpoint.found,
        )
        is_new, unmoved = CheckpointRow.pk.does_not_exist(), checkpoint.version - 1
        condition = is_new if not unmoved else CheckpointRow.version == unmoved
        transaction = DynamoTransaction()
        transaction.put(row, condition, OtherRun(OTHER_RUN))
        transaction.commit()

    def add(self, drift: Drift, transaction: Transaction) -> None:
        row = DriftRow(
            f"drift#{drift.subject_id}#{drift.kind}",
            details=drift.details,
            payment_id=drift.payment_id,
            order_id=drift.order_id,
            found_at=iso(drift.found_at),
        )
        DynamoTransaction.of(transaction).put(
            row, DriftRow.pk.does_not_exist(), FoundBefore(FOUND_BEFORE)
        )


def _changes(row: PaymentRow) -> list[Action]:
    """All that a payment's change may touch; what it has not (any more) is removed."""
    changed: list[tuple[Any, Any]] = [
        (PaymentRow.status, row.status),
        (PaymentRow.version, row.version),
        (PaymentRow.updated_at, row.updated_at),
        (PaymentRow.razorpay_payment_id, row.razorpay_payment_id),
        (PaymentRow.failure, row.failure),
        (PaymentRow.declined, row.declined),
        (PaymentRow.fee_minor, row.fee_minor),
        (PaymentRow.fee_currency, row.fee_currency),
        (PaymentRow.refunds, row.refunds),
        (PaymentRow.refunding, row.refunding),
        (PaymentRow.surplus, row.surplus),
    ]
    return [
        attribute.remove() if value is None else attribute.set(value)
        for attribute, value in changed
    ]


def _refunding(payment: Payment) -> str | None:
    if not payment.open_refunds:
        return None
    return UNSENT if payment.has_unsent_refund else SENT


def _surplus_map(surplus: Surplus) -> SurplusMap:
    fee = surplus.fee
    return SurplusMap(
        attempt_id=surplus.attempt_id,
        fee_minor=fee.minor if fee else None,
        fee_currency=fee.currency.value if fee else None,
    )


def _fee(minor: float | None, currency: str) -> Money | None:
    return Money(int(minor), Currency(currency)) if minor else None


def _payment_key(payment_id: str) -> str:
    return f"payment#{payment_id}"


def _order_key(order_id: str) -> str:
    return f"order#{order_id}"


def _razorpay_key(razorpay_order_id: str) -> str:
    return f"razorpay#{razorpay_order_id}"


def _webhook_key(event_id: str) -> str:
    return f"webhook#{event_id}"


def _checkpoint_key(name: str) -> str:
    return f"checkpoint#reconciliation#{name}"


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)
