"""Carts and a catalogue in memory, and products to put in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from cart.model import LIFETIME, Cart, CartLine, Product, check_add, check_change
from inventory.model import Offer, StockLevel
from inventory.service import InventoryService
from supermarket.clock import Clock, new_id
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import AddWrites, Transaction, add_nothing
from support.in_memory import InMemoryOutbox, in_memory, write_once
from support.inventory import inventory_in_memory


def rupees(amount: int) -> Money:
    return Money(amount * 100, Currency.INR)


def dollars(amount: int) -> Money:
    return Money(amount * 100, Currency.USD)


class InMemoryCatalogue:
    """`cart.ports.Catalogue`: products in a dictionary, and their stock in `inventory`."""

    def __init__(self, inventory: InventoryService | None = None) -> None:
        self.on_sale: dict[str, Product] = {}
        self.reads: list[list[str]] = []
        self._inventory = inventory or inventory_in_memory().service
        self._ids: list[str] = []

    def sell(
        self, stock: int = 10, price: Money | None = None, seller_id: str = "seller"
    ) -> Product:
        product = Product(new_id(), "Darjeeling tea", price or rupees(120), stock, seller_id)
        with self._transaction() as transaction:
            self._inventory.open(product.id, stock, Offer(product.price), seller_id, transaction)
        self._ids.append(product.id)
        self.on_sale[product.id] = product
        return product

    def reprice(self, product: Product, price: Money) -> None:
        self._change_offer(product, Offer(price))
        self.on_sale[product.id] = replace(self.on_sale[product.id], price=price)

    def restock(self, product: Product, on_hand: int) -> None:
        with self._transaction() as transaction:
            self._inventory.count(product.id, on_hand, product.seller_id, transaction)

    def withdraw(self, product: Product) -> None:
        self._change_offer(product, Offer(product.price, is_on_sale=False))
        del self.on_sale[product.id]

    def stock_of(self, product_id: str) -> int:
        """How many can be sold."""
        return self._inventory.get_level(product_id).available

    def shelf_of(self, product_id: str) -> tuple[int, int]:
        """How many are on hand, and how many of them are reserved."""
        level = self._inventory.get_level(product_id)
        return level.on_hand, level.reserved

    def levels(self) -> Mapping[str, StockLevel]:
        """The levels of all products, also of withdrawn ones."""
        return self._inventory.find_many(self._ids)

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        ids = list(product_ids)
        self.reads.append(ids)
        found = [self.on_sale[each] for each in ids if each in self.on_sale]
        levels = self._inventory.find_many(product.id for product in found)
        return {each.id: replace(each, stock=levels[each.id].available) for each in found}

    def _change_offer(self, product: Product, offer: Offer) -> None:
        with self._transaction() as transaction:
            self._inventory.change_offer(product.id, offer, product.seller_id, transaction)

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        transaction = InMemoryOutbox().begin()
        yield transaction
        transaction.commit()


class InMemoryCarts:
    """`cart.ports.Carts` in a dictionary. It keeps expired carts, since TTL deletes late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._carts: dict[str, Cart] = {}
        self._pending: set[str] = set()

    def find(self, user_id: str) -> Cart | None:
        return self._carts.get(user_id)

    def add(
        self, user_id: str, line: CartLine, max_quantity: int, also: AddWrites = add_nothing
    ) -> Cart | None:
        cart = self._current(user_id)
        try:
            check_add(cart, line, max_quantity)
        except DomainError:
            return None
        quantity = cart.quantity_of(line.product_id) + line.quantity
        shown = {each.product_id: each.price_when_added for each in cart.lines}
        line = replace(line, price_when_added=shown.get(line.product_id, line.price_when_added))
        write_once(lambda: True, lambda: self._raise(cart, replace(line, quantity=quantity)), also)
        return self._carts[user_id]

    def change(self, user_id: str, line: CartLine, max_quantity: int) -> Cart | None:
        cart = self._current(user_id)
        try:
            check_change(cart, line, max_quantity)
        except DomainError:
            return None
        return self._with(cart, line)

    def remove(self, user_id: str, product_id: str) -> Cart | None:
        cart = self._current(user_id)
        lines = tuple(line for line in cart.lines if line.product_id != product_id)
        return None if lines == cart.lines else self._save(cart, lines)

    def clear(self, user_id: str) -> None:
        cart = self._current(user_id)
        if cart.version:
            self._remove_lines(cart)

    def empty(
        self, user_id: str, version: int, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        in_memory(transaction).add(
            lambda: user_id in self._carts and self._carts[user_id].version == version,
            lambda: self._remove_lines(self._carts[user_id]),
            on_conflict,
        )

    def list_pending(self, unchanged_since: datetime) -> Iterator[Sequence[Cart]]:
        for user_id in sorted(self._pending):
            if self._carts[user_id].updated_at <= unchanged_since:
                yield [self._carts[user_id]]

    def clear_reminder(
        self, cart: Cart, reminded_at: datetime | None, transaction: Transaction
    ) -> None:
        def is_pending() -> bool:
            stored = self._carts.get(cart.user_id)
            unchanged = stored is not None and stored.version == cart.version
            return unchanged and cart.user_id in self._pending

        def clear() -> None:
            self._pending.remove(cart.user_id)
            if reminded_at:
                stored = self._carts[cart.user_id]
                self._carts[cart.user_id] = replace(stored, reminded_at=reminded_at)

        in_memory(transaction).add(is_pending, clear, StaleWrite())

    def _current(self, user_id: str) -> Cart:
        now = self._clock()
        cart = self._carts.get(user_id) or Cart.new(user_id, now)
        return replace(cart, lines=(), reminded_at=None) if cart.is_expired(now) else cart

    def _raise(self, cart: Cart, line: CartLine) -> None:
        self._pending.add(cart.user_id)
        self._with(cart, line)

    def _with(self, cart: Cart, line: CartLine) -> Cart:
        added_at = {each.product_id: each.added_at for each in cart.lines}
        line = replace(line, added_at=added_at.get(line.product_id, line.added_at))
        others = [each for each in cart.lines if each.product_id != line.product_id]
        lines = sorted([*others, line], key=lambda each: (each.added_at, each.product_id))
        return self._save(cart, tuple(lines))

    def _remove_lines(self, cart: Cart) -> None:
        self._pending.discard(cart.user_id)
        self._save(cart, ())

    def _save(self, cart: Cart, lines: tuple[CartLine, ...]) -> Cart:
        now = self._clock()
        saved = replace(
            cart, version=cart.version + 1, lines=lines, updated_at=now, expires_at=now + LIFETIME
        )
        self._carts[cart.user_id] = saved
        return saved
