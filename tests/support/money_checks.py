"""What holds for a `MoneyShop` after each step, and at the end of a history."""

from collections import Counter
from collections.abc import Set

from order.model import Actor, OrderStatus
from payment.ledger import Account, Entry, Kind
from payment.model.attempt import AttemptStatus
from payment.model.dispute import DisputeStatus
from payment.model.payment import SHOP
from payment.model.refund import RazorpayRefund, RefundStatus
from supermarket.contracts import (
    Event,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
    PaymentCompleted,
    PaymentDisputed,
    PaymentRefunded,
)
from supermarket.money import SMALLEST_PAYMENT_MINOR
from support.money import STOCK, MoneyShop

OPEN = {OrderStatus.PENDING, OrderStatus.CONFIRMED}


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


def check_after_each_step(shop: MoneyShop) -> None:
    stock_is_conserved(shop)
    every_effect_happens_once(shop)
    only_paid_orders_are_shipped(shop)
    no_paid_order_expires(shop)
    no_disputed_order_is_shipped(shop)
    what_customers_reserve_is_counted(shop)
    the_ledger_agrees_with_razorpay(shop)
    only_cancelled_orders_are_refunded_automatically(shop)


def check_at_the_end(shop: MoneyShop) -> None:
    open_orders_hold_their_stock(shop)
    the_history_of_stock_is_complete(shop)
    no_money_is_kept_without_an_order(shop)
    no_authorization_is_held_for_a_cancelled_order(shop)
    the_ledger_is_complete(shop)
    orders_agree_with_their_payments(shop)
    disputes_agree_with_razorpay(shop)


def stock_is_conserved(shop: MoneyShop) -> None:
    """Open orders reserve what they ordered; shipped ones have taken it from what was on hand."""
    reserved = _ordered(shop, OPEN)
    shipped = _ordered(shop, {OrderStatus.SHIPPED, OrderStatus.DELIVERED})
    for product_id, level in shop.levels().items():
        assert level.on_hand == STOCK - shipped[product_id]
        assert level.reserved == reserved[product_id]
        assert level.available == level.on_hand - level.reserved


def open_orders_hold_their_stock(shop: MoneyShop) -> None:
    """An open order has a reservation of its lines; any other has none."""
    for order in shop.orders.stored.values():
        reservation = shop.inventory.service.reservations.find(order.id)
        assert (reservation is not None) is (order.status in OPEN)
        if reservation is not None:
            held = {name: sum(each.values()) for name, each in reservation.quantities.items()}
            assert held == {line.product_id: line.quantity for line in order.lines}


def the_history_of_stock_is_complete(shop: MoneyShop) -> None:
    """The movements of each product add up to its level, and each of an order happened once in a
    bucket.
    """
    service = shop.inventory.service
    service.record(shop.inventory.levels.changes)
    for product_id, level in shop.levels().items():
        movements = service.list_movements(product_id, None, 10_000).movements
        assert sum(each.on_hand for each in movements) == level.on_hand
        assert sum(each.reserved for each in movements) == level.reserved
        made = Counter((each.kind, each.by, each.id.split("#")[1]) for each in movements)
        assert set(made.values()) == {1}


def _ordered(shop: MoneyShop, statuses: Set[OrderStatus]) -> Counter[str]:
    """Return the quantity of each product in the orders with these statuses."""
    ordered: Counter[str] = Counter()
    for order in shop.orders.stored.values():
        if order.status in statuses:
            ordered.update({line.product_id: line.quantity for line in order.lines})
    return ordered


def every_effect_happens_once(shop: MoneyShop) -> None:
    emitted = Counter(
        (type(event), getattr(event, ONCE[type(event)]))
        for event in shop.events
        if type(event) in ONCE
    )
    assert set(emitted.values()) <= {1}
    assert all(len(results) == 1 for results in shop.results.values())
    payments = Counter(payment.order_id for payment in shop.payments.all())
    assert set(payments.values()) <= {1}
    made = Counter(refund.our_id for refund in shop.razorpay.refunds.values() if refund.our_id)
    assert set(made.values()) <= {1}
    for attempt in shop.razorpay.captured():
        assert shop.razorpay.refunded(attempt) <= attempt.amount.minor


def only_paid_orders_are_shipped(shop: MoneyShop) -> None:
    for order in shop.orders.stored.values():
        if order.status in PAID_FOR:
            payment = shop.payments.find_by_order(order.id)
            assert payment is not None
            assert payment.is_paid
            assert shop.razorpay.is_paid(payment.razorpay_order_id)


def no_paid_order_expires(shop: MoneyShop) -> None:
    """Events may be late for any length of time: the payment itself decides."""
    paid = set()
    for event in shop.events:
        if isinstance(event, PaymentCompleted):
            paid.add(event.order_id)
        if isinstance(event, OrderCancelled) and event.cancelled_by == Actor.EXPIRY.value:
            assert event.order_id not in paid


def no_disputed_order_is_shipped(shop: MoneyShop) -> None:
    """In the order of the commits: not while a dispute is known and open."""
    disputed: set[tuple[str, str]] = set()
    for event in shop.events:
        if isinstance(event, PaymentDisputed):
            key = (event.order_id, event.dispute_id)
            is_final = DisputeStatus(event.status).is_final
            (disputed.discard if is_final else disputed.add)(key)
        if isinstance(event, OrderShipped):
            assert event.order_id not in {order_id for order_id, _ in disputed}


def what_customers_reserve_is_counted(shop: MoneyShop) -> None:
    for customer in shop.customers:
        own = [o for o in shop.orders.stored.values() if o.customer.user_id == customer.user_id]
        still_open = [order for order in own if order.status is OrderStatus.PENDING]
        pieces = sum(order.pieces for order in still_open)
        assert shop.orders.reserved[customer.user_id] == (len(still_open), pieces)


def the_ledger_agrees_with_razorpay(shop: MoneyShop) -> None:
    """Entries sum to zero in each currency, and each has a record of Razorpay."""
    sums: Counter[str] = Counter()
    for entry in shop.ledger.entries.values():
        for line in entry.lines:
            sums[line.amount.currency] += line.amount.minor
        moved = sum(line.amount.minor for line in entry.lines if line.account is Account.RAZORPAY)
        if entry.kind is Kind.CAPTURE:
            attempt = shop.razorpay.attempts[entry.reference]
            assert (attempt.was_captured, attempt.amount.minor) == (True, moved)
        if entry.kind is Kind.REFUND:
            refund = _at_razorpay(shop, entry)
            assert (refund.status, refund.amount.minor) == (RefundStatus.PROCESSED, -moved)
        if entry.kind in {Kind.DISPUTE, Kind.DISPUTE_END, Kind.CHARGEBACK}:
            dispute = shop.razorpay.disputes[entry.reference]
            assert entry.kind is Kind.DISPUTE or not dispute.is_open
            amount = dispute.lost if entry.kind is Kind.CHARGEBACK else dispute.amount
            assert moved == (amount if entry.kind is Kind.DISPUTE_END else amount * -1).minor
    assert set(sums.values()) <= {0}


def only_cancelled_orders_are_refunded_automatically(shop: MoneyShop) -> None:
    for payment in shop.payments.all():
        automatic = [r for r in payment.balance.refunds if r.requested_by == SHOP]
        if payment.has_cancelled_order or automatic:
            assert shop.orders.stored[payment.order_id].status is OrderStatus.CANCELLED


def no_money_is_kept_without_an_order(shop: MoneyShop) -> None:
    """Money belongs to an order that is not cancelled, or is refunded; or its refund failed at
    Razorpay, which is reported as drift. Disputes and refunds in Razorpay's dashboard can leave
    less than the smallest refund.
    """
    reported: set[str | None] = set()
    for attempt in shop.razorpay.captured():
        payment = shop.payments.find_by_razorpay_id(attempt.id)
        assert payment is not None
        own = [refund for refund in payment.refunds if refund.attempt_id == attempt.id]
        failed = [refund for refund in own if refund.has_failed_at_razorpay]
        withheld = sum(one.withheld.minor for one in shop.razorpay.disputes_of(attempt))
        kept = attempt.amount.minor - shop.razorpay.refunded(attempt) - withheld
        is_refunded = kept < SMALLEST_PAYMENT_MINOR
        is_paid_for = shop.orders.stored[payment.order_id].status in PAID_FOR
        has_order = is_paid_for and attempt.id == payment.razorpay_payment_id
        assert has_order or is_refunded or failed
        if payment.requires_full_refund(attempt.id) and not is_refunded:
            reported.update(refund.razorpay_refund_id for refund in failed)
    assert reported <= {subject_id for subject_id, _ in shop.drift_store.drift}
    everything = shop.compare_everything()
    assert everything.is_finished
    assert (everything.counts["repaired"], everything.found) == (0, len(reported))


def no_authorization_is_held_for_a_cancelled_order(shop: MoneyShop) -> None:
    """What is still authorized cannot be captured, since its order at Razorpay is paid."""
    for attempt in shop.razorpay.attempts.values():
        payment = shop.payments.find_by_razorpay_id(attempt.razorpay_order_id or "")
        is_held = attempt.status is AttemptStatus.AUTHORIZED
        if payment and payment.has_cancelled_order and is_held:
            assert shop.razorpay.is_paid(attempt.razorpay_order_id)


def the_ledger_is_complete(shop: MoneyShop) -> None:
    held: Counter[str] = Counter()
    for entry in shop.ledger.entries.values():
        for line in entry.lines:
            if line.account is Account.RAZORPAY:
                held[line.amount.currency] += line.amount.minor
    assert held == shop.razorpay.balance()


def orders_agree_with_their_payments(shop: MoneyShop) -> None:
    for order in shop.orders.stored.values():
        payment = shop.payments.find_by_order(order.id)
        order_id = payment.razorpay_order_id if payment else None
        captured = [
            attempt
            for attempt in shop.razorpay.captured()
            if attempt.razorpay_order_id == order_id and payment and payment.matches(attempt)
        ]
        assert order.is_paid is bool(captured)
        own = [a for a in captured if payment and a.id == payment.razorpay_payment_id]
        is_refunded = any(shop.razorpay.refunded(a) == a.amount.minor for a in own)
        assert (order.refunded_at is not None) is is_refunded
        assert not (is_refunded and order.can_be_cancelled)
        known = order.refund_summary
        in_order = (known.refunded.minor, known.pending.minor) if known else (0, 0)
        in_payment = (payment.refunded.minor, payment.balance.pending.minor) if payment else (0, 0)
        assert in_order == in_payment


def disputes_agree_with_razorpay(shop: MoneyShop) -> None:
    """Whatever the order of the messages was, and whichever were lost."""
    known = [dispute for payment in shop.payments.all() for dispute in payment.disputes]
    assert {one.id: one for one in known} == shop.razorpay.disputes
    assert len(known) == len(shop.razorpay.disputes)


def _at_razorpay(shop: MoneyShop, entry: Entry) -> RazorpayRefund:
    """Return Razorpay's record of the refund of an entry."""
    (payment,) = (p for p in shop.payments.all() if p.id == entry.payment_id)
    refund = payment.get_refund(entry.reference)
    assert refund.razorpay_refund_id is not None
    return shop.razorpay.refunds[refund.razorpay_refund_id]
