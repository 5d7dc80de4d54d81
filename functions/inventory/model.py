"""Stock levels in buckets, their allocation to orders, and the movements that changed them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from supermarket.clock import iso
from supermarket.errors import Conflict
from supermarket.money import Money

MAX_ON_HAND = 1_000_000_000
MAX_BUCKETS = 16
PIECES_PER_BUCKET = 4  # at least, when a product is split


class OutOfStock(Conflict):
    """There is less of a product than was asked for."""

    code = "OUT_OF_STOCK"


class MovementKind(StrEnum):
    """What changed a stock level."""

    OPENED = "OPENED"  # the product was created
    RESERVED = "RESERVED"
    RELEASED = "RELEASED"  # the order was cancelled or expired
    SHIPPED = "SHIPPED"
    COUNTED = "COUNTED"
    ADDED = "ADDED"
    OFFERED = "OFFERED"  # another price or threshold, or the product was withdrawn
    SPLIT = "SPLIT"  # moved to another bucket of the same product


BY_SELLER = frozenset({MovementKind.COUNTED, MovementKind.ADDED, MovementKind.OFFERED})
# not part of the history
INTERNAL = frozenset({MovementKind.OFFERED, MovementKind.SPLIT})


@dataclass(frozen=True)
class Cause:
    """Why a level changed: the kind, the id of the order or person, the time and the request."""

    kind: MovementKind
    by: str
    at: datetime
    request: str


@dataclass(frozen=True)
class Offer:
    """What an order must agree with: the price, and whether the product is on sale. `threshold` is
    the stock at which the seller wants to be notified.
    """

    price: Money
    threshold: int | None = None
    is_on_sale: bool = True


@dataclass(frozen=True)
class Bucket:
    """A part of a product's stock. `available` is `on_hand` less `reserved`; a count below what is
    reserved makes it negative, and shipping more than was counted `on_hand`, too. `changes` counts
    all changes, `shelf_changes` those of `on_hand`.
    """

    number: int
    on_hand: int
    reserved: int
    available: int
    changes: int = 0
    shelf_changes: int = 0


@dataclass(frozen=True)
class StockLevel:
    """The stock of a product: the sum of its buckets."""

    product_id: str
    offer: Offer
    buckets: tuple[Bucket, ...]

    @property
    def on_hand(self) -> int:
        """The last count, and what was added and shipped since. It is negative when more was
        shipped than was counted.
        """
        return sum(bucket.on_hand for bucket in self.buckets)

    @property
    def reserved(self) -> int:
        return sum(bucket.reserved for bucket in self.buckets)

    @property
    def available(self) -> int:
        """How many can be sold."""
        return max(0, sum(bucket.available for bucket in self.buckets))

    @property
    def changes(self) -> int:
        """The number of changes so far; it orders the levels of a product."""
        return sum(bucket.changes for bucket in self.buckets)

    @property
    def shelf_changes(self) -> int:
        """The number of changes of `on_hand` so far."""
        return sum(bucket.shelf_changes for bucket in self.buckets)

    @property
    def total(self) -> Bucket:
        """The sum of the buckets, as one."""
        available = sum(bucket.available for bucket in self.buckets)
        return Bucket(0, self.on_hand, self.reserved, available, self.changes, self.shelf_changes)

    @property
    def is_low(self) -> bool:
        """Whether the stock is at or below the seller's threshold."""
        return self.offer.threshold is not None and self.available <= self.offer.threshold

    def allocate(self, quantity: int, preferred: int) -> Mapping[int, int]:
        """Return how many to take from each bucket: all from one if one has enough, searched from
        number `preferred` on. Raises OutOfStock.

            StockLevel("p1", offer, (Bucket(0, 2, 0, 2), Bucket(1, 3, 0, 3))).allocate(4, 1)
            # {1: 3, 0: 1}
        """
        if quantity > self.available:
            left = self.available
            raise OutOfStock(f"Only {left} left in stock" if left else "Sold out")
        start = preferred % len(self.buckets)
        rotated = self.buckets[start:] + self.buckets[:start]
        for bucket in rotated:
            if bucket.available >= quantity:
                return {bucket.number: quantity}
        return _take(rotated, quantity)

    def split(self) -> tuple[Bucket, int, int]:
        """Return the fullest bucket, how many to move from it to each new bucket, and the number of
        new ones, which is 0 when there are enough of them or there is too little stock.
        """
        source = max(self.buckets, key=lambda bucket: bucket.available)
        wanted = min(MAX_BUCKETS, self.available // PIECES_PER_BUCKET)
        # each new bucket gets at least one
        added = max(0, min(wanted - len(self.buckets), source.available - 1))
        return source, source.available // (added + 1), added

    def balance(self) -> Mapping[int, int]:
        """Return the difference per bucket that covers what some lack with what others have
        available. It is empty unless a count below what is reserved was followed by a cancellation.

            StockLevel("p1", offer, (Bucket(0, 0, 3, -3), Bucket(1, 4, 0, 4))).balance()
            # {0: 3, 1: -3}
        """
        lacks = [replace(bucket, available=-bucket.available) for bucket in self.buckets]
        lacking = _take(lacks, MAX_ON_HAND)
        taken = _take(self.buckets, sum(lacking.values()))
        given = _take(lacks, sum(taken.values()))
        return {**given, **{number: -amount for number, amount in taken.items()}}

    def count(self, on_hand: int) -> Mapping[int, int]:
        """Return the difference per bucket that makes `on_hand` the total. What is missing is taken
        from the available stock first; if that is too little, every bucket has a difference.
        """
        difference = on_hand - self.on_hand
        if difference >= 0:
            return _spread(self.buckets, difference)
        taken = _take(self.buckets, min(-difference, self.available))
        rest = -difference - sum(taken.values())
        if rest:
            first = self.buckets[0].number
            taken = {bucket.number: taken.get(bucket.number, 0) for bucket in self.buckets}
            taken[first] += rest
        return {number: -amount for number, amount in taken.items()}

    def add(self, added: int) -> Mapping[int, int]:
        """Return the difference per bucket that adds to the stock. Raises Conflict when less than
        that is available, or the total would exceed the maximum.
        """
        if -added > self.available:
            raise Conflict(f"Only {self.available} in stock")
        if self.on_hand + added > MAX_ON_HAND:
            raise Conflict(f"At most {MAX_ON_HAND} can be in stock")
        if added >= 0:
            return _spread(self.buckets, added)
        return {number: -taken for number, taken in _take(self.buckets, -added).items()}


@dataclass(frozen=True)
class StockRequest:
    """One line of an order: so many of a product, at this price."""

    product_id: str
    price: Money
    quantity: int


@dataclass(frozen=True)
class Reservation:
    """What an order holds: the quantity per product and bucket."""

    order_id: str
    quantities: Mapping[str, Mapping[int, int]]


@dataclass(frozen=True)
class BucketChange:
    """One change of a bucket; `before` is None for a new one. `is_only` tells whether the product
    has one bucket.
    """

    product_id: str
    before: Bucket | None
    after: Bucket
    offer: Offer
    cause: Cause
    is_only: bool

    @property
    def level(self) -> StockLevel:
        """The level of the product if this is its only bucket."""
        return self._level_of(self.after)

    @property
    def is_by_seller(self) -> bool:
        return self.cause.kind in BY_SELLER

    @property
    def changes_the_answer(self) -> bool:
        """Whether the product has become available or sold out, or is or was low."""
        before, after = self._level_of(self.before), self.level
        return before.is_low or after.is_low or bool(before.available) != bool(after.available)

    def _level_of(self, bucket: Bucket | None) -> StockLevel:
        return StockLevel(self.product_id, self.offer, (bucket,) if bucket else ())


@dataclass(frozen=True)
class Movement:
    """One change of a product's stock, for its history."""

    id: str
    product_id: str
    kind: MovementKind
    on_hand: int  # the differences
    reserved: int
    by: str
    at: datetime

    @classmethod
    def of(cls, change: "BucketChange") -> Self:
        """Return the movement of a change; a change that is read twice has the same id."""
        before, after, cause = change.before, change.after, change.cause
        return cls(
            id=f"{iso(cause.at)}#{after.number:02d}#{after.changes:08d}",
            product_id=change.product_id,
            kind=cause.kind,
            on_hand=after.on_hand - (before.on_hand if before else 0),
            reserved=after.reserved - (before.reserved if before else 0),
            by=cause.by,
            at=cause.at,
        )


@dataclass(frozen=True)
class MovementPage:
    """A page of movements, newest first; the next one begins before the id `next_before`."""

    movements: tuple[Movement, ...]
    next_before: str | None


def _take(buckets: Iterable[Bucket], quantity: int) -> dict[int, int]:
    """Return how many to take from each bucket, in their order, until it is `quantity`."""
    taken = {}
    for bucket in buckets:
        amount = min(max(0, bucket.available), quantity)
        if amount:
            taken[bucket.number] = amount
            quantity -= amount
    return taken


def _spread(buckets: Sequence[Bucket], quantity: int) -> dict[int, int]:
    """Return how many to add to each bucket, the same to all but for the remainder."""
    share, rest = divmod(quantity, len(buckets))
    shares = {bucket.number: share + (place < rest) for place, bucket in enumerate(buckets)}
    return {number: amount for number, amount in shares.items() if amount}


def changed(bucket: Bucket, *, on_hand: int | None = None, reserved: int = 0) -> Bucket:
    """Return the bucket after a change by these differences; a count of what is on hand may find
    none.
    """
    return replace(
        bucket,
        on_hand=bucket.on_hand + (on_hand or 0),
        reserved=bucket.reserved + reserved,
        available=bucket.available + (on_hand or 0) - reserved,
        changes=bucket.changes + 1,
        shelf_changes=bucket.shelf_changes + (on_hand is not None),
    )
