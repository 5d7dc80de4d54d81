"""Any history of stock: on hand, reserved, movements and orders agree after every step.

An operation begins, reads and collects its writes, and is committed later, or never: so operations
overlap in every way, and a crash before the commit is an operation that is never committed. One
after the commit loses only the answer.
"""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from inventory.model import BucketChange, Offer, StockRequest
from inventory.repository import DynamoMovements, DynamoReservations, DynamoStockLevels
from inventory.service import InventoryService, LevelChanged, LinesUnavailable
from inventory.wiring import bucket_change
from supermarket.clock import new_id, utc_now
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.streams import Change
from supermarket.transaction import Transaction
from support.cloud import aws_in_memory
from support.in_memory import InMemoryOutbox
from support.inventory import OFFER, inventory_in_memory
from support.streams import records_of

SELLER = "seller"
AMOUNTS = st.integers(0, 60)
QUANTITIES = st.integers(1, 12)
PLACES = st.integers(0, 1_000)


class NotYetError(Exception):
    """The commit is left to a later step."""


@dataclass
class Pending:
    """An operation that has read and is not committed, and its effect on the model."""

    commit: Callable[[], None]
    take_effect: Callable[[], None]


class Histories(RuleBasedStateMachine):
    """One product; the model knows what is on hand and what each order holds."""

    service: InventoryService
    begin: Callable[[], Transaction]
    delivered: Callable[[], list[BucketChange]]

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.start()
        self.product_id = new_id()
        self.on_hand = 0
        self.holds: dict[str, int] = {}
        self.closed: list[str] = []
        self.price = OFFER.price
        self.pending: list[Pending] = []
        self.recorded = 0

    @abstractmethod
    def start(self) -> None:
        """Make the service."""

    @property
    def reserved(self) -> int:
        return sum(self.holds.values())

    @property
    def available(self) -> int:
        return max(0, self.on_hand - self.reserved)

    @initialize(on_hand=AMOUNTS)
    def a_product_is_created(self, on_hand: int) -> None:
        transaction = self.begin()
        self.service.open(self.product_id, on_hand, Offer(self.price), SELLER, transaction)
        transaction.commit()
        self.on_hand = on_hand

    @rule(quantity=QUANTITIES)
    def an_order_is_placed(self, quantity: int) -> None:
        order_id = new_id()
        request = StockRequest(self.product_id, self.price, quantity)
        try:
            self.service.commit_reserving(order_id, [request], self.begin)
        except LinesUnavailable:
            assert quantity > self.available
            return
        assert quantity <= self.available
        self.holds[order_id] = quantity

    @rule(quantity=QUANTITIES)
    def an_order_begins(self, quantity: int) -> None:
        order_id = new_id()

        def prepare() -> Transaction:
            transaction = self.begin()
            commits.append(transaction.commit)
            transaction.commit = wait  # type: ignore[method-assign] # the commit is a later step
            return transaction

        def wait() -> None:
            raise NotYetError

        commits: list[Callable[[], None]] = []
        request = StockRequest(self.product_id, self.price, quantity)
        try:
            self.service.commit_reserving(order_id, [request], prepare)
        except LinesUnavailable:
            assert quantity > self.available
        except NotYetError:

            def take_effect() -> None:
                assert quantity <= self.available, "nothing is sold twice"
                self.holds[order_id] = quantity

            self.pending.append(Pending(commits[-1], take_effect))

    @precondition(lambda self: self.holds or self.closed)
    @rule(place=PLACES, ships=st.booleans(), now=st.booleans())
    def an_order_is_closed(self, place: int, ships: bool, now: bool) -> None:
        """Cancel, expire or ship an order, perhaps one that was closed before."""
        known = [*self.holds, *self.closed]
        order_id = known[place % len(known)]
        transaction = self.begin()
        close = self.service.ship if ships else self.service.release
        try:
            close(order_id, transaction)
        except StaleWrite:
            assert order_id in self.closed
            return

        def take_effect() -> None:
            quantity = self.holds.pop(order_id)
            self.closed.append(order_id)
            self.on_hand -= quantity if ships else 0

        self._do(Pending(transaction.commit, take_effect), now)

    @rule(counted=AMOUNTS, now=st.booleans())
    def the_shelf_is_counted(self, counted: int, now: bool) -> None:
        transaction = self.begin()
        self.service.count(self.product_id, counted, SELLER, transaction)
        self._do(Pending(transaction.commit, lambda: self._set(counted)), now)

    @rule(added=st.integers(-30, 60), now=st.booleans())
    def stock_is_added(self, added: int, now: bool) -> None:
        transaction = self.begin()
        try:
            self.service.add(self.product_id, added, SELLER, transaction)
        except Conflict:
            assert -added > self.available
            return
        self._do(Pending(transaction.commit, lambda: self._set(self.on_hand + added)), now)

    @rule(now=st.booleans(), minor=st.integers(1, 3))
    def the_price_changes(self, now: bool, minor: int) -> None:
        price = Money(minor, Currency.INR)
        transaction = self.begin()
        self.service.change_offer(self.product_id, Offer(price), SELLER, transaction)
        if price != self.price:
            self._do(Pending(transaction.commit, lambda: setattr(self, "price", price)), now)

    @rule()
    def the_product_is_split(self) -> None:
        self.service.split(self.product_id)

    @precondition(lambda self: self.pending)
    @rule(place=PLACES)
    def a_pending_operation_is_committed(self, place: int) -> None:
        operation = self.pending.pop(place % len(self.pending))
        try:
            operation.commit()
        except (StaleWrite, LevelChanged):
            return
        operation.take_effect()

    @rule(back=st.integers(0, 5), crashes=st.booleans())
    def the_stream_delivers(self, back: int, crashes: bool) -> None:
        """Record what is new, and some of it again; after a crash all of it comes again."""
        changes = self.delivered()
        self._deliver(changes[max(0, self.recorded - back) :])
        if not crashes:
            self.recorded = len(changes)

    @invariant()
    def stock_agrees_with_the_orders(self) -> None:
        level = self.service.levels.find_many([self.product_id]).get(self.product_id)
        if level is None:
            return
        assert (level.on_hand, level.reserved) == (self.on_hand, self.reserved)
        assert level.available == self.available
        assert level.offer.price == self.price
        assert all(each.available == each.on_hand - each.reserved for each in level.buckets)
        assert all(each.reserved >= 0 for each in level.buckets)

    @invariant()
    def each_open_order_holds_its_reservation(self) -> None:
        for order_id, quantity in self.holds.items():
            reservation = self.service.reservations.find(order_id)
            assert reservation is not None
            assert sum(reservation.quantities[self.product_id].values()) == quantity
        for order_id in self.closed:
            assert self.service.reservations.find(order_id) is None

    def teardown(self) -> None:
        """Compare the movements and the total, once all are recorded, with the stock."""
        self._deliver(self.delivered()[self.recorded :])
        totals = self.service.find_totals([self.product_id]).values()
        assert {each.available for each in totals} <= {self.available}
        movements = self.service.list_movements(self.product_id, None, 1_000).movements
        assert sum(each.on_hand for each in movements) == self.on_hand
        assert sum(each.reserved for each in movements) == self.reserved
        for order_id in self.closed:
            assert sum(each.reserved for each in movements if each.by == order_id) == 0
        for order_id, quantity in self.holds.items():
            assert sum(each.reserved for each in movements if each.by == order_id) == quantity
        self.open.close()

    def _do(self, operation: Pending, now: bool) -> None:
        if now:
            operation.commit()  # nothing overtakes it
            operation.take_effect()
        else:
            self.pending.append(operation)

    def _deliver(self, changes: list[BucketChange]) -> None:
        self.service.record(changes)
        if changes:
            self.service.changed_level(changes)

    def _set(self, on_hand: int) -> None:
        self.on_hand = on_hand


class HistoriesInMemory(Histories):
    """The ports in memory."""

    def start(self) -> None:
        outbox = InMemoryOutbox()
        memory = inventory_in_memory(outbox)
        places = iter(range(1_000_000))
        self.service = replace(memory.service, choose=lambda below: next(places) % below)
        self.begin = outbox.begin
        self.delivered = lambda: memory.levels.changes


class HistoriesInDynamo(Histories):
    """The ports in DynamoDB."""

    def start(self) -> None:
        self.open.enter_context(aws_in_memory())
        places = iter(range(1_000_000))
        self.begin = DynamoTransaction
        self.service = InventoryService(
            levels=DynamoStockLevels(),
            reservations=DynamoReservations(),
            movements=DynamoMovements(),
            begin=DynamoTransaction,
            choose=lambda below: next(places) % below,
            pause=lambda _: None,
            request_id=lambda: "request",
            clock=utc_now,
        )

    def delivered(self) -> list[BucketChange]:
        records = records_of("inventory", "bucket#")
        return [bucket_change(Change.from_record(record)) for record in records]


TestHistoriesInMemory = HistoriesInMemory.TestCase
TestHistoriesInMemory.settings = settings(max_examples=150, stateful_step_count=40)
TestHistoriesInDynamo = HistoriesInDynamo.TestCase
TestHistoriesInDynamo.settings = settings(max_examples=6, stateful_step_count=25)
