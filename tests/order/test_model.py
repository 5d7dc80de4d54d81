"""States, prices and visibility of an order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from order.model import (
    NO_CHARGES,
    TRANSITIONS,
    Actor,
    Charges,
    Order,
    OrderLine,
    OrderStatus,
    PaymentStatus,
)
from supermarket.caller import Role
from supermarket.errors import Conflict, Invalid
from supermarket.money import Currency, Money
from supermarket.people import Address
from support.api import a_caller
from support.order import HOME, an_order

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
P, C, S, D, X = (
    OrderStatus.PENDING,
    OrderStatus.CONFIRMED,
    OrderStatus.SHIPPED,
    OrderStatus.DELIVERED,
    OrderStatus.CANCELLED,
)


def confirmed(order: Order) -> Order:
    return order.with_payment(NOW).with_status(C, NOW, Actor.PAYMENT)


def test_the_transitions_are_those_of_the_contract() -> None:
    steps = {(before, after) for before, reachable in TRANSITIONS.items() for after in reachable}
    assert steps == {(P, C), (C, S), (S, D), (P, X), (C, X)}
    assert set(TRANSITIONS) == set(OrderStatus)


class LifeOfAnOrder(RuleBasedStateMachine):
    """After any sequence of transitions the timeline follows the table."""

    def __init__(self) -> None:
        super().__init__()
        self.order: Order = an_order(NOW)

    @rule(to=st.sampled_from(OrderStatus), by=st.sampled_from(Actor))
    def transition(self, to: OrderStatus, by: Actor) -> None:
        before = self.order
        if to is C:
            before = before.with_payment(before.updated_at)
        if to in TRANSITIONS[before.status]:
            self.order = before.with_status(to, before.updated_at + timedelta(seconds=1), by)
        else:
            with pytest.raises(Conflict, match=before.status):
                before.with_status(to, NOW, by)

    @invariant()
    def the_timeline_follows_the_table(self) -> None:
        history = [step.status for step in self.order.timeline]
        assert history[0] is P
        assert history[-1] is self.order.status
        for before, after in pairwise(history):
            assert after in TRANSITIONS[before]

    @invariant()
    def only_an_unpaid_order_holds_a_reservation(self) -> None:
        assert (self.order.reserved_until is not None) is (self.order.status is P)

    @invariant()
    def the_last_step_is_the_last_change(self) -> None:
        assert self.order.timeline[-1].at == self.order.updated_at


TestLifeOfAnOrder = LifeOfAnOrder.TestCase

lines = st.lists(
    st.builds(
        OrderLine,
        product_id=st.just("p"),
        title=st.just("t"),
        seller_id=st.just("s"),
        quantity=st.integers(1, 99),
        unit_price=st.integers(1, 999_999_999).map(lambda minor: Money(minor, Currency.INR)),
    ),
    min_size=1,
    max_size=50,
)


@given(lines, st.decimals(0, 100, places=2), st.integers(0, 10**6))
def test_the_total_is_the_sum_of_its_parts_to_the_paisa(
    bought: list[OrderLine], percent: Decimal, fee: int
) -> None:
    pricing = Charges(percent, {Currency.INR: fee}).price_lines(bought, Currency.INR)
    subtotal = sum(line.unit_price.minor * line.quantity for line in bought)
    assert pricing.subtotal.minor == subtotal
    assert abs(pricing.tax.minor - subtotal * percent / 100) <= Decimal("0.5")
    assert pricing.total.minor == subtotal + pricing.tax.minor + fee


def test_the_shipping_fee_has_the_currency_of_the_order() -> None:
    fees = {Currency.INR: 4900, Currency.USD: 99}
    for currency, fee in fees.items():
        line = OrderLine("p", "t", "s", 1, Money(50, currency))
        priced = Charges(Decimal(0), fees).price_lines([line], currency)
        assert (priced.shipping, priced.total) == (Money(fee, currency), Money(50 + fee, currency))


def test_half_a_paisa_of_tax_is_rounded_up() -> None:
    line = OrderLine("p", "t", "s", 1, Money(50, Currency.INR))
    for percent, tax in (("5", 3), ("4.98", 2)):
        charges = Charges(Decimal(percent), NO_CHARGES.shipping_fees)
        assert charges.price_lines([line], Currency.INR).tax.minor == tax


@pytest.mark.parametrize("status", [P, C])
def test_an_address_changes_in_the_given_fields_only(status: OrderStatus) -> None:
    order = an_order(NOW)
    if status is C:
        order = confirmed(order)
    changed = order.with_address_changes({"street": "1 Park Street"}, NOW + timedelta(hours=1))
    assert changed.shipping_address.street == "1 Park Street"
    assert changed.shipping_address.city == HOME.city
    assert changed.updated_at == NOW + timedelta(hours=1)
    assert changed.status is status


def test_the_address_of_a_cancelled_or_shipped_order_cannot_change() -> None:
    cancelled = an_order(NOW).with_status(X, NOW, Actor.CUSTOMER)
    shipped = an_order(NOW).with_status(C, NOW, Actor.PAYMENT).with_status(S, NOW, Actor.SELLER)
    for order in (cancelled, shipped):
        with pytest.raises(Conflict):
            order.with_address_changes({"street": "1 Park Street"}, NOW)


@pytest.mark.parametrize("changes", [{"zip": "56000"}, {"country": "US", "zip": "560001"}])
def test_an_address_keeps_a_postal_code_of_its_country(changes: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        an_order(NOW).with_address_changes(changes, NOW)


def test_a_customer_and_an_admin_see_all_of_an_order() -> None:
    order = an_order(NOW, "customer", lines=3)
    assert order.visible_to(a_caller(user_id="customer")) == order
    assert order.visible_to(a_caller(Role.ADMIN)) == order


def test_a_seller_sees_their_own_lines_and_prices() -> None:
    order = an_order(NOW, lines=3)
    seen = order.visible_to(a_caller(Role.SELLER, "seller-1"))
    assert seen is not None
    assert seen.lines == (order.lines[1],)
    assert seen.pricing.total == seen.pricing.subtotal == order.lines[1].line_total


def test_others_see_nothing() -> None:
    order = an_order(NOW, lines=2)
    assert order.visible_to(a_caller(Role.SELLER, "seller-9")) is None
    assert order.visible_to(a_caller(Role.USER)) is None


def test_a_seller_sees_street_and_recipient_only_while_they_are_needed() -> None:
    placed = an_order(NOW)
    home = replace(placed.shipping_address, name="Usha", phone="+918041123456")
    placed = replace(placed, shipping_address=home)
    seller = a_caller(Role.SELLER, placed.seller_ids[0])

    def seen(order: Order) -> Address | None:
        visible = order.visible_to(seller)
        return visible.shipping_address if visible else None

    hidden = replace(home, street="", name=None, phone=None)
    paid = confirmed(placed)
    sent = paid.with_status(S, NOW, Actor.SELLER)
    assert [seen(each) for each in (paid, sent, sent.with_status(D, NOW, Actor.SELLER))] == [
        home
    ] * 3
    assert seen(placed) == seen(paid.with_status(X, NOW, Actor.CUSTOMER)) == hidden
    customer = paid.with_status(X, NOW, Actor.CUSTOMER).visible_to(a_caller(user_id="customer"))
    assert customer
    assert customer.shipping_address == home


def test_the_payment_status_follows_from_payment_refund_and_state() -> None:
    order = an_order(NOW)
    expired = order.with_status(X, NOW, Actor.EXPIRY)
    paid = confirmed(order)
    cancelled = paid.with_status(X, NOW, Actor.CUSTOMER)
    assert order.payment_status is PaymentStatus.PENDING
    assert expired.payment_status is PaymentStatus.FAILED
    assert expired.with_payment(NOW).payment_status is PaymentStatus.REFUND_PENDING
    assert paid.payment_status is PaymentStatus.COMPLETED
    assert paid.with_status(S, NOW, Actor.SELLER).payment_status is PaymentStatus.COMPLETED
    assert cancelled.payment_status is PaymentStatus.REFUND_PENDING
    assert cancelled.with_full_refund(NOW).payment_status is PaymentStatus.REFUNDED


def test_payment_and_refund_can_be_recorded_in_any_order() -> None:
    expired = an_order(NOW).with_status(X, NOW, Actor.EXPIRY)
    one_way = expired.with_payment(NOW).with_full_refund(NOW)
    other_way = expired.with_full_refund(NOW).with_payment(NOW)
    assert one_way == other_way
    assert other_way.payment_status is PaymentStatus.REFUNDED


def test_the_only_seller_or_an_admin_can_fulfil_an_order() -> None:
    of_one, of_two = an_order(NOW, lines=1), an_order(NOW, lines=2)
    seller, admin = a_caller(Role.SELLER, "seller-0"), a_caller(Role.ADMIN)
    assert of_one.can_be_fulfilled_by(seller)
    assert not of_two.can_be_fulfilled_by(seller)
    assert of_two.can_be_fulfilled_by(admin)
    assert not of_one.can_be_fulfilled_by(a_caller(Role.SELLER, "seller-1"))


def test_a_tracking_number_stays_until_it_is_replaced() -> None:
    shipped = confirmed(an_order(NOW)).with_status(S, NOW, Actor.SELLER, "DTDC-1")
    assert shipped.with_status(D, NOW, Actor.SELLER).tracking_number == "DTDC-1"
    assert shipped.with_status(D, NOW, Actor.SELLER, "DTDC-2").tracking_number == "DTDC-2"


def test_a_reservation_expires_at_its_end() -> None:
    order = an_order(NOW)
    assert order.reserved_until is not None
    assert not order.is_expired(order.reserved_until - timedelta(milliseconds=1))
    assert order.is_expired(order.reserved_until)
    assert not order.with_status(C, NOW, Actor.PAYMENT).is_expired(NOW + timedelta(days=1))
