"""Writes the projections from facts, which may arrive twice and in any order. Totals change by the
difference between the old and the new sale, in the transaction that writes the sale.
"""

from functools import partial

from seller_dashboard.ports import Catalogue, Orders, Sales
from seller_dashboard.projections.model import OrderFacts, ProductFacts, Sale
from seller_dashboard.projections.totals import DailyTotals
from supermarket.retry import retry_on_conflict
from supermarket.transaction import BeginTransaction


class Projector:
    """Applies facts to the projections.

    projector.apply(OrderFacts("o1", refunds={"r1": Money(300, Currency.INR)}))
    """

    def __init__(
        self, orders: Orders, sales: Sales, catalogue: Catalogue, begin: BeginTransaction
    ) -> None:
        self._orders = orders
        self._sales = sales
        self._catalogue = catalogue
        self._begin = begin

    def apply(self, facts: OrderFacts) -> None:
        """Merge the facts of an order and update the sale of each seller in it.

        When one sale fails, those before it are complete; a repetition with the same facts
        completes the others. Raises StaleWrite when others keep changing the same rows.
        """
        order = retry_on_conflict(lambda: self._merge_order(facts))
        for sale in order.sales:
            retry_on_conflict(partial(self._update_sale, sale))

    def apply_product(self, facts: ProductFacts) -> None:
        """Merge the facts of a product. Raises StaleWrite as `apply` does."""
        retry_on_conflict(lambda: self._merge_product(facts))

    def _merge_order(self, facts: OrderFacts) -> OrderFacts:
        known = self._orders.find(facts.id) or OrderFacts(facts.id)
        merged = known.merge(facts)
        return known if merged == known else self._orders.save(merged)

    def _update_sale(self, sale: Sale) -> None:
        known = self._sales.find(sale)
        if known is not None and known.version >= sale.version:
            return
        if known is None:
            self._sales.record_last_order(sale)
        transaction = self._begin()
        self._sales.save(sale, known, transaction)
        before = DailyTotals.of(known) if known else DailyTotals(sale.day, sale.currency)
        if change := DailyTotals.of(sale) - before:
            self._sales.add_to_totals(sale, change, transaction)
        transaction.commit()

    def _merge_product(self, facts: ProductFacts) -> None:
        known = self._catalogue.find(facts.seller_id, facts.id)
        known = known or ProductFacts(facts.seller_id, facts.id)
        merged = known.merge(facts)
        if merged != known:
            self._catalogue.save(merged)
