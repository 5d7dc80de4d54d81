"""Orders in memory, a whole little shop around them, and orders to begin with."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from cart.service import CartService
from order.expiry import Expiry
from order.gateways import ShopCarts, ShopStock
from order.model import (
    NO_CHARGES,
    Actor,
    Charges,
    Order,
    OrderLine,
    OrderStatus,
    PayableRange,
    PaymentStatus,
    ReservationLimits,
    TimelineEntry,
    TooManyReservations,
    WrongStatus,
)
from order.ports import OrderPage, Reservation
from order.service import OrderService, Terms
from supermarket.caller import Caller
from supermarket.clock import Clock, new_id
from supermarket.day_lists import Days, partition_of, read_days
from supermarket.errors import NotFound
from supermarket.money import Currency
from supermarket.people import Address, Recipient
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction
from support.cart import InMemoryCarts, InMemoryCatalogue, rupees
from support.in_memory import (
    InMemoryAuditTrail,
    InMemoryIdempotencyKeys,
    InMemoryOutbox,
    InMemoryTransaction,
    in_memory,
)
from support.inventory import inventory_in_memory

RESERVATION = timedelta(minutes=15)
CHARGES = Charges(Decimal(18), {Currency.INR: 4900, Currency.USD: 99})
PAYABLE = PayableRange(100, {Currency.INR: 50_000_000, Currency.USD: 600_000})
LIMITS, UNVERIFIED_LIMITS = ReservationLimits(3, 200), ReservationLimits(2, 100)
NO_LIMITS = ReservationLimits(10**9, 10**9)
LONGEST_LAG = timedelta(minutes=1)
HOME = Address("12 MG Road", "Bengaluru", "Karnataka", "560001", "IN")


def an_order(
    now: datetime,
    customer_id: str = "customer",
    *,
    lines: int = 1,
    order_id: str | None = None,
) -> Order:
    """A fresh order over some products, of which seller number n sells product number n."""
    bought = tuple(
        OrderLine(new_id(), f"Product {n}", f"seller-{n}", n + 1, rupees(100)) for n in range(lines)
    )
    return Order(
        id=order_id or new_id(),
        customer=Recipient(customer_id, "asha@example.com", "Asha"),
        status=OrderStatus.PENDING,
        lines=bought,
        pricing=CHARGES.price_lines(bought, Currency.INR),
        shipping_address=HOME,
        timeline=(TimelineEntry(OrderStatus.PENDING, now, Actor.CUSTOMER),),
        reserved_until=now + RESERVATION,
        created_at=now,
        updated_at=now,
    )


def terms(
    charges: Charges = NO_CHARGES,
    limits: ReservationLimits = NO_LIMITS,
    unverified: ReservationLimits = NO_LIMITS,
) -> Terms:
    return Terms(RESERVATION, charges, PAYABLE, limits, unverified)


class InMemoryOrders:
    """`Orders` and `Reservations` in dictionaries. `reserved` counts orders and pieces."""

    shards = ("0", "1")

    def __init__(self) -> None:
        self.stored: dict[str, Order] = {}
        self.postponed: dict[str, datetime] = {}
        self.reserved: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def find(self, order_id: str) -> Order | None:
        return self.stored.get(order_id)

    def find_many(self, order_ids: Collection[str]) -> list[Order]:
        return [self.stored[order_id] for order_id in order_ids if order_id in self.stored]

    def list_by_customer(
        self, user_id: str, status: OrderStatus | None, before: str | None, limit: int
    ) -> OrderPage:
        own = [
            order
            for order in sorted(self.stored.values(), key=lambda order: order.id, reverse=True)
            if order.customer.user_id == user_id
            and status in {None, order.status}
            and (before is None or order.id < before)
        ]
        page = tuple(own[:limit])
        return OrderPage(page, page[-1].id if len(own) > limit else None)

    def list_by_day(self, days: Days, limit: int) -> tuple[list[Order], Days | None]:
        def read(partition: str, before: str | None, limit: int) -> list[Order]:
            found = [
                order
                for order in self.stored.values()
                if partition_of(order.created_at, order.id) == partition
                and (before is None or order.id < before)
            ]
            return sorted(found, key=lambda order: order.id, reverse=True)[:limit]

        return read_days(read, lambda order: order.id, days, limit)

    def list_expired(self, moment: datetime, shard: str) -> Iterator[Reservation]:
        expired = [
            (due, order.id)
            for order in self.stored.values()
            if order.reserved_until
            and (due := self.postponed.get(order.id, order.reserved_until)) <= moment
            and int(order.id, 36) % len(self.shards) == int(shard)
        ]
        return iter([Reservation(order_id, due) for due, order_id in sorted(expired)])

    def postpone(self, order_id: str, until: datetime) -> None:
        self.postponed[order_id] = until

    def add(self, order: Order, limits: ReservationLimits | None, transaction: Transaction) -> None:
        customer_id = order.customer.user_id

        def has_room() -> bool:
            orders, pieces = self.reserved[customer_id]
            return limits is None or (
                orders < limits.orders and pieces + order.pieces <= limits.pieces
            )

        if order.reserved_until:
            reservation = order.reserved_until - order.created_at
            in_memory(transaction).add(
                has_room,
                lambda: self._count(customer_id, 1, order.pieces),
                TooManyReservations.over(limits, reservation) if limits else None,
            )
        in_memory(transaction).add(
            lambda: order.id not in self.stored,
            lambda: self.stored.update({order.id: order}),
            StaleWrite(),
        )

    def save(
        self, read: Order, order: Order, unchanged: Collection[str], transaction: Transaction
    ) -> None:
        changes = {name: new for name, new in vars(order).items() if new != getattr(read, name)}

        def is_as_read() -> bool:
            stored = self.stored[read.id]
            return all(getattr(stored, name) == getattr(read, name) for name in unchanged)

        def write() -> None:
            self.stored[order.id] = replace(self.stored[order.id], **changes)
            if order.reserved_until is None and read.reserved_until:
                self._count(order.customer.user_id, -1, -read.pieces)
            if order.reserved_until != read.reserved_until:
                self.postponed.pop(order.id, None)

        in_memory(transaction).add(is_as_read, write, StaleWrite())

    def _count(self, customer_id: str, orders: int, pieces: int) -> None:
        before = self.reserved[customer_id]
        self.reserved[customer_id] = (before[0] + orders, before[1] + pieces)


class InMemoryAddressBook:
    """`order.ports.AddressBook` in a dictionary."""

    def __init__(self) -> None:
        self.saved: dict[tuple[str, str], Address] = {}

    def find(self, user_id: str, address_id: str) -> Address:
        if (user_id, address_id) not in self.saved:
            raise NotFound("There is no such address in your address book")
        return self.saved[user_id, address_id]


class InMemoryCustomers:
    """`order.ports.Customers`: only those in `verified` have confirmed their address."""

    def __init__(self) -> None:
        self.verified: set[str] = set()

    def has_verified_email(self, user_id: str) -> bool:
        return user_id in self.verified


class InMemoryPaymentStates:
    """`order.ports.Payments`: orders are paid as they say, unless `states` says otherwise.

    `meanwhile` runs once, after the next state was read.
    """

    def __init__(self, orders: InMemoryOrders) -> None:
        self._orders = orders
        self.states: dict[str, PaymentStatus] = {}
        self.meanwhile: Callable[[], object] | None = None

    def pin_status(self, order_id: str, transaction: Transaction) -> PaymentStatus:
        status = self._status(order_id)
        in_memory(transaction).add(
            lambda: self._status(order_id) is status, lambda: None, StaleWrite()
        )
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return status

    def require_shippable(self, order_id: str, transaction: Transaction) -> None:
        if self.pin_status(order_id, transaction) is not PaymentStatus.COMPLETED:
            raise WrongStatus("This order is being refunded in full, so it cannot be shipped")

    def _status(self, order_id: str) -> PaymentStatus:
        if order_id in self.states:
            return self.states[order_id]
        order = self._orders.stored[order_id]
        return PaymentStatus.COMPLETED if order.is_paid else PaymentStatus.PENDING


class FakeLag:
    """`order.ports.Lag` that a test sets."""

    def __init__(self) -> None:
        self.age = timedelta()

    def oldest_event(self) -> timedelta:
        return self.age


class Crash(Exception):
    """The process died."""


class CrashingTransaction(InMemoryTransaction):
    """Takes writes that will never happen."""

    def commit(self) -> None:
        raise Crash


def an_expiry(
    orders: InMemoryOrders, service: Callable[[], OrderService], clock: Clock, lag: FakeLag
) -> Expiry:
    """The expiry of reservations, one shard after the other."""
    return Expiry(
        reservations=orders,
        expire=lambda order_id: service().expire(order_id),
        lag=lag,
        longest_lag=lambda: LONGEST_LAG,
        run_all=map,
        clock=clock,
    )


class LittleShop:
    """The order service with all that it needs, in memory."""

    def __init__(
        self,
        clock: Clock,
        charges: Charges = NO_CHARGES,
        limits: ReservationLimits = NO_LIMITS,
        unverified: ReservationLimits = NO_LIMITS,
    ) -> None:
        self.orders = InMemoryOrders()
        self.customers = InMemoryCustomers()
        self.payments = InMemoryPaymentStates(self.orders)
        self.lag = FakeLag()
        self.outbox = InMemoryOutbox()
        self.inventory = inventory_in_memory(self.outbox, clock)
        self.catalogue = InMemoryCatalogue(self.inventory.service)
        keys = InMemoryIdempotencyKeys(clock)
        self.carts = CartService(InMemoryCarts(clock), self.catalogue, clock, keys)
        self.is_crashing = False
        self.address_book = InMemoryAddressBook()
        self.idempotency_keys = InMemoryIdempotencyKeys(clock)
        self.audit = InMemoryAuditTrail()
        self.service = OrderService(
            orders=self.orders,
            stock=ShopStock(self.inventory.service),
            carts=ShopCarts(lambda: self.carts),
            address_book=self.address_book,
            customers=self.customers,
            payments=self.payments,
            idempotency_keys=self.idempotency_keys,
            audit=self.audit,
            begin=self.begin,
            terms=lambda: terms(charges, limits, unverified),
            clock=clock,
            new_id=new_id,
        )
        self.expiry = an_expiry(self.orders, lambda: self.service, clock, self.lag)

    def places(
        self,
        customer: Caller,
        *,
        stock: int = 10,
        quantity: int = 1,
        sellers: tuple[str, ...] = ("seller",),
    ) -> Order:
        """An order of `customer` for a product of its own, of each of these sellers."""
        for seller_id in sellers:
            product = self.catalogue.sell(stock, seller_id=seller_id)
            self.carts.add(customer.user_id, product.id, quantity)
        return self.service.place(customer, HOME)

    def begin(self) -> Transaction:
        kind = CrashingTransaction if self.is_crashing else InMemoryTransaction
        return kind(self.outbox.events)
