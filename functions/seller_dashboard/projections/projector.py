"""Writes the projections from facts, which may arrive twice and in any order.

A sale is written first and alone. It is counted afterwards: the sums change by the difference
between the sale and what they contain of it, in the transaction that records the new contents.
"""

from dataclasses import replace
from functools import partial

from seller_dashboard.ports import Catalogue, Orders, Sales
from seller_dashboard.projections.model import OrderFacts, ProductFacts, Sale
from seller_dashboard.projections.totals import Counted, DailyTotals
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import AddWrites, BeginTransaction, add_nothing


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
        """Merge the facts of an order, then write the sale of each seller in it, then count them.

        What was written before a failure stays; a repetition with the same facts completes the
        rest. Raises StaleWrite when others keep changing the same rows.
        """
        order = retry_on_conflict(lambda: self._merge_order(facts))
        counted = [retry_on_conflict(partial(self.save, sale)) for sale in order.sales]
        for sale, known in zip(order.sales, counted, strict=True):
            try:
                self._count(sale, known)
            except StaleWrite:
                retry_on_conflict(partial(self.count, sale))

    def apply_product(self, facts: ProductFacts) -> None:
        """Merge the facts of a product. Raises StaleWrite as `apply` does."""
        retry_on_conflict(lambda: self._merge_product(facts))

    def save(self, sale: Sale) -> Counted:
        """Write a sale unless this or a later version is stored; returns what the totals contain of
        it.
        """
        known, counted = self._sales.find(sale)
        if known is None or known.version < sale.version:
            self._sales.save(sale, known)
        return counted

    def count(self, sale: Sale, also: AddWrites = add_nothing) -> None:
        """Count a sale unless this or a later version was counted. `also` adds to each transaction.

        Raises StaleWrite when another worker counts a version of it at the same time.
        """
        _, counted = self._sales.find(sale)
        self._count(sale, counted, also)

    def _count(self, sale: Sale, counted: Counted, also: AddWrites = add_nothing) -> None:
        if counted.sale_version >= sale.version:
            return
        if not counted.totals.version:
            self._sales.record_last_order(sale)
        for change, is_last in (DailyTotals.of(sale) - counted.totals).steps():
            transaction = self._begin()
            also(transaction)
            if is_last:
                counted = replace(counted, sale_version=sale.version)
            counted = self._sales.count(sale, counted, change, transaction)
            transaction.commit()

    def _merge_order(self, facts: OrderFacts) -> OrderFacts:
        known = self._orders.find(facts.id) or OrderFacts(facts.id)
        merged = known.merge(facts)
        return known if merged == known else self._orders.save(merged)

    def _merge_product(self, facts: ProductFacts) -> None:
        known = self._catalogue.find(facts.seller_id, facts.id)
        known = known or ProductFacts(facts.seller_id, facts.id)
        merged = known.merge(facts)
        if merged != known:
            self._catalogue.save(merged)
