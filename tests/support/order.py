"""Orders in memory, a whole little shop around them, and orders to begin with."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from cart.service import CartService
from order.gateways import ShopCarts, ShopStock
from order.model import (
    NO_CHARGES,
    Actor,
    Charges,
    Order,
    OrderLine,
    OrderStatus,
    TimelineEntry,
)
from order.ports import OrderPage
from order.service import OrderService, Terms
from supermarket.caller import Caller
from supermarket.clock import Clock, new_id
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


class InMemoryOrders:
    """`order.ports.Orders` in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, Order] = {}

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

    def list_expired(self, moment: datetime, limit: int) -> list[str]:
        expired = [
            (order.reserved_until, order.id)
            for order in self.stored.values()
            if order.reserved_until and order.reserved_until <= moment
        ]
        return [order_id for _, order_id in sorted(expired)][:limit]

    def add(self, order: Order, transaction: Transaction) -> None:
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

        in_memory(transaction).add(is_as_read, write, StaleWrite())


class InMemoryAddressBook:
    """`order.ports.AddressBook` in a dictionary."""

    def __init__(self) -> None:
        self.saved: dict[tuple[str, str], Address] = {}

    def find(self, user_id: str, address_id: str) -> Address:
        if (user_id, address_id) not in self.saved:
            raise NotFound("There is no such address in your address book")
        return self.saved[user_id, address_id]


class Crash(Exception):
    """The process died."""


class CrashingTransaction(InMemoryTransaction):
    """Takes writes that will never happen."""

    def commit(self) -> None:
        raise Crash


class LittleShop:
    """The order service with all that it needs, in memory."""

    def __init__(self, clock: Clock, charges: Charges | None = None) -> None:
        self.orders = InMemoryOrders()
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
            idempotency_keys=self.idempotency_keys,
            audit=self.audit,
            begin=self._begin,
            terms=lambda: Terms(RESERVATION, charges or NO_CHARGES),
            clock=clock,
            new_id=new_id,
        )

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

    def _begin(self) -> Transaction:
        kind = CrashingTransaction if self.is_crashing else InMemoryTransaction
        return kind(self.outbox.events)
