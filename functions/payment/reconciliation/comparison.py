"""Compares Razorpay's records with the shop's payments, and repairs or reports differences."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import batched

from payment.model.attempt import Attempt, AttemptStatus
from payment.model.order import RazorpayOrder
from payment.model.payment import Payment, payment_id_in
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.settlement import ItemKind, SettledItem, Settlement
from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import (
    PAGE,
    DriftKind,
    RecordPage,
    Records,
    Report,
    UnreadableRecord,
    Window,
    in_minor_units,
)
from payment.reconciliation.ports import RazorpayRecords, ReconciledPayments, is_unanswered
from payment.service import AttemptMismatch, PaymentService
from supermarket import telemetry

# a Razorpay order is made before its payment is stored
ORDERS_EARLIER = timedelta(seconds=10)


@dataclass(frozen=True)
class Comparison:
    """Compares sets of records: a page of Razorpay's with the shop's rows for it, and the payments
    of a window with all of Razorpay's orders.

    Everything may be compared twice, and by two runs at once.
    """

    payments: ReconciledPayments
    records: RazorpayRecords
    updates: PaymentService
    drift: DriftReporter
    report: Report

    def compare_attempts(self, page: RecordPage) -> tuple[int, int]:
        """Compare a page of attempts. Those that agree cost one read for the whole page.

        Returns the number of attempts, and of those that may still change.
        """
        attempts = self.records.list_attempts_between(page)
        known = self._find(one.razorpay_order_id for one in attempts if isinstance(one, Attempt))

        def compare(attempt: Attempt) -> None:
            payment = known.get(attempt.razorpay_order_id or "")
            if payment is None or not _is_settled(payment, attempt):
                self._compare_attempt(attempt)

        self.for_each(attempts, compare)
        return len(attempts), sum(map(_may_change, attempts))

    def compare_refunds(self, page: RecordPage) -> int:
        """Compare a page of refunds; returns their number."""
        refunds = self.records.list_refunds_between(page)
        self.for_each(refunds, self._compare_refund)
        return len(refunds)

    def compare_orders(self, window: Window) -> int:
        """Compare the orders of a window with the shop's payments, page by page, and the payments
        with the set of those orders; returns the number of orders.

        Only a payment whose order was not among them costs a call.
        """
        seen: set[str] = set()
        number = 0
        for orders in self._pages_of_orders(window):
            known = self._find(one.id for one in orders if isinstance(one, RazorpayOrder))
            seen |= {payment.id for payment in known.values()}
            own = [one for one in orders if not _is_before(window, one)]
            self._compare_page(own, known)
            number += len(own)
        keys = self.payments.list_keys_between(window.since, window.until)
        for unseen in batched(
            (id_ for id_ in map(payment_id_in, keys) if id_ not in seen), PAGE, strict=False
        ):
            self.for_each(self.payments.find_many(unseen), self._compare_payment)
        return number

    def compare_unsettled(self, window: Window, orders: int) -> None:
        """Compare the payments of a window that are still not paid; `orders` is how many Razorpay
        has in it. Costs a call for each payment or for each page of orders, whatever are fewer.
        """
        unsettled = self.payments.list_unsettled_between(window.since, window.until)
        if len(unsettled) <= orders // PAGE + 1:
            self.for_each(unsettled, self._compare_attempts_of)
            return
        known = {payment.razorpay_order_id: payment for payment in unsettled}
        for page in self._pages_of_orders(window):
            own = [one for one in page if isinstance(one, RazorpayOrder) and one.id in known]
            self._compare_page(own, known)

    def confirm_orders(self, window: Window) -> None:
        """Confirm the orders of the payments of a window whose event was lost."""
        keys = self.payments.list_keys_between(window.since, window.until)
        for ids in batched(map(payment_id_in, keys), PAGE, strict=False):
            self._confirm(self.payments.find_many(ids))

    def compare_settled(self, items: Records[SettledItem]) -> bool:
        """Compare what settlements contain with the payments; returns whether nothing failed.

        It is all money that the shop got, so it shows also an attempt that was captured long after
        it had failed.
        """
        unreadable = sum(isinstance(one, UnreadableRecord) for one in items)
        expected = self.report.counts["failed"] + unreadable
        for page in batched(items, PAGE, strict=False):
            known = self._find(one.attempt_id for one in page if isinstance(one, SettledItem))
            self.for_each(page, partial(self._compare_item, known))
        return self.report.counts["failed"] == expected

    def _pages_of_orders(self, window: Window) -> Iterator[Records[RazorpayOrder]]:
        """Yield the orders of a window in pages, with those shortly before it."""
        page = RecordPage(window.since - ORDERS_EARLIER, window.until, 0)
        while True:
            orders = self.records.list_orders_between(page)
            yield orders
            if len(orders) < PAGE:
                return
            page = replace(page, skip=page.skip + PAGE)

    def _compare_page(self, orders: Records[RazorpayOrder], known: Mapping[str, Payment]) -> None:
        """Compare orders with their payments, and confirm the shop's orders of those that agree."""
        agreed: list[Payment] = []

        def compare(order: RazorpayOrder) -> None:
            payment = known.get(order.id)
            if payment and self._compare_order(payment, order):
                agreed.append(payment)
            elif payment is None and order.is_paid:
                # an unpaid one is harmless: the request that created it died
                details = "a Razorpay order is paid, and no payment of this shop belongs to it"
                self.found("missing_here", order.id, details, None)

        self.for_each(orders, compare)
        self._confirm(agreed)

    def _compare_attempt(self, attempt: Attempt) -> None:
        payment = self.payments.find_by_razorpay_id(attempt.razorpay_order_id or "")
        amount = in_minor_units(attempt.amount)
        if payment is None:
            if attempt.was_captured:
                details = f"Razorpay captured {amount} for no payment of this shop"
                self.found("missing_here", attempt.id, details, None)
        elif attempt.status is AttemptStatus.AUTHORIZED and _is_capturable(payment, attempt):
            # Razorpay captures automatically, and this may have failed; or it is to be released
            captured = self.updates.capture(attempt) or payment
            if captured.version != payment.version:
                self.report.counts["repaired"] += 1
        elif not payment.matches(attempt) and attempt.id not in payment.attempt_ids:
            if attempt.was_captured:
                details = f"Razorpay has {amount}, the shop {in_minor_units(payment.price)}"
                self.found("different_amount", attempt.id, details, payment)
                with suppress(AttemptMismatch):  # in a foreign currency
                    self._apply_attempt(payment, attempt)
        elif not _agree(payment, attempt):
            self._apply_attempt(payment, attempt)

    def _apply_attempt(self, payment: Payment, attempt: Attempt) -> None:
        is_refunded = attempt.status is AttemptStatus.REFUNDED
        refunds = self.records.list_refunds(attempt.id) if is_refunded else ()
        payment = self.updates.apply_payment_update(attempt, refunds) or payment
        if payment.open_refunds:
            # a late payment or a surplus, which is refunded at once
            payment = self.updates.sync_refunds(payment.id)
        if _agree(payment, attempt):
            self.report.counts["repaired"] += 1
        else:
            details = f"at Razorpay the attempt is {attempt.status}, the payment {payment.status}"
            self.found("different_state", attempt.id, details, payment)

    def _compare_refund(self, record: RazorpayRefund) -> None:
        payment = self.updates.apply_refund_update(record)
        refunds = payment.refunds if payment else ()
        own = next((one for one in refunds if one.razorpay_refund_id == record.id), None)
        amount = in_minor_units(record.amount)
        if payment is None and not self.records.get_attempt(record.payment_id).was_captured:
            return  # money that was only authorized, and was released
        if own is None or payment is None:
            details = f"Razorpay refunded {amount}, the shop has no such refund"
            self.found("missing_here", record.id, details, payment)
        elif own.amount != record.amount:
            details = f"Razorpay has {amount}, the shop {in_minor_units(own.amount)}"
            self.found("different_amount", record.id, details, payment)
        elif record.status is not RefundStatus.PENDING and own.status is not record.status:
            # only a final status can be compared: the list is older than the shop's own row
            details = f"at Razorpay the refund is {record.status}, here {own.status}"
            self.found("different_state", record.id, details, payment)
        elif own.has_failed_at_razorpay and payment.needs_manual_action(record.payment_id):
            details = f"a refund of {amount} is required, and failed at Razorpay"
            self.found("different_state", record.id, details, payment)

    def _compare_item(self, known: Mapping[str, Payment], item: SettledItem) -> None:
        payment = known.get(item.attempt_id or "")
        if item.kind is ItemKind.PAYMENT:
            self._compare_capture(payment, item)
        elif item.kind is ItemKind.REFUND:
            self._compare_settled_refund(payment, item)
        else:
            self._compare_adjustment(payment, item)

    def _compare_capture(self, payment: Payment | None, item: SettledItem) -> None:
        capture = payment.find_capture(item.id) if payment else None
        if capture is None or capture.fee is None:
            self._compare_attempt(self.records.get_attempt(item.id))
        elif item.contradicts(capture):
            amount, booked = in_minor_units(item.amount), in_minor_units(capture.amount)
            fees = f"fees of {item.fee} instead of {capture.fee}"
            details = f"Razorpay settled {amount}, the shop has {booked}; {fees}"
            self.found("different_amount", item.id, details, payment)

    def _compare_settled_refund(self, payment: Payment | None, item: SettledItem) -> None:
        refunds = payment.refunds if payment else ()
        own = next((one for one in refunds if one.razorpay_refund_id == item.id), None)
        if own is None or not own.is_processed:
            for record in self.records.list_refunds(item.attempt_id or ""):
                if record.id == item.id:
                    self._compare_refund(record)

    def _compare_adjustment(self, before: Payment | None, item: SettledItem) -> None:
        """Apply the dispute of an adjustment, whose webhook may be lost."""
        report = self.records.get_dispute(item.dispute_id) if item.dispute_id else None
        payment = self.updates.apply_dispute_update(report) if report else None
        if payment is None or item.dispute_id not in {one.id for one in payment.disputes}:
            details = f"Razorpay adjusted {in_minor_units(item.amount)}, no dispute belongs to it"
            self.found("missing_here", item.id, details, payment)
        elif payment != before:
            self.report.counts["repaired"] += 1

    def _compare_payment(self, payment: Payment) -> None:
        order = self.records.find_order(payment.razorpay_order_id)
        if order is None:
            details = f"Razorpay does not have {payment.razorpay_order_id}"
            self.found("missing_there", payment.id, details, payment)
        elif self._compare_order(payment, order):
            self._confirm([payment])

    def _compare_attempts_of(self, payment: Payment) -> None:
        for attempt in self.records.list_attempts(payment.razorpay_order_id):
            if not _is_settled(payment, attempt):
                self._compare_attempt(attempt)

    def _compare_order(self, payment: Payment, order: RazorpayOrder) -> bool:
        """Compare an order with its payment; returns whether both are paid."""
        if order.amount != payment.price:
            expected, amount = in_minor_units(payment.price), in_minor_units(order.amount)
            details = f"Razorpay has {amount}, the shop {expected}"
            self.found("different_amount", order.id, details, payment)
            return False
        if order.is_paid and not payment.is_paid:
            self._find_capture(payment, order)
        elif payment.is_paid and not order.is_paid:
            # it may have been paid since the list was read
            present = self.records.find_order(order.id)
            if present is None or not present.is_paid:
                details = f"the payment is {payment.status}, its order is not paid at Razorpay"
                self.found("different_state", order.id, details, payment)
        return order.is_paid and payment.is_paid

    def _confirm(self, payments: Collection[Payment]) -> None:
        """Confirm the orders of paid payments whose event was lost. Costs one read for all."""
        for payment in self.updates.list_unconfirmed(payments):
            self._try(payment.id, partial(self._sync_order, payment.id))

    def _sync_order(self, payment_id: str) -> None:
        if self.updates.sync_order(payment_id):
            self.report.counts["repaired"] += 1

    def _find_capture(self, payment: Payment, order: RazorpayOrder) -> None:
        """Compare the attempts of a paid order, which may lie outside of the window."""
        for attempt in self.records.list_attempts(order.id):
            self._compare_attempt(attempt)
        present = self.payments.find(payment.id) or payment
        if not present.captures:
            details = f"the order is paid at Razorpay, the payment is {present.status}"
            self.found("different_state", order.id, details, present)

    def _find(self, razorpay_ids: Iterable[str | None]) -> Mapping[str, Payment]:
        return self.payments.find_by_razorpay_ids({id_ for id_ in razorpay_ids if id_})

    def found(self, kind: DriftKind, id_: str, details: str, payment: Payment | None) -> None:
        self.report.counts["drift"] += 1
        self.drift.report(kind, id_, details, payment)

    def for_each[R: (Attempt, RazorpayRefund, RazorpayOrder, Payment, Settlement, SettledItem)](
        self, page: Records[R], compare: Callable[[R], None]
    ) -> None:
        """Compare each record of a page and count failures.

        Raises the failure when Razorpay does not answer about several records in a row.
        """
        for record in page:
            self.report.counts["checked"] += 1
            if isinstance(record, UnreadableRecord):
                ids = {"record": record.id}
                telemetry.logger.error("not compared: the record cannot be read", extra=ids)
                self.report.counts["failed"] += 1
            else:
                self._try(record.id, partial(compare, record))

    def _try(self, id_: str, compare: Callable[[], None]) -> None:
        try:
            compare()
        except Exception as failure:
            if self.report.note_failure(unanswered=is_unanswered(failure)):
                raise
            telemetry.logger.exception("not compared", extra={"record": id_})
            self.report.counts["failed"] += 1
        else:
            self.report.unanswered = 0


def _is_before(window: Window, order: RazorpayOrder | UnreadableRecord) -> bool:
    made_at = order.created_at if isinstance(order, RazorpayOrder) else None
    return made_at is not None and made_at < window.since


def _may_change(attempt: Attempt | UnreadableRecord) -> bool:
    """Whether an attempt has no outcome yet, or no fee."""
    if not isinstance(attempt, Attempt):
        return False
    has_no_outcome = attempt.status in {AttemptStatus.CREATED, AttemptStatus.AUTHORIZED}
    return has_no_outcome or (attempt.status is AttemptStatus.CAPTURED and attempt.fee is None)


def _is_settled(payment: Payment, attempt: Attempt) -> bool:
    """Whether there is nothing to repair or to report about an attempt."""
    is_final = attempt.status is not AttemptStatus.AUTHORIZED
    is_own = payment.matches(attempt) or attempt.id in payment.attempt_ids
    return is_final and is_own and _agree(payment, attempt)


def _is_capturable(payment: Payment, attempt: Attempt) -> bool:
    """Whether an authorized attempt pays the price, or is released since the order is cancelled."""
    return payment.matches(attempt) or payment.has_cancelled_order


def _agree(payment: Payment, attempt: Attempt) -> bool:
    """Whether the payment contains the outcome of an attempt, if it has one yet."""
    if attempt.was_captured:
        has_fee = attempt.fee is None or payment.fee_of(attempt.id) is not None
        return attempt.id in payment.attempt_ids and has_fee
    if attempt.status is AttemptStatus.FAILED:
        return not payment.is_open or attempt.id in payment.failed_attempts
    return True
