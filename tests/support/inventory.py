"""The ports of stock in memory, and levels for tests."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from inventory.model import (
    Bucket,
    BucketChange,
    Cause,
    Movement,
    MovementPage,
    Offer,
    Reservation,
    StockLevel,
    StockRequest,
    changed,
)
from inventory.service import InventoryService
from supermarket.clock import Clock, utc_now
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction
from support.in_memory import InMemoryOutbox, in_memory

OFFER = Offer(Money(49900, Currency.INR))


def a_level(product_id: str, *buckets: int, reserved: int = 0, offer: Offer = OFFER) -> StockLevel:
    """Return a level with this many available per bucket, and `reserved` of each besides."""
    return StockLevel(
        product_id,
        offer,
        tuple(
            Bucket(number, available + reserved, reserved, available)
            for number, available in enumerate(buckets)
        ),
    )


class InMemoryStockLevels:
    """`StockLevels` in a dictionary. `changes` has what the stream of the table would deliver;
    `meanwhile` happens right after the next read.
    """

    def __init__(self) -> None:
        self._all: dict[str, StockLevel] = {}
        self._totals: dict[str, Bucket] = {}
        self.changes: list[BucketChange] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def plan(self, product_ids: Iterable[str]) -> None:
        """Plan nothing: every read is free."""

    def find_many(
        self, product_ids: Iterable[str], *, keep: bool = False
    ) -> Mapping[str, StockLevel]:
        del keep
        found = {each: self._all[each] for each in set(product_ids) & self._all.keys()}
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return found

    def find_totals(self, product_ids: Iterable[str]) -> Mapping[str, StockLevel]:
        return {
            each.product_id: replace(each, buckets=(self._totals.get(each.product_id, each.total),))
            for each in self.find_many(product_ids).values()
        }

    def save_total(self, level: StockLevel) -> None:
        stored = self._totals.get(level.product_id)
        if stored is None or stored.changes < level.changes:
            self._totals[level.product_id] = level.total

    def open(self, level: StockLevel, cause: Cause, transaction: Transaction) -> None:
        in_memory(transaction).add(
            lambda: level.product_id not in self._all,
            lambda: self._put(level, 0, None, level.buckets[0], cause),
        )

    def reserve(
        self,
        read: StockLevel,
        request: StockRequest,
        quantities: Mapping[int, int],
        cause: Cause,
        transaction: Transaction,
        *,
        on_conflict: DomainError,
        on_busy: DomainError,
    ) -> None:
        def as_shown() -> bool:
            level = self._all[request.product_id]
            same_shelf = all(
                level.buckets[each].shelf_changes == read.buckets[each].shelf_changes
                for each in quantities
            )
            return (
                same_shelf
                and all(level.buckets[each].available >= n for each, n in quantities.items())
                and level.offer.price == request.price
                and level.offer.is_on_sale
            )

        def write() -> None:
            for number, quantity in quantities.items():
                self._change(request.product_id, number, cause, reserved=quantity)

        in_memory(transaction).add(as_shown, write, on_conflict)

    def release(
        self, product_id: str, quantities: Mapping[int, int], cause: Cause, transaction: Transaction
    ) -> None:
        def write() -> None:
            for number, quantity in quantities.items():
                self._change(product_id, number, cause, reserved=-quantity)

        in_memory(transaction).add(lambda: True, write)

    def ship(
        self, product_id: str, quantities: Mapping[int, int], cause: Cause, transaction: Transaction
    ) -> None:
        def write() -> None:
            for number, quantity in quantities.items():
                self._change(product_id, number, cause, on_hand=-quantity, reserved=-quantity)

        in_memory(transaction).add(lambda: True, write)

    def adjust(
        self,
        read: StockLevel,
        differences: Mapping[int, int],
        cause: Cause,
        transaction: Transaction,
        on_conflict: DomainError,
        *,
        same_shelf: bool,
    ) -> None:
        def holds() -> bool:
            return all(
                self._is_adjustable(read.product_id, bucket, differences, same_shelf=same_shelf)
                for bucket in read.buckets
            )

        def write() -> None:
            for number, difference in differences.items():
                self._change(read.product_id, number, cause, on_hand=difference)

        in_memory(transaction).add(holds, write, on_conflict)

    def change_offer(
        self,
        read: StockLevel,
        offer: Offer,
        cause: Cause,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        def write() -> None:
            self._all[read.product_id] = replace(self._all[read.product_id], offer=offer)
            for bucket in read.buckets:
                self._change(read.product_id, bucket.number, cause)

        in_memory(transaction).add(lambda: self._has_same_buckets(read), write, on_conflict)

    def split(
        self,
        read: StockLevel,
        source: Bucket,
        moved: int,
        added: int,
        cause: Cause,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        taken = moved * added

        def holds() -> bool:
            level = self._all[read.product_id]
            return self._has_same_buckets(read) and level.buckets[source.number].available >= taken

        def write() -> None:
            if len(read.buckets) == 1:
                self._totals[read.product_id] = read.total
            old = self._all[read.product_id].buckets[source.number]
            less = replace(changed(old, on_hand=-taken), shelf_changes=old.shelf_changes)
            self._put(self._all[read.product_id], source.number, old, less, cause)
            for number in range(len(read.buckets), len(read.buckets) + added):
                new = Bucket(number, moved, 0, moved)
                self._put(self._all[read.product_id], number, None, new, cause)

        in_memory(transaction).add(holds, write, on_conflict)

    def _is_adjustable(
        self, product_id: str, read: Bucket, differences: Mapping[int, int], *, same_shelf: bool
    ) -> bool:
        now = self._all[product_id].buckets[read.number]
        taken = -differences.get(read.number, 0)
        if same_shelf and now.shelf_changes != read.shelf_changes:
            return False
        if taken > read.available:
            return now.available == read.available
        return taken <= 0 or now.available >= taken

    def _has_same_buckets(self, read: StockLevel) -> bool:
        return len(self._all[read.product_id].buckets) == len(read.buckets)

    def _change(self, product_id: str, number: int, cause: Cause, **differences: int) -> None:
        level = self._all[product_id]
        before = level.buckets[number]
        self._put(level, number, before, changed(before, **differences), cause)

    def _put(
        self, level: StockLevel, number: int, before: Bucket | None, after: Bucket, cause: Cause
    ) -> None:
        buckets = (*level.buckets[:number], after, *level.buckets[number + 1 :])
        self._all[level.product_id] = replace(level, buckets=buckets)
        is_only = len(buckets) == 1
        self.changes.append(
            BucketChange(level.product_id, before, after, level.offer, cause, is_only)
        )


class InMemoryReservations:
    """`Reservations` in a dictionary."""

    def __init__(self) -> None:
        self._all: dict[str, Reservation] = {}

    def find(self, order_id: str) -> Reservation | None:
        return self._all.get(order_id)

    def add(self, reservation: Reservation, transaction: Transaction) -> None:
        in_memory(transaction).add(
            lambda: reservation.order_id not in self._all,
            lambda: self._all.update({reservation.order_id: reservation}),
        )

    def remove(
        self, reservation: Reservation, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        def remove() -> None:
            del self._all[reservation.order_id]

        in_memory(transaction).add(lambda: reservation.order_id in self._all, remove, on_conflict)


class InMemoryMovements:
    """`Movements` in a dictionary."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], Movement] = {}

    def add_all(self, movements: Sequence[Movement]) -> None:
        self._all.update({(each.product_id, each.id): each for each in movements})

    def list_by_product(self, product_id: str, before: str | None, limit: int) -> MovementPage:
        found = sorted(
            (
                each
                for (subject, id_), each in self._all.items()
                if subject == product_id and (before is None or id_ < before)
            ),
            key=lambda each: each.id,
            reverse=True,
        )
        page = tuple(found[:limit])
        return MovementPage(page, page[-1].id if len(found) > limit else None)


@dataclass(frozen=True)
class InMemoryInventory:
    """The service with its ports in memory."""

    service: InventoryService
    levels: InMemoryStockLevels
    movements: InMemoryMovements


def inventory_in_memory(
    outbox: InMemoryOutbox | None = None, clock: Clock = utc_now
) -> InMemoryInventory:
    levels, movements = InMemoryStockLevels(), InMemoryMovements()
    service = InventoryService(
        levels=levels,
        reservations=InMemoryReservations(),
        movements=movements,
        begin=(outbox or InMemoryOutbox()).begin,
        choose=lambda _: 0,
        pause=lambda _: None,
        request_id=lambda: "request",
        clock=clock,
    )
    return InMemoryInventory(service, levels, movements)
