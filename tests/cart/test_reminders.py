"""Reminders of carts that were left, over carts in memory and in DynamoDB."""

import json
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cart import jobs, wiring
from cart.gateways import AccountHolders
from cart.model import IDLE_BEFORE_REMINDER, LIFETIME
from cart.reminders import Customers, Reminders, WaitingCarts
from cart.repository import SHELVES, DynamoCarts
from cart.service import Carts, CartService
from conftest import FrozenClock
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.contracts import CartAbandoned
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict, Unauthenticated
from supermarket.people import Recipient
from support.cart import AProduct, InMemoryCarts, InMemoryCatalogue, rupees
from support.in_memory import InMemoryOutbox
from support.jobs import AContext

DAY = IDLE_BEFORE_REMINDER
A_MOMENT = timedelta(milliseconds=1)


class KnownCustomers:
    """`Customers` who are all known, but for those who are gone."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    def find(self, user_id: str) -> Recipient | None:
        if user_id in self.gone:
            return None
        return Recipient(user_id=user_id, email=f"{user_id}@example.com", first_name="Asha")


class Shop:
    """Customers with carts, and the job that looks after those."""

    def __init__(self, carts: Any, clock: FrozenClock, outbox: Any) -> None:
        self.clock = clock
        self.carts = carts
        self.outbox = outbox
        self.catalogue = InMemoryCatalogue()
        self.customers = KnownCustomers()
        self.service = CartService(cast("Carts", carts), self.catalogue, clock)
        self.reminders = Reminders(
            cast("WaitingCarts", carts),
            self.catalogue,
            cast("Customers", self.customers),
            outbox.begin,
            clock,
        )

    def has_in_cart(self, user_id: str = "asha", quantity: int = 1) -> AProduct:
        product = self.catalogue.sell(price=rupees(100), stock=90)
        self.service.add(user_id, product.id, quantity)
        return product

    def order(self, user_id: str = "asha") -> None:
        transaction = self.outbox.begin()
        self.service.empty(self.service.contents(user_id), transaction, Conflict("changed"))
        transaction.commit()

    def run(self) -> dict[str, int]:
        """What came of it, without what did not happen."""
        return dict(+self.reminders.remind(self.clock(), lambda: True))

    def reminders_sent(self) -> list[CartAbandoned]:
        return cast("list[CartAbandoned]", self.outbox.of(CartAbandoned))


class DynamoOutbox:
    """What is in the table, in the words of the in-memory one."""

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


def test_a_cart_that_was_left_for_a_day_is_told_of_with_what_is_in_it(shop: Shop) -> None:
    tea, rice = shop.has_in_cart(quantity=2), shop.has_in_cart()
    left_at = shop.clock()
    shop.clock.advance(DAY - A_MOMENT)
    assert shop.run() == {}
    shop.clock.advance(A_MOMENT)
    assert shop.run() == {"reminded": 1}
    [told] = shop.reminders_sent()
    assert told.customer.email == "asha@example.com"
    assert {line.product_id: line.quantity for line in told.lines} == {tea.id: 2, rice.id: 1}
    assert told.total.money() == rupees(300)
    assert told.idle_since == left_at


def test_another_run_finds_nothing_left_to_do(shop: Shop) -> None:
    shop.has_in_cart()
    shop.clock.advance(DAY)
    assert [shop.run(), shop.run()] == [{"reminded": 1}, {}]


def test_two_runs_at_once_tell_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.has_in_cart()
    shop.clock.advance(DAY)
    found = list(shop.carts.waiting(shop.clock()))
    shop.run()
    monkeypatch.setattr(shop.carts, "waiting", lambda _: iter(found))
    assert shop.run() == {"skipped": 1}
    assert len(shop.reminders_sent()) == 1


@pytest.mark.parametrize("change", ["another quantity", "another item", "one item less"])
def test_a_cart_that_changes_later_is_not_told_of_again(shop: Shop, change: str) -> None:
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
    assert shop.run() == {}, "it waits no longer"


@pytest.mark.parametrize("emptied", ["ordered", "cleared", "one by one"])
def test_a_cart_that_was_emptied_and_filled_anew_is_told_of_again(shop: Shop, emptied: str) -> None:
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


def test_every_change_puts_the_reminder_off(shop: Shop) -> None:
    tea = shop.has_in_cart()
    shop.clock.advance(DAY - A_MOMENT)
    shop.service.change("asha", tea.id, 2)
    shop.clock.advance(A_MOMENT)
    assert shop.run() == {}
    shop.clock.advance(DAY)
    assert shop.run() == {"reminded": 1}


def test_a_cart_that_was_ordered_or_emptied_is_not_told_of(shop: Shop) -> None:
    shop.has_in_cart("asha")
    shop.has_in_cart("ravi")
    tea = shop.has_in_cart("mina")
    shop.order("asha")
    shop.service.clear("ravi")
    shop.service.remove("mina", tea.id)
    shop.clock.advance(DAY)
    assert shop.run() == {"passed_over": 1}, "an emptied cart stops waiting, at the latest now"
    assert shop.run() == {}
    assert shop.reminders_sent() == []


def test_what_is_gone_is_left_out_and_the_rest_told(shop: Shop) -> None:
    tea, rice, salt = (shop.has_in_cart() for _ in range(3))
    shop.catalogue.withdraw(tea)
    shop.catalogue.restock(rice, 0)
    shop.clock.advance(DAY)
    assert shop.run() == {"reminded": 1}
    [told] = shop.reminders_sent()
    assert [line.product_id for line in told.lines] == [salt.id]
    assert told.total.money() == rupees(100)


def test_of_nothing_that_can_be_had_nobody_is_told(shop: Shop) -> None:
    shop.catalogue.withdraw(shop.has_in_cart())
    shop.clock.advance(DAY)
    assert [shop.run(), shop.run()] == [{"passed_over": 1}, {}]


def test_a_customer_who_is_gone_is_passed_over(shop: Shop) -> None:
    shop.has_in_cart("asha")
    shop.has_in_cart("ravi")
    shop.customers.gone = {"asha"}
    shop.clock.advance(DAY)
    assert shop.run() == {"passed_over": 1, "reminded": 1}
    assert [told.user_id for told in shop.reminders_sent()] == ["ravi"]


def test_an_expired_cart_is_not_told_of(shop: Shop) -> None:
    shop.has_in_cart()
    shop.clock.advance(LIFETIME)
    assert shop.run() == {"skipped": 1}


def test_a_reminder_does_not_stand_in_the_way_of_an_order(shop: Shop) -> None:
    shop.has_in_cart()
    shop.clock.advance(DAY)
    read = shop.service.contents("asha")
    shop.run()
    transaction = shop.outbox.begin()
    shop.service.empty(read, transaction, Conflict("changed"))
    transaction.commit()
    assert shop.service.look("asha").lines == ()


def test_a_failure_stops_none_of_the_rest_and_the_next_run_makes_up_for_it(
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
    assert {told.user_id for told in shop.reminders_sent()} == {"asha", "mina", "ravi"}


def test_without_time_a_run_ends_and_the_next_one_goes_on(shop: Shop) -> None:
    for number in range(3):
        shop.has_in_cart(f"user-{number}")
    shop.clock.advance(DAY)
    time = iter([True, False])
    first = shop.reminders.remind(shop.clock(), lambda: next(time))
    assert first["unfinished"] == 1
    assert 0 < first["reminded"] < 3
    assert shop.run() == {"reminded": 3 - first["reminded"]}


def test_a_run_for_a_day_leaves_out_what_was_left_later(shop: Shop) -> None:
    shop.has_in_cart("asha")
    shop.clock.advance(timedelta(hours=1))
    shop.has_in_cart("ravi")
    shop.clock.advance(timedelta(days=5))
    asked = shop.clock() - timedelta(days=4) - timedelta(hours=1)
    assert +shop.reminders.remind(asked, lambda: True) == {"reminded": 1}
    assert [told.user_id for told in shop.reminders_sent()] == ["asha"]


@pytest.mark.usefixtures("aws")
def test_carts_spread_over_the_shelves_and_all_are_found(clock: FrozenClock) -> None:
    shop = Shop(DynamoCarts(clock), clock, DynamoOutbox())
    users = {new_id() for _ in range(60)}
    tea = shop.catalogue.sell(stock=90)
    for user_id in users:
        shop.service.add(user_id, tea.id, 1)
    pages = list(shop.carts.waiting(clock()))
    assert {cart.user_id for page in pages for cart in page} == users
    assert len(pages) == SHELVES


@pytest.mark.usefixtures("aws")
def test_the_job_runs_for_its_date_and_tells_what_came_of_it(
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


def test_an_account_that_is_gone_is_no_recipient() -> None:
    class NoAccounts:
        def user(self, user_id: str) -> None:
            raise Unauthenticated("This account is not there any more")

    assert AccountHolders(cast("Any", NoAccounts())).find("asha") is None


class LivesOfACart(RuleBasedStateMachine):
    """Whatever a customer does, and however often the job runs."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        self.shop = Shop(InMemoryCarts(self.clock), self.clock, InMemoryOutbox())
        self.products = [self.shop.catalogue.sell(stock=90) for _ in range(3)]
        self.told: set[str] = set()  # what is in the cart, and was when it was told of last
        self.reminders = 0

    @property
    def in_cart(self) -> set[str]:
        return {line.product_id for line in self.shop.service.contents("asha").lines}

    @rule(number=st.integers(0, 2))
    def add(self, number: int) -> None:
        if self.shop.service.contents("asha").quantity_of(self.products[number].id) < 90:
            self.shop.service.add("asha", self.products[number].id, 1)

    @rule(number=st.integers(0, 2))
    def remove(self, number: int) -> None:
        if self.products[number].id in self.in_cart:
            self.shop.service.remove("asha", self.products[number].id)
            self.told.discard(self.products[number].id)

    @rule()
    def clear(self) -> None:
        self.shop.service.clear("asha")
        self.told.clear()

    @rule(hours=st.integers(1, 30))
    def pass_time(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @rule()
    def run(self) -> None:
        cart = self.shop.service.contents("asha")
        idle = cart.updated_at <= self.clock() - DAY
        expected = int(bool(cart.lines) and idle and not self.told)
        assert self.shop.run().get("reminded", 0) == expected
        self.reminders += expected
        if expected:
            self.told = self.in_cart

    @invariant()
    def every_reminder_was_expected(self) -> None:
        assert len(self.shop.reminders_sent()) == self.reminders


TestLivesOfACart = LivesOfACart.TestCase
