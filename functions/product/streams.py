"""The Lambda that reads the product table's stream and announces changes of stock."""

from collections.abc import Collection, Sequence

from product import wiring
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.init_phase import prepare
from supermarket.streams import Change, StreamHandler, failures


@StreamHandler
def watch_stock(changes: Sequence[Change]) -> Collection[Change]:
    """Announce each change of stock; returns the changes to retry."""
    failed = failures(changes, _watch)
    if failed:
        telemetry.count("StockChangesFailed", len(failed))
    return failed


def _watch(change: Change) -> None:
    """Announce one change under the id of the request that made it."""
    monitor = wiring.stock_monitor()
    telemetry.begin(monitor.changed_by(change.after) or new_id(), job=watch_stock.name)
    monitor.observe(change.before, change.after)


prepare(__name__)
