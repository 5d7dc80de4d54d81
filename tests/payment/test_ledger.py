"""The ledger: entries that sum to zero and are stored once, in memory and in DynamoDB."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.ledger import Account, Entry, Kind, Line, Unbalanced, entries_between
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.payment import Payment
from payment.model.refund import Refund, RefundStatus
from payment.ports import Ledger
from payment.repository import DynamoLedger
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction
from support.api import a_caller
from support.in_memory import InMemoryOutbox
from support.payment import NOON, InMemoryLedger, a_payment

Store = tuple[Ledger, BeginTransaction]


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return InMemoryLedger(), InMemoryOutbox().begin
    request.getfixturevalue("aws")
    return DynamoLedger(), DynamoTransaction


def add(store: Store, *entries: Entry) -> None:
    ledger, begin = store
    transaction = begin()
    for entry in entries:
        ledger.add(entry, transaction)
    transaction.commit()


def completed(fee: int | None = None, price: int = 49_950) -> tuple[Payment, Payment]:
    payment = a_payment(a_caller(), Money(price, Currency.INR))
    return payment, payment.completed(an_attempt(payment, "pay_1", fee), NOON)


def an_attempt(payment: Payment, id_: str, fee: int | None = None) -> Attempt:
    charged = None if fee is None else Money(fee, Currency.INR)
    order, price = payment.razorpay_order_id, payment.price
    return Attempt(id_, order, price, AttemptStatus.CAPTURED, charged)


def lines(*pairs: tuple[Account, int], currency: Currency = Currency.INR) -> tuple[Line, ...]:
    return tuple(Line(account, Money(minor, currency)) for account, minor in pairs)


def test_a_capture_moves_money_from_sales_to_razorpay_and_its_fee_to_fees() -> None:
    before, after = completed(fee=1_000)
    capture, fee = entries_between(before, after)
    assert (capture.kind, capture.reference) == (Kind.CAPTURE, "pay_1")
    assert capture.lines == lines((Account.RAZORPAY, 49_950), (Account.SALES, -49_950))
    assert (fee.kind, fee.reference) == (Kind.FEE, "pay_1")
    assert fee.lines == lines((Account.RAZORPAY, -1_000), (Account.FEES, 1_000))


def test_a_fee_that_becomes_known_later_is_entered_then() -> None:
    before, after = completed()
    assert [entry.kind for entry in entries_between(before, after)] == [Kind.CAPTURE]
    charged = after.with_fee(an_attempt(after, "pay_1", fee=1_000), NOON)
    assert [entry.kind for entry in entries_between(after, charged)] == [Kind.FEE]
    assert charged.with_fee(an_attempt(after, "pay_1", fee=2_000), NOON) == charged


def test_a_fee_of_a_payment_in_dollars_is_an_entry_in_rupees() -> None:
    before = a_payment(a_caller(), Money(1_000, Currency.USD))
    attempt = Attempt("pay_1", before.razorpay_order_id, before.price, AttemptStatus.CAPTURED)
    charged = replace(attempt, fee=Money(3_009, Currency.INR))
    capture, fee = entries_between(before, before.completed(charged, NOON))
    assert capture.lines == lines(
        (Account.RAZORPAY, 1_000), (Account.SALES, -1_000), currency=Currency.USD
    )
    assert fee.lines == lines((Account.RAZORPAY, -3_009), (Account.FEES, 3_009))


def test_the_tax_of_a_fee_has_an_account_of_its_own() -> None:
    before, paid = completed()
    charged = replace(an_attempt(before, "pay_1", fee=1_180), tax=Money(180, Currency.INR))
    (entry,) = entries_between(paid, paid.with_fee(charged, NOON))
    expected = (Account.RAZORPAY, -1_180), (Account.FEES, 1_000), (Account.TAX, 180)
    assert entry.lines == lines(*expected)


def test_a_duplicate_payment_is_owed_until_it_is_refunded() -> None:
    _, paid = completed(fee=1_000)
    twice = paid.with_surplus(an_attempt(paid, "pay_2"), NOON)
    wanted = twice.with_full_refund("pay_2", "r2", "why", NOON)
    (capture,) = entries_between(paid, wanted)
    assert (capture.kind, capture.reference) == (Kind.CAPTURE, "pay_2")
    assert capture.lines == lines((Account.RAZORPAY, 49_950), (Account.OWED, -49_950))
    charged = wanted.with_fee(an_attempt(paid, "pay_2", fee=900), NOON)
    (fee,) = entries_between(wanted, charged)
    assert (fee.kind, fee.reference) == (Kind.FEE, "pay_2")
    assert fee.lines == lines((Account.RAZORPAY, -900), (Account.FEES, 900))
    (refund,) = charged.refunds
    back = charged.with_refund(refund.with_status(RefundStatus.PROCESSED, NOON), NOON)
    (entry,) = entries_between(charged, back)
    assert entry.lines == lines((Account.OWED, 49_950), (Account.RAZORPAY, -49_950))


def test_a_refund_is_entered_when_it_is_processed() -> None:
    _, paid = completed()
    refund = Refund("r1", "pay_1", Money(500, Currency.INR), "why", "admin", NOON, NOON)
    requested = paid.with_refund(refund, NOON)
    assert not list(entries_between(paid, requested))
    pending = requested.with_refund(refund.with_status(RefundStatus.PENDING, NOON), NOON)
    assert not list(entries_between(requested, pending))
    processed = pending.with_refund(refund.with_status(RefundStatus.PROCESSED, NOON), NOON)
    (entry,) = entries_between(pending, processed)
    assert (entry.kind, entry.reference) == (Kind.REFUND, "r1")
    assert entry.lines == lines((Account.SALES, 500), (Account.RAZORPAY, -500))
    assert not list(entries_between(processed, processed))


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        lines((Account.SALES, 0)),
        lines((Account.SALES, 1), (Account.RAZORPAY, 1)),
        lines((Account.SALES, 1)) + lines((Account.RAZORPAY, -1), currency=Currency.USD),
        lines((Account.SALES, 1), (Account.RAZORPAY, -2)),
        lines((Account.SALES, 1), (Account.RAZORPAY, -1), (Account.FEES, 1)),
    ],
)
def test_an_entry_that_does_not_sum_to_zero_cannot_be_made(wrong: tuple[Line, ...]) -> None:
    with pytest.raises(Unbalanced):
        Entry(new_id(), Kind.CAPTURE, "pay_1", wrong, NOON)


@given(st.integers(100, 10**12), st.integers(0, 10**9), st.lists(st.integers(1, 10**9), max_size=5))
def test_every_entry_sums_to_zero_for_any_price_fee_and_refunds(
    price: int, fee: int, parts: list[int]
) -> None:
    before, payment = completed(fee, price)
    entries = list(entries_between(before, payment))
    for number, part in enumerate(parts):
        amount = Money(min(part, payment.balance.remaining.minor), Currency.INR)
        refund = Refund(f"r{number}", "pay_1", amount, "why", "admin", NOON, NOON)
        done = payment.with_refund(refund.with_status(RefundStatus.PROCESSED, NOON), NOON)
        entries += entries_between(payment, done)
        payment = done
    assert all(sum(line.amount.minor for line in entry.lines) == 0 for entry in entries)
    held = sum(x.amount.minor for e in entries for x in e.lines if x.account is Account.RAZORPAY)
    assert held == price - fee - payment.refunded.minor


def test_entries_are_listed_oldest_first(store: Store) -> None:
    ledger, _ = store
    before, after = completed(fee=7)
    first, second = entries_between(before, after)
    second = replace(second, at=NOON + timedelta(minutes=1))
    add(store, second, first)
    assert ledger.list_by_payment(after.id) == (first, second)
    assert ledger.list_by_payment(new_id()) == ()


def test_an_entry_cannot_be_replaced(store: Store) -> None:
    ledger, _ = store
    (entry,) = entries_between(*completed())
    add(store, entry)
    for rival in (entry, replace(entry, lines=lines((Account.SALES, 1), (Account.FEES, -1)))):
        with pytest.raises(StaleWrite):
            add(store, rival)
    assert ledger.list_by_payment(entry.payment_id or "") == (entry,)
