"""What a payment is, its one table of states, and what proves that it was made."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

from supermarket.caller import Caller
from supermarket.money import Currency, Money

MINIMUM_MINOR = 100  # Razorpay takes no payment below one rupee or dollar
THE_SHOP = "shop"  # asks for money to go back by itself, and only when all of it is owed
PATIENCE = timedelta(days=3)  # with Razorpay's refusals of what is owed, before a person has to act


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"


# A failed payment may be tried again (PENDING), and money that was believed lost may still arrive
# (COMPLETED). Nothing undoes that: money only goes back, a part of it (COMPLETED again) or all.
TRANSITIONS: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.PENDING: frozenset({PaymentStatus.COMPLETED, PaymentStatus.FAILED}),
    PaymentStatus.FAILED: frozenset({PaymentStatus.PENDING, PaymentStatus.COMPLETED}),
    PaymentStatus.COMPLETED: frozenset({PaymentStatus.REFUND_PENDING, PaymentStatus.REFUNDED}),
    PaymentStatus.REFUND_PENDING: frozenset({PaymentStatus.COMPLETED, PaymentStatus.REFUNDED}),
    PaymentStatus.REFUNDED: frozenset(),
}

PAID = frozenset({PaymentStatus.COMPLETED, PaymentStatus.REFUND_PENDING, PaymentStatus.REFUNDED})


class RefundStatus(StrEnum):
    """Where a refund stands: wanted by us, known to Razorpay, with the customer, or come to
    nothing.
    """

    REQUESTED = "REQUESTED"
    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


# Razorpay's record is the truth: a refund that was believed failed may turn out to have been made,
# or to be under way since it was asked for twice at once and only one of both was refused.
REFUND_TRANSITIONS: dict[RefundStatus, frozenset[RefundStatus]] = {
    RefundStatus.REQUESTED: frozenset(
        {RefundStatus.PENDING, RefundStatus.PROCESSED, RefundStatus.FAILED}
    ),
    RefundStatus.PENDING: frozenset({RefundStatus.PROCESSED, RefundStatus.FAILED}),
    RefundStatus.FAILED: frozenset({RefundStatus.PENDING, RefundStatus.PROCESSED}),
    RefundStatus.PROCESSED: frozenset(),
}

OPEN_REFUND = frozenset({RefundStatus.REQUESTED, RefundStatus.PENDING})


class Failure(StrEnum):
    """Why a payment failed."""

    DECLINED = "DECLINED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    ORDER_EXPIRED = "ORDER_EXPIRED"

    @property
    def reason(self) -> str:
        """For the customer's eyes."""
        return _REASONS[self]

    @property
    def refund_reason(self) -> str:
        """Why money that was taken all the same goes back, for the customer's eyes."""
        return _REFUND_REASONS.get(self, _REASONS[self])


_REASONS = {
    Failure.DECLINED: "The payment was declined. You can try again.",
    Failure.ORDER_CANCELLED: "The order was cancelled before it was paid.",
    Failure.ORDER_EXPIRED: "The order was not paid in time, so it was cancelled.",
}

_REFUND_REASONS = {
    Failure.ORDER_CANCELLED: "The order was cancelled.",
    Failure.ORDER_EXPIRED: "The payment arrived after the order had expired.",
}


class IllegalTransition(RuntimeError):
    """The table of states does not know this change: a defect, or something read too long ago."""


class NotThisPayment(ValueError):
    """A record of Razorpay's is about other money than this payment's."""


class AttemptStatus(StrEnum):
    """Razorpay's own word for where one attempt to pay stands."""

    CREATED = "created"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    REFUNDED = "refunded"


@dataclass(frozen=True)
class Attempt:
    """One attempt to pay, as Razorpay's record tells it; its currency may be one we do not know."""

    id: str
    razorpay_order_id: str | None
    minor: int
    currency: str
    status: AttemptStatus
    fee: Money | None = None

    @property
    def is_taken(self) -> bool:
        """Whether its money left the customer, whatever became of it afterwards."""
        return self.status in {AttemptStatus.CAPTURED, AttemptStatus.REFUNDED}


@dataclass(frozen=True)
class ForeignMoney:
    """An amount in a currency that this shop does not trade in."""

    minor: int
    currency: str


@dataclass(frozen=True)
class RazorpayRefund:
    """A refund, as Razorpay's record tells it; `our_id` is there if it was made by this shop."""

    id: str
    payment_id: str
    amount: Money | ForeignMoney
    status: RefundStatus
    our_id: str | None = None


@dataclass(frozen=True)
class RazorpayOrder:
    """A Razorpay order, as its record tells it."""

    id: str
    minor: int
    currency: str
    status: str


@dataclass(frozen=True)
class Unreadable:
    """A record of Razorpay's that makes no sense to us; `id` is what it calls itself."""

    id: str


@dataclass(frozen=True)
class Refund:
    """Money that goes back. `requested_by` is an admin's id, or the name of the machine at work;
    `attempt_id` is the surplus attempt whose money it is, if it is not that of the payment itself;
    `refused_at` is when Razorpay refused for the first time what is wanted all the same.
    """

    id: str
    amount: Money
    reason: str
    requested_by: str
    requested_at: datetime
    updated_at: datetime
    status: RefundStatus = RefundStatus.REQUESTED
    razorpay_refund_id: str | None = None
    attempt_id: str | None = None
    refused_at: datetime | None = None

    @classmethod
    def requested(cls, id_: str, amount: Money, reason: str, by: str, at: datetime) -> Self:
        return cls(id_, amount, reason, by, at, at)

    @classmethod
    def made_elsewhere(cls, id_: str, amount: Money, record: RazorpayRefund, at: datetime) -> Self:
        """One that nobody here asked for: it was made by hand, in Razorpay's dashboard."""
        reason, by = "The refund was made at Razorpay.", "razorpay"
        return cls(id_, amount, reason, by, at, at, record.status, record.id)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_REFUND

    @property
    def is_sent(self) -> bool:
        """Whether Razorpay has answered to it."""
        return self.status is not RefundStatus.REQUESTED

    @property
    def is_of_surplus(self) -> bool:
        """Whether it is of money that was paid once too often, so that nothing was bought by it."""
        return self.attempt_id is not None

    @property
    def is_refused(self) -> bool:
        """Whether Razorpay would not even begin with it."""
        return self.status is RefundStatus.FAILED and self.razorpay_refund_id is None

    @property
    def is_failed_there(self) -> bool:
        """Whether Razorpay began with it and could not make it: a person has to find another
        way.
        """
        return self.status is RefundStatus.FAILED and self.razorpay_refund_id is not None

    @property
    def is_processed(self) -> bool:
        return self.status is RefundStatus.PROCESSED

    def is_given_up(self, now: datetime) -> bool:
        """Whether Razorpay has refused it for so long that it will not take it by itself."""
        return self.refused_at is not None and now - self.refused_at >= PATIENCE

    def is_meant_by(self, record: RazorpayRefund) -> bool:
        if self.razorpay_refund_id is not None:
            return self.razorpay_refund_id == record.id
        return (self.id, self.amount) == (record.our_id, record.amount)

    def moved(self, to: RefundStatus, at: datetime, razorpay_refund_id: str | None = None) -> Self:
        """Further along the table, under Razorpay's id; as it stands when that is nowhere new, as
        with late reports.
        """
        known = replace(self, razorpay_refund_id=razorpay_refund_id or self.razorpay_refund_id)
        is_late = self.is_failed_there and to is RefundStatus.PENDING
        if is_late or to not in REFUND_TRANSITIONS[self.status]:
            return known
        return replace(known, status=to, updated_at=at)


@dataclass(frozen=True)
class Proof:
    """What a browser brings back from Razorpay's checkout."""

    razorpay_order_id: str
    razorpay_payment_id: str
    signature: str

    def is_signed_with(self, secret: str) -> bool:
        """Whether Razorpay, which shares the secret, wrote this; in time that tells nothing."""
        message = f"{self.razorpay_order_id}|{self.razorpay_payment_id}"
        expected = hmac.new(secret.encode(), message.encode(), sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), self.signature.encode())


@dataclass(frozen=True)
class Customer:
    """Who pays; mail address and name as of the order."""

    user_id: str
    email: str
    first_name: str


@dataclass(frozen=True)
class PayableOrder:
    """An order that may be paid right now."""

    id: str
    customer: Customer
    total: Money


@dataclass(frozen=True)
class Surplus:
    """An attempt that took the price once more, when it was paid already; all of it goes back."""

    attempt_id: str
    fee: Money | None


@dataclass(frozen=True)
class Payment:
    """The one payment of an order. `version` grows with every change, so that no change is lost.

    `failure` is why it failed the last time; that its order is gone stays written there when its
    money comes all the same, and is written there when it had come before. `declined` are the
    attempts known to have failed: each of them counts once, however often it is reported. `surplus`
    are those that took the money again; they and their refunds leave the payment's own state as it
    is.
    """

    id: str
    order_id: str
    razorpay_order_id: str
    customer: Customer
    price: Money
    created_at: datetime
    updated_at: datetime
    status: PaymentStatus = PaymentStatus.PENDING
    razorpay_payment_id: str | None = None
    failure: Failure | None = None
    declined: frozenset[str] = frozenset()
    fee: Money | None = None
    refunds: tuple[Refund, ...] = ()
    surplus: tuple[Surplus, ...] = ()
    version: int = 1

    @classmethod
    def opened(cls, id_: str, order: PayableOrder, razorpay_order_id: str, at: datetime) -> Self:
        return cls(id_, order.id, razorpay_order_id, order.customer, order.total, at, at)

    @property
    def is_paid(self) -> bool:
        """Whether its money was taken, whatever went back since."""
        return self.status in PAID

    @property
    def is_refunded(self) -> bool:
        """Whether all of the money that completed it went back."""
        return self.status is PaymentStatus.REFUNDED

    @property
    def is_open(self) -> bool:
        return self.status is PaymentStatus.PENDING

    @property
    def is_called_off(self) -> bool:
        """Whether its order is gone, so that no more money should be taken."""
        return self.status is PaymentStatus.FAILED and self.is_of_gone_order

    @property
    def is_of_gone_order(self) -> bool:
        """Whether its order is known to be gone, paid or not."""
        return self.failure is not None and self.failure is not Failure.DECLINED

    @property
    def owes_its_price(self) -> bool:
        """Whether all of the money that completed it is to go back, since its order is gone."""
        # of older payments only what the shop has asked for tells so
        asked = any(refund.requested_by == THE_SHOP for refund in self.own_refunds)
        return self.is_of_gone_order or asked

    @property
    def open_refunds(self) -> tuple[Refund, ...]:
        """Those whose end is not known yet."""
        return tuple(refund for refund in self.refunds if refund.is_open)

    @property
    def has_unsent_refund(self) -> bool:
        """Whether there is one that Razorpay has not answered to yet."""
        return not all(refund.is_sent for refund in self.refunds)

    @property
    def waits_for_a_person(self) -> bool:
        """Whether Razorpay did not make what is owed: asking again would end the same way."""
        return self.owes_its_price and bool(self.refundable.minor)

    @property
    def attempts(self) -> frozenset[str]:
        """All that took money for it: the one that completed it, and the surplus."""
        own = {self.razorpay_payment_id} if self.razorpay_payment_id else set()
        return frozenset(own | {one.attempt_id for one in self.surplus})

    @property
    def own_refunds(self) -> tuple[Refund, ...]:
        """Those of the money that completed it."""
        return tuple(refund for refund in self.refunds if not refund.is_of_surplus)

    @property
    def refunded(self) -> Money:
        """What is back with the customer of the money that completed it."""
        return self._back(self.own_refunds)

    @property
    def returning(self) -> Money:
        """What is on its way back, or is to be, of the money that completed it."""
        wanted = (refund.amount for refund in self.own_refunds if refund.is_open)
        return Money.total(wanted, self.price.currency)

    @property
    def refundable(self) -> Money:
        """What may still go back; zero as long as nothing was taken."""
        if not self.is_paid or self.razorpay_payment_id is None:
            return Money.zero(self.price.currency)
        return self.left_of(self.razorpay_payment_id)

    @property
    def status_by_refunds(self) -> PaymentStatus:
        """What the status of a paid payment must be."""
        if self.refunded.minor >= self.price.minor:
            return PaymentStatus.REFUNDED
        is_going_back = any(refund.is_open for refund in self.own_refunds)
        return PaymentStatus.REFUND_PENDING if is_going_back else PaymentStatus.COMPLETED

    def attempt_of(self, refund: Refund) -> str | None:
        """The attempt whose money a refund gives back."""
        return refund.attempt_id or self.razorpay_payment_id

    def fee_of(self, attempt_id: str) -> Money | None:
        """What Razorpay is known to have charged for an attempt."""
        if attempt_id == self.razorpay_payment_id:
            return self.fee
        return next((one.fee for one in self.surplus if one.attempt_id == attempt_id), None)

    def is_back(self, attempt_id: str) -> bool:
        """Whether all that an attempt took is with the customer again."""
        of_it = (refund for refund in self.refunds if self.attempt_of(refund) == attempt_id)
        return self._back(of_it).minor >= self.price.minor

    def owes(self, attempt_id: str) -> bool:
        """Whether all that an attempt took is to go back: it is surplus, or the order is gone."""
        return attempt_id != self.razorpay_payment_id or self.owes_its_price

    def left_of(self, attempt_id: str) -> Money:
        """What an attempt took and is neither back nor on its way."""
        of_it = (one for one in self.refunds if self.attempt_of(one) == attempt_id)
        gone = (one.amount for one in of_it if one.is_open or one.is_processed)
        left = self.price - Money.total(gone, self.price.currency)
        # Razorpay may have been asked elsewhere for what is promised here; it refuses one of both
        return Money(max(left.minor, 0), left.currency)

    def refund_of_id(self, refund_id: str) -> Refund:
        return next(refund for refund in self.refunds if refund.id == refund_id)

    def is_of(self, caller: Caller) -> bool:
        return self.customer.user_id == caller.user_id

    def may_be_seen_by(self, caller: Caller) -> bool:
        return caller.is_admin or self.is_of(caller)

    def is_meant_by(self, attempt: Attempt) -> bool:
        """Whether an attempt is for this payment: same Razorpay order, same amount, same
        currency.
        """
        wanted = (self.razorpay_order_id, self.price.minor, self.price.currency.value)
        return (attempt.razorpay_order_id, attempt.minor, attempt.currency) == wanted

    def completed(self, attempt: Attempt, at: datetime) -> Self:
        moved = self._moved(PaymentStatus.COMPLETED, at)
        return replace(moved, razorpay_payment_id=attempt.id, fee=attempt.fee)

    def taken_again(self, attempt: Attempt, at: datetime) -> Self:
        """With the money of one more attempt, which is owed to the customer."""
        surplus = (*self.surplus, Surplus(attempt.id, attempt.fee))
        return self._changed(at, surplus=surplus)

    def charged(self, attempt: Attempt, at: datetime) -> Self:
        """With Razorpay's fee, which may become known later than the payment; it is known once."""
        if attempt.fee is None or self.fee_of(attempt.id) is not None:
            return self
        if attempt.id == self.razorpay_payment_id:
            return self._changed(at, fee=attempt.fee)
        charged = Surplus(attempt.id, attempt.fee)
        known = (charged if one.attempt_id == attempt.id else one for one in self.surplus)
        return self._changed(at, surplus=tuple(known))

    def declined_by(self, attempt: Attempt, at: datetime) -> Self:
        """Failed by one more attempt; an attempt that is known already does not count again."""
        moved = self._moved(PaymentStatus.FAILED, at)
        return replace(moved, failure=Failure.DECLINED, declined=self.declined | {attempt.id})

    def called_off(self, failure: Failure, at: datetime) -> Self:
        """Failed since its order is gone; that weighs more than being declined before."""
        if self.status is PaymentStatus.FAILED:
            return self._changed(at, failure=failure)
        return replace(self._moved(PaymentStatus.FAILED, at), failure=failure)

    def reopened(self, at: datetime) -> Self:
        """Another try, through the same Razorpay order: that takes several attempts."""
        return self._moved(PaymentStatus.PENDING, at)

    def with_refund(self, refund: Refund, at: datetime) -> Self:
        """With a refund that is new or has moved; itself when neither."""
        if refund in self.refunds:
            return self
        known = {one.id: one for one in self.refunds} | {refund.id: refund}
        changed = replace(self, refunds=tuple(known.values()))
        if changed.status_by_refunds is self.status:
            return self._changed(at, refunds=changed.refunds)
        moved = self._moved(changed.status_by_refunds, at)
        return replace(moved, refunds=changed.refunds)

    def given_back(self, refund_id: str, reason: str, by: str, at: datetime) -> Self:
        """With all that is left of it wanted back."""
        rest = Refund.requested(refund_id, self.refundable, reason, by, at)
        return self.with_refund(rest, at)

    def orphaned(self, failure: Failure, refund_id: str, at: datetime) -> Self:
        """A paid one whose order is gone: that is known from now on, and what is left of it wanted
        back.
        """
        known = self._changed(at, failure=failure)
        if not known.refundable.minor:
            return known
        return known.given_back(refund_id, failure.refund_reason, THE_SHOP, at)

    def surplus_given_back(
        self, attempt_id: str, refund_id: str, reason: str, by: str, at: datetime
    ) -> Self:
        """With all that a surplus attempt took wanted back."""
        refund = Refund.requested(refund_id, self.price, reason, by, at)
        return self.with_refund(replace(refund, attempt_id=attempt_id), at)

    def fitted(self, refund_id: str, spare_id: str, at: datetime) -> Self:
        """With no more wanted by a refund of what is owed than is left, since some of it went back
        without us: one over the rest takes its place. Itself when there is money for all of it.
        """
        refund = self.refund_of_id(refund_id)
        attempt_id = self.attempt_of(refund)
        if attempt_id is None or refund.is_sent or not self.owes(attempt_id):
            return self
        ended = self.with_refund(refund.moved(RefundStatus.FAILED, at), at)
        rest = ended.left_of(attempt_id)
        if rest.minor >= refund.amount.minor:
            return self
        if not rest.minor:
            return ended
        smaller = Refund.requested(spare_id, rest, refund.reason, THE_SHOP, at)
        return ended.with_refund(replace(smaller, attempt_id=refund.attempt_id), at)

    def refused(self, refund_id: str, at: datetime) -> Self:
        """With a refund that Razorpay will not make. What is owed stays wanted, though not for
        ever; itself when that is known.
        """
        refund = self.refund_of_id(refund_id)
        attempt_id = self.attempt_of(refund)
        if attempt_id is None or refund.is_sent:
            return self
        if self.owes(attempt_id) and not refund.is_given_up(at):
            return self.with_refund(replace(refund, refused_at=refund.refused_at or at), at)
        return self.with_refund(refund.moved(RefundStatus.FAILED, at), at)

    def told_of(self, record: RazorpayRefund, spare_id: str, at: datetime) -> Self:
        """With what Razorpay's record of a refund says; NotThisPayment when it cannot be its."""
        amount = record.amount
        if not isinstance(amount, Money) or amount.currency is not self.price.currency:
            raise NotThisPayment(record.id)
        if not self.is_paid or record.payment_id not in self.attempts:
            raise NotThisPayment(record.id)
        for refund in self.refunds:
            if refund.is_meant_by(record):
                return self.with_refund(refund.moved(record.status, at, record.id), at)
        made = Refund.made_elsewhere(spare_id, amount, record, at)
        if record.payment_id != self.razorpay_payment_id:
            made = replace(made, attempt_id=record.payment_id)
        return self.with_refund(made, at)

    def _back(self, refunds: Iterable[Refund]) -> Money:
        processed = (refund.amount for refund in refunds if refund.is_processed)
        return Money.total(processed, self.price.currency)

    def _changed(self, at: datetime, **values: Any) -> Self:
        return replace(self, **values, updated_at=at, version=self.version + 1)

    def _moved(self, to: PaymentStatus, at: datetime) -> Self:
        if to not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"a payment does not go from {self.status} to {to}")
        return self._changed(at, status=to)


def is_large_enough(price: Money) -> bool:
    return price.minor >= MINIMUM_MINOR


def smallest(currency: Currency) -> Money:
    """The least that can be paid."""
    return Money(MINIMUM_MINOR, currency)
