"""Whatever happens in the shop, in whatever order, and whatever breaks in between: no money and no
stock is lost, and nothing happens twice.
"""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from order.model import OrderStatus
from payment.ledger import Account, Entry, Kind
from payment.model import THE_SHOP, RazorpayRefund, RefundStatus
from supermarket.contracts import (
    Event,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
    PaymentCompleted,
    PaymentRefunded,
)
from support.money import (
    STOCK,
    Died,
    End,
    Happening,
    Interruption,
    Lost,
    MoneyShop,
)

EXAMPLES_EACH = 520

PAID_FOR = {OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED}
ONCE: dict[type[Event], str] = {
    OrderPlaced: "order_id",
    OrderConfirmed: "order_id",
    OrderShipped: "order_id",
    OrderDelivered: "order_id",
    OrderCancelled: "order_id",
    PaymentCompleted: "payment_id",
    PaymentRefunded: "refund_id",
}

FEWEST, MOST = 12, 40


def a_happening(number: int, interruption: Interruption | None = None) -> Happening:
    """Takes its three numbers from one: hypothesis needs as long for a draw as the shop for a
    happening.
    """
    return Happening(number >> 5, number >> 2 & 7, number & 3, interruption)


numbers = st.integers(0, 2**21 - 1)
alone = numbers.map(a_happening)
others = st.lists(alone, min_size=1, max_size=4).map(tuple)
TROUBLE: dict[str, tuple[st.SearchStrategy[tuple[Happening, ...]], st.SearchStrategy[End]]] = {
    "processes die": (st.just(()), st.just(Died)),
    "calls fail": (st.just(()), st.just(Lost)),
    "others get in between": (others, st.none()),
    "everything goes wrong": (st.just(()) | others, st.sampled_from([Died, Lost, None])),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_money_and_no_stock_is_lost_and_nothing_happens_twice(trouble: str) -> None:
    interrupted = st.none() | st.builds(Interruption, st.integers(0, 5), *TROUBLE[trouble])
    happening = st.builds(a_happening, numbers, interrupted)

    @settings(max_examples=EXAMPLES_EACH, suppress_health_check=list(HealthCheck))
    @given(st.lists(happening, min_size=FEWEST, max_size=MOST), st.booleans())
    def whatever_happens(day: list[Happening], webhooks_arrive: bool) -> None:
        shop = MoneyShop()
        with shop.open():
            try:
                live_through(shop, day, webhooks_arrive=webhooks_arrive)
            finally:
                note("\n".join(shop.story))

    whatever_happens()


def live_through(shop: MoneyShop, day: list[Happening], *, webhooks_arrive: bool) -> None:
    """At the end of the day everything that is on its way arrives, but for webhooks perhaps."""
    for happening in day:
        shop.happens(happening)
        check_at_all_times(shop)
    if not webhooks_arrive:
        shop.razorpay.webhooks.clear()
    shop.settle()
    check_at_all_times(shop)
    check_at_rest(shop)


def check_at_all_times(shop: MoneyShop) -> None:
    stock_is_conserved(shop)
    nothing_happens_twice(shop)
    nothing_is_sent_without_money(shop)
    the_ledger_tells_what_razorpay_did(shop)
    only_cancelled_orders_are_given_back_unasked(shop)


def check_at_rest(shop: MoneyShop) -> None:
    no_money_is_kept_for_nothing(shop)
    the_ledger_is_complete(shop)
    orders_know_of_their_money(shop)


def stock_is_conserved(shop: MoneyShop) -> None:
    held: Counter[str] = Counter()
    for order in shop.orders.kept.values():
        if order.status is not OrderStatus.CANCELLED:
            held.update({line.product_id: line.quantity for line in order.lines})
    for product in shop.on_sale:
        assert shop.products.stock_of(product.id) + held[product.id] == STOCK


def nothing_happens_twice(shop: MoneyShop) -> None:
    told = Counter(
        (type(event), getattr(event, ONCE[type(event)]))
        for event in shop.events
        if type(event) in ONCE
    )
    assert set(told.values()) <= {1}
    assert all(len(results) == 1 for results in shop.answers.values())
    payments = Counter(payment.order_id for payment in shop.payments.all())
    assert set(payments.values()) <= {1}
    made = Counter(refund.our_id for refund in shop.razorpay.refunds.values() if refund.our_id)
    assert set(made.values()) <= {1}
    for attempt in shop.razorpay.taken():
        assert shop.razorpay.given_back(attempt) <= attempt.minor


def nothing_is_sent_without_money(shop: MoneyShop) -> None:
    for order in shop.orders.kept.values():
        if order.status in PAID_FOR:
            payment = shop.payments.find_by_order(order.id)
            assert payment is not None
            assert payment.is_paid
            assert shop.razorpay.is_paid(payment.razorpay_order_id)


def the_ledger_tells_what_razorpay_did(shop: MoneyShop) -> None:
    """Entries sum to zero in each currency, and tell of no money that never moved."""
    sums: Counter[str] = Counter()
    for entry in shop.ledger.entries.values():
        sums[entry.currency] += sum(line.minor for line in entry.lines)
        moved = sum(line.minor for line in entry.lines if line.account is Account.RAZORPAY)
        if entry.kind is Kind.CAPTURE:
            attempt = shop.razorpay.attempts[entry.reference]
            assert (attempt.is_taken, attempt.minor) == (True, moved)
        if entry.kind is Kind.REFUND:
            refund = _at_razorpay(shop, entry)
            assert (refund.status, refund.amount.minor) == (RefundStatus.PROCESSED, -moved)
    assert set(sums.values()) <= {0}


def only_cancelled_orders_are_given_back_unasked(shop: MoneyShop) -> None:
    for payment in shop.payments.all():
        if payment.owes_its_price or any(r.requested_by == THE_SHOP for r in payment.own_refunds):
            assert shop.orders.kept[payment.order_id].status is OrderStatus.CANCELLED


def no_money_is_kept_for_nothing(shop: MoneyShop) -> None:
    """Money belongs to a living order, or went back; or Razorpay could not make its refund, of
    which a person is told.
    """
    told = 0
    for attempt in shop.razorpay.taken():
        payment = shop.payments.find_by_attempt(attempt.id)
        assert payment is not None
        own = [refund for refund in payment.refunds if payment.attempt_of(refund) == attempt.id]
        failed = [refund for refund in own if refund.is_failed_there]
        is_back = shop.razorpay.given_back(attempt) == attempt.minor
        alive = shop.orders.kept[payment.order_id].status in PAID_FOR
        bought_something = alive and attempt.id == payment.razorpay_payment_id
        assert bought_something or is_back or failed
        if payment.owes(attempt.id) and not is_back:
            told += len(failed)
    assert shop.last_report.counts["drift"] == told


def the_ledger_is_complete(shop: MoneyShop) -> None:
    held: Counter[str] = Counter()
    for entry in shop.ledger.entries.values():
        for line in entry.lines:
            held[entry.currency] += line.minor if line.account is Account.RAZORPAY else 0
    assert held == shop.razorpay.balance()


def orders_know_of_their_money(shop: MoneyShop) -> None:
    for order in shop.orders.kept.values():
        payment = shop.payments.find_by_order(order.id)
        place = payment.razorpay_order_id if payment else None
        taken = [a for a in shop.razorpay.taken() if a.razorpay_order_id == place]
        assert order.is_paid is bool(taken)
        own = [a for a in taken if payment and a.id == payment.razorpay_payment_id]
        is_back = any(shop.razorpay.given_back(a) == a.minor for a in own)
        assert (order.refunded_at is not None) is is_back
        assert not (is_back and order.can_be_cancelled)
        known = order.returns
        told = (known.refunded.minor, known.returning.minor) if known else (0, 0)
        way_back = (payment.refunded.minor, payment.returning.minor) if payment else (0, 0)
        assert told == way_back


def _at_razorpay(shop: MoneyShop, entry: Entry) -> RazorpayRefund:
    """The refund that an entry tells of."""
    (payment,) = (p for p in shop.payments.all() if p.id == entry.payment_id)
    refund = payment.refund_of_id(entry.reference)
    assert refund.razorpay_refund_id is not None
    return shop.razorpay.refunds[refund.razorpay_refund_id]
