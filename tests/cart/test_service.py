"""Use cases of the cart, over carts and a catalogue in memory."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cart.model import LIFETIME, MAX_QUANTITY, Cart, CartLine, PricedCart, Product
from cart.service import BUSY, CartService
from conftest import FrozenClock
from supermarket.clock import new_id
from supermarket.errors import Conflict, DomainError, NotFound, RuleViolated
from supermarket.idempotency import IdempotencyKey
from supermarket.retry import ATTEMPTS
from supermarket.transaction import AddWrites, add_nothing
from support.cart import InMemoryCarts, InMemoryCatalogue, dollars, rupees
from support.in_memory import InMemoryIdempotencyKeys


@pytest.fixture
def catalogue() -> InMemoryCatalogue:
    return InMemoryCatalogue()


@pytest.fixture
def carts(clock: FrozenClock) -> InMemoryCarts:
    return InMemoryCarts(clock)


@pytest.fixture
def service(carts: InMemoryCarts, catalogue: InMemoryCatalogue, clock: FrozenClock) -> CartService:
    return CartService(carts, catalogue, clock, InMemoryIdempotencyKeys(clock))


def shown(cart: PricedCart) -> dict[str, int]:
    return {priced.line.product_id: priced.line.quantity for priced in cart.lines}


def test_getting_a_missing_cart_returns_an_empty_one_and_stores_nothing(
    service: CartService, carts: InMemoryCarts
) -> None:
    assert service.get_cart("user").lines == ()
    assert carts.find("user") is None


def test_a_product_is_added_and_shown_with_its_price(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell(price=rupees(120))
    cart = service.add("user", tea.id, 2)
    assert shown(cart) == {tea.id: 2}
    assert cart.price == rupees(240)
    assert service.get_cart("user") == cart


def test_an_add_reads_each_product_once(service: CartService, catalogue: InMemoryCatalogue) -> None:
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
    [(0, 1, "Sold out"), (3, 4, "Only 3 left"), (500, MAX_QUANTITY + 1, "at most 99")],
)
def test_a_quantity_that_is_too_high_is_refused_with_the_reason(
    service: CartService, catalogue: InMemoryCatalogue, stock: int, quantity: int, message: str
) -> None:
    tea = catalogue.sell(stock=stock)
    with pytest.raises(Conflict, match=message):
        service.add("user", tea.id, quantity)
    assert shown(service.get_cart("user")) == {}


def test_the_quantity_in_the_cart_counts_towards_the_limit(
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


def test_adding_more_at_another_price_shows_both_prices(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell(price=rupees(100))
    service.add("user", tea.id, 2)
    catalogue.reprice(tea, rupees(120))
    [line] = service.add("user", tea.id, 1).lines
    assert (line.line.quantity, line.line_total) == (3, rupees(360))
    assert line.notice is not None
    assert "was 100.00 INR and is now 120.00 INR" in line.notice
    assert service.change("user", tea.id, 3).lines[0].notice is None


def test_setting_the_quantity_accepts_the_present_price(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell(price=rupees(100))
    service.add("user", tea.id, 1)
    catalogue.reprice(tea, rupees(110))
    assert service.get_cart("user").lines[0].notice is not None
    assert service.get_cart("user").lines[0].notice is not None, "getting the cart accepts nothing"
    assert service.change("user", tea.id, 1).lines[0].notice is None
    assert service.stored_cart("user").lines[0].price_when_added == rupees(110)


def test_a_product_that_is_not_in_the_cart_can_be_neither_changed_nor_removed(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell()
    with pytest.raises(NotFound):
        service.change("user", tea.id, 1)
    with pytest.raises(NotFound):
        service.change("user", tea.id, 100)
    with pytest.raises(NotFound):
        service.remove("user", tea.id)


def test_a_product_that_is_off_sale_can_be_removed(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell()
    service.add("user", tea.id, 1)
    catalogue.withdraw(tea)
    cart = service.get_cart("user")
    assert (cart.lines[0].available, cart.price) == (False, rupees(0))
    assert service.remove("user", tea.id).lines == ()


def test_a_cleared_cart_is_empty(service: CartService, catalogue: InMemoryCatalogue) -> None:
    service.add("user", catalogue.sell().id, 1)
    assert service.clear("user").lines == ()
    assert service.get_cart("user").lines == ()


def test_an_expired_cart_counts_as_empty(
    service: CartService, catalogue: InMemoryCatalogue, clock: FrozenClock
) -> None:
    tea, rice = catalogue.sell(), catalogue.sell()
    service.add("user", tea.id, 1)
    clock.advance(LIFETIME - timedelta(seconds=1))
    assert shown(service.get_cart("user")) == {tea.id: 1}
    clock.advance(timedelta(seconds=1))
    assert service.stored_cart("user").lines == ()
    assert shown(service.add("user", rice.id, 1)) == {rice.id: 1}


class RefusesAtFirst(InMemoryCarts):
    """Refuses the first adds, as if another change had forbidden them and was undone since."""

    refusals = 0

    def add(
        self, user_id: str, line: CartLine, max_quantity: int, also: AddWrites = add_nothing
    ) -> Cart | None:
        if self.refusals:
            self.refusals -= 1
            return None
        return super().add(user_id, line, max_quantity, also)


@pytest.mark.parametrize(
    ("refusals", "succeeds"), [(1, True), (ATTEMPTS - 1, True), (ATTEMPTS, False)]
)
def test_an_add_is_retried_when_the_reason_of_its_refusal_has_ended(
    catalogue: InMemoryCatalogue, clock: FrozenClock, refusals: int, succeeds: bool
) -> None:
    carts = RefusesAtFirst(clock)
    carts.refusals = refusals
    service = CartService(carts, catalogue, clock, InMemoryIdempotencyKeys(clock))
    tea = catalogue.sell()
    if succeeds:
        assert shown(service.add("user", tea.id, 1)) == {tea.id: 1}
    else:
        with pytest.raises(Conflict, match=BUSY):
            service.add("user", tea.id, 1)


KEY = IdempotencyKey.of("add_cart_item", "user", "key-1", b"{}")


def test_the_same_key_adds_once_and_another_one_again(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell()
    first = service.add("user", tea.id, 2, KEY)
    assert service.add("user", tea.id, 2, KEY) == first
    assert shown(first) == {tea.id: 2}
    other = IdempotencyKey.of("add_cart_item", "user", "key-2", b"{}")
    assert shown(service.add("user", tea.id, 2, other)) == {tea.id: 4}


def test_a_key_of_another_request_is_refused(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea = catalogue.sell()
    service.add("user", tea.id, 2, KEY)
    with pytest.raises(RuleViolated):
        service.add("user", tea.id, 3, IdempotencyKey(KEY.scope, "another body"))
    assert shown(service.get_cart("user")) == {tea.id: 2}


def test_two_requests_with_one_key_at_the_same_time_add_once(
    catalogue: InMemoryCatalogue, clock: FrozenClock
) -> None:
    class WithFasterCopy(InMemoryCarts):
        """Another copy of the request is committed right before the first add."""

        overtake = True

        def add(
            self, user_id: str, line: CartLine, max_quantity: int, also: AddWrites = add_nothing
        ) -> Cart | None:
            if self.overtake:
                self.overtake = False
                copies.append(service.add(user_id, line.product_id, line.quantity, KEY))
            return super().add(user_id, line, max_quantity, also)

    copies: list[PricedCart] = []
    service = CartService(WithFasterCopy(clock), catalogue, clock, InMemoryIdempotencyKeys(clock))
    tea = catalogue.sell(stock=3)
    assert service.add("user", tea.id, 2, KEY) == copies[0]
    assert shown(copies[0]) == {tea.id: 2}


class CartOfOneCustomer(RuleBasedStateMachine):
    """After any sequence of changes the cart keeps its rules and equals a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue = InMemoryCatalogue()
        self.products = [
            self.catalogue.sell(5),
            self.catalogue.sell(200),
            self.catalogue.sell(50, dollars(1)),
        ]
        clock = FrozenClock()
        keys = InMemoryIdempotencyKeys(clock)
        self.service = CartService(InMemoryCarts(clock), self.catalogue, clock, keys)
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
    def has_the_expected_items(self) -> None:
        assert shown(self.service.get_cart("user")) == self.expected

    @invariant()
    def keeps_its_rules(self) -> None:
        lines = self.service.stored_cart("user").lines
        assert all(line.quantity <= self.stock_of(line) for line in lines)
        assert all(line.quantity <= MAX_QUANTITY for line in lines)
        assert len({line.price_when_added.currency for line in lines}) <= 1

    def stock_of(self, line: CartLine) -> int:
        return self.catalogue.stock_of(line.product_id)


TestCartOfOneCustomer = CartOfOneCustomer.TestCase


def test_two_customers_do_not_share_a_cart(
    service: CartService, catalogue: InMemoryCatalogue
) -> None:
    tea: Product = catalogue.sell()
    service.add("one", tea.id, 1)
    assert service.get_cart("another").lines == ()
