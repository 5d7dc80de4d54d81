"""The Lambda that reads the inventory table's stream and shows in the lists what has changed."""

from collections.abc import Collection, Sequence

from product import wiring
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.init_phase import prepare
from supermarket.streams import Change, StreamHandler


@StreamHandler
def watch_stock(changes: Sequence[Change]) -> Collection[Change]:
    """Write the history of stock, and show each product's latest level; returns the changes to
    retry.
    """
    monitor = wiring.stock_monitor()
    monitor.record(changes)
    failed = [change for each in monitor.by_product(changes) if not _show(each) for change in each]
    if failed:
        telemetry.count("StockChangesFailed", len(failed))
    return failed


def _show(changes: Sequence[Change]) -> bool:
    """Show the changes of one product; returns False when they are to be retried."""
    monitor = wiring.stock_monitor()
    try:
        telemetry.begin(monitor.request_of(changes) or new_id(), job=watch_stock.name)
        if level := monitor.level_to_show(changes):
            wiring.product_service().update_availability(level)
    except Exception:
        telemetry.logger.exception("stock not shown", extra={"keys": changes[-1].keys})
        return False
    return True


prepare(__name__)
