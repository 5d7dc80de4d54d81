"""Refunds on fakes: once, never more than was taken, and whatever breaks in between."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.ledger import Account
from payment.model import (
    PATIENCE,
    REFUND_TRANSITIONS,
    AttemptStatus,
    Failure,
    Payment,
    PaymentStatus,
    RazorpayRefund,
    RefundStatus,
)
from payment.ports import NotNow, OrderExpired, OrderGone, Refused
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
from support.payment import PRICE, FakeRazorpay, Shop

KEY = IdempotencyKey.of("refund_payment", "admin", "key-1", b"{}")


class Crash(Exception):
    """The process is gone, at this very point."""


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
    """Transactions; around the first of them that commits, something else happens."""
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


def assert_books_are_right(shop: Shop) -> None:
    """The ledger, the payment, the events and Razorpay tell the same."""
    payment, balances = shop.kept, shop.balances()
    for entry in shop.ledger.entries.values():
        assert sum(line.minor for line in entry.lines) == 0
    taken = payment.price.minor if payment.is_paid else 0
    fee = payment.fee.minor if payment.fee else 0
    assert balances[Account.SALES] == payment.refunded.minor - taken
    assert balances[Account.RAZORPAY] == taken - payment.refunded.minor - fee
    assert balances[Account.FEES] == fee
    assert 0 <= payment.refunded.minor <= taken
    processed = [refund for refund in payment.refunds if refund.is_processed]
    told = shop.outbox.of(PaymentRefunded)
    assert sorted(e.refund_id for e in told if isinstance(e, PaymentRefunded)) == sorted(
        refund.id for refund in processed
    )
    assert len(shop.outbox.of(PaymentCompleted)) == payment.is_paid


# --- an admin gives money back --------------------------------------------------------------------


def test_all_of_a_payment_goes_back(shop: Shop) -> None:
    payment = shop.refund()
    (refund,) = payment.refunds
    assert (payment.status, refund.status) == (PaymentStatus.REFUNDED, RefundStatus.PROCESSED)
    assert refund.requested_by == shop.admin.user_id
    (event,) = shop.outbox.of(PaymentRefunded)
    assert isinstance(event, PaymentRefunded)
    assert (event.refund_id, event.amount.money(), event.fully) == (refund.id, PRICE, True)
    assert_books_are_right(shop)


def test_a_part_leaves_the_payment_complete_and_the_rest_to_be_had(shop: Shop) -> None:
    payment = shop.refund("100.50")
    assert payment.status is PaymentStatus.COMPLETED
    assert payment.refunded == Money(10_050, Currency.INR)
    (event,) = shop.outbox.of(PaymentRefunded)
    assert isinstance(event, PaymentRefunded)
    assert not event.fully
    assert shop.refund().status is PaymentStatus.REFUNDED
    assert minors(*shop.razorpay.refunds.values()) == PRICE.minor
    assert_books_are_right(shop)


@pytest.mark.parametrize("amounts", [["499.51"], ["400", "99.51"], ["499.5", None], [None, "1"]])
def test_never_more_goes_back_than_was_taken(shop: Shop, amounts: list[str | None]) -> None:
    *fitting, too_much = amounts
    for amount in fitting:
        shop.refund(amount)
    with pytest.raises(Conflict):
        shop.refund(too_much)
    assert_books_are_right(shop)


def test_what_is_on_its_way_is_not_given_twice(shop: Shop) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    assert shop.refund("400").status is PaymentStatus.REFUND_PENDING
    with pytest.raises(Conflict):
        shop.refund("100")
    assert len(shop.razorpay.refunds) == 1


def test_of_two_admins_at_once_one_gets_what_there_is(shop: Shop) -> None:
    begin = interrupted(shop, before=shop.refund)
    with pytest.raises(Conflict):
        shop.a_service(begin).refund(shop.kept.id, None, shop.admin, None)
    assert minors(*shop.razorpay.refunds.values()) == PRICE.minor
    assert_books_are_right(shop)


def test_a_payment_that_nobody_made_cannot_go_back() -> None:
    shop = Shop()
    shop.create()
    with pytest.raises(Conflict):
        shop.refund()
    shop.decline()
    with pytest.raises(Conflict):
        shop.refund()
    for id_ in ("x", new_id()):
        with pytest.raises(NotFound):
            shop.service.refund(id_, None, shop.admin, None)


def test_the_same_key_gets_the_same_refund_and_another_request_none(shop: Shop) -> None:
    first = shop.refund("10", KEY)
    assert shop.refund("10", KEY) == first
    assert len(shop.razorpay.refunds) == 1
    other = replace(KEY, fingerprint="of another body")
    with pytest.raises(RuleViolated):
        shop.refund("20", other)
    with pytest.raises(NotFound):
        shop.service.refund("x", None, shop.admin, None)
    assert len(shop.razorpay.refunds) == 1


@pytest.mark.parametrize("place", ["before the write", "while Razorpay answers"])
def test_the_same_key_twice_at_once_is_one_refund(shop: Shop, place: str) -> None:
    rival = []
    begin = None
    if place == "before the write":
        begin = interrupted(shop, before=lambda: rival.append(shop.refund("10", KEY)))
    else:
        shop.razorpay.meanwhile = lambda: rival.append(shop.refund("10", KEY))
    service = shop.a_service(begin)
    payment, refund = service.refund(shop.kept.id, Decimal(10), shop.admin, KEY)
    assert [one.id for one in rival[0].refunds] == [refund.id]
    assert payment == shop.kept
    assert len(shop.razorpay.refunds) == 1
    assert_books_are_right(shop)


def test_every_step_is_in_the_audit_trail(shop: Shop) -> None:
    shop.audit.entries.clear()
    payment = shop.refund("10")
    requested, processed = shop.audit.entries
    assert (requested.actor, requested.action) == (shop.admin.user_id, "refund requested")
    assert (processed.actor, processed.action) == ("razorpay", "refund processed")
    assert requested.subject == f"payment#{payment.id}"
    assert requested.after == processed.before
    assert processed.after["refundedMinor"] == 1_000
    assert shop.customer.email not in str(shop.audit.entries)


# --- Razorpay in trouble --------------------------------------------------------------------------


def test_every_step_of_a_refund_is_told_with_what_it_comes_to(shop: Shop) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    shop.refund("10")
    shop.refund("20")
    first, second = shop.razorpay.refunds
    shop.service.learn_of_refund(shop.razorpay.end(first, RefundStatus.PROCESSED))
    shop.service.learn_of_refund(shop.razorpay.end(second, RefundStatus.FAILED))
    told = [e for e in shop.outbox.events if isinstance(e, PaymentRefundProgressed)]
    sums = [(event.refunded.minor, event.returning.minor) for event in told]
    assert sums == [(0, 1_000), (0, 3_000), (1_000, 2_000), (1_000, 0)]
    revisions = [event.revision for event in told]
    assert revisions == sorted(set(revisions))


def test_while_razorpay_is_down_a_refund_waits_and_is_sent_later_once(shop: Shop) -> None:
    shop.razorpay.is_down = True
    payment = shop.refund(None, KEY)
    assert payment.status is PaymentStatus.REFUND_PENDING
    assert not shop.outbox.of(PaymentRefunded)
    assert shop.payments.refunding(10) == [payment.id]
    shop.razorpay.is_down = False
    assert shop.refund(None, KEY).status is PaymentStatus.REFUNDED
    shop.service.drive_refunds(payment.id)
    assert len(shop.razorpay.refunds) == 1
    assert shop.payments.refunding(10) == []
    assert_books_are_right(shop)


def test_a_lost_answer_does_not_make_a_second_refund(shop: Shop) -> None:
    shop.razorpay.answers_get_lost = True
    payment = shop.refund()
    assert payment.status is PaymentStatus.REFUND_PENDING
    shop.razorpay.answers_get_lost = False
    assert shop.service.drive_refunds(payment.id).status is PaymentStatus.REFUNDED
    assert len(shop.razorpay.refunds) == 1
    assert_books_are_right(shop)


def test_a_refused_refund_has_failed_and_may_be_asked_for_again(shop: Shop) -> None:
    shop.razorpay.refund_fails = True
    for _ in range(2):
        with pytest.raises(BadGateway):
            shop.refund(None, KEY)
    assert shop.kept.status is PaymentStatus.COMPLETED
    assert [refund.status for refund in shop.kept.refunds] == [RefundStatus.FAILED]
    shop.razorpay.refund_fails = False
    assert shop.refund().status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


def test_a_refund_that_razorpay_cannot_make_yet_waits_and_is_made_later(shop: Shop) -> None:
    shop.razorpay.refund_fails, shop.razorpay.refusal = True, NotNow
    payment = shop.refund(None, KEY)
    assert [refund.status for refund in payment.refunds] == [RefundStatus.REQUESTED]
    assert shop.payments.refunding(10) == [payment.id]
    shop.razorpay.refund_fails = False
    assert shop.service.drive_refunds(payment.id).status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


class OneAtATime(FakeRazorpay):
    """Turns away whoever comes while a refund of the same payment is being made; `while_busy` says
    who does.
    """

    def __init__(self, refusal: type[Unavailable]) -> None:
        super().__init__()
        self.refusal = refusal
        self.while_busy: Callable[[], object] | None = None
        self._is_busy = False

    def refund(self, razorpay_payment_id: str, amount: Money, refund_id: str) -> RazorpayRefund:
        if self._is_busy:
            raise self.refusal("another payment operation is in progress")
        come, self.while_busy = self.while_busy, None
        self._is_busy = True
        if come:
            come()
        self._is_busy = False
        return super().refund(razorpay_payment_id, amount, refund_id)


@pytest.mark.parametrize("outcome", [RefundStatus.PENDING, RefundStatus.PROCESSED])
@pytest.mark.parametrize("refusal", [NotNow, Refused])
def test_a_twin_that_razorpay_turns_away_fails_no_refund_that_is_being_made(
    refusal: type[Unavailable], outcome: RefundStatus
) -> None:
    shop, razorpay = Shop(), OneAtATime(refusal)
    shop.razorpay, razorpay.refund_outcome = razorpay, outcome
    shop.service = shop.a_service()
    shop.paid()
    told: list[RefundStatus] = []

    def twin() -> None:
        with suppress(BadGateway):
            told.extend(refund.status for refund in shop.refund("10", KEY).refunds)

    razorpay.while_busy = twin
    shop.refund("10", KEY)
    (refund,) = shop.kept.refunds
    (record,) = razorpay.refunds.values()
    assert (refund.status, refund.razorpay_refund_id) == (outcome, record.id)
    # nobody is told that it failed, if Razorpay says that it is busy
    assert told == ([RefundStatus.REQUESTED] if refusal is NotNow else [])
    shop.service.drive_refunds(shop.kept.id)
    assert minors(*razorpay.refunds.values()) == 1_000
    assert_books_are_right(shop)


def test_a_refund_that_fails_in_the_end_gives_the_money_free_again(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    shop.refund()
    (record,) = shop.razorpay.refunds.values()
    for _ in range(2):
        shop.service.learn_of_refund(shop.razorpay.end(record.id, RefundStatus.FAILED))
    assert shop.kept.status is PaymentStatus.COMPLETED
    assert shop.kept.refundable == PRICE
    assert capsys.readouterr().out.count('"RefundsFailed":[') == 1
    assert_books_are_right(shop)


CRASHES = ["before the request", "after the request", "at Razorpay", "before the end", "at the end"]


@pytest.mark.parametrize("place", CRASHES)
def test_a_crash_at_any_step_leaves_a_refund_that_happens_once_or_not_at_all(
    shop: Shop, place: str
) -> None:
    if place == "at Razorpay":
        shop.razorpay.meanwhile = crash
    with pytest.raises(Crash):
        shop.a_service(_crashing(shop, place)).refund(shop.kept.id, None, shop.admin, KEY)
    assert_books_are_right(shop)
    for payment_id in shop.payments.refunding(10):
        shop.service.drive_refunds(payment_id)
    assert_books_are_right(shop)
    asked_for = place != "before the request"
    assert (shop.kept.status is PaymentStatus.REFUNDED) == asked_for
    # whoever saw it crash tries again
    assert shop.refund(None, KEY).status is PaymentStatus.REFUNDED
    assert len(shop.razorpay.refunds) == 1
    assert_books_are_right(shop)


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


# --- what is owed stays wanted --------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [RefundStatus.PENDING, RefundStatus.PROCESSED])
def test_the_rest_goes_back_of_what_was_partly_given_back_at_razorpay_unnoticed(
    shop: Shop, outcome: RefundStatus
) -> None:
    shop.razorpay.refund_outcome = outcome
    attempt_id = shop.kept.razorpay_payment_id
    assert attempt_id is not None
    shop.razorpay.give_back(attempt_id, Money(100, Currency.INR))
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    made = shop.razorpay.refunds.values()
    assert sorted(record.amount.minor for record in made) == [100, PRICE.minor - 100]
    for record in list(made):
        shop.razorpay.end(record.id, RefundStatus.PROCESSED)
    shop.service.drive_refunds(shop.kept.id)
    assert shop.kept.status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


def test_what_went_back_at_razorpay_as_a_whole_is_not_wanted_any_more_and_no_failure(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt_id = shop.kept.razorpay_payment_id
    assert attempt_id is not None
    shop.razorpay.give_back(attempt_id, PRICE)
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    assert shop.kept.status is PaymentStatus.REFUNDED
    assert not shop.kept.open_refunds
    assert '"RefundsFailed":[' not in capsys.readouterr().out
    assert_books_are_right(shop)


@pytest.mark.parametrize("refusal", [NotNow, Refused])
def test_what_is_owed_and_refused_is_made_when_razorpay_makes_it(
    shop: Shop, refusal: type[Unavailable], capsys: pytest.CaptureFixture[str]
) -> None:
    shop.razorpay.refund_fails, shop.razorpay.refusal = True, refusal
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    for _ in range(3):
        with suppress(NotNow):
            shop.service.drive_refunds(shop.kept.id)
    assert [refund.status for refund in shop.kept.refunds] == [RefundStatus.REQUESTED]
    assert shop.payments.refunding(10) == [shop.kept.id]
    told = capsys.readouterr().out.count('"RefundsFailed":[')
    assert told == (1 if refusal is Refused else 0)
    shop.razorpay.refund_fails = False
    assert shop.service.drive_refunds(shop.kept.id).status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


def test_what_an_admin_asked_for_and_razorpay_refused_goes_back_with_a_cancelled_order(
    shop: Shop,
) -> None:
    shop.razorpay.is_down = True
    shop.refund("100")
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    shop.razorpay.is_down, shop.razorpay.refund_fails = False, True
    shop.service.drive_refunds(shop.kept.id)
    shop.razorpay.refund_fails = False
    assert shop.service.drive_refunds(shop.kept.id).status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


def test_what_an_admin_was_giving_back_when_the_order_went_stays_wanted(shop: Shop) -> None:
    shop.razorpay.is_down = True
    shop.refund()
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    shop.razorpay.is_down, shop.razorpay.refund_fails = False, True
    shop.clock.advance(timedelta(days=40))  # no reconciliation looks at the order any more
    shop.service.drive_refunds(shop.kept.id)
    assert shop.payments.refunding(10) == [shop.kept.id]
    shop.razorpay.refund_fails = False
    assert shop.service.drive_refunds(shop.kept.id).status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


def test_what_was_on_its_way_back_when_the_order_went_and_failed_waits_for_a_person(
    shop: Shop,
) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    made = shop.razorpay.give_back(shop.kept.razorpay_payment_id or "", PRICE)
    shop.service.learn_of_refund(made)
    shop.orders.close(shop.order.id)
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    shop.service.learn_of_refund(shop.razorpay.end(made.id, RefundStatus.FAILED))
    asks_all_that_might_send_it_again(shop)
    assert shop.kept.waits_for_a_person
    assert len(shop.razorpay.refunds) == 1


def test_a_payment_of_older_days_owes_what_the_shop_has_asked_for(shop: Shop) -> None:
    assert not shop.kept.owes_its_price
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    assert replace(shop.kept, failure=None).owes_its_price
    assert replace(shop.kept, refunds=()).owes_its_price
    assert not replace(shop.kept, failure=Failure.DECLINED, refunds=()).owes_its_price


def test_what_is_owed_and_refused_for_days_ends_and_an_admin_may_ask_for_it_again(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.razorpay.refund_fails = True
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    with pytest.raises(Conflict):
        shop.refund()
    last = shop.clock.now + PATIENCE
    while shop.clock.now < last:
        shop.clock.advance(timedelta(minutes=15))
        shop.service.drive_refunds(shop.kept.id)
    assert [refund.status for refund in shop.kept.refunds] == [RefundStatus.FAILED]
    assert shop.kept.status is PaymentStatus.COMPLETED
    told = [r.message for r in caplog.records if r.levelname == "ERROR"]
    assert told == ["Razorpay refuses a refund that is owed", "a refund failed"]
    assert shop.kept.waits_for_a_person
    shop.razorpay.refund_fails = False
    shop.orders.close(shop.order.id)
    asks_all_that_might_send_it_again(shop)
    assert shop.razorpay.refunds == {}  # its customer may have got it another way by now
    assert shop.refund().status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


def asks_all_that_might_send_it_again(shop: Shop) -> None:
    shop.service.drive_refunds(shop.kept.id)
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    shop.service.return_late_money(shop.kept.id)
    assert shop.service.agree_with_order(shop.kept.id) is False


def test_what_razorpay_does_not_take_now_is_left_to_the_job(shop: Shop) -> None:
    shop.razorpay.refund_fails, shop.razorpay.refusal = True, NotNow
    shop.orders.close(shop.order.id)
    shop.service.return_late_money(shop.kept.id)
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    assert [refund.status for refund in shop.kept.refunds] == [RefundStatus.REQUESTED]
    assert shop.payments.refunding(10) == [shop.kept.id]


def test_what_razorpay_itself_could_not_make_waits_for_a_person(shop: Shop) -> None:
    shop.razorpay.refund_outcome = RefundStatus.FAILED
    shop.orders.close(shop.order.id)
    for _ in range(3):
        shop.service.return_late_money(shop.kept.id)
        shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    shop.service.drive_refunds(shop.kept.id)
    assert shop.service.agree_with_order(shop.kept.id) is False
    assert [refund.status for refund in shop.kept.refunds] == [RefundStatus.FAILED]
    assert len(shop.razorpay.refunds) == 1


def test_a_refund_that_came_back_after_it_was_made_is_told_to_a_person(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.refund()
    capsys.readouterr()
    reports(shop, RefundStatus.FAILED)
    assert '"RefundsFailed":[' in capsys.readouterr().out
    assert shop.kept.status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


# --- what Razorpay reports ------------------------------------------------------------------------


def reports(shop: Shop, *statuses: RefundStatus) -> None:
    (record,) = shop.razorpay.refunds.values()
    for status in statuses:
        shop.service.learn_of_refund(replace(record, status=status))


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
    reports(shop, *statuses)
    expected = RefundStatus.PENDING
    for status in statuses:
        # what Razorpay could not make it does not begin again: that report is a late one
        is_late = (expected, status) == (RefundStatus.FAILED, RefundStatus.PENDING)
        if status in REFUND_TRANSITIONS[expected] and not is_late:
            expected = status
    (refund,) = shop.kept.refunds
    assert refund.status is expected
    assert_books_are_right(shop)


def test_a_report_that_overtakes_razorpays_own_answer_is_enough(shop: Shop) -> None:
    def report() -> None:
        reports(shop, RefundStatus.PROCESSED)

    shop.razorpay.meanwhile = report
    assert shop.refund().status is PaymentStatus.REFUNDED
    assert len(shop.outbox.of(PaymentRefunded)) == 1
    assert_books_are_right(shop)


def test_a_refund_that_was_made_at_razorpay_is_taken_in_once(shop: Shop) -> None:
    attempt_id = shop.kept.razorpay_payment_id
    assert attempt_id is not None
    record = shop.razorpay.give_back(attempt_id, Money(500, Currency.INR))
    for _ in range(3):
        shop.service.learn_of_refund(record)
    (refund,) = shop.kept.refunds
    assert (refund.requested_by, refund.razorpay_refund_id) == ("razorpay", record.id)
    assert shop.kept.refunded == record.amount
    assert_books_are_right(shop)


def test_a_refund_of_nothing_we_know_is_nobodys(shop: Shop) -> None:
    record = RazorpayRefund("rfnd_1", "pay_elsewhere", PRICE, RefundStatus.PROCESSED, new_id())
    assert shop.service.learn_of_refund(record) is None


def test_a_refund_in_other_money_changes_nothing(shop: Shop) -> None:
    before = shop.kept
    assert before.razorpay_payment_id is not None
    dollars = Money(100, Currency.USD)
    record = RazorpayRefund("rfnd_1", before.razorpay_payment_id, dollars, RefundStatus.PROCESSED)
    assert shop.service.learn_of_refund(record) == before
    assert_books_are_right(shop)


# --- money for orders that are gone ---------------------------------------------------------------


@pytest.mark.parametrize("failure", [Failure.ORDER_CANCELLED, Failure.ORDER_EXPIRED])
@pytest.mark.parametrize("first", ["capture", "cancellation"])
def test_money_for_an_order_that_is_gone_goes_back_once_in_either_order(
    failure: Failure, first: str
) -> None:
    shop = Shop()
    proof = shop.pay()
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    steps: list[Callable[[], object]] = [
        lambda: shop.service.learn_of_attempt(proof.razorpay_order_id, attempt),
        lambda: shop.service.call_off(shop.order.id, failure),
    ]
    for step in (steps if first == "capture" else steps[::-1]) * 2:
        step()
    shop.service.drive_refunds(shop.kept.id)
    assert shop.kept.status is PaymentStatus.REFUNDED
    (refund,) = shop.kept.refunds
    assert refund.reason == failure.refund_reason
    assert len(shop.razorpay.refunds) == 1
    assert_books_are_right(shop)


@pytest.mark.parametrize("is_late", [False, True])
def test_money_that_comes_after_its_order_is_told_of_as_going_back(*, is_late: bool) -> None:
    shop = Shop()
    proof = shop.pay()
    if is_late:
        shop.service.call_off(shop.order.id, Failure.ORDER_EXPIRED)
    shop.verify(proof)
    (event,) = shop.outbox.of(PaymentCompleted)
    assert isinstance(event, PaymentCompleted)
    assert event.goes_back is is_late


def test_a_capture_after_a_decline_and_a_cancellation_goes_back_too() -> None:
    shop = Shop()
    shop.decline()
    shop.service.call_off(shop.order.id, Failure.ORDER_EXPIRED)
    proof = shop.razorpay.pay(shop.kept.razorpay_order_id)
    assert shop.verify(proof).status is PaymentStatus.REFUND_PENDING
    assert_books_are_right(shop)


def test_what_an_admin_gave_back_is_not_given_again_when_the_order_is_cancelled(shop: Shop) -> None:
    shop.refund("100")
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    assert shop.kept.status is PaymentStatus.REFUNDED
    assert sorted(r.amount.minor for r in shop.kept.refunds) == [10_000, PRICE.minor - 10_000]
    assert_books_are_right(shop)


def test_an_order_that_is_cancelled_while_its_payment_is_opened_calls_it_off() -> None:
    shop = Shop()

    def cancel() -> None:
        shop.orders.close(shop.order.id)
        shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)

    shop.razorpay.meanwhile = cancel
    with pytest.raises(Conflict):
        shop.create()
    assert shop.kept.is_called_off


# --- whatever comes in whatever order -------------------------------------------------------------

moves = st.sampled_from(
    [
        *("pay", "again", "refund", "refund 1.23", "refund with key", "elsewhere", "cancel"),
        *("down", "up", "lose", "find", "pending", "process", "fail", "refuse", "drive", "fee"),
    ]
)


@given(st.lists(moves, max_size=25))
def test_whatever_happens_the_books_are_right(names: list[str]) -> None:
    shop = Shop()
    shop.create()
    for name in names:
        shop.clock.advance(timedelta(seconds=1))
        with suppress(DomainError):
            _move(shop, name)
        assert_books_are_right(shop)
    shop.razorpay.is_down = shop.razorpay.answers_get_lost = shop.razorpay.refund_fails = False
    shop.razorpay.refund_outcome = RefundStatus.PROCESSED
    _settle(shop)
    assert_books_are_right(shop)
    assert not shop.kept.open_refunds
    if "cancel" in names and not any(one.is_failed_there for one in shop.kept.own_refunds):
        assert shop.kept.refundable.minor == 0
    alive = [r for r in shop.razorpay.refunds.values() if r.status is RefundStatus.PROCESSED]
    assert minors(*alive) == shop.kept.refunded.minor


def _settle(shop: Shop) -> None:
    """What the job does, after Razorpay has come to an end with everything."""
    for record in list(shop.razorpay.refunds.values()):
        if record.status is RefundStatus.PENDING:
            shop.razorpay.end(record.id, RefundStatus.PROCESSED)
    for record in shop.razorpay.refunds.values():
        shop.service.learn_of_refund(record)
    shop.service.drive_refunds(shop.kept.id)
    shop.service.agree_with_order(shop.kept.id)


def _move(shop: Shop, name: str) -> None:
    razorpay, payment = shop.razorpay, shop.kept
    outcomes = {"pending": RefundStatus.PENDING, "process": RefundStatus.PROCESSED}
    moves: dict[str, Callable[[], object]] = {
        "pay": lambda: _pay(shop, payment),
        "again": lambda: _report_captures(shop, payment, None),
        "fee": lambda: _report_captures(shop, payment, Money(999, Currency.INR)),
        "refund": shop.refund,
        "refund 1.23": lambda: shop.refund("1.23"),
        "refund with key": lambda: shop.refund(None, KEY),
        "elsewhere": lambda: _refund_elsewhere(shop, payment),
        "cancel": lambda: _cancel(shop),
        "down": lambda: setattr(razorpay, "is_down", True),
        "up": lambda: setattr(razorpay, "is_down", False),
        "lose": lambda: setattr(razorpay, "answers_get_lost", True),
        "find": lambda: setattr(razorpay, "answers_get_lost", False),
        "refuse": lambda: setattr(razorpay, "refund_fails", not razorpay.refund_fails),
        "pending": lambda: setattr(razorpay, "refund_outcome", outcomes[name]),
        "process": lambda: setattr(razorpay, "refund_outcome", outcomes[name]),
        "fail": lambda: _fail_pending_refunds(shop),
        "drive": lambda: shop.service.drive_refunds(payment.id),
    }
    moves[name]()


def _pay(shop: Shop, payment: Payment) -> None:
    if not payment.is_paid:
        shop.verify(shop.razorpay.pay(payment.razorpay_order_id))


def _report_captures(shop: Shop, payment: Payment, fee: Money | None) -> None:
    for attempt in list(shop.razorpay.attempts.values()):
        is_the_one = shop.kept.razorpay_payment_id in {None, attempt.id}
        if attempt.status is AttemptStatus.CAPTURED and is_the_one:
            shop.service.learn_of_attempt(payment.razorpay_order_id, replace(attempt, fee=fee))


def _refund_elsewhere(shop: Shop, payment: Payment) -> None:
    if payment.razorpay_payment_id and payment.refundable.minor > 100:
        shop.razorpay.give_back(payment.razorpay_payment_id, Money(100, Currency.INR))


def _cancel(shop: Shop) -> None:
    shop.orders.close(shop.order.id)
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)


def _fail_pending_refunds(shop: Shop) -> None:
    for record in list(shop.razorpay.refunds.values()):
        if record.status is RefundStatus.PENDING:
            shop.service.learn_of_refund(shop.razorpay.end(record.id, RefundStatus.FAILED))


def test_money_for_an_order_that_was_cancelled_unnoticed_goes_back_once(shop: Shop) -> None:
    shop.orders.close(shop.order.id)  # and nobody called the payment off

    for _ in range(3):
        shop.service.return_late_money(shop.kept.id)

    assert shop.kept.status is PaymentStatus.REFUNDED
    assert [refund.amount for refund in shop.kept.refunds] == [PRICE]
    assert len(shop.outbox.of(PaymentRefunded)) == 1


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (OrderGone, Failure.ORDER_CANCELLED.refund_reason),
        (OrderExpired, Failure.ORDER_EXPIRED.refund_reason),
    ],
)
def test_money_whose_order_went_unnoticed_goes_back_for_the_right_reason(
    shop: Shop, how: type[OrderGone], reason: str
) -> None:
    shop.orders.close(shop.order.id, how)
    assert shop.service.agree_with_order(shop.kept.id) is True
    assert shop.service.agree_with_order(shop.kept.id) is False
    assert [refund.reason for refund in shop.kept.refunds] == [reason]
    assert shop.kept.status is PaymentStatus.REFUNDED
    assert_books_are_right(shop)


def test_money_for_an_order_that_is_alive_stays(shop: Shop) -> None:
    shop.service.return_late_money(shop.kept.id)
    shop.orders.run_out_of_time(shop.order.id)  # no payment is taken any more; this one was
    shop.service.return_late_money(shop.kept.id)

    assert shop.kept.status is PaymentStatus.COMPLETED
    assert shop.kept.refunds == ()


def test_a_twin_that_looked_for_the_key_too_early_gets_the_same_refund(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = shop.keys.find_result
    rival: list[Payment] = []

    def looked_too_early(key: IdempotencyKey) -> str | None:
        monkeypatch.setattr(shop.keys, "find_result", look)
        rival.append(shop.refund(None, KEY))
        return None

    monkeypatch.setattr(shop.keys, "find_result", looked_too_early)
    _, refund = shop.service.refund(shop.kept.id, None, shop.admin, KEY)

    assert [refund.id for refund in rival[0].refunds] == [refund.id]
    assert shop.kept.refunded == PRICE


def test_a_twin_whose_money_came_free_behind_its_back_gets_the_same_refund(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.razorpay.refund_outcome = RefundStatus.PENDING
    shop.refund()
    (record,) = shop.razorpay.refunds.values()
    shop.razorpay.refund_outcome = RefundStatus.PROCESSED
    find = shop.payments.find
    rival: list[Payment] = []

    def read_too_early(payment_id: str) -> Payment | None:
        monkeypatch.setattr(shop.payments, "find", find)
        read = find(payment_id)
        shop.service.learn_of_refund(shop.razorpay.end(record.id, RefundStatus.FAILED))
        rival.append(shop.refund("10", KEY))
        return read

    payment_id = shop.kept.id
    monkeypatch.setattr(shop.payments, "find", read_too_early)
    payment, refund = shop.service.refund(payment_id, Decimal(10), shop.admin, KEY)

    assert payment == shop.kept == rival[0]
    assert refund in payment.refunds
    assert_books_are_right(shop)
