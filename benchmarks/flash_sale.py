"""Simulates buyers of one product, and writes docs/flash-sale.md: `make bench-sale`.

The inventory's own code runs on a store in memory that cancels transactions as DynamoDB documents
it: one that touches a row which another one holds fails at once with TransactionConflict. Beside it
runs the design before: the stock was one number in the product's row, and a transaction was sent up
to eight times. Time is simulated, so that the result does not depend on the machine.
"""

import random
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import track

from benchmarks.virtual_time import VirtualTime
from inventory.model import StockRequest
from inventory.service import InventoryService
from supermarket.clock import utc_now
from supermarket.dynamo.writes import FIRST_WAIT_SECONDS
from supermarket.errors import Busy, DomainError
from supermarket.transaction import Transaction
from support.in_memory import InMemoryTransaction
from support.inventory import OFFER, InMemoryMovements, InMemoryReservations, InMemoryStockLevels

DOCUMENT = Path(__file__).parents[1] / "docs" / "flash-sale.md"
SECONDS = 5.0
STOCK = 1_000_000  # never sold out: every refusal is wrong
READ_SECONDS = 0.005
OLD_ATTEMPTS = 8
RATES = (50, 100, 200, 500)
HOLDS = (0.010, 0.020)
PRODUCT = "product"
TEXT = """\
# A flash sale of one product

Written by `make bench-sale` (simulated time, seed {seed}). Buyers arrive at random
for {seconds:.0f} seconds and order one piece each. A transaction holds its rows for 10 or 20 ms;
another one that touches a held row is cancelled at once. There is stock for everybody, so that
every refusal is wrong.

*Before*: one number in the product's row, up to {old_attempts} attempts. *Now*: the inventory's
code, one bucket at first.

{table}

## Wrong refusals in percent, rows held for 20 ms

```mermaid
xychart-beta
    x-axis "buyers a second" [{rates}]
    y-axis "wrong refusals in percent" 0 --> 100
    bar [{before}]
    bar [{now}]
```

The taller bars are before, the others (close to zero) now.
"""
HEAD = """\
| buyers/s | rows held | design | orders/s | wrong refusals | attempts per buyer | 99 % wait |
|---|---|---|---|---|---|---|"""
SEED = 1


@dataclass
class Result:
    """What happened to the buyers; `waits` are seconds of those who got an order."""

    refused: int = 0
    attempts: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def buyers(self) -> int:
        return self.refused + len(self.waits)

    @property
    def wrong_percent(self) -> float:
        return 100 * self.refused / self.buyers


class Rows:
    """The rows that transactions hold, each until a moment."""

    def __init__(self, time: VirtualTime, hold: float) -> None:
        self._time = time
        self._hold = hold
        self._until: dict[int, float] = {}

    def take(self, numbers: set[int]) -> bool:
        """Hold the rows, unless one is held."""
        if any(self._until.get(number, 0) > self._time.now for number in numbers):
            return False
        self._until |= dict.fromkeys(numbers, self._time.now + self._hold)
        return True

    def finish(self) -> None:
        self._time.sleep(self._hold)


class ContendedTransaction(InMemoryTransaction):
    """A transaction on rows that others may hold."""

    def __init__(self, rows: Rows, result: Result) -> None:
        super().__init__([])
        self._rows, self._result = rows, result
        self.buckets: set[int] = set()
        self.on_busy: DomainError = Busy("held")

    def commit(self) -> None:
        self._result.attempts += 1
        if not self._rows.take(self.buckets):
            raise self.on_busy
        super().commit()
        self._rows.finish()


class ContendedLevels(InMemoryStockLevels):
    """Levels whose buckets are rows that transactions hold. A read takes its time."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def find_many(self, product_ids: Any, *, keep: bool = False) -> Mapping[str, Any]:
        self._time.sleep(READ_SECONDS)
        return super().find_many(product_ids, keep=keep)

    def reserve(
        self,
        read: Any,
        request: StockRequest,
        quantities: Mapping[int, int],
        cause: Any,
        transaction: Transaction,
        **errors: Any,
    ) -> None:
        held = _contended(transaction)
        held.buckets |= quantities.keys()
        held.on_busy = errors["on_busy"]
        super().reserve(read, request, quantities, cause, transaction, **errors)

    def split(self, read: Any, source: Any, *arguments: Any) -> None:
        _contended(arguments[3]).buckets |= {0, source.number}
        super().split(read, source, *arguments)


def _contended(transaction: Transaction) -> ContendedTransaction:
    assert isinstance(transaction, ContendedTransaction)  # noqa: S101
    return transaction


@dataclass(frozen=True)
class Sale:
    """A sale with `rate` buyers a second; a transaction holds its rows for `hold` seconds."""

    rate: int
    hold: float

    def before(self) -> Result:
        """Simulate one row, and a transaction that is sent up to eight times."""
        time, result = VirtualTime(), Result()
        rows, chance = Rows(time, self.hold), random.Random(SEED)  # noqa: S311

        def buy() -> None:
            began = time.now
            time.sleep(READ_SECONDS)
            for attempt in range(OLD_ATTEMPTS):
                result.attempts += 1
                if rows.take({0}):
                    rows.finish()
                    result.waits.append(time.now - began)
                    return
                time.sleep(chance.uniform(0, FIRST_WAIT_SECONDS * 2**attempt))
            result.refused += 1

        return self._run(time, buy, result)

    def now(self) -> Result:
        """Simulate the inventory's code."""
        time, result = VirtualTime(), Result()
        rows, chance = Rows(time, self.hold), random.Random(SEED)  # noqa: S311
        service = self._service(time, partial(ContendedTransaction, rows, result), chance)

        def buy(number: int) -> None:
            began = time.now
            request = StockRequest(PRODUCT, OFFER.price, 1)
            try:
                service.commit_reserving(
                    f"order-{number}", [request], partial(ContendedTransaction, rows, result)
                )
            except Busy:
                result.refused += 1
            else:
                result.waits.append(time.now - began)

        numbers = iter(range(10**9))
        return self._run(time, lambda: buy(next(numbers)), result)

    def _service(
        self, time: VirtualTime, begin: Callable[[], Transaction], chance: random.Random
    ) -> InventoryService:
        levels = ContendedLevels(time)
        service = InventoryService(
            levels=levels,
            reservations=InMemoryReservations(),
            movements=InMemoryMovements(),
            begin=begin,
            choose=chance.randrange,
            pause=lambda number: time.sleep(chance.uniform(0, FIRST_WAIT_SECONDS * 2**number)),
            request_id=lambda: "request",
            clock=utc_now,
        )
        opening = InMemoryTransaction([])
        service.open(PRODUCT, STOCK, OFFER, "seller", opening)
        opening.commit()
        return service

    def _run(self, time: VirtualTime, buy: Callable[[], None], result: Result) -> Result:
        for moment in self._arrivals():
            time.start(moment, buy)
        time.run()
        return result

    def _arrivals(self) -> Iterator[float]:
        chance, moment = random.Random(SEED), 0.0  # noqa: S311
        while (moment := moment + chance.expovariate(self.rate)) < SECONDS:
            yield moment


def main() -> None:
    sales = [Sale(rate, hold) for hold in HOLDS for rate in RATES]
    results = {sale: (sale.before(), sale.now()) for sale in track(sales, "Simulating")}
    text = report(results)
    DOCUMENT.write_text(text)
    Console().print(Markdown(text))


def report(results: Mapping[Sale, tuple[Result, Result]]) -> str:
    """Return the document."""
    rows = [
        _row(sale, design, result)
        for sale, pair in results.items()
        for design, result in zip(("before", "now"), pair, strict=True)
    ]
    longest = [results[Sale(rate, HOLDS[-1])] for rate in RATES]
    return TEXT.format(
        seed=SEED,
        seconds=SECONDS,
        old_attempts=OLD_ATTEMPTS,
        table="\n".join((HEAD, *rows)),
        rates=", ".join(map(str, RATES)),
        before=", ".join(f"{before.wrong_percent:.1f}" for before, _ in longest),
        now=", ".join(f"{now.wrong_percent:.1f}" for _, now in longest),
    )


def _row(sale: Sale, design: str, result: Result) -> str:
    waited = statistics.quantiles(result.waits, n=100)[98]
    return (
        f"| {sale.rate} | {sale.hold * 1000:.0f} ms | {design}"
        f" | {len(result.waits) / SECONDS:.0f} | {result.wrong_percent:.1f} %"
        f" | {result.attempts / result.buyers:.1f} | {waited:.2f} s |"
    )


if __name__ == "__main__":
    main()
