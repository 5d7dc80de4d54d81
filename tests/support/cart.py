"""Carts and a catalogue in memory, and products to put in them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cart.model import LIFETIME, Cart, CartLine, why_not_add, why_not_change
from supermarket.clock import Clock, new_id
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction
from support.in_memory import in_memory


@dataclass(frozen=True)
class APicture:
    url: str
    thumbnail: str


@dataclass(frozen=True)
class ASeller:
    user_id: str


@dataclass(frozen=True)
class AProduct:
    """As much of a product as carts and orders look at."""

    id: str
    title: str
    price: Money
    stock: int
    seller: ASeller
    images: tuple[APicture, ...] = ()


def rupees(amount: int) -> Money:
    return Money(amount * 100, Currency.INR)


def dollars(amount: int) -> Money:
    return Money(amount * 100, Currency.USD)


class InMemoryCatalogue:
    """The ports of the catalogue that carts and orders have, in a dictionary."""

    def __init__(self) -> None:
        self.on_sale: dict[str, AProduct] = {}
        self._withdrawn: dict[str, AProduct] = {}
        self.reads: list[list[str]] = []

    def sell(
        self, stock: int = 10, price: Money | None = None, seller_id: str = "seller"
    ) -> AProduct:
        product_id = new_id()
        product = AProduct(
            product_id, "Darjeeling tea", price or rupees(120), stock, ASeller(seller_id)
        )
        self.on_sale[product_id] = product
        return product

    def reprice(self, product: AProduct, price: Money) -> None:
        self.on_sale[product.id] = replace(self.on_sale[product.id], price=price)

    def restock(self, product: AProduct, stock: int) -> None:
        self.on_sale[product.id] = replace(self.on_sale[product.id], stock=stock)

    def withdraw(self, product: AProduct) -> None:
        self._withdrawn[product.id] = self.on_sale.pop(product.id)

    def stock_of(self, product_id: str) -> int:
        return (self.on_sale | self._withdrawn)[product_id].stock

    def find_many(self, product_ids: Iterable[str]) -> dict[str, AProduct]:
        asked = list(product_ids)
        self.reads.append(asked)
        return {each: self.on_sale[each] for each in asked if each in self.on_sale}

    def take_stock(
        self, product: object, quantity: int, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        assert isinstance(product, AProduct)

        def can_be_had() -> bool:
            present = self.on_sale.get(product.id)
            return bool(present and present.stock >= quantity and present.price == product.price)

        in_memory(transaction).add(
            can_be_had, lambda: self._move(product.id, -quantity), on_conflict
        )

    def return_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        in_memory(transaction).add(lambda: True, lambda: self._move(product_id, quantity))

    def _move(self, product_id: str, by: int) -> None:
        shelf = self.on_sale if product_id in self.on_sale else self._withdrawn
        shelf[product_id] = replace(shelf[product_id], stock=shelf[product_id].stock + by)


class InMemoryCarts:
    """`Carts` and `WaitingCarts` in a dictionary; an expired cart stays in it, as TTL deletes
    late.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._carts: dict[str, Cart] = {}
        self._waiting: set[str] = set()

    def find(self, user_id: str) -> Cart | None:
        return self._carts.get(user_id)

    def add(self, user_id: str, line: CartLine, at_most: int) -> Cart | None:
        cart = self._alive(user_id)
        if why_not_add(cart, line, at_most):
            return None
        quantity = cart.quantity_of(line.product_id) + line.quantity
        self._waiting.add(user_id)
        return self._with(cart, replace(line, quantity=quantity))

    def change(self, user_id: str, line: CartLine, at_most: int) -> Cart | None:
        cart = self._alive(user_id)
        return None if why_not_change(cart, line, at_most) else self._with(cart, line)

    def remove(self, user_id: str, product_id: str) -> Cart | None:
        cart = self._alive(user_id)
        if cart.line(product_id) is None:
            return None
        lines = tuple(line for line in cart.lines if line.product_id != product_id)
        return self._keep(cart, lines)

    def clear(self, user_id: str) -> None:
        cart = self._alive(user_id)
        if cart.version:
            self._forget_lines(cart)

    def empty(self, cart: object, transaction: Transaction, on_conflict: DomainError) -> None:
        assert isinstance(cart, Cart)

        def is_unchanged() -> bool:
            present = self._carts.get(cart.user_id)
            return present is not None and present.version == cart.version

        in_memory(transaction).add(is_unchanged, lambda: self._forget_lines(cart), on_conflict)

    def waiting(self, unchanged_since: datetime) -> Iterator[Sequence[Cart]]:
        for user_id in sorted(self._waiting):
            if self._carts[user_id].updated_at <= unchanged_since:
                yield [self._carts[user_id]]

    def stop_waiting(
        self,
        cart: Cart,
        reminded_at: datetime | None,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        def still_waits() -> bool:
            present = self._carts.get(cart.user_id)
            unchanged = present is not None and present.version == cart.version
            return unchanged and cart.user_id in self._waiting

        def stop() -> None:
            self._waiting.remove(cart.user_id)
            if reminded_at:
                present = self._carts[cart.user_id]
                self._carts[cart.user_id] = replace(present, reminded_at=reminded_at)

        in_memory(transaction).add(still_waits, stop, on_conflict)

    def _alive(self, user_id: str) -> Cart:
        now = self._clock()
        cart = self._carts.get(user_id) or Cart.new(user_id, now)
        return replace(cart, lines=(), reminded_at=None) if cart.is_expired(now) else cart

    def _with(self, cart: Cart, line: CartLine) -> Cart:
        present = cart.line(line.product_id)
        line = replace(line, added_at=present.added_at if present else line.added_at)
        others = [each for each in cart.lines if each.product_id != line.product_id]
        return self._keep(cart, tuple(sorted([*others, line], key=_place)))

    def _forget_lines(self, cart: Cart) -> None:
        self._waiting.discard(cart.user_id)
        self._keep(cart, ())

    def _keep(self, cart: Cart, lines: tuple[CartLine, ...]) -> Cart:
        now = self._clock()
        kept = replace(
            cart,
            version=cart.version + 1,
            lines=lines,
            updated_at=now,
            expires_at=now + LIFETIME,
        )
        self._carts[cart.user_id] = kept
        return kept


def _place(line: CartLine) -> tuple[datetime, str]:
    return line.added_at, line.product_id
