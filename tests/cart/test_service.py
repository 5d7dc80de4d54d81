"""Use cases of the cart, over carts and a catalogue in memory."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cart.model import LIFETIME, MAX_QUANTITY, Cart, CartLine, PricedCart
from cart.service import BUSY, CartService
from conftest import FrozenClock
from supermarket.clock import new_id
from supermarket.errors import Conflict, DomainError, NotFound
from support.cart import AProduct, InMemoryCarts, InMemoryCatalogue, dollars, rupees


@pytest.fixture
def catalogue() -> InMemoryCatalogue:
    return InMemoryCatalogue()


@pytest.fixture
def carts(clock: FrozenClock) -> InMemoryCarts:
    return InMemoryCarts(clock)


@pytest.fixture
def service(carts: InMemoryCarts, catalogue: InMemoryCatalogue, clock: FrozenClock) -> CartService:
    return CartService(carts, catalogue, clock)


def shown(cart: PricedCart) -> dict[str, int]:
    return {priced.line.product_id: priced.line.quantity for priced in cart.lines}


def test_looking_at_a_cart_that_is_not_there_shows_an_empty_one_and_makes_none(
    service: CartService, carts: InMemoryCarts
) -> None:
    assert service.look("user").lines == ()
    assert carts.find("user") is None


def test_a_product_is_added_and_shown_with_its_price(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell(price=rupees(120))
    cart = service.add("user", tea.id, 2)
    assert shown(cart) == {tea.id: 2}
    assert cart.price == rupees(240)
    assert service.look("user") == cart


def test_an_add_asks_for_each_product_once(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea, rice, salt = catalogue.sell(), catalogue.sell(), catalogue.sell()
    service.add("user", tea.id, 1)
    assert catalogue.reads == [[tea.id]]
    service.add("user", rice.id, 1)
    catalogue.reads.clear()
    service.add("user", salt.id, 1)
    assert [sorted(read) for read in catalogue.reads] == [[salt.id], sorted([tea.id, rice.id])]


def test_an_unknown_or_withdrawn_product_cannot_be_added(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell()
    catalogue.withdraw(tea)
    for product_id in (tea.id, new_id(), "../../etc"):
        with pytest.raises(NotFound):
            service.add("user", product_id, 1)


@pytest.mark.parametrize(
    ("stock", "quantity", "message"),
    [(0, 1, "sold out"), (3, 4, "Only 3 left"), (500, MAX_QUANTITY + 1, "at most 99")],
)
def test_more_than_can_be_had_is_refused_with_the_reason(
    service: CartService, catalogue: InMemoryCatalogue, stock: int, quantity: int, message: str
) -> None:
    tea = catalogue.sell(stock=stock)
    with pytest.raises(Conflict, match=message):
        service.add("user", tea.id, quantity)
    assert shown(service.look("user")) == {}


def test_what_is_in_the_cart_already_counts(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell(stock=5)
    service.add("user", tea.id, 4)
    with pytest.raises(Conflict, match="Only 5 left"):
        service.add("user", tea.id, 2)
    assert shown(service.change("user", tea.id, 5)) == {tea.id: 5}
    with pytest.raises(Conflict, match="Only 5 left"):
        service.change("user", tea.id, 6)


def test_a_second_currency_is_refused(service: CartService, catalogue: InMemoryCatalogue) -> None:
    service.add("user", catalogue.sell(price=rupees(10)).id, 1)
    with pytest.raises(Conflict, match="INR"):
        service.add("user", catalogue.sell(price=dollars(10)).id, 1)


def test_setting_the_quantity_accepts_the_present_price(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell(price=rupees(100))
    service.add("user", tea.id, 1)
    catalogue.reprice(tea, rupees(110))
    assert service.look("user").lines[0].notice is not None
    assert service.look("user").lines[0].notice is not None, "looking accepts nothing"
    assert service.change("user", tea.id, 1).lines[0].notice is None
    assert service.contents("user").lines[0].price_when_added == rupees(110)


def test_what_is_not_in_the_cart_can_be_neither_changed_nor_removed(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell()
    with pytest.raises(NotFound):
        service.change("user", tea.id, 1)
    with pytest.raises(NotFound):
        service.change("user", tea.id, 100)
    with pytest.raises(NotFound):
        service.remove("user", tea.id)


def test_what_is_gone_can_still_be_removed(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell()
    service.add("user", tea.id, 1)
    catalogue.withdraw(tea)
    gone = service.look("user")
    assert (gone.lines[0].available, gone.price) == (False, rupees(0))
    assert service.remove("user", tea.id).lines == ()


def test_a_cleared_cart_is_empty(service: CartService, catalogue: InMemoryCatalogue) -> None:
    service.add("user", catalogue.sell().id, 1)
    assert service.clear("user").lines == ()
    assert service.look("user").lines == ()


def test_an_expired_cart_is_as_good_as_gone(
    service: CartService, catalogue: InMemoryCatalogue, clock: FrozenClock
) -> None:
    tea, rice = catalogue.sell(), catalogue.sell()
    service.add("user", tea.id, 1)
    clock.advance(LIFETIME - timedelta(seconds=1))
    assert shown(service.look("user")) == {tea.id: 1}
    clock.advance(timedelta(seconds=1))
    assert service.contents("user").lines == ()
    assert shown(service.add("user", rice.id, 1)) == {rice.id: 1}


class RefusesAtFirst(InMemoryCarts):
    """As if another change stood in the way, and was undone before anybody could look."""

    refusals = 0

    def add(self, user_id: str, line: CartLine, at_most: int) -> Cart | None:
        if self.refusals:
            self.refusals -= 1
            return None
        return super().add(user_id, line, at_most)


@pytest.mark.parametrize(("refusals", "succeeds"), [(1, True), (4, True), (5, False)])
def test_an_add_that_was_refused_for_a_reason_that_is_gone_is_tried_again(
    catalogue: InMemoryCatalogue, clock: FrozenClock, refusals: int, succeeds: bool
) -> None:
    carts = RefusesAtFirst(clock)
    carts.refusals = refusals
    service, tea = CartService(carts, catalogue, clock), catalogue.sell()
    if succeeds:
        assert shown(service.add("user", tea.id, 1)) == {tea.id: 1}
    else:
        with pytest.raises(Conflict, match=BUSY):
            service.add("user", tea.id, 1)


class CartOfOneCustomer(RuleBasedStateMachine):
    """Whatever is done to a cart and its products, it keeps its rules and matches a simple list."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue = InMemoryCatalogue()
        self.products = [
            self.catalogue.sell(5),
            self.catalogue.sell(200),
            self.catalogue.sell(50, dollars(1)),
        ]
        clock = FrozenClock()
        self.service = CartService(InMemoryCarts(clock), self.catalogue, clock)
        self.expected: dict[str, int] = {}

    def attempt(self, change: Callable[[], PricedCart], expected: dict[str, int]) -> None:
        try:
            assert shown(change()) == expected
        except DomainError:
            return
        self.expected = expected

    @rule(index=st.integers(0, 2), quantity=st.integers(1, 120))
    def add(self, index: int, quantity: int) -> None:
        product = self.products[index]
        total = self.expected.get(product.id, 0) + quantity
        self.attempt(
            lambda: self.service.add("user", product.id, quantity),
            {**self.expected, product.id: total},
        )

    @rule(index=st.integers(0, 2), quantity=st.integers(1, 120))
    def change(self, index: int, quantity: int) -> None:
        product = self.products[index]
        self.attempt(
            lambda: self.service.change("user", product.id, quantity),
            {**self.expected, product.id: quantity},
        )

    @rule(index=st.integers(0, 2))
    def remove(self, index: int) -> None:
        left = {**self.expected}
        left.pop(self.products[index].id, None)
        self.attempt(lambda: self.service.remove("user", self.products[index].id), left)

    @rule()
    def clear(self) -> None:
        self.attempt(lambda: self.service.clear("user"), {})

    @invariant()
    def holds_what_was_put_in(self) -> None:
        assert shown(self.service.look("user")) == self.expected

    @invariant()
    def keeps_its_rules(self) -> None:
        lines = self.service.contents("user").lines
        assert all(line.quantity <= self.stock_of(line) for line in lines)
        assert all(line.quantity <= MAX_QUANTITY for line in lines)
        assert len({line.price_when_added.currency for line in lines}) <= 1

    def stock_of(self, line: CartLine) -> int:
        return self.catalogue.stock_of(line.product_id)


TestCartOfOneCustomer = CartOfOneCustomer.TestCase


def test_two_customers_do_not_share_a_cart(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea: AProduct = catalogue.sell()
    service.add("one", tea.id, 1)
    assert service.look("another").lines == ()
