"""Reconciliation: what it mends, what it reports, and how it goes on after it stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import FrozenClock
from payment.model import (
    THE_SHOP,
    Attempt,
    AttemptStatus,
    Failure,
    ForeignMoney,
    Payment,
    PaymentStatus,
    RazorpayRefund,
    RefundStatus,
    Unreadable,
)
from payment.ports import Nonsense, NotNow, Refused
from payment.reconciliation import (
    DOWN_AFTER,
    LATEST,
    LOOK_BACK,
    PAGE,
    REFUND_OVERDUE,
    TIME_FOR_REFUNDS,
    Checkpoint,
    GoesOn,
    OtherRun,
    Reconciliation,
    Report,
    Walk,
    place_of,
)
from payment.repository import DynamoFindings, DynamoPayments
from supermarket.contracts import PaymentDriftFound
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import BadGateway, Unavailable
from supermarket.money import Currency, Money
from support.api import a_caller
from support.in_memory import InMemoryOutbox
from support.payment import a_payment
from support.reconciliation import (
    Dated,
    FakeMending,
    FakeOwnPayments,
    FakeRecords,
    InMemoryFindings,
)

ASHA = a_caller(user_id="asha")
BEGAN = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)  # an hour before the clock stands still
NOON = BEGAN + timedelta(hours=1)


class Shop:
    """Two books, and all that lies between them."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock = clock
        self.payments = FakeOwnPayments()
        self.records = FakeRecords()
        self.mending = FakeMending(self.payments, clock.now)
        self.findings = InMemoryFindings()
        self.outbox = InMemoryOutbox()
        self.reconciliation = Reconciliation(
            self.payments, self.records, self.mending, self.findings, self.outbox.begin, clock
        )

    def opens(self, at: datetime = BEGAN) -> Payment:
        payment = replace(a_payment(ASHA), created_at=at, updated_at=at)
        self.records.knows(payment)
        return self.payments.keep(payment)

    def pays(self, at: datetime = BEGAN) -> Payment:
        """A customer pays, and nobody tells the shop."""
        payment = self.opens(at)
        self.records.takes(payment, at)
        return payment

    def run(self, goes_on: GoesOn = lambda: True) -> Report:
        return self.reconciliation.catch_up(goes_on)

    def status(self, payment: Payment) -> PaymentStatus:
        return self.payments.kept[payment.id].status

    @property
    def drift(self) -> list[tuple[str, str]]:
        return list(self.findings.drift)


@pytest.fixture
def shop(clock: FrozenClock) -> Shop:
    return Shop(clock)


def pages(number: int) -> GoesOn:
    """Time for so many pages."""
    left: Iterator[bool] = iter([True] * number)
    return lambda: next(left, False)


def test_what_was_paid_and_never_told_is_mended_and_no_drift(shop: Shop) -> None:
    paid, open_ = shop.pays(), shop.opens()
    report = shop.run()
    assert report.is_finished
    assert shop.status(paid) is PaymentStatus.COMPLETED
    assert shop.status(open_) is PaymentStatus.PENDING
    assert report.counts["mended"] == 1
    assert shop.drift == []


def test_what_agrees_is_read_with_its_whole_page(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.pays()
    shop.opens()
    shop.run()

    def alone(razorpay_order_id: str) -> None:
        pytest.fail(f"{razorpay_order_id} was read by itself")

    monkeypatch.setattr(shop.payments, "find_by_razorpay_order", alone)
    report = shop.run()
    assert (report.is_finished, report.counts["checked"], report.found) == (True, 3, 0)


def test_an_attempt_that_a_page_has_answered_already_is_not_mended_again(shop: Shop) -> None:
    payment = shop.pays()
    shop.records.takes(payment, BEGAN, AttemptStatus.FAILED)
    assert shop.run().counts["mended"] == 1
    assert shop.status(payment) is PaymentStatus.COMPLETED


def test_what_was_declined_and_never_told_is_mended(shop: Shop) -> None:
    payment = shop.opens()
    shop.records.takes(payment, BEGAN, AttemptStatus.FAILED)
    shop.run()
    assert shop.status(payment) is PaymentStatus.FAILED
    assert shop.drift == []


def test_what_is_not_over_is_left_alone(shop: Shop) -> None:
    payment = shop.opens()
    shop.records.takes(payment, BEGAN, AttemptStatus.CREATED)
    report = shop.run()
    assert (report.counts["mended"], shop.drift) == (0, [])


def test_what_was_set_aside_and_never_taken_is_taken(shop: Shop) -> None:
    payment = shop.opens()
    shop.records.takes(payment, BEGAN, AttemptStatus.AUTHORIZED)
    report = shop.run()
    assert shop.status(payment) is PaymentStatus.COMPLETED
    assert report.counts["mended"] == 1
    assert shop.mending.completed == [payment.id]


def test_an_order_that_never_heard_of_its_money_is_confirmed(shop: Shop) -> None:
    lost, known, open_ = shop.pays(), shop.pays(), shop.opens()
    shop.mending.waiting = {lost.id, open_.id}
    report = shop.run()
    assert shop.mending.waiting == {open_.id}
    assert shop.status(known) is PaymentStatus.COMPLETED
    assert report.counts["mended"] == 3  # two payments, and one order
    assert shop.drift == []


@pytest.mark.parametrize("number", [PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 7])
def test_a_window_is_walked_page_by_page_to_its_end(shop: Shop, number: int) -> None:
    paid = [shop.pays(BEGAN + timedelta(seconds=n)) for n in range(number)]
    report = shop.run()
    assert report.is_finished
    assert sorted(shop.mending.completed) == sorted(payment.id for payment in paid)
    assert shop.drift == []
    assert max(int(call.split()[1]) for call in shop.records.asked) <= number


def test_a_run_without_time_is_carried_on_by_the_next_one(shop: Shop) -> None:
    paid = [shop.pays(BEGAN + timedelta(seconds=n)) for n in range(250)]
    runs = 0
    while not (report := shop.run(pages(2))).is_finished:
        runs += 1
    assert runs > 3
    assert {shop.status(payment) for payment in paid} == {PaymentStatus.COMPLETED}
    assert len(shop.records.asked) == len(set(shop.records.asked))
    assert report.counts["stopped"] == 0


def test_a_run_that_dies_is_carried_on_where_it_was(shop: Shop) -> None:
    paid = [shop.pays(BEGAN + timedelta(seconds=n)) for n in range(250)]

    def die(call: str) -> None:
        if call == "payments 200":
            raise KeyboardInterrupt

    shop.records.before_call = die
    with pytest.raises(KeyboardInterrupt):
        shop.run()
    assert len(shop.mending.completed) == 200
    shop.records.before_call = lambda _: None
    shop.records.asked.clear()
    assert shop.run().is_finished
    assert shop.records.asked[0] == "payments 200"
    assert sorted(shop.mending.completed) == sorted(payment.id for payment in paid)


def test_razorpay_is_down_so_the_run_stops_and_the_next_one_goes_on(shop: Shop) -> None:
    paid = shop.pays()

    def down(_: str) -> None:
        raise Unavailable("Razorpay does not answer")

    shop.records.before_call = down
    report = shop.run()
    assert (report.is_finished, report.counts["stopped"]) == (False, 1)
    shop.records.before_call = lambda _: None
    assert shop.run().is_finished
    assert shop.status(paid) is PaymentStatus.COMPLETED


def test_of_two_runs_at_once_one_goes_on(shop: Shop) -> None:
    paid = [shop.pays(BEGAN + timedelta(seconds=n)) for n in range(150)]
    others: list[Report] = []

    def another_run(call: str) -> None:
        if call == "payments 0" and not others:
            shop.records.before_call = lambda _: None
            others.append(shop.run())

    shop.records.before_call = another_run
    mine = shop.run()
    assert others[0].is_finished
    assert (mine.is_finished, mine.counts["overtaken"]) == (False, 1)
    assert sorted(shop.mending.completed) == sorted(payment.id for payment in paid)
    assert shop.drift == []


def test_the_next_run_takes_what_came_since_and_looks_back_a_day(
    shop: Shop, clock: FrozenClock
) -> None:
    early = shop.opens()
    shop.run()
    clock.advance(timedelta(minutes=15))
    late = shop.pays(clock.now - timedelta(seconds=10))
    shop.records.takes(early, BEGAN)  # its attempt began before the last run, and was taken since
    assert shop.run().is_finished
    assert {shop.status(early), shop.status(late)} == {PaymentStatus.COMPLETED}
    checkpoint = shop.findings.checkpoints[LATEST]
    assert checkpoint.until == clock.now - timedelta(seconds=1)
    assert checkpoint.since == NOON - timedelta(seconds=1) - LOOK_BACK


def test_after_days_of_silence_nothing_is_left_out(shop: Shop, clock: FrozenClock) -> None:
    shop.run()
    paid = [shop.pays(NOON + timedelta(hours=6 * n)) for n in range(20)]
    clock.advance(timedelta(days=6))
    assert shop.run().is_finished
    assert {shop.status(payment) for payment in paid} == {PaymentStatus.COMPLETED}


def test_money_for_nothing_we_know_is_missing_here(shop: Shop) -> None:
    stranger = replace(a_payment(ASHA), created_at=BEGAN)
    attempt = shop.records.takes(stranger, BEGAN)
    shop.run()
    assert shop.drift == [
        (attempt.id, "missing_here"),
        (stranger.razorpay_order_id, "missing_here"),
    ]


def test_an_order_that_a_dead_request_opened_is_no_drift(shop: Shop) -> None:
    shop.records.knows(replace(a_payment(ASHA), created_at=BEGAN))
    assert shop.run().counts["drift"] == 0


def test_a_payment_that_razorpay_does_not_know_is_missing_there(shop: Shop) -> None:
    payment = shop.opens()
    shop.records.orders.clear()
    shop.run()
    assert shop.drift == [(payment.id, "missing_there")]


def test_another_amount_is_reported_and_not_believed(shop: Shop) -> None:
    payment = shop.opens()
    attempt = shop.records.takes(payment, BEGAN, minor=100)
    shop.records.knows(payment)
    shop.run()
    assert shop.drift == [(attempt.id, "different_amount")]
    assert shop.status(payment) is PaymentStatus.PENDING


def test_an_order_over_another_amount_is_reported(shop: Shop) -> None:
    payment = shop.opens()
    [dated] = shop.records.orders
    dated.record = replace(dated.record, minor=1)
    shop.run()
    assert shop.drift == [(payment.razorpay_order_id, "different_amount")]


def test_an_order_that_was_paid_twice_is_learnt_of_and_no_drift(shop: Shop) -> None:
    payment = shop.opens()
    first = shop.records.takes(payment, BEGAN)
    second = shop.records.takes(payment, BEGAN - timedelta(seconds=1))
    shop.run()
    assert shop.payments.kept[payment.id].attempts == {first.id, second.id}
    assert shop.drift == []


def test_a_refund_of_foreign_money_is_reported_and_stops_nothing(shop: Shop) -> None:
    foreign = ForeignMoney(500, "EUR")
    record = RazorpayRefund("rfnd_9", "pay_9", foreign, RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(BEGAN, record))
    report = shop.run()
    assert report.is_finished
    assert shop.drift == [("rfnd_9", "missing_here")]
    (drift,) = shop.findings.drift.values()
    assert "500 EUR" in drift.details


def test_a_payment_that_razorpay_was_never_paid_for_is_reported(shop: Shop) -> None:
    payment = shop.opens()
    attempt = shop.records.takes(payment, BEGAN)
    shop.payments.keep(payment.completed(attempt, BEGAN))
    shop.records.attempts.clear()
    shop.records.knows(payment, "attempted")
    shop.run()
    assert shop.drift == [(payment.razorpay_order_id, "different_state")]


def test_an_attempt_outside_of_the_window_is_fetched_for_the_order_that_it_paid(
    shop: Shop,
) -> None:
    payment = shop.opens()
    shop.records.takes(payment, NOON + timedelta(days=3))
    report = shop.run()
    assert shop.status(payment) is PaymentStatus.COMPLETED
    assert (report.counts["mended"], shop.drift) == (1, [])


def a_refund(shop: Shop, status: RefundStatus, minor: int = 100) -> tuple[Payment, RazorpayRefund]:
    """A paid payment with a processed refund of 100, and what Razorpay says about it."""
    payment = shop.opens()
    attempt = shop.records.takes(payment, BEGAN)
    amount = Money(100, Currency.INR)
    known = RazorpayRefund("rfnd_1", attempt.id, amount, RefundStatus.PROCESSED)
    paid = payment.completed(attempt, BEGAN).told_of(known, "01JD9F", BEGAN)
    shop.mending.refunds["rfnd_1"] = shop.payments.keep(paid)
    return paid, replace(known, status=status, amount=Money(minor, Currency.INR))


@pytest.mark.parametrize(
    ("status", "minor", "drift"),
    [
        (RefundStatus.PROCESSED, 100, []),
        (RefundStatus.PENDING, 100, []),  # the list is older than our row
        (RefundStatus.FAILED, 100, ["different_state"]),
        (RefundStatus.PROCESSED, 99, ["different_amount"]),
    ],
)
def test_a_refund_is_held_against_razorpays(
    shop: Shop, status: RefundStatus, minor: int, drift: list[str]
) -> None:
    _, record = a_refund(shop, status, minor)
    shop.records.refunds.append(Dated(BEGAN, record))
    shop.run()
    assert [kind for _, kind in shop.drift] == drift


def test_a_refund_of_nothing_we_know_is_missing_here(shop: Shop) -> None:
    record = RazorpayRefund("rfnd_9", "pay_9", Money(100, Currency.INR), RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(BEGAN, record))
    shop.run()
    assert shop.drift == [("rfnd_9", "missing_here")]


def refunding(shop: Shop) -> Payment:
    payment = shop.opens()
    attempt = shop.records.takes(payment, BEGAN)
    paid = payment.completed(attempt, BEGAN)
    pending = RazorpayRefund("r", attempt.id, Money(100, Currency.INR), RefundStatus.PENDING)
    return shop.payments.keep(paid.told_of(pending, "01JD9F", BEGAN))


def test_open_refunds_are_driven(shop: Shop) -> None:
    payment = refunding(shop)
    report = shop.run()
    assert shop.mending.driven == [payment.id]
    assert report.counts["driven"] == 1


def test_open_refunds_are_driven_first_and_not_without_time(shop: Shop) -> None:
    payment = refunding(shop)
    shop.run(pages(0))
    assert shop.mending.driven == []

    def down(_: str) -> None:
        raise Unavailable("Razorpay does not answer")

    shop.records.before_call = down
    assert shop.run().counts["stopped"] == 1
    assert shop.mending.driven == [payment.id]


def test_refunds_that_take_long_leave_time_for_the_rest(
    shop: Shop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, never = refunding(shop), refunding(shop)
    paid = shop.pays()

    def dawdle(payment_id: str) -> Payment:
        clock.advance(TIME_FOR_REFUNDS + timedelta(seconds=1))
        shop.mending.driven.append(payment_id)
        return slow

    monkeypatch.setattr(shop.mending, "drive_refunds", dawdle)
    shop.run()
    assert never.open_refunds
    assert shop.mending.driven == [slow.id]
    assert shop.status(paid) is PaymentStatus.COMPLETED


@pytest.mark.parametrize(
    ("age", "drift"), [(REFUND_OVERDUE, 0), (REFUND_OVERDUE + timedelta(seconds=1), 1)]
)
def test_a_refund_that_razorpay_does_not_take_for_long_is_missing_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, age: timedelta, drift: int
) -> None:
    payment = shop.opens()
    paid = payment.completed(shop.records.takes(payment, BEGAN), NOON - age)
    shop.payments.keep(paid.given_back("01JD9F", "why", THE_SHOP, NOON - age))

    def refuse(_: str) -> Payment:
        raise NotNow("not enough balance")

    monkeypatch.setattr(shop.mending, "drive_refunds", refuse)
    report = shop.run()
    assert (report.counts["undriven"], report.counts["overdue"]) == (1, drift)
    assert shop.drift == [("01JD9F", "missing_there")] * drift
    assert report.found == 0  # in the window that was walked


def waiting(shop: Shop, refund_id: str, since: datetime) -> Payment:
    """A payment of long ago, with a refund that Razorpay has not taken."""
    payment = shop.opens(NOON - timedelta(days=30))
    paid = payment.completed(shop.records.takes(payment, payment.created_at), since)
    return shop.payments.keep(paid.given_back(refund_id, "why", THE_SHOP, since))


def test_refunds_that_are_stuck_keep_no_other_waiting(
    shop: Shop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3 * TIME_FOR_REFUNDS // timedelta(minutes=1) * 60):
        waiting(shop, f"stuck {number}", NOON - timedelta(days=9) + timedelta(seconds=number))
    new = waiting(shop, "new", NOON - timedelta(days=2))

    def refused(payment_id: str) -> Payment:
        clock.advance(timedelta(seconds=1))
        shop.mending.driven.append(payment_id)
        return shop.payments.kept[payment_id]  # it stays as it is

    monkeypatch.setattr(shop.mending, "drive_refunds", refused)
    shop.run()
    assert new.id not in shop.mending.driven
    assert ("new", "missing_there") in shop.drift  # there was no time to ask, but to tell
    for _ in range(3):
        clock.advance(timedelta(minutes=15))
        shop.run()
    assert new.id in shop.mending.driven


def test_a_razorpay_that_answers_nothing_about_several_refunds_is_asked_after_no_more_of_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [waiting(shop, f"{n}", NOON - timedelta(days=2)).id for n in range(DOWN_AFTER + 2)]
    asked: list[str] = []

    def unanswered(payment_id: str) -> Payment:
        asked.append(payment_id)
        raise Unavailable("Razorpay does not answer")

    monkeypatch.setattr(shop.mending, "drive_refunds", unanswered)
    report = shop.run()
    assert asked == ids[:DOWN_AFTER]
    assert report.is_finished
    counts = report.counts
    assert (counts["undriven"], counts["overdue"]) == (DOWN_AFTER, len(ids))
    levels = {r.levelname for r in caplog.records if r.message == "refunds not driven"}
    assert levels == {"WARNING"}


def test_what_razorpay_does_not_take_now_keeps_it_from_being_asked_after_no_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(DOWN_AFTER + 2):
        waiting(shop, f"{number}", NOON)

    def refuse(_: str) -> Payment:
        raise NotNow("not enough balance")

    monkeypatch.setattr(shop.mending, "drive_refunds", refuse)
    assert shop.run().counts["undriven"] == DOWN_AFTER + 2


def test_a_defect_at_a_refund_is_an_error_and_stops_none_of_the_rest(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        waiting(shop, f"{number}", NOON)

    def stumble(_: str) -> Payment:
        raise RuntimeError("a defect")

    monkeypatch.setattr(shop.mending, "drive_refunds", stumble)
    report = shop.run()
    assert (report.counts["undriven"], report.is_finished) == (2, True)
    assert [r.levelname for r in caplog.records] == ["ERROR"] * 2


@pytest.mark.parametrize(
    ("by", "gone", "drift"),
    [
        (THE_SHOP, None, ["different_state"]),
        ("an admin", None, []),
        ("an admin", Failure.ORDER_CANCELLED, ["different_state"]),
    ],
)
def test_money_that_is_owed_and_that_razorpay_could_not_give_back_is_reported(
    shop: Shop, by: str, gone: Failure | None, drift: list[str]
) -> None:
    payment = shop.opens()
    attempt = shop.records.takes(payment, BEGAN)
    wanted = payment.completed(attempt, BEGAN).given_back("01JD9F", "why", by, BEGAN)
    if gone:
        wanted = wanted.orphaned(gone, "unused", BEGAN)
    record = RazorpayRefund("rfnd_1", attempt.id, wanted.price, RefundStatus.FAILED, "01JD9F")
    shop.mending.refunds["rfnd_1"] = shop.payments.keep(wanted.told_of(record, "x", BEGAN))
    shop.records.refunds.append(Dated(BEGAN, record))
    shop.run()
    assert [kind for _, kind in shop.drift] == drift


def test_a_refund_of_what_was_never_taken_is_no_drift(shop: Shop) -> None:
    payment = shop.opens()
    attempt = shop.records.takes(payment, BEGAN, AttemptStatus.FAILED)
    record = RazorpayRefund("rfnd_9", attempt.id, payment.price, RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(BEGAN, record))
    assert shop.run().counts["drift"] == 0


def test_drift_is_told_once_however_often_it_is_seen(shop: Shop, clock: FrozenClock) -> None:
    payment = shop.opens(NOON - timedelta(minutes=2))
    shop.records.orders.clear()
    for _ in range(3):
        report = shop.run()
        clock.advance(timedelta(minutes=5))
        assert report.counts["drift"] == 1
    [event] = shop.outbox.of(PaymentDriftFound)
    assert isinstance(event, PaymentDriftFound)
    told = (event.subject_id, event.kind, event.payment_id, event.order_id)
    assert told == (payment.id, "missing_there", payment.id, payment.order_id)


def test_a_record_that_breaks_something_stops_none_of_the_rest(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = shop.pays(), shop.pays()
    learn = shop.mending.learn_of_attempt

    def stumble(
        razorpay_order_id: str, attempt: Attempt, refunds: Sequence[RazorpayRefund]
    ) -> Payment | None:
        if razorpay_order_id == bad.razorpay_order_id:
            raise RuntimeError("a defect")
        return learn(razorpay_order_id, attempt, refunds)

    monkeypatch.setattr(shop.mending, "learn_of_attempt", stumble)
    report = shop.run()
    assert report.is_finished
    assert report.counts["failed"] > 0
    assert shop.status(good) is PaymentStatus.COMPLETED


def test_a_record_that_nobody_can_read_stops_none_of_the_rest(shop: Shop) -> None:
    paid, refunded = shop.pays(), refunding(shop)
    shop.records.unreadable = [Unreadable("pay_in_a_new_status")]
    report = shop.run()
    assert report.is_finished
    assert report.counts["failed"] == len([Walk.PAYMENTS, Walk.REFUNDS, Walk.ORDERS])
    assert shop.status(paid) is PaymentStatus.COMPLETED
    assert shop.mending.driven == [refunded.id]


@pytest.mark.parametrize(
    "answer", [Refused("no"), Nonsense("what?"), NotNow("later"), BadGateway("trouble")]
)
def test_a_question_about_one_record_that_razorpay_cannot_answer_stops_none_of_the_rest(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, answer: Exception
) -> None:
    shop.records.takes(shop.opens(), BEGAN, AttemptStatus.REFUNDED)
    good = shop.pays()

    def unanswered(_: str) -> Sequence[RazorpayRefund]:
        raise answer

    monkeypatch.setattr(shop.records, "refunds_of", unanswered)
    report = shop.run()
    assert report.is_finished
    assert report.counts["failed"] > 0
    assert shop.status(good) is PaymentStatus.COMPLETED


def test_a_razorpay_that_answers_nothing_about_several_records_is_down(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(DOWN_AFTER + 1):
        shop.records.takes(shop.opens(), BEGAN, AttemptStatus.REFUNDED)
    asked: list[str] = []

    def unanswered(attempt_id: str) -> Sequence[RazorpayRefund]:
        asked.append(attempt_id)
        raise BadGateway("trouble")

    monkeypatch.setattr(shop.records, "refunds_of", unanswered)
    report = shop.run()
    assert (report.is_finished, report.counts["stopped"]) == (False, 1)
    assert len(asked) == DOWN_AFTER


def test_by_hand_refunds_are_driven_and_what_was_found_before_a_stop_counts(shop: Shop) -> None:
    payment = refunding(shop)
    foreign = RazorpayRefund("rfnd_9", "pay_9", Money(100, Currency.INR), RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(BEGAN, foreign))

    def down(call: str) -> None:
        if call.startswith("orders"):
            raise Unavailable("Razorpay does not answer")

    def by_hand() -> Report:
        return shop.reconciliation.reconcile(BEGAN, NOON, lambda: True, lambda _: None)

    shop.records.before_call = down
    assert not by_hand().is_finished
    shop.records.before_call = lambda _: None
    resumed = by_hand()
    assert resumed.checkpoint is not None
    assert (resumed.is_finished, resumed.checkpoint.found, resumed.found) == (True, 1, 0)
    assert shop.mending.driven == [payment.id] * 2
    shop.records.refunds.clear()
    again = by_hand().checkpoint
    assert again is not None
    assert again.found == 0


def test_a_range_by_hand_has_its_own_checkpoint_and_can_be_done_again(shop: Shop) -> None:
    paid, later = shop.pays(), shop.pays(NOON + timedelta(days=1))
    told: list[str] = []

    def by_hand() -> Report:
        return shop.reconciliation.reconcile(
            BEGAN, NOON, lambda: True, lambda report: told.append(str(report.checkpoint))
        )

    assert by_hand().is_finished
    assert shop.status(paid) is PaymentStatus.COMPLETED
    assert shop.status(later) is PaymentStatus.PENDING
    assert len(told) >= 4
    assert by_hand().is_finished
    assert LATEST not in shop.findings.checkpoints


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=12), st.integers(1, 4))
def test_however_runs_are_cut_both_books_say_the_same_in_the_end(
    history: list[tuple[bool, int]], pages_per_run: int
) -> None:
    shop = Shop(FrozenClock())
    for is_paid, minutes in history:
        at = BEGAN + timedelta(minutes=minutes)
        shop.pays(at) if is_paid else shop.opens(at)
    for _ in range(30):
        if shop.run(pages(pages_per_run)).is_finished:
            break
    statuses = [shop.status(payment) for payment in shop.payments.kept.values()]
    expected = [
        PaymentStatus.COMPLETED if is_paid else PaymentStatus.PENDING for is_paid, _ in history
    ]
    assert statuses == expected
    assert len(shop.mending.completed) == len(set(shop.mending.completed))


@pytest.fixture(params=["memory", "dynamodb"])
def findings(request: pytest.FixtureRequest) -> InMemoryFindings | DynamoFindings:
    if request.param == "memory":
        return InMemoryFindings()
    request.getfixturevalue("aws")
    return DynamoFindings()


def test_a_checkpoint_is_kept_whole(findings: InMemoryFindings | DynamoFindings) -> None:
    assert findings.checkpoint("x") is None
    first = Checkpoint("x", BEGAN, BEGAN - timedelta(minutes=1), NOON)
    findings.save(first)
    assert findings.checkpoint("x") == first
    moved = first.moved("100", found=3)
    findings.save(moved)
    assert findings.checkpoint("x") == moved
    assert (moved.walk, moved.moved("").walk) == (Walk.PAYMENTS, Walk.REFUNDS)
    assert (moved.found, moved.moved("", found=2).found) == (3, 5)


def test_a_checkpoint_moves_once(findings: InMemoryFindings | DynamoFindings) -> None:
    first = Checkpoint("x", BEGAN, BEGAN, NOON)
    findings.save(first)
    with pytest.raises(OtherRun):
        findings.save(first)
    findings.save(first.moved("100"))
    with pytest.raises(OtherRun):
        findings.save(first.moved("200"))
    assert findings.checkpoint("x") == first.moved("100")


@pytest.mark.usefixtures("aws")
def test_drift_is_kept_once_in_dynamodb_too(clock: FrozenClock) -> None:
    shop = Shop(clock)
    shop.opens(NOON - timedelta(minutes=2))
    shop.records.orders.clear()
    shop.reconciliation = Reconciliation(
        shop.payments, shop.records, shop.mending, DynamoFindings(), DynamoTransaction, clock
    )
    for _ in range(2):
        report = shop.run()
        assert (report.is_finished, report.counts["drift"]) == (True, 1)
        clock.advance(timedelta(minutes=1))
    assert [row.detail_type for row in OutboxRow.scan()] == ["PaymentDriftFound"]


@pytest.mark.usefixtures("aws")
def test_own_payments_come_in_pages_over_days_like_those_in_memory() -> None:
    table, memory = DynamoPayments(), FakeOwnPayments()
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    steps = [-90_000, -3_600, -1, 0, 0, 0, 1, 3_600, 90_000, 200_000]
    for seconds in steps:
        at = midnight + timedelta(seconds=seconds)
        payment = memory.keep(replace(a_payment(ASHA), created_at=at, updated_at=at))
        transaction = DynamoTransaction()
        table.add(payment, transaction)
        transaction.commit()
    for since, until in ((-100_000, 250_000), (-3_600, 90_000), (0, 0), (1, 3_599), (2, 3)):
        window = (midnight + timedelta(seconds=since), midnight + timedelta(seconds=until))
        for count in (1, 2, 3, PAGE):
            found: list[Payment] = []
            while page := table.created_between(
                *window, place_of(found[-1]) if found else "", count
            ):
                assert len(page) <= count
                found += page
            assert found == memory.created_between(*window, "", PAGE)


@pytest.mark.usefixtures("aws")
def test_a_page_of_razorpay_orders_is_found_at_once_in_dynamodb() -> None:
    table = DynamoPayments()
    payments = [a_payment(ASHA) for _ in range(101)]
    for payment in payments:
        transaction = DynamoTransaction()
        table.add(payment, transaction)
        transaction.commit()
    asked = {payment.razorpay_order_id for payment in payments[:99]} | {"order_unknown"}
    found = table.find_by_razorpay_orders(asked)
    assert found == {payment.razorpay_order_id: payment for payment in payments[:99]}
    assert table.find_by_razorpay_orders(set()) == {}
