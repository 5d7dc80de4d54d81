"""Use cases of refunds: ask for one, give back what is owed, hand it to Razorpay, and follow it to
its end.

A refund is written down before Razorpay hears of it, and Razorpay hears of it under its id. So
whatever crashes in between, it is made once: it can be sent again, and is found by its id.
"""

from decimal import Decimal

from payment.changes import AlsoWrite, Changes
from payment.model import (
    THE_SHOP,
    Failure,
    NotThisPayment,
    Payment,
    RazorpayRefund,
    Refund,
    RefundStatus,
)
from payment.ports import Overtaken, Payments, Razorpay, Refused
from supermarket import telemetry
from supermarket.clock import Clock, NewId, is_id
from supermarket.errors import BadGateway, Conflict, NotFound, Unavailable
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, KeyInUse
from supermarket.money import Money

TRIES = 6

NOT_FOUND = "There is no such payment"
NOT_PAID = "Nothing was paid, so nothing can be refunded"
NOTHING_LEFT = "All of this payment went back already, or is on its way"
BUSY = "This payment is being changed at this very moment. Try again."
REFUSED = "Razorpay refused the refund. No money went back."
BY_ADMIN = "The shop refunded this payment."
PAID_TWICE = "This order was paid twice, so the second payment goes back."
RAZORPAY = "razorpay"


class Refunds:
    """All ways in which money goes back."""

    def __init__(
        self,
        payments: Payments,
        razorpay: Razorpay,
        changes: Changes,
        idempotency_keys: IdempotencyKeys,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._payments = payments
        self._razorpay = razorpay
        self._changes = changes
        self._idempotency_keys = idempotency_keys
        self._clock = clock
        self._new_id = new_id

    def request(
        self, payment_id: str, amount: Decimal | None, by: str, key: IdempotencyKey | None
    ) -> tuple[Payment, Refund]:
        """Give `amount` back, or all that is left; the same key gets the same refund.

        It stays REQUESTED if Razorpay does not answer, and is sent again by `drive`.
        """
        key = key and key.about(payment_id)
        payment, refund_id = self._requested(payment_id, amount, by, key)
        try:
            payment = self._sent(payment, payment.refund_of_id(refund_id))
        except Unavailable:
            telemetry.logger.warning("a refund waits to be sent", extra={"refund_id": refund_id})
        refund = payment.refund_of_id(refund_id)
        if refund.is_refused:
            raise BadGateway(REFUSED)
        return payment, refund

    def give_back(self, payment_id: str, failure: Failure) -> None:
        """All that is left goes back, since its order is gone. Doing it again changes nothing, also
        when Razorpay did not make it: a person sees to that.
        """
        for _ in range(TRIES):
            payment = self._find(payment_id)
            if payment.is_refunded or payment.owes_its_price:
                break
            after = payment.orphaned(failure, self._new_id(), self._clock())
            try:
                self._changes.commit(payment, after, "refund requested", THE_SHOP)
            except Overtaken:
                continue
            break
        else:
            raise Conflict(BUSY)
        self.drive_now_or_later(payment_id)

    def drive_now_or_later(self, payment_id: str) -> None:
        """`drive`; what Razorpay does not take now is written down, so that the job sends it."""
        try:
            self.drive(payment_id)
        except Unavailable:
            telemetry.logger.warning("refunds wait to be sent", extra={"payment_id": payment_id})

    def drive(self, payment_id: str) -> Payment:
        """Ask Razorpay how the open refunds of a payment are, and send those it knows nothing
        of.
        """
        payment = self._find(payment_id)
        attempts = dict.fromkeys(payment.attempt_of(refund) for refund in payment.open_refunds)
        for attempt_id in filter(None, attempts):
            for record in self._razorpay.refunds_of(attempt_id):
                payment = self.learn(record) or payment
        for refund in payment.open_refunds:
            payment = self._fitted(payment, refund.id)
        for refund in payment.open_refunds:
            payment = self._sent(payment, payment.refund_of_id(refund.id))
        return payment

    def learn(self, record: RazorpayRefund) -> Payment | None:
        """Let Razorpay's word about a refund take effect once; None when the payment is not
        ours.
        """
        for _ in range(TRIES):
            before = self._payments.find_by_attempt(record.payment_id)
            if before is None:
                telemetry.logger.warning("a refund of nothing we know", extra=_named(record))
                return None
            after = self._told(before, record)
            _report_returns(before, record)
            if after == before:
                return before
            try:
                self._changes.commit(before, after, f"refund {record.status.lower()}", RAZORPAY)
            except Overtaken:
                continue
            _report_failures(before, after)
            return after
        raise Conflict(BUSY)

    def _requested(
        self, payment_id: str, amount: Decimal | None, by: str, key: IdempotencyKey | None
    ) -> tuple[Payment, str]:
        for _ in range(TRIES):
            # the key first: a payment that is read after it has the refund it led to
            earlier = self._idempotency_keys.find_result(key) if key else None
            payment = self._find(payment_id)
            if earlier is not None:
                return payment, earlier
            try:
                refund = self._wanted(payment, amount, by)
            except Conflict:
                # the same request, sent twice, may be what has taken the money in between
                if key and (earlier := self._idempotency_keys.find_result(key)):
                    return self._find(payment_id), earlier
                raise
            after = payment.with_refund(refund, self._clock())
            try:
                self._changes.commit(
                    payment, after, "refund requested", by, self._remembering(key, refund.id)
                )
            except (Overtaken, KeyInUse):
                continue
            return after, refund.id
        raise Conflict(BUSY)

    def _wanted(self, payment: Payment, amount: Decimal | None, by: str) -> Refund:
        """A new refund, if the money for it is there."""
        if not payment.is_paid:
            raise Conflict(NOT_PAID)
        left = payment.refundable
        if not left.minor:
            raise Conflict(NOTHING_LEFT)
        wanted = left if amount is None else Money.of(amount, left.currency)
        if wanted.minor > left.minor:
            raise Conflict(f"Of this payment, {left.amount:.2f} {left.currency} can be refunded")
        return Refund.requested(self._new_id(), wanted, BY_ADMIN, by, self._clock())

    def _remembering(self, key: IdempotencyKey | None, refund_id: str) -> AlsoWrite | None:
        if key is None:
            return None
        return lambda transaction: self._idempotency_keys.save_result(key, refund_id, transaction)

    def _sent(self, payment: Payment, refund: Refund) -> Payment:
        """The payment after Razorpay was asked; a refund that it knows is not sent again."""
        attempt_id = payment.attempt_of(refund)
        if attempt_id is None or refund.status is not RefundStatus.REQUESTED:
            return payment
        try:
            record = self._razorpay.refund(attempt_id, refund.amount, refund.id)
        except Refused:
            return self._refused(payment, attempt_id, refund)
        return self.learn(record) or payment

    def _refused(self, payment: Payment, attempt_id: str, refund: Refund) -> Payment:
        """Razorpay says no; perhaps because it did it before, and its answer was lost, or because
        of what went back without us.
        """
        for record in self._razorpay.refunds_of(attempt_id):
            payment = self.learn(record) or payment
        fitted = self._fitted(payment, refund.id)
        if fitted.refund_of_id(refund.id).is_sent:
            return self._sent_instead(payment, fitted)
        for _ in range(TRIES):
            before = self._find(payment.id)
            after = before.refused(refund.id, self._clock())
            if after != before:
                try:
                    self._changes.commit(before, after, "refund refused", RAZORPAY)
                except Overtaken:
                    continue
            _report_waiting(before, after, refund.id)
            _report_failures(before, after)
            return after
        raise Conflict(BUSY)

    def _fitted(self, payment: Payment, refund_id: str) -> Payment:
        """The payment after a refund of what is owed was brought down to what is left. That is no
        failure: the customer has the money.
        """
        for _ in range(TRIES):
            after = payment.fitted(refund_id, self._new_id(), self._clock())
            if after == payment:
                return payment
            try:
                self._changes.commit(payment, after, "refund fitted", RAZORPAY)
            except Overtaken:
                payment = self._find(payment.id)
                continue
            return after
        raise Conflict(BUSY)

    def _sent_instead(self, before: Payment, after: Payment) -> Payment:
        """Each one is smaller than the one that it replaces, so that this comes to an end."""
        known = {refund.id for refund in before.refunds}
        for refund in after.refunds:
            if refund.id not in known:
                return self._sent(after, refund)
        return after

    def _told(self, payment: Payment, record: RazorpayRefund) -> Payment:
        try:
            return payment.told_of(record, self._new_id(), self._clock())
        except NotThisPayment:
            telemetry.logger.exception("a refund does not fit its payment", extra=_named(record))
            telemetry.count("PaymentMismatches")
            return payment

    def _find(self, payment_id: str) -> Payment:
        payment = self._payments.find(payment_id) if is_id(payment_id) else None
        if payment is None:
            raise NotFound(NOT_FOUND)
        return payment


def _named(record: RazorpayRefund) -> dict[str, object]:
    return {"razorpay_refund_id": record.id, "razorpay_payment_id": record.payment_id}


def _report_failures(before: Payment, after: Payment) -> None:
    """A refund that came to nothing waits for a person: somebody is owed money."""
    known = {refund.id for refund in before.refunds if refund.status is RefundStatus.FAILED}
    for refund in after.refunds:
        if refund.status is RefundStatus.FAILED and refund.id not in known:
            named = {"payment_id": after.id, "refund_id": refund.id}
            telemetry.logger.error("a refund failed", extra=named)
            telemetry.count("RefundsFailed")


def _report_waiting(before: Payment, after: Payment, refund_id: str) -> None:
    """What is owed and refused waits; a person should know why, and be told once."""
    if after.refund_of_id(refund_id).is_sent:
        return
    named = {"payment_id": after.id, "refund_id": refund_id}
    if after == before:
        telemetry.logger.warning("Razorpay still refuses a refund that is owed", extra=named)
        return
    telemetry.logger.error("Razorpay refuses a refund that is owed", extra=named)
    telemetry.count("RefundsFailed")


def _report_returns(payment: Payment, record: RazorpayRefund) -> None:
    """A refund that was made came back to the shop: its customer has nothing of it, and the books,
    which cannot take that back, say otherwise.
    """
    if record.status is not RefundStatus.FAILED:
        return
    for refund in payment.refunds:
        if refund.is_processed and refund.is_meant_by(record):
            named = {"payment_id": payment.id, "refund_id": refund.id}
            telemetry.logger.error("a refund that was made came back", extra=named)
            telemetry.count("RefundsFailed")
