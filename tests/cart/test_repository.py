"""Carts in memory and in DynamoDB: the same tests for both."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.exceptions import TransactWriteError

from cart.model import LIFETIME, MAX_ITEMS, CartLine
from cart.ports import Carts
from cart.repository import DynamoCarts
from conftest import FrozenClock
from supermarket.clock import new_id
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict, DomainError
from supermarket.money import Money
from supermarket.transaction import Transaction
from support.cart import InMemoryCarts, dollars, rupees
from support.cloud import held_by_a_transaction
from support.contention import contend
from support.in_memory import InMemoryTransaction
from support.lost_answers import losing_answers

type Begin = Callable[[], Transaction]


@pytest.fixture(params=["in memory", "DynamoDB"])
def carts(request: pytest.FixtureRequest, clock: FrozenClock) -> Carts:
    if request.param == "in memory":
        return InMemoryCarts(clock)
    request.getfixturevalue("aws")
    return DynamoCarts(clock)


@pytest.fixture
def begin(carts: Carts) -> Begin:
    return DynamoTransaction if isinstance(carts, DynamoCarts) else lambda: InMemoryTransaction([])


def a_line(
    clock: FrozenClock, product_id: str = "", quantity: int = 1, price: Money | None = None
) -> CartLine:
    return CartLine(product_id or new_id(), quantity, price or rupees(100), "Tea", clock())


def quantities(carts: Carts) -> dict[str, int]:
    cart = carts.find("user")
    return {line.product_id: line.quantity for line in cart.lines} if cart else {}


def test_a_customer_has_no_cart_before_the_first_item(carts: Carts) -> None:
    assert carts.find("user") is None


def test_the_first_item_creates_the_cart(carts: Carts, clock: FrozenClock) -> None:
    line = a_line(clock, quantity=3)
    cart = carts.add("user", line, max_quantity=9)
    assert cart == carts.find("user")
    assert cart is not None
    assert cart.lines == (line,)
    assert (cart.updated_at, cart.expires_at) == (clock(), clock() + LIFETIME)


def test_adding_an_item_again_adds_to_its_quantity_and_keeps_the_price_that_was_shown(
    carts: Carts, clock: FrozenClock
) -> None:
    line = a_line(clock)
    carts.add("user", line, max_quantity=9)
    clock.advance(timedelta(minutes=1))
    again = replace(line, quantity=2, price_when_added=rupees(90), title="Better tea")
    cart = carts.add("user", replace(again, added_at=clock()), max_quantity=9)
    assert cart is not None
    assert cart.lines == (replace(line, quantity=3, title=again.title),)


def test_items_are_sorted_by_the_time_of_adding(carts: Carts, clock: FrozenClock) -> None:
    lines = []
    for product_id in ("b", "a", "c"):
        lines.append(a_line(clock, product_id))
        carts.add("user", lines[-1], max_quantity=9)
        clock.advance(timedelta(seconds=1))
    carts.add("user", lines[0], max_quantity=9)
    cart = carts.find("user")
    assert cart is not None
    assert [line.product_id for line in cart.lines] == ["b", "a", "c"]


def test_an_add_above_the_limit_changes_nothing(carts: Carts, clock: FrozenClock) -> None:
    line = a_line(clock, quantity=2)
    assert carts.add("user", replace(line, quantity=5), max_quantity=4) is None
    assert quantities(carts) == {}
    assert carts.add("user", line, max_quantity=4)
    assert carts.add("user", line, max_quantity=4)
    before = carts.find("user")
    assert carts.add("user", line, max_quantity=4) is None
    assert carts.find("user") == before


def test_a_full_cart_accepts_only_more_of_its_own_items(carts: Carts, clock: FrozenClock) -> None:
    lines = [a_line(clock) for _ in range(MAX_ITEMS)]
    for line in lines:
        assert carts.add("user", line, max_quantity=9)
    assert carts.add("user", a_line(clock), max_quantity=9) is None
    assert carts.add("user", lines[0], max_quantity=9)
    assert len(quantities(carts)) == MAX_ITEMS


def test_a_second_currency_is_refused_until_the_cart_is_empty(
    carts: Carts, clock: FrozenClock
) -> None:
    tea, coffee = a_line(clock), a_line(clock, price=dollars(3))
    carts.add("user", tea, max_quantity=9)
    assert carts.add("user", coffee, max_quantity=9) is None
    carts.remove("user", tea.product_id)
    assert carts.add("user", coffee, max_quantity=9)
    assert quantities(carts) == {coffee.product_id: 1}


def test_a_change_sets_quantity_and_price(carts: Carts, clock: FrozenClock) -> None:
    line = a_line(clock, quantity=5)
    carts.add("user", line, max_quantity=9)
    changed = replace(line, quantity=2, price_when_added=rupees(90))
    cart = carts.change("user", changed, max_quantity=9)
    assert cart is not None
    assert cart.lines == (changed,)


def test_only_items_in_the_cart_can_be_changed_or_removed(carts: Carts, clock: FrozenClock) -> None:
    assert carts.change("user", a_line(clock), max_quantity=9) is None
    assert carts.remove("user", new_id()) is None
    carts.add("user", a_line(clock), max_quantity=9)
    before = carts.find("user")
    assert carts.change("user", a_line(clock), max_quantity=9) is None
    assert carts.remove("user", new_id()) is None
    assert carts.find("user") == before


def test_a_change_above_the_limit_or_in_another_currency_is_refused(
    carts: Carts, clock: FrozenClock
) -> None:
    line = a_line(clock)
    carts.add("user", line, max_quantity=9)
    assert carts.change("user", replace(line, quantity=10), max_quantity=9) is None
    assert carts.change("user", replace(line, price_when_added=dollars(1)), max_quantity=9) is None
    assert quantities(carts) == {line.product_id: 1}


def test_a_cleared_cart_is_empty_and_its_version_increases(
    carts: Carts, clock: FrozenClock
) -> None:
    carts.clear("user")
    assert carts.find("user") is None
    before = carts.add("user", a_line(clock), max_quantity=9)
    carts.clear("user")
    cart = carts.find("user")
    assert before is not None
    assert cart is not None
    assert (cart.lines, cart.currency) == ((), None)
    assert cart.version > before.version


def test_each_customer_has_a_separate_cart(carts: Carts, clock: FrozenClock) -> None:
    carts.add("another customer", a_line(clock), max_quantity=9)
    assert carts.find("user") is None


def test_every_change_extends_the_lifetime_of_the_cart(carts: Carts, clock: FrozenClock) -> None:
    line = a_line(clock)
    carts.add("user", line, max_quantity=9)
    clock.advance(LIFETIME - timedelta(seconds=1))
    cart = carts.change("user", line, max_quantity=9)
    assert cart is not None
    assert cart.expires_at == clock() + LIFETIME


def test_the_items_of_an_expired_cart_do_not_return(carts: Carts, clock: FrozenClock) -> None:
    old = a_line(clock)
    before = carts.add("user", old, max_quantity=9)
    clock.advance(LIFETIME)
    assert carts.change("user", old, max_quantity=9) is None
    assert carts.remove("user", old.product_id) is None
    new = a_line(clock, price=dollars(1))
    cart = carts.add("user", new, max_quantity=9)
    assert before is not None
    assert cart is not None
    assert cart.lines == (new,)
    assert cart.version > before.version


def test_an_order_empties_the_cart_it_read(carts: Carts, clock: FrozenClock, begin: Begin) -> None:
    cart = carts.add("user", a_line(clock), max_quantity=9)
    assert cart is not None
    transaction = begin()
    carts.empty(cart.user_id, cart.version, transaction, Conflict("changed"))
    transaction.commit()
    assert quantities(carts) == {}
    assert carts.add("user", a_line(clock, price=dollars(1)), max_quantity=9)


@pytest.mark.parametrize("change", ["add", "change", "remove", "clear"])
def test_an_order_does_not_empty_a_cart_that_changed_meanwhile(
    carts: Carts, clock: FrozenClock, begin: Begin, change: str
) -> None:
    line = a_line(clock)
    cart = carts.add("user", line, max_quantity=9)
    assert cart is not None
    changes: dict[str, Callable[[], Any]] = {
        "add": lambda: carts.add("user", line, max_quantity=9),
        "change": lambda: carts.change("user", line, max_quantity=9),
        "remove": lambda: carts.remove("user", line.product_id),
        "clear": lambda: carts.clear("user"),
    }
    changes[change]()
    before = carts.find("user")
    transaction = begin()
    carts.empty(cart.user_id, cart.version, transaction, Conflict("changed"))
    with pytest.raises(Conflict, match="changed"):
        transaction.commit()
    assert carts.find("user") == before


@pytest.mark.usefixtures("aws")
def test_a_change_waits_for_the_transaction_that_holds_the_cart(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    carts, line = DynamoCarts(clock), a_line(clock)
    carts.add("user", line, max_quantity=9)
    contend(monkeypatch, times=3)
    assert carts.add("user", line, max_quantity=9)
    assert quantities(carts) == {line.product_id: 2}


@pytest.mark.usefixtures("aws")
def test_a_cart_that_transactions_keep_holding_is_busy(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    carts, line = DynamoCarts(clock), a_line(clock)
    carts.add("user", line, max_quantity=9)
    contend(monkeypatch, times=100)
    with pytest.raises(DomainError, match="Try again"):
        carts.add("user", line, max_quantity=9)
    assert quantities(carts) == {line.product_id: 1}


@pytest.mark.usefixtures("aws")
def test_other_database_errors_are_raised(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(operation: str, _arguments: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, operation)

    monkeypatch.setattr(database().client, "_make_api_call", fail)
    with pytest.raises(TransactWriteError):
        DynamoCarts(clock).remove("user", new_id())


def test_what_an_add_brings_along_happens_with_it_or_prevents_it(
    carts: Carts, begin: Begin, clock: FrozenClock
) -> None:
    line, other = a_line(clock), a_line(clock)
    carts.add("user", line, max_quantity=9)
    version = version_of(carts)

    def empty_another(transaction: Transaction) -> None:
        carts.empty("another", 1, transaction, Conflict("other"))

    carts.add("another", other, max_quantity=9)
    carts.remove("another", other.product_id)
    with pytest.raises(Conflict, match="other"):
        carts.add("user", line, 9, empty_another)
    assert version_of(carts) == version


def version_of(carts: Carts) -> int:
    cart = carts.find("user")
    assert cart
    return cart.version


@pytest.mark.usefixtures("aws")
def test_clearing_waits_for_the_transaction_that_holds_the_cart(clock: FrozenClock) -> None:
    carts = DynamoCarts(clock)
    carts.add("user", a_line(clock), max_quantity=9)
    with held_by_a_transaction("UpdateItem", times=3):
        carts.clear("user")
    assert quantities(carts) == {}


@pytest.mark.usefixtures("aws")
def test_a_change_whose_answer_is_lost_is_applied_once(clock: FrozenClock) -> None:
    carts, line = DynamoCarts(clock), a_line(clock)
    with losing_answers() as lost:
        assert carts.add("user", line, max_quantity=9)
        assert carts.add("user", line, max_quantity=9)
        assert quantities(carts) == {line.product_id: 2}
        assert carts.change("user", line, max_quantity=9)
        assert quantities(carts) == {line.product_id: 1}
        assert carts.remove("user", line.product_id)
        assert quantities(carts) == {}
    assert lost
