"""A seller who may sell nothing has no products in the shop, in whatever order that is learned."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.model import StockRequest
from inventory.service import LinesUnavailable
from inventory.wiring import inventory_service
from product import listeners, streams, visibility, wiring
from product.gateways import InventoryStock
from product.model import Draft, Filters, Product, Selection, SellerDecision, StockChange
from product.visibility import SellerVisibility
from supermarket.caller import Caller, Role
from supermarket.clock import new_id, utc_now
from supermarket.contracts import Metadata, UserStandingChanged
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import NotFound, RetryLater
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction
from support.api import a_caller
from support.product import InMemorySellers, Shop
from support.streams import records_of

RICE = Draft(title="Rice", price=Money(100, Currency.INR), stock=2)
METADATA = Metadata(event_id=new_id(), version=1, occurred_at=utc_now(), correlation_id="request")


class CrashError(Exception):
    """The process ends."""


def always() -> bool:
    return True


@dataclass
class Market:
    """A shop with a seller's products, and what carries out decisions about the seller."""

    shop: Shop = field(default_factory=lambda: Shop(utc_now))
    seller: Caller = field(default_factory=lambda: a_caller(Role.SELLER))
    sellers: InMemorySellers = field(default_factory=InMemorySellers)
    commits_left: int = 1_000

    def create(self) -> Product:
        return self.shop.service.create(RICE, [], self.seller)

    def begin(self) -> Transaction:
        if self.commits_left == 0:
            raise CrashError
        self.commits_left -= 1
        return self.shop.outbox.begin()

    def deliver(
        self, revision: int, *, hidden: bool, has_time: Callable[[], bool] = always
    ) -> None:
        stock = InventoryStock(self.shop.inventory.service)
        service = SellerVisibility(self.sellers, self.shop.products, stock, self.begin)
        decision = SellerDecision(self.seller.user_id, revision, is_hidden=hidden)
        service.carry_out(decision, has_time)

    def finish(self, revision: int, *, hidden: bool) -> int:
        """Deliver a decision until it is carried out; returns how often."""
        for attempt in range(100):
            try:
                self.deliver(revision, hidden=hidden)
            except RetryLater:
                continue
            return attempt + 1
        raise AssertionError("it never ends")

    def on_sale(self) -> set[str]:
        """The products that can be found and bought; both must agree."""
        listed = {
            each.id for each in self.shop.service.list_products(Selection(), None, 100).products
        }
        found = self.shop.service.list_products(Selection(text="rice"), None, 100).products
        level_of = self.shop.inventory.service.get_level
        own = self.shop.products.list_by_seller(self.seller.user_id, None, 100).products
        offered = {each.id for each in own if level_of(each.id).offer.is_on_sale}
        assert listed == {each.id for each in found} == offered
        return listed


HOW = st.sampled_from(["all", "one page", "crash", "overtaken"])
DELIVERIES = st.lists(st.tuples(st.integers(0, 4), HOW, st.integers(0, 4)), max_size=12)


@settings(max_examples=60)
@given(
    decisions=st.lists(st.booleans(), min_size=1, max_size=5),
    deliveries=DELIVERIES,
    last=st.randoms(use_true_random=False),
)
def test_the_last_decision_counts_however_the_events_arrive(
    decisions: list[bool], deliveries: list[tuple[int, str, int]], last: object
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visibility, "PRODUCTS_PER_PAGE", 2)
        market = Market()
        products = {market.create().id for _ in range(5)}
        revisions = range(1, len(decisions) + 1)

        def deliver(number: int, has_time: Callable[[], bool] = always) -> None:
            revision = number % len(decisions)
            with suppress(RetryLater, CrashError):
                hidden = decisions[revision]
                market.deliver(revision + 1, hidden=hidden, has_time=has_time)

        for number, how, other in deliveries:
            market.commits_left = other if how == "crash" else 1_000
            if how == "overtaken":
                market.shop.products.meanwhile = partial(deliver, other)
            deliver(number, (lambda: False) if how == "one page" else always)
        market.shop.products.meanwhile = lambda: None
        market.commits_left = 1_000
        order = list(revisions)
        last.shuffle(order)  # type: ignore[attr-defined]
        for revision in order:
            market.finish(revision, hidden=decisions[revision - 1])
        assert market.on_sale() == (set() if decisions[-1] else products)


def test_an_attempt_continues_where_the_last_one_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visibility, "PRODUCTS_PER_PAGE", 2)
    market = Market()
    for _ in range(5):
        market.create()
    for left in (3, 1):
        with pytest.raises(RetryLater):
            market.deliver(1, hidden=True, has_time=lambda: False)
        assert len(market.on_sale()) == left
    assert market.finish(1, hidden=True) == 2
    assert market.on_sale() == set()
    market.shop.products.meanwhile = pytest.fail
    assert market.finish(1, hidden=True) == 1, "nothing is done again"


def test_a_product_that_was_being_created_is_hidden_in_the_second_round() -> None:
    market = Market()
    market.create()
    with pytest.raises(RetryLater) as later:
        market.deliver(1, hidden=True)
    assert later.value.wait == visibility.PAUSE
    assert len({market.create().id} & market.on_sale()) == 1
    market.deliver(1, hidden=True)
    assert market.on_sale() == set()


def test_a_change_at_the_same_time_does_not_show_a_hidden_product() -> None:
    market = Market()
    product = market.create()

    def count_the_shelf() -> None:
        market.shop.service.change_stock(product.id, StockChange(counted=9), market.seller)

    market.shop.products.meanwhile = count_the_shelf
    with pytest.raises(RetryLater):
        market.deliver(1, hidden=True)
    assert market.on_sale() == set()
    with pytest.raises(NotFound):
        market.shop.service.update(product.id, {"title": "Brown rice"}, [], market.seller)


def test_products_of_other_sellers_stay() -> None:
    market = Market()
    own = market.create()
    other = market.shop.service.create(RICE, [], a_caller(Role.SELLER))
    market.finish(1, hidden=True)
    assert set(market.shop.service.find_many([own.id, other.id])) == {other.id}


def an_event(
    seller: Caller, status: str, revision: int, role: str = "seller"
) -> UserStandingChanged:
    values = {"user_id": seller.user_id, "role": role, "status": status, "revision": revision}
    return UserStandingChanged.model_validate(values)


def handle(event: UserStandingChanged) -> None:
    """Handle an event until it is done, as its queue has it done."""
    for _ in range(3):
        with suppress(RetryLater):
            listeners.hide_or_show_products(event, METADATA)
            return
    raise AssertionError("it never ends")


def shown(seller: Caller) -> list[set[str]]:
    """The ids in the lists of the shop, a category and prices, and in a search."""
    service = wiring.product_service()
    filters = (Filters(), Filters(category="grains"), Filters(currency=Currency.INR, lowest=1))
    selections = [*map(Selection, filters), Selection(text="basmati")]
    pages = [service.list_products(each, None, 100).products for each in selections]
    return [{each.id for each in page if each.seller.user_id == seller.user_id} for page in pages]


@pytest.mark.usefixtures("aws")
def test_products_vanish_from_all_lists_and_come_back_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(visibility, "PRODUCTS_PER_PAGE", 2)
    service, seller = wiring.product_service(), a_caller(Role.SELLER)
    draft = replace(RICE, title="Basmati rice", category="Grains")
    ids = {service.create(draft, [], seller).id for _ in range(5)}
    product = service.get_product(min(ids))
    order_id = new_id()
    request = StockRequest(product.id, product.price, 2)
    inventory_service().commit_reserving(order_id, [request], DynamoTransaction)

    handle(an_event(seller, "suspended", 1))
    assert shown(seller) == [set()] * 4
    assert service.find_many(ids) == {}
    with pytest.raises(LinesUnavailable):
        inventory_service().commit_reserving(new_id(), [request], DynamoTransaction)
    transaction = DynamoTransaction()
    inventory_service().release(order_id, transaction)  # the customer cancels an open order
    transaction.commit()
    batch = {"Records": records_of("inventory", "bucket#")}
    assert streams.watch_stock(batch, None) == {"batchItemFailures": []}

    handle(an_event(seller, "active", 2))
    handle(an_event(seller, "suspended", 1))
    assert shown(seller) == [ids] * 4
    after = service.find_many(ids)
    assert {each.title for each in after.values()} == {"Basmati rice"}
    assert after[product.id].shown.in_stock
    assert {(each.stock, each.is_hidden) for each in after.values()} == {(2, False)}


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("status", "role", "sells"),
    [
        ("active", "seller", True),
        ("active", "admin", True),
        ("active", "user", False),
        ("pending", "seller", False),
        ("suspended", "admin", False),
    ],
)
def test_who_sells_nothing_has_no_products(status: str, role: str, sells: bool) -> None:
    service, seller = wiring.product_service(), a_caller(Role.SELLER)
    product = service.create(RICE, [], seller)
    handle(an_event(seller, status, 1, role))
    assert (product.id in service.find_many([product.id])) is sells
