"""Holds the shop's payments against Razorpay's records: mends what the one use case that learns of
payments can mend, and reports the rest as drift.

A run brings refunds on their way that are not at their end. Then it walks four lists, page by page:
Razorpay's attempts, refunds and orders of a window, and the shop's own payments of it. The
checkpoint tells where it has got to; a run that has no time left, or dies, is carried on by the
next one. Everything done here may be done twice and at once.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol, Self

from payment.model import (
    Attempt,
    AttemptStatus,
    ForeignMoney,
    Payment,
    RazorpayOrder,
    RazorpayRefund,
    Refund,
    RefundStatus,
    Unreadable,
)
from payment.ports import Nonsense, NotNow, Refused
from supermarket import telemetry
from supermarket.clock import Clock, iso
from supermarket.contracts import PaymentDriftFound
from supermarket.errors import Conflict, Unavailable
from supermarket.money import Money
from supermarket.transaction import BeginTransaction, Transaction

PAGE = 100  # the most that Razorpay gives at once
FIRST_WINDOW = timedelta(days=1)
# what became of a payment is looked at again for a day, since it may be captured or refunded late
LOOK_BACK = timedelta(days=1)
# an index may show a payment late
OWN_LOOK_BACK = timedelta(minutes=15)
REFUNDS_PER_RUN = 200
TIME_FOR_REFUNDS = timedelta(minutes=1)  # so that some is left for the walk
REFUND_OVERDUE = timedelta(days=1)
LATEST = "latest"
ABOUT_ONE_RECORD = (Refused, Nonsense, NotNow)  # asked for another one, Razorpay may well answer
DOWN_AFTER = 3  # records in a row that get no answer, before it is no longer about one of them

type Kind = Literal["missing_here", "missing_there", "different_amount", "different_state"]
type GoesOn = Callable[[], bool]
type Check[R] = Callable[[R, "Report"], None]


class OtherRun(Conflict):
    """Another run has moved the checkpoint: it goes on, this one stops."""

    code = "OTHER_RUN"


class FoundBefore(Conflict):
    """This drift was reported already."""

    code = "FOUND_BEFORE"


class Walk(StrEnum):
    """The lists that are walked, in this order: states are compared when all is mended."""

    PAYMENTS = "payments"
    REFUNDS = "refunds"
    ORDERS = "orders"
    OWN = "own"
    NONE = "none"

    def next(self) -> Self:
        walks = list(type(self))
        return walks[walks.index(self) + 1]


@dataclass(frozen=True)
class Checkpoint:
    """How far a window has been walked. `position` is how many records of Razorpay's list were
    seen, or the place of the last one of the shop's own payments; `found` is how much drift and
    trouble was met on the way.
    """

    name: str
    since: datetime
    own_since: datetime
    until: datetime
    walk: Walk = Walk.PAYMENTS
    position: str = ""
    version: int = 1
    found: int = 0

    @property
    def is_finished(self) -> bool:
        return self.walk is Walk.NONE

    def moved(self, position: str, found: int = 0) -> Self:
        """Further in the same list; an empty position means that the list is at its end."""
        walk = self.walk if position else self.walk.next()
        version, found = self.version + 1, self.found + found
        return replace(self, walk=walk, position=position, version=version, found=found)

    def restarted(self, since: datetime, own_since: datetime, until: datetime) -> Self:
        """The same checkpoint, at the beginning of another window."""
        return type(self)(self.name, since, own_since, until, version=self.version + 1)


@dataclass(frozen=True)
class Drift:
    """Something that the shop and Razorpay tell differently, and that nothing here can mend."""

    subject_id: str
    kind: Kind
    details: str
    payment_id: str | None
    order_id: str | None
    found_at: datetime


@dataclass
class Report:
    """What a run did. Drift counts again each time it is seen, though it is told only once; what is
    seen at the shop's open refunds, which are of no window, counts apart (`undriven`, `overdue`).
    `unanswered` is how many records in a row Razorpay gave no answer about.
    """

    counts: Counter[str] = field(default_factory=Counter)
    checkpoint: Checkpoint | None = None
    unanswered: int = 0

    @property
    def found(self) -> int:
        return self.counts["drift"] + self.counts["failed"]

    @property
    def is_finished(self) -> bool:
        return self.checkpoint is not None and self.checkpoint.is_finished


class OwnPayments(Protocol):
    """The shop's payments."""

    def find(self, payment_id: str) -> Payment | None: ...

    def find_by_razorpay_order(self, razorpay_order_id: str) -> Payment | None: ...

    def find_by_razorpay_orders(self, razorpay_order_ids: Collection[str]) -> Mapping[str, Payment]:
        """Those of the orders that the shop knows, up to a page of them."""

    def refunding(self, limit: int) -> list[str]:
        """Ids of payments with refunds whose end is not known, left alone longest first."""

    def put_last(self, payment_id: str, at: datetime) -> None:
        """Let the others of those with open refunds come first the next time."""

    def created_between(
        self, since: datetime, until: datetime, after: str, count: int
    ) -> Sequence[Payment]:
        """A page of payments, the oldest first, from behind the place `after`; an index tells."""


class Records(Protocol):
    """Razorpay's records. Every call may raise Unavailable."""

    def payments_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[Attempt | Unreadable]: ...

    def refunds_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[RazorpayRefund | Unreadable]: ...

    def orders_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[RazorpayOrder | Unreadable]: ...

    def order(self, razorpay_order_id: str) -> RazorpayOrder | None:
        """One order; None when Razorpay does not know it."""

    def attempt(self, razorpay_payment_id: str) -> Attempt: ...

    def attempts_of(self, razorpay_order_id: str) -> Sequence[Attempt]:
        """All attempts to pay an order."""

    def refunds_of(self, razorpay_payment_id: str) -> Sequence[RazorpayRefund]:
        """What went back of an attempt."""


class Mending(Protocol):
    """The one way in which the shop learns of payments (`PaymentService`)."""

    def learn_of_attempt(
        self, razorpay_order_id: str, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment | None: ...

    def take(self, razorpay_order_id: str, attempt: Attempt) -> Payment | None: ...

    def agree_with_order(self, payment_id: str) -> bool: ...

    def learn_of_refund(self, record: RazorpayRefund) -> Payment | None: ...

    def drive_refunds(self, payment_id: str) -> Payment: ...


class Findings(Protocol):
    """Where checkpoints and drift are kept."""

    def checkpoint(self, name: str) -> Checkpoint | None: ...

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a move; OtherRun unless it was made from what is kept."""

    def add(self, drift: Drift, transaction: Transaction) -> None:
        """Keep a finding; FoundBefore when it is kept already."""


def place_of(payment: Payment) -> str:
    """Where a payment stands among all: by its time, and by its id among those of the same."""
    return f"{iso(payment.created_at)}#{payment.id}"


class Reconciliation:
    """What can be done about two books that should say the same."""

    def __init__(
        self,
        payments: OwnPayments,
        records: Records,
        mending: Mending,
        findings: Findings,
        begin: BeginTransaction,
        clock: Clock,
    ) -> None:
        self._payments = payments
        self._records = records
        self._mending = mending
        self._findings = findings
        self._begin = begin
        self._clock = clock

    def catch_up(self, goes_on: GoesOn) -> Report:
        """The refunds that are not at their end; then everything up to now that was not looked at
        yet, as far as there is time for it.
        """
        report = Report()
        self._drive_refunds(goes_on, report)
        return self._carry_on(self._latest_window, LATEST, goes_on, report, _untold)

    def reconcile(
        self,
        since: datetime,
        until: datetime,
        goes_on: GoesOn,
        tell: Callable[[Report], None],
    ) -> Report:
        """The same for a window of somebody's choice; what was begun of it before is carried on."""
        name = f"{iso(since)}/{iso(until)}"

        def window(known: Checkpoint | None) -> Checkpoint:
            if known is None:
                return Checkpoint(name, since, since, until)
            return known.restarted(since, since, until)

        report = Report()
        self._drive_refunds(goes_on, report)
        return self._carry_on(window, name, goes_on, report, tell)

    def _latest_window(self, known: Checkpoint | None) -> Checkpoint:
        now = self._clock()
        # the second that is not over yet may still get records, which would shift the pages
        until = now.replace(microsecond=0) - timedelta(seconds=1)
        if known is None:
            since = until - FIRST_WINDOW
            return Checkpoint(LATEST, since, since, until)
        seen = known.until
        return known.restarted(seen - LOOK_BACK, seen - OWN_LOOK_BACK, max(seen, until))

    def _carry_on(
        self,
        window: Callable[[Checkpoint | None], Checkpoint],
        name: str,
        goes_on: GoesOn,
        report: Report,
        tell: Callable[[Report], None],
    ) -> Report:
        try:
            checkpoint = self._findings.checkpoint(name)
            if checkpoint is None or checkpoint.is_finished:
                checkpoint = window(checkpoint)
                self._findings.save(checkpoint)
            report.checkpoint = checkpoint
            while not checkpoint.is_finished and goes_on():
                before = report.found
                position = self._walk_page(checkpoint, report)
                checkpoint = checkpoint.moved(position, report.found - before)
                self._findings.save(checkpoint)
                report.checkpoint = checkpoint
                tell(report)
        except OtherRun:
            report.counts["overtaken"] += 1
        except Unavailable as trouble:
            telemetry.logger.error("reconciliation stopped", extra={"trouble": trouble.message})
            report.counts["stopped"] += 1
        return report

    def _walk_page(self, at: Checkpoint, report: Report) -> str:
        """One page of the present list; the position behind it."""
        if at.walk is Walk.OWN:
            own = self._payments.created_between(at.own_since, at.until, at.position, PAGE)
            self._each(own, self._check_payment, report)
            return place_of(own[-1]) if own else ""
        skip = int(at.position or 0)
        window = (at.since, at.until, skip, PAGE)
        seen: int
        match at.walk:
            case Walk.PAYMENTS:
                attempts = self._records.payments_between(*window)
                seen = self._each(attempts, self._check_unless_settled(attempts), report)
            case Walk.REFUNDS:
                refunds = self._records.refunds_between(*window)
                seen = self._each(refunds, self._check_refund, report)
            case _:
                orders = self._records.orders_between(*window)
                seen = self._each(orders, self._check_with_own(orders), report)
        return str(skip + seen) if seen == PAGE else ""

    def _each[R: (Attempt, RazorpayRefund, RazorpayOrder, Payment)](
        self, page: Sequence[R | Unreadable], check: Check[R], report: Report
    ) -> int:
        for record in page:
            report.counts["checked"] += 1
            if not self._is_checked(record, check, report):
                report.counts["failed"] += 1
        return len(page)

    def _is_checked[R: (Attempt, RazorpayRefund, RazorpayOrder, Payment)](
        self, record: R | Unreadable, check: Check[R], report: Report
    ) -> bool:
        """A record that cannot be read or handled, or that Razorpay gives no answer about, stops
        none of the rest; a provider that is down does.
        """
        named = {"record": record.id}
        if isinstance(record, Unreadable):
            telemetry.logger.error("not reconciled: the record makes no sense", extra=named)
            return False
        try:
            check(record, report)
        except Exception as trouble:
            report.unanswered = report.unanswered + 1 if _is_silence(trouble) else 0
            if report.unanswered >= DOWN_AFTER:
                raise
            telemetry.logger.exception("not reconciled", extra=named)
            return False
        report.unanswered = 0
        return True

    def _check_unless_settled(self, attempts: Sequence[Attempt | Unreadable]) -> Check[Attempt]:
        """What the shop knows already is seen in one look at the whole page; any other attempt is
        held against what is kept by then.
        """
        order_ids = {attempt.razorpay_order_id for attempt in _readable(attempts)}
        known = self._payments.find_by_razorpay_orders({id_ for id_ in order_ids if id_})

        def check(attempt: Attempt, report: Report) -> None:
            payment = known.get(attempt.razorpay_order_id or "")
            if payment is None or not _is_settled(payment, attempt):
                self._check_attempt(attempt, report)

        return check

    def _check_attempt(self, attempt: Attempt, report: Report) -> None:
        payment = self._payment_of(attempt)
        if payment is None:
            if attempt.is_taken:
                details = f"Razorpay took {_text(attempt)} for no payment of this shop"
                self._report("missing_here", attempt.id, details, None, report)
        elif not payment.is_meant_by(attempt):
            details = f"Razorpay has {_text(attempt)}, the shop {_money(payment.price)}"
            self._report("different_amount", attempt.id, details, payment, report)
        elif attempt.status is AttemptStatus.AUTHORIZED:
            self._take(payment, attempt, report)
        elif not _agrees(payment, attempt):
            self._learn(payment, attempt, report)

    def _take(self, payment: Payment, attempt: Attempt, report: Report) -> None:
        """Razorpay captures by itself what a customer set aside, and may have failed to."""
        taken = self._mending.take(payment.razorpay_order_id, attempt) or payment
        if taken.status is not payment.status:
            report.counts["mended"] += 1

    def _learn(self, payment: Payment, attempt: Attempt, report: Report) -> None:
        is_back = attempt.status is AttemptStatus.REFUNDED
        refunds = self._records.refunds_of(attempt.id) if is_back else ()
        told = self._mending.learn_of_attempt(payment.razorpay_order_id, attempt, refunds)
        told = told or payment
        if told.open_refunds:
            # money that came too late or too often: it is on its way back at once
            told = self._mending.drive_refunds(told.id)
        if _agrees(told, attempt):
            report.counts["mended"] += 1
        else:
            details = f"at Razorpay the attempt is {attempt.status}, the payment is {told.status}"
            self._report("different_state", attempt.id, details, told, report)

    def _check_refund(self, record: RazorpayRefund, report: Report) -> None:
        payment = self._mending.learn_of_refund(record)
        own = next((r for r in _refunds(payment) if r.razorpay_refund_id == record.id), None)
        if own is None and payment is None and not self._was_taken(record.payment_id):
            return  # money that was only set aside is with its customer again
        if own is None:
            details = f"Razorpay gave {_money(record.amount)} back, the shop knows nothing of it"
            self._report("missing_here", record.id, details, payment, report)
        elif own.amount != record.amount:
            details = f"Razorpay has {_money(record.amount)}, the shop {_money(own.amount)}"
            self._report("different_amount", record.id, details, payment, report)
        elif record.status is not RefundStatus.PENDING and own.status is not record.status:
            # the list is older than the shop's own row: only what is final can be compared
            details = f"at Razorpay the refund is {record.status}, here {own.status}"
            self._report("different_state", record.id, details, payment, report)
        elif payment and own.is_failed_there and _is_still_owed(payment, record):
            details = f"{_money(record.amount)} are owed, and Razorpay could not give them back"
            self._report("different_state", record.id, details, payment, report)

    def _check_with_own(self, orders: Sequence[RazorpayOrder | Unreadable]) -> Check[RazorpayOrder]:
        known = self._payments.find_by_razorpay_orders({order.id for order in _readable(orders)})
        return lambda order, report: self._check_order(order, known.get(order.id), report)

    def _check_order(self, order: RazorpayOrder, payment: Payment | None, report: Report) -> None:
        if payment is not None:
            self._compare(payment, order, report)
        elif order.status == "paid":
            # one that nobody paid was opened by a request that died: it does no harm
            details = "a Razorpay order is paid, and no payment of this shop has opened it"
            self._report("missing_here", order.id, details, None, report)

    def _check_payment(self, payment: Payment, report: Report) -> None:
        order = self._records.order(payment.razorpay_order_id)
        if order is None:
            details = f"Razorpay does not know {payment.razorpay_order_id}"
            self._report("missing_there", payment.id, details, payment, report)
        elif not _matches(payment, order):  # else the walk of the orders has done all there is
            self._compare(payment, order, report)

    def _compare(self, payment: Payment, order: RazorpayOrder, report: Report) -> None:
        if not _is_of_price(order, payment):
            details = f"Razorpay has {_text(order)}, the shop {_money(payment.price)}"
            self._report("different_amount", order.id, details, payment, report)
        elif order.status == "paid" and not payment.is_paid:
            self._fetch_payment_of(payment, order, report)
        elif order.status != "paid" and payment.is_paid:
            # it may have been paid since the list was read
            now = self._records.order(order.id)
            if now is None or now.status != "paid":
                details = f"the payment is {payment.status}, its order is not paid at Razorpay"
                self._report("different_state", order.id, details, payment, report)
        elif payment.is_paid and self._mending.agree_with_order(payment.id):
            report.counts["mended"] += 1

    def _fetch_payment_of(self, payment: Payment, order: RazorpayOrder, report: Report) -> None:
        """The attempt that paid may be outside of the window."""
        for attempt in self._records.attempts_of(order.id):
            self._check_attempt(attempt, report)
        now = self._payments.find(payment.id) or payment
        if not now.is_paid:
            details = f"the order is paid at Razorpay, the payment is {now.status}"
            self._report("different_state", order.id, details, now, report)

    def _payment_of(self, attempt: Attempt) -> Payment | None:
        order_id = attempt.razorpay_order_id
        return self._payments.find_by_razorpay_order(order_id) if order_id else None

    def _was_taken(self, attempt_id: str) -> bool:
        return self._records.attempt(attempt_id).is_taken

    def _drive_refunds(self, goes_on: GoesOn, report: Report) -> None:
        """Refunds that were wanted and not sent, or whose end nobody has told. Those that there is
        no time for are looked at all the same: somebody may have waited long for that money.
        """
        ends = self._clock() + TIME_FOR_REFUNDS
        for payment_id in self._payments.refunding(REFUNDS_PER_RUN):
            if not goes_on():
                break
            drives = self._clock() <= ends and report.unanswered < DOWN_AFTER
            try:
                self._look_after(payment_id, report, drives=drives)
            except Exception as trouble:
                report.unanswered = report.unanswered + 1 if _is_silence(trouble) else 0
                report.counts["undriven"] += 1
                _log_undriven(payment_id, trouble)
        report.unanswered = 0

    def _look_after(self, payment_id: str, report: Report, *, drives: bool) -> None:
        try:
            if drives:
                self._drive(payment_id, report)
        finally:
            self._report_overdue(payment_id, report)

    def _drive(self, payment_id: str, report: Report) -> None:
        # first of all, for whatever stops this one must not keep the others waiting
        self._payments.put_last(payment_id, self._clock())
        self._mending.drive_refunds(payment_id)
        report.counts["driven"] += 1
        report.unanswered = 0

    def _report_overdue(self, payment_id: str, report: Report) -> None:
        """Whatever keeps Razorpay from making a refund, somebody waits for that money."""
        payment, since = self._payments.find(payment_id), self._clock() - REFUND_OVERDUE
        for refund in payment.open_refunds if payment else ():
            if not refund.is_sent and refund.requested_at < since:
                details = f"{_money(refund.amount)} are to go back, and Razorpay has not taken them"
                report.counts["overdue"] += 1
                self._tell("missing_there", refund.id, details, payment)

    def _report(
        self, kind: Kind, subject_id: str, details: str, payment: Payment | None, report: Report
    ) -> None:
        report.counts["drift"] += 1
        self._tell(kind, subject_id, details, payment)

    def _tell(self, kind: Kind, subject_id: str, details: str, payment: Payment | None) -> None:
        drift = Drift(
            subject_id=subject_id,
            kind=kind,
            details=details,
            payment_id=payment.id if payment else None,
            order_id=payment.order_id if payment else None,
            found_at=self._clock(),
        )
        transaction = self._begin()
        self._findings.add(drift, transaction)
        transaction.emit(PaymentDriftFound(**vars(drift)))
        try:
            transaction.commit()
        except FoundBefore:
            return
        telemetry.logger.error(
            "payment drift", extra={**vars(drift), "found_at": iso(drift.found_at)}
        )
        telemetry.count("PaymentDrift", kind=kind)


def _is_silence(trouble: Exception) -> bool:
    """Whether Razorpay gave no answer, rather than one that says something of the record."""
    return isinstance(trouble, Unavailable) and not isinstance(trouble, ABOUT_ONE_RECORD)


def _log_undriven(payment_id: str, trouble: Exception) -> None:
    """What Razorpay does not take now is no defect: it is told when it has lasted too long."""
    named = {"payment_id": payment_id}
    if isinstance(trouble, Unavailable):
        named["trouble"] = trouble.message
        telemetry.logger.warning("refunds not driven", extra=named)
    else:
        telemetry.logger.error("refunds not driven", exc_info=trouble, extra=named)


def _is_still_owed(payment: Payment, record: RazorpayRefund) -> bool:
    return payment.owes(record.payment_id) and bool(payment.left_of(record.payment_id).minor)


def _readable[R: (Attempt, RazorpayOrder)](page: Sequence[R | Unreadable]) -> list[R]:
    return [record for record in page if not isinstance(record, Unreadable)]


def _is_settled(payment: Payment, attempt: Attempt) -> bool:
    """Whether nothing is left to do about an attempt, nor to report."""
    is_over = attempt.status is not AttemptStatus.AUTHORIZED
    return is_over and payment.is_meant_by(attempt) and _agrees(payment, attempt)


def _is_of_price(order: RazorpayOrder, payment: Payment) -> bool:
    return (order.minor, order.currency) == (payment.price.minor, payment.price.currency.value)


def _matches(payment: Payment, order: RazorpayOrder) -> bool:
    return _is_of_price(order, payment) and (order.status == "paid") is payment.is_paid


def _agrees(payment: Payment, attempt: Attempt) -> bool:
    """Whether the shop knows what this attempt came to."""
    if attempt.is_taken:
        is_booked = attempt.fee is None or payment.fee_of(attempt.id) is not None
        return attempt.id in payment.attempts and is_booked
    if attempt.status is AttemptStatus.FAILED:
        return not payment.is_open or attempt.id in payment.declined
    return True  # it is not over


def _refunds(payment: Payment | None) -> tuple[Refund, ...]:
    return payment.refunds if payment else ()


def _text(record: Attempt | RazorpayOrder) -> str:
    """Money of any currency, also of one that the shop does not trade in."""
    return f"{record.minor} {record.currency} (minor units)"


def _money(money: Money | ForeignMoney) -> str:
    return f"{money.minor} {money.currency} (minor units)"


def _untold(_: Report) -> None:
    """Nobody watches."""
