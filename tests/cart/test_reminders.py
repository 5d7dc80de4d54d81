"""Reminders of abandoned carts, with carts in memory and in DynamoDB."""

import json
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cart import jobs, wiring
from cart.gateways import AccountHolders
from cart.model import IDLE_BEFORE_REMINDER, LIFETIME, CartLine, Product
from cart.ports import Carts, Customers
from cart.reminders import Reminders
from cart.repository import SHARDS, DynamoCarts
from cart.service import CartService
from conftest import FrozenClock
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.contracts import CartAbandoned
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict, Unauthenticated
from supermarket.people import Recipient
from support.cart import InMemoryCarts, InMemoryCatalogue, dollars, rupees
from support.in_memory import InMemoryIdempotencyKeys, InMemoryOutbox
from support.jobs import AContext

DAY = IDLE_BEFORE_REMINDER
A_MOMENT = timedelta(milliseconds=1)


class KnownCustomers:
    """`Customers` with an account for every id except the removed ones."""

    def __init__(self) -> None:
        self.removed: set[str] = set()

    def find(self, user_id: str) -> Recipient | None:
        if user_id in self.removed:
            return None
        return Recipient(user_id, f"{user_id}@example.com", "Asha")


class Shop:
    """Customers with carts, and the reminders of these."""

    def __init__(self, carts: Any, clock: FrozenClock, outbox: Any) -> None:
        self.clock = clock
        self.carts = carts
        self.outbox = outbox
        self.catalogue = InMemoryCatalogue()
        self.customers = KnownCustomers()
        keys = InMemoryIdempotencyKeys(clock)
        self.service = CartService(cast("Carts", carts), self.catalogue, clock, keys)
        self.reminders = Reminders(
            cast("Carts", carts),
            self.catalogue,
            cast("Customers", self.customers),
            outbox.begin,
            clock,
        )

    def has_in_cart(self, user_id: str = "asha", quantity: int = 1) -> Product:
        product = self.catalogue.sell(price=rupees(100), stock=90)
        self.service.add(user_id, product.id, quantity)
        return product

    def order(self, user_id: str = "asha") -> None:
        transaction = self.outbox.begin()
        version = self.service.stored_cart(user_id).version
        self.service.empty(user_id, version, transaction, Conflict("changed"))
        transaction.commit()

    def run(self) -> dict[str, int]:
        """Run the reminders; returns the outcomes that occurred."""
        return dict(+self.reminders.remind(self.clock(), lambda: True))

    def reminders_sent(self) -> list[CartAbandoned]:
        return cast("list[CartAbandoned]", self.outbox.of(CartAbandoned))


class DynamoOutbox:
    """The outbox table with the interface of the in-memory outbox."""

    begin = DynamoTransaction

    def of(self, kind: type[CartAbandoned]) -> list[CartAbandoned]:
        details = [row.detail for row in OutboxRow.scan() if row.detail_type == kind.__name__]
        return [kind.model_validate(json.loads(detail)["data"]) for detail in details]


@pytest.fixture(params=["in memory", "DynamoDB"])
def shop(request: pytest.FixtureRequest, clock: FrozenClock) -> Shop:
    if request.param == "in memory":
        return Shop(InMemoryCarts(clock), clock, InMemoryOutbox())
    request.getfixturevalue("aws")
    return Shop(DynamoCarts(clock), clock, DynamoOutbox())


def test_a_customer_is_reminded_of_a_cart_that_was_idle_for_a_day(shop: Shop) -> None:
    tea, rice = shop.has_in_cart(quantity=2), shop.has_in_cart()
    idle_since = shop.clock()
    shop.clock.advance(DAY - A_MOMENT)
    assert shop.run() == {}
    shop.clock.advance(A_MOMENT)
    assert shop.run() == {"reminded": 1}
    [event] = shop.reminders_sent()
    assert event.customer.email == "asha@example.com"
    assert {line.product_id: line.quantity for line in event.lines} == {tea.id: 2, rice.id: 1}
    assert event.total.money() == rupees(300)
    assert event.idle_since == idle_since


def test_a_second_run_reminds_no_one(shop: Shop) -> None:
    shop.has_in_cart()
    shop.clock.advance(DAY)
    assert [shop.run(), shop.run()] == [{"reminded": 1}, {}]


def test_two_runs_at_once_remind_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.has_in_cart()
    shop.clock.advance(DAY)
    found = list(shop.carts.list_pending(shop.clock()))
    shop.run()
    monkeypatch.setattr(shop.carts, "list_pending", lambda _: iter(found))
    assert shop.run() == {"skipped": 1}
    assert len(shop.reminders_sent()) == 1


@pytest.mark.parametrize("change", ["another quantity", "another item", "one item less"])
def test_a_customer_is_not_reminded_again_of_a_cart_that_changed(shop: Shop, change: str) -> None:
    tea, rice = shop.has_in_cart(), shop.has_in_cart()
    shop.clock.advance(DAY)
    shop.run()
    match change:
        case "another quantity":
            shop.service.change("asha", tea.id, 5)
            shop.service.add("asha", tea.id, 1)
        case "another item":
            shop.has_in_cart()
        case "one item less":
            shop.service.remove("asha", rice.id)
    shop.clock.advance(DAY)
    assert "reminded" not in shop.run()
    assert shop.run() == {}, "it is not pending any more"


@pytest.mark.parametrize("emptied", ["ordered", "cleared", "one by one"])
def test_a_customer_is_reminded_of_a_cart_that_was_refilled(shop: Shop, emptied: str) -> None:
    tea = shop.has_in_cart()
    shop.clock.advance(DAY)
    shop.run()
    match emptied:
        case "ordered":
            shop.order()
        case "cleared":
            shop.service.clear("asha")
        case "one by one":
            shop.service.remove("asha", tea.id)
    shop.clock.advance(DAY)
    assert "reminded" not in shop.run()
    shop.service.add("asha", tea.id, 1)
    shop.clock.advance(DAY)
    assert shop.run() == {"reminded": 1}


def test_every_change_delays_the_reminder(shop: Shop) -> None:
    tea = shop.has_in_cart()
    shop.clock.advance(DAY - A_MOMENT)
    shop.service.change("asha", tea.id, 2)
    shop.clock.advance(A_MOMENT)
    assert shop.run() == {}
    shop.clock.advance(DAY)
    assert shop.run() == {"reminded": 1}


def test_a_customer_is_not_reminded_of_an_ordered_or_emptied_cart(shop: Shop) -> None:
    shop.has_in_cart("asha")
    shop.has_in_cart("ravi")
    tea = shop.has_in_cart("mina")
    shop.order("asha")
    shop.service.clear("ravi")
    shop.service.remove("mina", tea.id)
    shop.clock.advance(DAY)
    assert shop.run() == {"passed_over": 1}, "this run ends its reminder"
    assert shop.run() == {}
    assert shop.reminders_sent() == []


def test_a_reminder_leaves_out_unavailable_products(shop: Shop) -> None:
    tea, rice, salt = (shop.has_in_cart() for _ in range(3))
    shop.catalogue.withdraw(tea)
    shop.catalogue.restock(rice, 0)
    shop.clock.advance(DAY)
    assert shop.run() == {"reminded": 1}
    [event] = shop.reminders_sent()
    assert [line.product_id for line in event.lines] == [salt.id]
    assert event.total.money() == rupees(100)


def test_a_cart_without_available_products_is_passed_over(shop: Shop) -> None:
    shop.catalogue.withdraw(shop.has_in_cart())
    shop.clock.advance(DAY)
    assert [shop.run(), shop.run()] == [{"passed_over": 1}, {}]


def test_a_removed_customer_is_passed_over(shop: Shop) -> None:
    shop.has_in_cart("asha")
    shop.has_in_cart("ravi")
    shop.customers.removed = {"asha"}
    shop.clock.advance(DAY)
    assert shop.run() == {"passed_over": 1, "reminded": 1}
    assert [event.user_id for event in shop.reminders_sent()] == ["ravi"]


def test_an_expired_cart_is_skipped(shop: Shop) -> None:
    shop.has_in_cart()
    shop.clock.advance(LIFETIME)
    assert shop.run() == {"skipped": 1}


def test_a_reminder_does_not_prevent_an_order(shop: Shop) -> None:
    shop.has_in_cart()
    shop.clock.advance(DAY)
    read = shop.service.stored_cart("asha")
    shop.run()
    transaction = shop.outbox.begin()
    shop.service.empty("asha", read.version, transaction, Conflict("changed"))
    transaction.commit()
    assert shop.service.get_cart("asha").lines == ()


def test_a_failure_does_not_stop_the_run_and_the_next_run_retries_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user_id in ("asha", "mina", "ravi"):
        shop.has_in_cart(user_id)
    shop.clock.advance(DAY)
    find = shop.customers.find

    def fail_for_one(user_id: str) -> Recipient | None:
        if user_id == "mina":
            raise ConnectionError("no answer")
        return find(user_id)

    monkeypatch.setattr(shop.customers, "find", fail_for_one)
    assert shop.run() == {"reminded": 2, "failed": 1}
    monkeypatch.undo()
    assert shop.run() == {"reminded": 1}
    assert {event.user_id for event in shop.reminders_sent()} == {"asha", "mina", "ravi"}


def test_a_run_without_time_left_ends_and_the_next_one_continues(shop: Shop) -> None:
    for number in range(3):
        shop.has_in_cart(f"user-{number}")
    shop.clock.advance(DAY)
    time = iter([True, False])
    first = shop.reminders.remind(shop.clock(), lambda: next(time))
    assert first["unfinished"] == 1
    assert 0 < first["reminded"] < 3
    assert shop.run() == {"reminded": 3 - first["reminded"]}


def test_a_run_for_a_date_leaves_out_later_carts(shop: Shop) -> None:
    shop.has_in_cart("asha")
    shop.clock.advance(timedelta(hours=1))
    shop.has_in_cart("ravi")
    shop.clock.advance(timedelta(days=5))
    asked = shop.clock() - timedelta(days=4) - timedelta(hours=1)
    assert +shop.reminders.remind(asked, lambda: True) == {"reminded": 1}
    assert [event.user_id for event in shop.reminders_sent()] == ["asha"]


@pytest.mark.usefixtures("aws")
def test_pending_carts_are_spread_over_the_shards_and_all_found(clock: FrozenClock) -> None:
    shop = Shop(DynamoCarts(clock), clock, DynamoOutbox())
    users = {new_id() for _ in range(60)}
    tea = shop.catalogue.sell(stock=90)
    for user_id in users:
        shop.service.add(user_id, tea.id, 1)
    pages = list(shop.carts.list_pending(clock()))
    assert {cart.user_id for page in pages for cart in page} == users
    assert len(pages) == SHARDS


@pytest.mark.usefixtures("aws")
def test_the_job_runs_for_a_date_and_returns_its_counts(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(DynamoCarts(clock), clock, DynamoOutbox())
    monkeypatch.setattr(wiring, "reminders", lambda: shop.reminders)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    shop.has_in_cart()
    clock.advance(timedelta(days=2))
    nothing = {"passed_over": 0, "skipped": 0, "failed": 0, "unfinished": 0}
    early = jobs.remind_of_abandoned_carts({"date": "2026-11-22"}, AContext())
    assert early == {"reminded": 0, **nothing}
    assert jobs.remind_of_abandoned_carts({}, AContext()) == {"reminded": 1, **nothing}
    [row] = OutboxRow.scan()
    assert telemetry.correlation_id() in row.detail


def test_a_removed_account_has_no_recipient() -> None:
    class NoAccounts:
        def user(self, user_id: str) -> None:
            raise Unauthenticated("This account is not there any more")

    assert AccountHolders(cast("Any", NoAccounts())).find("asha") is None


class LivesOfACart(RuleBasedStateMachine):
    """Customers are reminded as expected, whatever they do and however often the job runs."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        self.shop = Shop(InMemoryCarts(self.clock), self.clock, InMemoryOutbox())
        self.products = [self.shop.catalogue.sell(stock=90) for _ in range(3)]
        self.reminded_of: set[str] = set()  # what is in the cart since the last reminder
        self.reminders = 0

    @property
    def in_cart(self) -> set[str]:
        return {line.product_id for line in self.shop.service.stored_cart("asha").lines}

    @rule(number=st.integers(0, 2))
    def add(self, number: int) -> None:
        if self.shop.service.stored_cart("asha").quantity_of(self.products[number].id) < 90:
            self.shop.service.add("asha", self.products[number].id, 1)

    @rule(number=st.integers(0, 2))
    def remove(self, number: int) -> None:
        if self.products[number].id in self.in_cart:
            self.shop.service.remove("asha", self.products[number].id)
            self.reminded_of.discard(self.products[number].id)

    @rule()
    def clear(self) -> None:
        self.shop.service.clear("asha")
        self.reminded_of.clear()

    @rule(hours=st.integers(1, 30))
    def pass_time(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @rule()
    def run(self) -> None:
        cart = self.shop.service.stored_cart("asha")
        idle = cart.updated_at <= self.clock() - DAY
        expected = int(bool(cart.lines) and idle and not self.reminded_of)
        assert self.shop.run().get("reminded", 0) == expected
        self.reminders += expected
        if expected:
            self.reminded_of = self.in_cart

    @invariant()
    def every_reminder_was_expected(self) -> None:
        assert len(self.shop.reminders_sent()) == self.reminders


TestLivesOfACart = LivesOfACart.TestCase


@pytest.mark.usefixtures("aws")
def test_every_shard_of_carts_has_its_turn_when_the_time_is_too_short(clock: FrozenClock) -> None:
    carts = DynamoCarts(clock)
    customers = {f"customer {number}" for number in range(60)}
    for customer in customers:
        carts.add(customer, CartLine(new_id(), 1, dollars(1), "Tea", clock()), 9)
    first: set[str] = set()
    for _ in range(120):  # one run in a million never begins with one of the shards
        first |= {cart.user_id for cart in next(carts.list_pending(clock()))}
    assert first == customers
    everyone = [cart.user_id for page in carts.list_pending(clock()) for cart in page]
    assert sorted(everyone) == sorted(customers)
