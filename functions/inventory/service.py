"""Use cases of stock: open, reserve, release, ship, count, add, split, and list movements."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from inventory.model import (
    INTERNAL,
    Bucket,
    BucketChange,
    Cause,
    Movement,
    MovementKind,
    MovementPage,
    Offer,
    OutOfStock,
    Reservation,
    StockLevel,
    StockRequest,
)
from inventory.ports import Movements, Reservations, StockLevels
from supermarket.clock import Clock
from supermarket.errors import Busy, Conflict, FieldError, NotFound, Unavailable
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction, Transaction

# benchmarks/flash_sale.py simulates these numbers
ATTEMPTS = 14
LAST_DOUBLED_PAUSE = 4  # of up to 0.32 seconds
CONFLICTS_PER_SPLIT = 8
SPLIT_ATTEMPTS = 6
MAX_PARTS = 90  # buckets of one order: DynamoDB allows 100 writes in a transaction
CHANGED = "The stock changed at the same time. Try again."
UNAVAILABLE = "Some items are not available as shown. Nothing was ordered."
BUSY = "Many customers are ordering this product right now. Try again in a moment."


class LinesUnavailable(Conflict):
    """Some lines cannot be reserved as they are; there is a field error for each."""

    code = "ITEMS_UNAVAILABLE"


class OrderTooLarge(Conflict):
    """The lines need more writes than one transaction may have."""

    code = "ORDER_TOO_LARGE"


class LevelChanged(StaleWrite):
    """Stock was sold, or the offer changed, between the read and the write: read it again."""


class StockBusy(Busy):
    """Other transactions hold a bucket of this product."""

    def __init__(self, product_id: str) -> None:
        super().__init__(BUSY)
        self.product_id = product_id


@dataclass(frozen=True)
class InventoryService:
    """The use cases of stock. `choose` returns a random number below its argument, `pause` waits
    after a failed attempt (numbered from 0), and `request_id` is the id of the present request.
    """

    levels: StockLevels
    reservations: Reservations
    movements: Movements
    begin: BeginTransaction
    choose: Callable[[int], int]
    pause: Callable[[int], None]
    request_id: Callable[[], str]
    clock: Clock

    def plan(self, product_ids: Iterable[str]) -> None:
        """Read the levels together with the next read."""
        self.levels.plan(product_ids)

    def find_many(self, product_ids: Iterable[str]) -> Mapping[str, StockLevel]:
        """Return the levels of the products by their ids, in one consistent read, for display: what
        changes them next in this request need not read them again.
        """
        return self.levels.find_many(product_ids, keep=True)

    def find_totals(self, product_ids: Iterable[str]) -> Mapping[str, StockLevel]:
        """Return the levels for a list, in two reads of at most one item for each product. What is
        available of a product with several buckets is a moment old; what is on hand and reserved is
        as of an earlier change.
        """
        return self.levels.find_totals(product_ids)

    def get_level(self, product_id: str) -> StockLevel:
        """Return the level of a product. Raises NotFound."""
        level = self.levels.find_many([product_id]).get(product_id)
        if level is None:
            raise NotFound("Product not found")
        return level

    def open(
        self, product_id: str, on_hand: int, offer: Offer, seller_id: str, transaction: Transaction
    ) -> None:
        """Store the first stock of a new product."""
        bucket = Bucket(number=0, on_hand=on_hand, reserved=0, available=on_hand)
        cause = self._cause(MovementKind.OPENED, seller_id)
        self.levels.open(StockLevel(product_id, offer, (bucket,)), cause, transaction)

    def change_offer(
        self, product_id: str, offer: Offer, changed_by: str, transaction: Transaction
    ) -> None:
        """Store another price or threshold, or that the product was withdrawn."""
        level = self.get_level(product_id)
        if level.offer != offer:
            cause = self._cause(MovementKind.OFFERED, changed_by)
            self.levels.change_offer(level, offer, cause, transaction, StaleWrite(CHANGED))

    def commit_reserving(
        self, order_id: str, requests: Sequence[StockRequest], prepare: Callable[[], Transaction]
    ) -> None:
        """Reserve the lines of an order in the transaction that `prepare` returns, and commit it.
        An attempt that meets another order is repeated, with other buckets if there are several.

        Raises LinesUnavailable when there is too little or a price has changed, Busy when too many
        orders want the same product, and what the commit raises for the writes of `prepare`.
        """
        for attempt in range(ATTEMPTS):
            transaction = prepare()
            try:
                self._reserve(order_id, requests, transaction)
                transaction.commit()
            except LevelChanged:
                self.pause(min(attempt, LAST_DOUBLED_PAUSE))
            except StockBusy as busy:
                if not self.choose(CONFLICTS_PER_SPLIT):
                    self.split(busy.product_id)
                self.pause(min(attempt, LAST_DOUBLED_PAUSE))
            else:
                return
        raise Busy(BUSY)

    def release(self, order_id: str, transaction: Transaction) -> None:
        """Return what an order holds, once. The commit raises StaleWrite when it holds nothing any
        more.
        """
        self._close(order_id, MovementKind.RELEASED, self.levels.release, transaction)

    def ship(self, order_id: str, transaction: Transaction) -> None:
        """Remove what an order holds from the shelf, once. The commit raises StaleWrite when it
        holds nothing any more.
        """
        self._close(order_id, MovementKind.SHIPPED, self.levels.ship, transaction)

    def count(
        self, product_id: str, on_hand: int, counted_by: str, transaction: Transaction
    ) -> None:
        """Set what is on the shelf, reserved goods included. The commit raises StaleWrite when what
        is on hand changed after the read; sales do not matter.
        """
        level = self.get_level(product_id)
        cause = self._cause(MovementKind.COUNTED, counted_by)
        self._adjust(level, level.count(on_hand), cause, transaction, same_shelf=True)

    def add(
        self,
        product_id: str,
        added: int,
        added_by: str,
        transaction: Transaction,
        *,
        same_shelf: bool = False,
    ) -> None:
        """Add to the stock, or take from it what is available. Raises Conflict when too little is;
        the commit raises StaleWrite when it was sold after the read or, with `same_shelf`, when
        what is on hand changed.
        """
        level = self.get_level(product_id)
        cause = self._cause(MovementKind.ADDED, added_by)
        self._adjust(level, level.add(added), cause, transaction, same_shelf=same_shelf)

    def split(self, product_id: str) -> bool:
        """Spread the stock of a product that many buy at once over more buckets; returns whether it
        did. Only the fullest bucket and the first one are held by other orders, so that a few
        attempts suffice.
        """
        for attempt in range(SPLIT_ATTEMPTS):
            level = self.get_level(product_id)
            source, moved, added = level.split()
            if not added:
                return False
            transaction = self.begin()
            cause = self._cause(MovementKind.SPLIT, "inventory")
            self.levels.split(level, source, moved, added, cause, transaction, StaleWrite(CHANGED))
            try:
                transaction.commit()
            except (StaleWrite, Unavailable):  # the order can do without it
                self.pause(attempt)
            else:
                return True
        return False

    def record(self, changes: Sequence[BucketChange]) -> None:
        """Write the movements of changes that the table's stream delivers, some of them twice."""
        found = [Movement.of(each) for each in changes if each.cause.kind not in INTERNAL]
        self.movements.add_all(list(dict.fromkeys(found)))

    def changed_level(self, changes: Sequence[BucketChange]) -> StockLevel | None:
        """Return the level after changes of one product, if it matters for others than orders: the
        seller made one, or the product is low, available again or sold out. Nothing is read for an
        ordinary sale from a single bucket; of several buckets, the total is saved for lists, unless
        all that happened is that reserved goods left.
        """
        last = changes[-1]
        if not last.is_only:
            level = self.get_level(last.product_id)
            if any(each.cause.kind is not MovementKind.SHIPPED for each in changes):
                self.levels.save_total(level)
            return level
        matters = any(each.is_by_seller or each.changes_the_answer for each in changes)
        return last.level if matters else None

    def list_movements(self, product_id: str, before: str | None, limit: int) -> MovementPage:
        """Return the product's movements with ids below `before`, newest first."""
        return self.movements.list_by_product(product_id, before, limit)

    def _reserve(
        self, order_id: str, requests: Sequence[StockRequest], transaction: Transaction
    ) -> None:
        levels = self.levels.find_many(request.product_id for request in requests)
        faults = tuple(filter(None, (_fault(levels, request) for request in requests)))
        if faults:
            raise LinesUnavailable(UNAVAILABLE, faults)
        if unbalanced := [level for level in levels.values() if level.balance()]:
            self._balance(unbalanced)
            raise LevelChanged(CHANGED)
        cause = self._cause(MovementKind.RESERVED, order_id)
        quantities = {}
        for request in requests:
            level = levels[request.product_id]
            taken = level.allocate(request.quantity, self.choose(len(level.buckets)))
            quantities[request.product_id] = taken
            self.levels.reserve(
                level,
                request,
                taken,
                cause,
                transaction,
                on_conflict=LevelChanged(CHANGED),
                on_busy=StockBusy(request.product_id),
            )
        if sum(map(len, quantities.values())) > MAX_PARTS:
            raise OrderTooLarge("Order fewer products at a time")
        self.reservations.add(Reservation(order_id, quantities), transaction)

    def _balance(self, levels: Sequence[StockLevel]) -> None:
        """Move available stock to the buckets that lack some: orders are refused by the sum of the
        buckets, but the condition of their writes is that of one.
        """
        transaction = self.begin()
        cause = self._cause(MovementKind.SPLIT, "inventory")
        for level in levels:
            stale = LevelChanged(CHANGED)
            differences = level.balance()
            self.levels.adjust(level, differences, cause, transaction, stale, same_shelf=False)
        transaction.commit()

    def _close(
        self,
        order_id: str,
        kind: MovementKind,
        write: Callable[[str, Mapping[int, int], Cause, Transaction], None],
        transaction: Transaction,
    ) -> None:
        reservation = self.reservations.find(order_id)
        if reservation is None:
            raise StaleWrite(CHANGED)
        self.reservations.remove(reservation, transaction, StaleWrite(CHANGED))
        for product_id, quantities in reservation.quantities.items():
            write(product_id, quantities, self._cause(kind, order_id), transaction)

    def _adjust(
        self,
        level: StockLevel,
        differences: Mapping[int, int],
        cause: Cause,
        transaction: Transaction,
        *,
        same_shelf: bool,
    ) -> None:
        # a change of nothing is a movement, too
        written = differences or {level.buckets[0].number: 0}
        stale = StaleWrite(CHANGED)
        self.levels.adjust(level, written, cause, transaction, stale, same_shelf=same_shelf)

    def _cause(self, kind: MovementKind, by: str) -> Cause:
        return Cause(kind, by, self.clock(), self.request_id())


def _fault(levels: Mapping[str, StockLevel], request: StockRequest) -> FieldError | None:
    """Return why a line cannot be reserved."""
    level = levels.get(request.product_id)
    field = f"items.{request.product_id}"
    if level is None or not level.offer.is_on_sale:
        return FieldError(field, "No longer for sale", "NOT_FOR_SALE")
    if level.offer.price != request.price:
        return FieldError(field, "The price has changed", "PRICE_CHANGED")
    try:
        level.allocate(request.quantity, 0)
    except OutOfStock as problem:
        return FieldError(field, problem.message, problem.code)
    return None
