"""Refunds on fakes: made once, never more than was captured, and whatever fails in between."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.ledger import Account
from payment.model.attempt import AttemptStatus
from payment.model.payment import RETRY_REJECTED_FOR, Payment
from payment.model.refund import REFUND_TRANSITIONS, RazorpayRefund, RefundStatus
from payment.model.status import REFUND_REASONS, Failure, PaymentStatus
from payment.ports import CancelledOrder, ExpiredOrder, ProviderBusy, ProviderRejected
from payment.refunds import RefundTooSmall
from supermarket.clock import new_id
from supermarket.contracts import PaymentCompleted, PaymentRefunded, PaymentRefundProgressed
from supermarket.errors import (
    BadGateway,
    Conflict,
    DomainError,
    NotFound,
    RuleViolated,
    Unavailable,
)
from supermarket.idempotency import IdempotencyKey
from supermarket.money import Currency, Money
from supermarket.transaction import BeginTransaction
from support.in_memory import InMemoryTransaction
from support.payment import PRICE, FakeRazorpay, Shop, a_key

KEY = IdempotencyKey.of("refund_payment", "admin", "key-1", b"{}")


class Crash(Exception):
    """The process ends at this point."""


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.paid()
    return shop


def interrupted(
    shop: Shop,
    before: Callable[[], object] | None = None,
    after: Callable[[], object] | None = None,
) -> BeginTransaction:
    """Return transactions; something else happens before and after the first commit."""
    pending = [(before, after)]

    class Interrupted(InMemoryTransaction):
        def commit(self) -> None:
            first, then = pending.pop() if pending else (None, None)
            if first:
                first()
            super().commit()
            if then:
                then()

    return lambda: Interrupted(shop.outbox.events)


def crash() -> None:
    raise Crash


def minors(*records: RazorpayRefund) -> int:
    return sum(record.amount.minor for record in records)


def assert_books_agree(shop: Shop) -> None:
    """The ledger, the payment and the events agree."""
    payment, balances = shop.payment, shop.balances()
    for entry in shop.ledger.entries.values():
        assert sum(line.amount.minor for line in entry.lines) == 0
    captured = payment.price.minor if payment.is_paid else 0
    fee = payment.fee.minor if payment.fee else 0
    assert balances[Account.SALES] == payment.refunded.minor - captured
    assert balances[Account.RAZORPAY] == captured - payment.refunded.minor - fee
    assert balances[Account.FEES] == fee
    assert 0 <= payment.refunded.minor <= captured
    processed = [refund for refund in payment.refunds if refund.is_processed]
    events = shop.outbox.of(PaymentRefunded)
    assert sorted(e.refund_id for e in events if isinstance(e, PaymentRefunded)) == sorted(
        refund.id for refund in processed
    )
    assert len(shop.outbox.of(PaymentCompleted)) == payment.is_paid


# --- an admin refunds -----------------------------------------------------------------------------


def test_a_payment_is_refunded_in_full(shop: Shop) -> None:
    payment = shop.refund()
    (refund,) = payment.refunds
    assert (payment.status, refund.status) == (PaymentStatus.REFUNDED, RefundStatus.PROCESSED)
    assert refund.requested_by == shop.admin.user_id
    (event,) = shop.outbox.of(PaymentRefunded)
    assert isinstance(event, PaymentRefunded)
    assert (event.refund_id, event.amount.money(), event.fully) == (refund.id, PRICE, True)
    assert_books_agree(shop)


def test_a_partial_refund_leaves_the_payment_completed_and_the_rest_refundable(shop: Shop) -> None:
    payment = shop.refund("100.50")
    assert payment.status is PaymentStatus.COMPLETED
    assert payment.refunded == Money(10_050, Currency.INR)
    (event,) = shop.outbox.of(PaymentRefunded)
    assert isinstance(event, PaymentRefunded)
    assert not event.fully
    assert shop.refund().status is PaymentStatus.REFUNDED
    assert minors(*shop.razorpay.refunds.values()) == PRICE.minor
    assert_books_agree(shop)


@pytest.mark.parametrize("amounts", [["499.51"], ["400", "99.51"], ["499.5", None], [None, "1"]])
def test_refunds_never_exceed_the_payment(shop: Shop, amounts: list[str | None]) -> None:
    *possible, too_much = amounts
    for amount in possible:
        shop.refund(amount)
    with pytest.raises(Conflict):
        shop.refund(too_much)
    assert_books_agree(shop)


@pytest.mark.parametrize("amount", ["0.01", "0.99", "499.49", "498.51"])
def test_a_refund_or_a_rest_below_the_minimum_of_razorpay_is_rejected_and_stores_nothing(
    shop: Shop, amount: str
) -> None:
    before, events = shop.payment, shop.events()
    with pytest.raises(RefundTooSmall):
        shop.refund(amount, KEY)
    assert (shop.payment, shop.events()) == (before, events)
    assert shop.keys.find_result(KEY.about(before.id)) is None
    assert not shop.razorpay.refunds


@given(st.lists(st.integers(1, PRICE.minor), max_size=6))
def test_what_partial_refunds_leave_can_always_be_refunded(minors_wanted: list[int]) -> None:
    shop = Shop()
    shop.paid()
    for minor in minors_wanted:
        with suppress(Conflict):
            shop.refund(str(Money(minor, Currency.INR).amount))
    if shop.payment.balance.remaining.minor:
        shop.refund()
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert min(refund.amount.minor for refund in shop.payment.refunds) >= 100


def test_a_pending_refund_is_not_refundable_again(shop: Shop) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    assert shop.refund("400").status is PaymentStatus.REFUND_PENDING
    with pytest.raises(Conflict):
        shop.refund("100")
    assert len(shop.razorpay.refunds) == 1


def test_of_two_concurrent_full_refunds_one_is_made(shop: Shop) -> None:
    begin = interrupted(shop, before=shop.refund)
    with pytest.raises(Conflict):
        shop.a_service(begin).refund(shop.payment.id, None, shop.admin, a_key())
    assert minors(*shop.razorpay.refunds.values()) == PRICE.minor
    assert_books_agree(shop)


def test_an_unpaid_payment_cannot_be_refunded() -> None:
    shop = Shop()
    shop.create()
    with pytest.raises(Conflict):
        shop.refund()
    shop.decline()
    with pytest.raises(Conflict):
        shop.refund()
    for id_ in ("x", new_id()):
        with pytest.raises(NotFound):
            shop.service.refund(id_, None, shop.admin, a_key())


def test_a_repeated_key_returns_the_same_refund_and_rejects_another_request(shop: Shop) -> None:
    first = shop.refund("10", KEY)
    assert shop.refund("10", KEY) == first
    assert len(shop.razorpay.refunds) == 1
    other = replace(KEY, fingerprint="of another body")
    with pytest.raises(RuleViolated):
        shop.refund("20", other)
    with pytest.raises(NotFound):
        shop.service.refund("x", None, shop.admin, a_key())
    assert len(shop.razorpay.refunds) == 1


@pytest.mark.parametrize("place", ["before the write", "while Razorpay answers"])
def test_concurrent_requests_with_the_same_key_make_one_refund(shop: Shop, place: str) -> None:
    other = []
    begin = None
    if place == "before the write":
        begin = interrupted(shop, before=lambda: other.append(shop.refund("10", KEY)))
    else:
        shop.razorpay.meanwhile = lambda: other.append(shop.refund("10", KEY))
    service = shop.a_service(begin)
    payment, refund = service.refund(shop.payment.id, Decimal(10), shop.admin, KEY)
    assert [one.id for one in other[0].refunds] == [refund.id]
    assert payment == shop.payment
    assert len(shop.razorpay.refunds) == 1
    assert_books_agree(shop)


def test_every_step_is_audited(shop: Shop) -> None:
    shop.audit.entries.clear()
    payment = shop.refund("10")
    requested, processed = shop.audit.entries
    assert (requested.actor, requested.action) == (shop.admin.user_id, "refund requested")
    assert (processed.actor, processed.action) == ("razorpay", "refund processed")
    assert requested.subject == f"payment#{payment.id}"
    assert requested.after == processed.before
    assert processed.after["refundedMinor"] == 1_000
    assert shop.customer.email not in str(shop.audit.entries)


# --- Razorpay fails -------------------------------------------------------------------------------


def test_every_step_of_a_refund_emits_the_refunded_and_pending_sums(shop: Shop) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    shop.refund("10")
    shop.refund("20")
    first, second = shop.razorpay.refunds
    shop.service.apply_refund_update(shop.razorpay.set_status(first, RefundStatus.PROCESSED))
    shop.service.apply_refund_update(shop.razorpay.set_status(second, RefundStatus.FAILED))
    events = [e for e in shop.outbox.events if isinstance(e, PaymentRefundProgressed)]
    sums = [(event.refunded.minor, event.returning.minor) for event in events]
    assert sums == [(0, 1_000), (0, 3_000), (1_000, 2_000), (1_000, 0)]
    revisions = [event.revision for event in events]
    assert revisions == sorted(set(revisions))


def test_a_refund_that_is_requested_while_razorpay_is_down_is_sent_later_and_once(
    shop: Shop,
) -> None:
    shop.razorpay.is_down = True
    payment = shop.refund(None, KEY)
    assert payment.status is PaymentStatus.REFUND_PENDING
    assert not shop.outbox.of(PaymentRefunded)
    assert shop.payments.list_with_open_refunds(10) == [payment.id]
    shop.razorpay.is_down = False
    assert shop.refund(None, KEY).status is PaymentStatus.REFUNDED
    shop.service.sync_refunds(payment.id)
    assert len(shop.razorpay.refunds) == 1
    assert shop.payments.list_with_open_refunds(10) == []
    assert_books_agree(shop)


def test_a_lost_response_does_not_cause_a_second_refund(shop: Shop) -> None:
    shop.razorpay.answers_get_lost = True
    payment = shop.refund()
    assert payment.status is PaymentStatus.REFUND_PENDING
    shop.razorpay.answers_get_lost = False
    assert shop.service.sync_refunds(payment.id).status is PaymentStatus.REFUNDED
    assert len(shop.razorpay.refunds) == 1
    assert_books_agree(shop)


def test_a_rejected_refund_has_failed_and_can_be_requested_again(shop: Shop) -> None:
    shop.razorpay.refund_fails = True
    for _ in range(2):
        with pytest.raises(BadGateway):
            shop.refund(None, KEY)
    assert shop.payment.status is PaymentStatus.COMPLETED
    assert [refund.status for refund in shop.payment.refunds] == [RefundStatus.FAILED]
    shop.razorpay.refund_fails = False
    assert shop.refund().status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


def test_a_refund_that_razorpay_cannot_make_yet_is_made_later(shop: Shop) -> None:
    shop.razorpay.refund_fails, shop.razorpay.refund_error = True, ProviderBusy
    payment = shop.refund(None, KEY)
    assert [refund.status for refund in payment.refunds] == [RefundStatus.REQUESTED]
    assert shop.payments.list_with_open_refunds(10) == [payment.id]
    shop.razorpay.refund_fails = False
    assert shop.service.sync_refunds(payment.id).status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


class OneAtATime(FakeRazorpay):
    """Rejects requests while it makes a refund of the same payment; `while_busy` makes them."""

    def __init__(self, refund_error: type[Unavailable]) -> None:
        super().__init__()
        self.refund_error = refund_error
        self.while_busy: Callable[[], object] | None = None
        self._is_busy = False

    def refund(self, razorpay_payment_id: str, amount: Money, refund_id: str) -> RazorpayRefund:
        if self._is_busy:
            raise self.refund_error("another payment operation is in progress")
        request, self.while_busy = self.while_busy, None
        self._is_busy = True
        if request:
            request()
        self._is_busy = False
        return super().refund(razorpay_payment_id, amount, refund_id)


@pytest.mark.parametrize("outcome", [RefundStatus.PENDING, RefundStatus.PROCESSED])
@pytest.mark.parametrize("error", [ProviderBusy, ProviderRejected])
def test_a_concurrent_request_that_razorpay_rejects_does_not_fail_the_refund(
    error: type[Unavailable], outcome: RefundStatus
) -> None:
    shop, razorpay = Shop(), OneAtATime(error)
    shop.razorpay, razorpay.refund_outcome = razorpay, outcome
    shop.service = shop.a_service()
    shop.paid()
    seen: list[RefundStatus] = []

    def request_again() -> None:
        with suppress(BadGateway):
            seen.extend(refund.status for refund in shop.refund("10", KEY).refunds)

    razorpay.while_busy = request_again
    shop.refund("10", KEY)
    (refund,) = shop.payment.refunds
    (record,) = razorpay.refunds.values()
    assert (refund.status, refund.razorpay_refund_id) == (outcome, record.id)
    # a busy Razorpay is not reported as a failure
    assert seen == ([RefundStatus.REQUESTED] if error is ProviderBusy else [])
    shop.service.sync_refunds(shop.payment.id)
    assert minors(*razorpay.refunds.values()) == 1_000
    assert_books_agree(shop)


def test_the_money_of_a_failed_refund_is_refundable_again(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    shop.refund()
    (record,) = shop.razorpay.refunds.values()
    for _ in range(2):
        shop.service.apply_refund_update(shop.razorpay.set_status(record.id, RefundStatus.FAILED))
    assert shop.payment.status is PaymentStatus.COMPLETED
    assert shop.payment.balance.remaining == PRICE
    assert capsys.readouterr().out.count('"RefundsFailed":[') == 1
    assert_books_agree(shop)


CRASHES = ["before the request", "after the request", "at Razorpay", "before the end", "at the end"]


@pytest.mark.parametrize("place", CRASHES)
def test_after_a_crash_at_any_step_a_refund_is_made_once_or_not_at_all(
    shop: Shop, place: str
) -> None:
    if place == "at Razorpay":
        shop.razorpay.meanwhile = crash
    with pytest.raises(Crash):
        shop.a_service(_crashing(shop, place)).refund(shop.payment.id, None, shop.admin, KEY)
    assert_books_agree(shop)
    for payment_id in shop.payments.list_with_open_refunds(10):
        shop.service.sync_refunds(payment_id)
    assert_books_agree(shop)
    was_requested = place != "before the request"
    assert (shop.payment.status is PaymentStatus.REFUNDED) == was_requested
    # the client repeats the request
    assert shop.refund(None, KEY).status is PaymentStatus.REFUNDED
    assert len(shop.razorpay.refunds) == 1
    assert_books_agree(shop)


def _crashing(shop: Shop, place: str) -> BeginTransaction | None:
    match place:
        case "before the request":
            return interrupted(shop, before=crash)
        case "after the request":
            return interrupted(shop, after=crash)
        case "before the end" | "at the end":
            commits = iter(range(10))

            class Second(InMemoryTransaction):
                def commit(self) -> None:
                    second = next(commits) == 1
                    if second and place == "before the end":
                        crash()
                    super().commit()
                    if second:
                        crash()

            return lambda: Second(shop.outbox.events)
        case _:
            return None


# --- required refunds -----------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [RefundStatus.PENDING, RefundStatus.PROCESSED])
def test_the_rest_is_refunded_after_an_unknown_partial_refund_in_the_dashboard(
    shop: Shop, outcome: RefundStatus
) -> None:
    shop.razorpay.refund_outcome = outcome
    attempt_id = shop.payment.razorpay_payment_id
    assert attempt_id is not None
    shop.razorpay.make_refund(attempt_id, Money(100, Currency.INR))
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    made = shop.razorpay.refunds.values()
    assert sorted(record.amount.minor for record in made) == [100, PRICE.minor - 100]
    for record in list(made):
        shop.razorpay.set_status(record.id, RefundStatus.PROCESSED)
    shop.service.sync_refunds(shop.payment.id)
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


def test_a_required_refund_ends_without_failure_after_a_full_refund_in_the_dashboard(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt_id = shop.payment.razorpay_payment_id
    assert attempt_id is not None
    shop.razorpay.make_refund(attempt_id, PRICE)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert not shop.payment.open_refunds
    assert '"RefundsFailed":[' not in capsys.readouterr().out
    assert_books_agree(shop)


@pytest.mark.parametrize("error", [ProviderBusy, ProviderRejected])
def test_a_required_refund_that_razorpay_rejects_is_sent_until_it_is_made(
    shop: Shop, error: type[Unavailable], capsys: pytest.CaptureFixture[str]
) -> None:
    shop.razorpay.refund_fails, shop.razorpay.refund_error = True, error
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    for _ in range(3):
        with suppress(ProviderBusy):
            shop.service.sync_refunds(shop.payment.id)
    assert [refund.status for refund in shop.payment.refunds] == [RefundStatus.REQUESTED]
    assert shop.payments.list_with_open_refunds(10) == [shop.payment.id]
    reported = capsys.readouterr().out.count('"RefundsFailed":[')
    assert reported == (1 if error is ProviderRejected else 0)
    shop.razorpay.refund_fails = False
    assert shop.service.sync_refunds(shop.payment.id).status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


def test_a_rejected_refund_of_an_admin_is_made_with_the_refund_of_the_cancelled_order(
    shop: Shop,
) -> None:
    shop.razorpay.is_down = True
    shop.refund("100")
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    shop.razorpay.is_down, shop.razorpay.refund_fails = False, True
    shop.service.sync_refunds(shop.payment.id)
    shop.razorpay.refund_fails = False
    assert shop.service.sync_refunds(shop.payment.id).status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


def test_an_unsent_refund_of_an_admin_is_required_once_the_order_is_cancelled(shop: Shop) -> None:
    shop.razorpay.is_down = True
    shop.refund()
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    shop.razorpay.is_down, shop.razorpay.refund_fails = False, True
    shop.clock.advance(timedelta(days=40))  # longer than reconciliation looks back
    shop.service.sync_refunds(shop.payment.id)
    assert shop.payments.list_with_open_refunds(10) == [shop.payment.id]
    shop.razorpay.refund_fails = False
    assert shop.service.sync_refunds(shop.payment.id).status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


def test_a_pending_refund_that_fails_after_the_cancellation_needs_manual_action(
    shop: Shop,
) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    made = shop.razorpay.make_refund(shop.payment.razorpay_payment_id or "", PRICE)
    shop.service.apply_refund_update(made)
    shop.orders.cancel(shop.order.id)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    shop.service.apply_refund_update(shop.razorpay.set_status(made.id, RefundStatus.FAILED))
    run_everything_that_could_send_it_again(shop)
    assert shop.payment.needs_manual_action(shop.payment.completed_by or "")
    assert len(shop.razorpay.refunds) == 1


def test_a_required_refund_that_is_rejected_for_days_fails_and_an_admin_can_request_it_again(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.razorpay.refund_fails = True
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    with pytest.raises(Conflict):
        shop.refund()
    last = shop.clock.now + RETRY_REJECTED_FOR
    while shop.clock.now < last:
        shop.clock.advance(timedelta(minutes=15))
        shop.service.sync_refunds(shop.payment.id)
    assert [refund.status for refund in shop.payment.refunds] == [RefundStatus.FAILED]
    assert shop.payment.status is PaymentStatus.COMPLETED
    errors = [r.message for r in caplog.records if r.levelname == "ERROR"]
    assert errors == ["Razorpay rejects a required refund", "a refund failed"]
    assert shop.payment.needs_manual_action(shop.payment.completed_by or "")
    shop.razorpay.refund_fails = False
    shop.orders.cancel(shop.order.id)
    run_everything_that_could_send_it_again(shop)
    assert shop.razorpay.refunds == {}  # the customer may have got the money another way
    assert shop.refund().status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


def run_everything_that_could_send_it_again(shop: Shop) -> None:
    shop.service.sync_refunds(shop.payment.id)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    shop.service.refund_late_payment(shop.payment.id)
    assert shop.service.sync_order(shop.payment.id) is False


def test_a_required_refund_that_razorpay_does_not_accept_is_left_to_the_job(shop: Shop) -> None:
    shop.razorpay.refund_fails, shop.razorpay.refund_error = True, ProviderBusy
    shop.orders.cancel(shop.order.id)
    shop.service.refund_late_payment(shop.payment.id)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    assert [refund.status for refund in shop.payment.refunds] == [RefundStatus.REQUESTED]
    assert shop.payments.list_with_open_refunds(10) == [shop.payment.id]


def test_a_required_refund_that_failed_at_razorpay_is_not_sent_again(shop: Shop) -> None:
    shop.razorpay.refund_outcome = RefundStatus.FAILED
    shop.orders.cancel(shop.order.id)
    for _ in range(3):
        shop.service.refund_late_payment(shop.payment.id)
        shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    shop.service.sync_refunds(shop.payment.id)
    assert shop.service.sync_order(shop.payment.id) is False
    assert [refund.status for refund in shop.payment.refunds] == [RefundStatus.FAILED]
    assert len(shop.razorpay.refunds) == 1


def test_a_processed_refund_that_is_reversed_is_reported(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.refund()
    capsys.readouterr()
    report(shop, RefundStatus.FAILED)
    assert '"RefundsFailed":[' in capsys.readouterr().out
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


# --- reports of Razorpay --------------------------------------------------------------------------


def report(shop: Shop, *statuses: RefundStatus) -> None:
    (record,) = shop.razorpay.refunds.values()
    for status in statuses:
        shop.service.apply_refund_update(replace(record, status=status))


@given(
    st.lists(
        st.sampled_from([RefundStatus.PENDING, RefundStatus.PROCESSED, RefundStatus.FAILED]),
        max_size=6,
    )
)
def test_reports_in_any_order_and_number_have_one_effect(statuses: list[RefundStatus]) -> None:
    shop = Shop()
    shop.paid()
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    shop.refund("10")
    report(shop, *statuses)
    expected = RefundStatus.PENDING
    for status in statuses:
        # "pending" after a failure at Razorpay is a late report
        is_late = (expected, status) == (RefundStatus.FAILED, RefundStatus.PENDING)
        if status in REFUND_TRANSITIONS[expected] and not is_late:
            expected = status
    (refund,) = shop.payment.refunds
    assert refund.status is expected
    assert_books_agree(shop)


def test_a_report_may_arrive_before_the_response_of_razorpay(shop: Shop) -> None:
    shop.razorpay.meanwhile = lambda: report(shop, RefundStatus.PROCESSED)
    assert shop.refund().status is PaymentStatus.REFUNDED
    assert len(shop.outbox.of(PaymentRefunded)) == 1
    assert_books_agree(shop)


def test_a_refund_of_the_dashboard_is_added_once(shop: Shop) -> None:
    attempt_id = shop.payment.razorpay_payment_id
    assert attempt_id is not None
    record = shop.razorpay.make_refund(attempt_id, Money(500, Currency.INR))
    for _ in range(3):
        shop.service.apply_refund_update(record)
    (refund,) = shop.payment.refunds
    assert (refund.requested_by, refund.razorpay_refund_id) == ("razorpay", record.id)
    assert shop.payment.refunded == record.amount
    assert_books_agree(shop)


def test_a_refund_of_an_unknown_payment_is_ignored(shop: Shop) -> None:
    record = RazorpayRefund("rfnd_1", "pay_elsewhere", PRICE, RefundStatus.PROCESSED, new_id())
    assert shop.service.apply_refund_update(record) is None


def test_a_refund_in_another_currency_changes_nothing(shop: Shop) -> None:
    before = shop.payment
    assert before.razorpay_payment_id is not None
    dollars = Money(100, Currency.USD)
    record = RazorpayRefund("rfnd_1", before.razorpay_payment_id, dollars, RefundStatus.PROCESSED)
    assert shop.service.apply_refund_update(record) == before
    assert_books_agree(shop)


# --- payments of cancelled orders -----------------------------------------------------------------


@pytest.mark.parametrize("failure", [Failure.ORDER_CANCELLED, Failure.ORDER_EXPIRED])
@pytest.mark.parametrize("first", ["capture", "cancellation"])
def test_the_payment_of_a_cancelled_order_is_refunded_once_whichever_comes_first(
    failure: Failure, first: str
) -> None:
    shop = Shop()
    proof = shop.pay()
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    steps: list[Callable[[], object]] = [
        lambda: shop.service.apply_payment_update(attempt),
        lambda: shop.service.cancel_payment(shop.order.id, failure),
    ]
    for step in (steps if first == "capture" else steps[::-1]) * 2:
        step()
    shop.service.sync_refunds(shop.payment.id)
    assert shop.payment.status is PaymentStatus.REFUNDED
    (refund,) = shop.payment.refunds
    assert refund.reason == REFUND_REASONS[failure]
    assert len(shop.razorpay.refunds) == 1
    assert_books_agree(shop)


@pytest.mark.parametrize("is_late", [False, True])
def test_the_event_of_a_late_payment_says_that_it_is_refunded(*, is_late: bool) -> None:
    shop = Shop()
    proof = shop.pay()
    if is_late:
        shop.service.cancel_payment(shop.order.id, Failure.ORDER_EXPIRED)
    shop.verify(proof)
    (event,) = shop.outbox.of(PaymentCompleted)
    assert isinstance(event, PaymentCompleted)
    assert event.goes_back is is_late


def test_a_capture_after_a_decline_and_an_expiry_is_refunded() -> None:
    shop = Shop()
    shop.decline()
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_EXPIRED)
    proof = shop.razorpay.pay(shop.payment.razorpay_order_id)
    assert shop.verify(proof).status is PaymentStatus.REFUND_PENDING
    assert_books_agree(shop)


def test_only_what_an_admin_has_not_refunded_is_refunded_with_a_cancelled_order(shop: Shop) -> None:
    shop.refund("100")
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert sorted(r.amount.minor for r in shop.payment.refunds) == [10_000, PRICE.minor - 10_000]
    assert_books_agree(shop)


def test_no_payment_is_opened_when_its_order_is_cancelled_meanwhile() -> None:
    shop = Shop()

    def cancel() -> None:
        shop.orders.cancel(shop.order.id)
        shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)

    shop.razorpay.meanwhile = cancel
    with pytest.raises(Conflict):
        shop.create()
    assert shop.payments.find_by_order(shop.order.id) is None


# --- histories ------------------------------------------------------------------------------------

moves = st.sampled_from(
    [
        *("pay", "again", "refund", "refund 1.23", "refund with key", "dashboard", "cancel"),
        *("down", "up", "lose", "find", "pending", "process", "fail", "reject", "sync", "fee"),
    ]
)


@given(st.lists(moves, max_size=25))
def test_in_any_history_the_books_agree(names: list[str]) -> None:
    shop = Shop()
    shop.create()
    for name in names:
        shop.clock.advance(timedelta(seconds=1))
        with suppress(DomainError):
            _move(shop, name)
        assert_books_agree(shop)
    shop.razorpay.is_down = shop.razorpay.answers_get_lost = shop.razorpay.refund_fails = False
    shop.razorpay.refund_outcome = RefundStatus.PROCESSED
    _settle(shop)
    assert_books_agree(shop)
    assert not shop.payment.open_refunds
    if "cancel" in names and not any(
        one.has_failed_at_razorpay for one in shop.payment.balance.refunds
    ):
        assert shop.payment.balance.remaining.minor == 0
    processed = [r for r in shop.razorpay.refunds.values() if r.status is RefundStatus.PROCESSED]
    assert minors(*processed) == shop.payment.refunded.minor


def _settle(shop: Shop) -> None:
    """Let Razorpay process all refunds, and run the job."""
    for record in list(shop.razorpay.refunds.values()):
        if record.status is RefundStatus.PENDING:
            shop.razorpay.set_status(record.id, RefundStatus.PROCESSED)
    for record in shop.razorpay.refunds.values():
        shop.service.apply_refund_update(record)
    shop.service.sync_refunds(shop.payment.id)
    shop.service.sync_order(shop.payment.id)


def _move(shop: Shop, name: str) -> None:
    razorpay, payment = shop.razorpay, shop.payment
    outcomes = {"pending": RefundStatus.PENDING, "process": RefundStatus.PROCESSED}
    moves: dict[str, Callable[[], object]] = {
        "pay": lambda: _pay(shop, payment),
        "again": lambda: _report_captures(shop, payment, None),
        "fee": lambda: _report_captures(shop, payment, Money(999, Currency.INR)),
        "refund": shop.refund,
        "refund 1.23": lambda: shop.refund("1.23"),
        "refund with key": lambda: shop.refund(None, KEY),
        "dashboard": lambda: _refund_in_dashboard(shop, payment),
        "cancel": lambda: _cancel(shop),
        "down": lambda: setattr(razorpay, "is_down", True),
        "up": lambda: setattr(razorpay, "is_down", False),
        "lose": lambda: setattr(razorpay, "answers_get_lost", True),
        "find": lambda: setattr(razorpay, "answers_get_lost", False),
        "reject": lambda: setattr(razorpay, "refund_fails", not razorpay.refund_fails),
        "pending": lambda: setattr(razorpay, "refund_outcome", outcomes[name]),
        "process": lambda: setattr(razorpay, "refund_outcome", outcomes[name]),
        "fail": lambda: _fail_pending_refunds(shop),
        "sync": lambda: shop.service.sync_refunds(payment.id),
    }
    moves[name]()


def _pay(shop: Shop, payment: Payment) -> None:
    if not payment.is_paid:
        shop.verify(shop.razorpay.pay(payment.razorpay_order_id))


def _report_captures(shop: Shop, payment: Payment, fee: Money | None) -> None:
    for attempt in list(shop.razorpay.attempts.values()):
        is_first = shop.payment.razorpay_payment_id in {None, attempt.id}
        if attempt.status is AttemptStatus.CAPTURED and is_first:
            shop.service.apply_payment_update(replace(attempt, fee=fee))


def _refund_in_dashboard(shop: Shop, payment: Payment) -> None:
    if payment.razorpay_payment_id and payment.balance.remaining.minor > 100:
        shop.razorpay.make_refund(payment.razorpay_payment_id, Money(100, Currency.INR))


def _cancel(shop: Shop) -> None:
    shop.orders.cancel(shop.order.id)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)


def _fail_pending_refunds(shop: Shop) -> None:
    for record in list(shop.razorpay.refunds.values()):
        if record.status is RefundStatus.PENDING:
            shop.service.apply_refund_update(
                shop.razorpay.set_status(record.id, RefundStatus.FAILED)
            )


def test_the_payment_of_an_order_that_was_cancelled_without_an_event_is_refunded_once(
    shop: Shop,
) -> None:
    shop.orders.cancel(shop.order.id)

    for _ in range(3):
        shop.service.refund_late_payment(shop.payment.id)

    assert shop.payment.status is PaymentStatus.REFUNDED
    assert [refund.amount for refund in shop.payment.refunds] == [PRICE]
    assert len(shop.outbox.of(PaymentRefunded)) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CancelledOrder, REFUND_REASONS[Failure.ORDER_CANCELLED]),
        (ExpiredOrder, REFUND_REASONS[Failure.ORDER_EXPIRED]),
    ],
)
def test_the_reason_of_a_refund_depends_on_how_the_order_was_cancelled(
    shop: Shop, error: type[CancelledOrder], reason: str
) -> None:
    shop.orders.cancel(shop.order.id, error)
    assert shop.service.sync_order(shop.payment.id) is True
    assert shop.service.sync_order(shop.payment.id) is False
    assert [refund.reason for refund in shop.payment.refunds] == [reason]
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert_books_agree(shop)


def test_the_payment_of_an_order_that_is_not_cancelled_is_not_refunded(shop: Shop) -> None:
    shop.service.refund_late_payment(shop.payment.id)
    shop.orders.run_out_of_time(shop.order.id)  # it cannot be paid any more; it was
    shop.service.refund_late_payment(shop.payment.id)

    assert shop.payment.status is PaymentStatus.COMPLETED
    assert shop.payment.refunds == ()


def test_a_request_that_read_the_key_too_early_returns_the_same_refund(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    result_of = shop.keys.find_result
    other: list[Payment] = []

    def read_too_early(key: IdempotencyKey) -> str | None:
        monkeypatch.setattr(shop.keys, "find_result", result_of)
        other.append(shop.refund(None, KEY))
        return None

    monkeypatch.setattr(shop.keys, "find_result", read_too_early)
    _, refund = shop.service.refund(shop.payment.id, None, shop.admin, KEY)

    assert [refund.id for refund in other[0].refunds] == [refund.id]
    assert shop.payment.refunded == PRICE


def test_a_request_that_read_the_payment_too_early_returns_the_same_refund(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    shop.refund()
    (record,) = shop.razorpay.refunds.values()
    shop.razorpay.refund_outcome = RefundStatus.PROCESSED
    find = shop.payments.find
    other: list[Payment] = []

    def read_too_early(payment_id: str) -> Payment | None:
        monkeypatch.setattr(shop.payments, "find", find)
        read = find(payment_id)
        shop.service.apply_refund_update(shop.razorpay.set_status(record.id, RefundStatus.FAILED))
        other.append(shop.refund("10", KEY))
        return read

    payment_id = shop.payment.id
    monkeypatch.setattr(shop.payments, "find", read_too_early)
    payment, refund = shop.service.refund(payment_id, Decimal(10), shop.admin, KEY)

    assert payment == shop.payment == other[0]
    assert refund in payment.refunds
    assert_books_agree(shop)
