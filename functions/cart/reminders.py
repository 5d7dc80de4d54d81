"""Reminds customers once of the carts that they have left. Runs may be repeated and overlap: the
transaction that emits the event also makes the cart not pending, if it is pending and unchanged.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cart.events import to_cart_abandoned
from cart.model import IDLE_BEFORE_REMINDER, Cart, CartLine
from cart.ports import Carts, Catalogue, Customers
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction

OUTCOMES = ("reminded", "passed_over", "skipped", "failed", "unfinished")


@dataclass(frozen=True)
class Reminders:
    """Finds abandoned carts and emits `CartAbandoned` once for each."""

    carts: Carts
    catalogue: Catalogue
    customers: Customers
    begin: BeginTransaction
    clock: Clock

    def remind(self, until: datetime, has_time: Callable[[], bool]) -> Counter[str]:
        """Remind of the carts that were idle for a day at `until`; returns how many carts had
        each outcome. The next run handles what failed or found no time.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        idle_since = until - IDLE_BEFORE_REMINDER
        for page in self.carts.list_pending(idle_since):
            if not has_time():
                outcomes["unfinished"] = 1
                break
            outcomes.update(self._try_remind(cart, idle_since) for cart in page)
        return outcomes

    def _try_remind(self, cart: Cart, idle_since: datetime) -> str:
        if cart.updated_at > idle_since or cart.is_expired(self.clock()):
            return "skipped"
        try:
            return self._remind(cart)
        except StaleWrite:
            return "skipped"
        except Exception:
            telemetry.logger.exception("cart reminder failed", extra={"user_id": cart.user_id})
            return "failed"

    def _remind(self, cart: Cart) -> str:
        """Emit the event if something in the cart can be ordered and its customer exists; make the
        cart not pending in any case.
        """
        lines = () if cart.was_reminded else self._lines_in_stock(cart)
        customer = self.customers.find(cart.user_id) if lines else None
        transaction = self.begin()
        reminded_at = self.clock() if customer else None
        self.carts.clear_reminder(cart, reminded_at, transaction)
        if customer:
            transaction.emit(to_cart_abandoned(cart, lines, customer))
        transaction.commit()
        return "reminded" if customer else "passed_over"

    def _lines_in_stock(self, cart: Cart) -> Sequence[CartLine]:
        products = self.catalogue.find_many(line.product_id for line in cart.lines)
        in_stock = {product_id for product_id, product in products.items() if product.stock}
        return [line for line in cart.lines if line.product_id in in_stock]
