"""Reminds customers of what they left in their carts: once until a cart was emptied and filled
anew.

A run may be repeated, and several may go on at once: each cart is marked as reminded in the
transaction that tells of it, on condition that it still waits and nobody has changed it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cart.model import IDLE_BEFORE_REMINDER, Cart, CartLine
from cart.service import Catalogue
from supermarket import contracts, telemetry
from supermarket.clock import Clock
from supermarket.contracts import Amount, CartAbandoned
from supermarket.errors import Conflict, DomainError
from supermarket.money import Money
from supermarket.people import Recipient
from supermarket.transaction import BeginTransaction, Transaction

OUTCOMES = ("reminded", "passed_over", "skipped", "failed", "unfinished")


class Overtaken(Conflict):
    """The cart was changed, or reminded of, since it was read."""

    code = "OVERTAKEN"


OVERTAKEN = Overtaken("Somebody else has changed this cart, or was reminded of it")


class WaitingCarts(Protocol):
    """The carts that something was put in, and that were neither emptied nor reminded of since."""

    def waiting(self, unchanged_since: datetime) -> Iterator[Sequence[Cart]]:
        """Them as they are now, page by page; also such that changed in the meantime."""

    def stop_waiting(
        self,
        cart: Cart,
        reminded_at: datetime | None,
        transaction: Transaction,
        refused: DomainError,
    ) -> None:
        """Let a cart wait no longer, until something is put in; refused unless it still waits and
        is the version that was read.
        """


class Customers(Protocol):
    """The people whose carts these are."""

    def find(self, user_id: str) -> Recipient | None:
        """Where to reach somebody; None when the account is gone."""


@dataclass(frozen=True)
class Reminders:
    """Finds the carts that were left, and tells of each once."""

    carts: WaitingCarts
    catalogue: Catalogue
    customers: Customers
    begin: BeginTransaction
    clock: Clock

    def remind(self, until: datetime, has_time: Callable[[], bool]) -> Counter[str]:
        """Tell of the carts that were left for a day at `until`; how many came to what.

        What there is no time for, or fails, stays for the next run.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        left_at = until - IDLE_BEFORE_REMINDER
        for page in self.carts.waiting(left_at):
            if not has_time():
                outcomes["unfinished"] = 1
                break
            outcomes.update(self._outcome(cart, left_at) for cart in page)
        return outcomes

    def _outcome(self, cart: Cart, left_at: datetime) -> str:
        if cart.updated_at > left_at or cart.is_expired(self.clock()):
            return "skipped"
        try:
            return self._settle(cart)
        except Overtaken:
            return "skipped"
        except Exception:
            telemetry.logger.exception("not reminded of a cart", extra={"user_id": cart.user_id})
            return "failed"

    def _settle(self, cart: Cart) -> str:
        """Tell of the cart if there is anything to tell, and anybody to be told."""
        lines = () if cart.was_reminded_of() else self._lines_to_be_had(cart)
        customer = self.customers.find(cart.user_id) if lines else None
        transaction = self.begin()
        reminded_at = self.clock() if customer else None
        self.carts.stop_waiting(cart, reminded_at, transaction, OVERTAKEN)
        if customer:
            transaction.emit(_abandoned(cart, lines, customer))
        transaction.commit()
        return "reminded" if customer else "passed_over"

    def _lines_to_be_had(self, cart: Cart) -> tuple[CartLine, ...]:
        """The lines without those that are no longer for sale, or sold out."""
        products = self.catalogue.find_many(line.product_id for line in cart.lines)
        there = {product_id for product_id, product in products.items() if product.stock}
        return tuple(line for line in cart.lines if line.product_id in there)


def _abandoned(cart: Cart, lines: Sequence[CartLine], customer: Recipient) -> CartAbandoned:
    totals = (line.price_when_added * line.quantity for line in lines)
    return CartAbandoned(
        user_id=cart.user_id,
        customer=customer,
        lines=[_told(line) for line in lines],
        total=Amount.of(Money.total(totals, lines[0].price_when_added.currency)),
        idle_since=cart.updated_at,
    )


def _told(line: CartLine) -> contracts.CartLine:
    return contracts.CartLine(
        product_id=line.product_id,
        title=line.title,
        quantity=line.quantity,
        unit_price=Amount.of(line.price_when_added),
    )
