"""Hides the products of a seller who may sell nothing, and shows them again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from product.model import SellerDecision
from product.ports import Products, Sellers, Stock
from supermarket.errors import Conflict, RetryLater
from supermarket.retry import retry_on_conflict
from supermarket.transaction import BeginTransaction

PRODUCTS_PER_PAGE = 25
# a request that was admitted before the decision may create a product after the first round, and
# the index of the seller's products lags a little behind
ROUNDS_TO_HIDE = 2
PAUSE = timedelta(minutes=1)
AT_ONCE = timedelta(seconds=1)


class Superseded(Conflict):
    """There is a later decision about the seller."""

    code = "SUPERSEDED"


@dataclass(frozen=True)
class SellerVisibility:
    """Carries out decisions about sellers, product by product. A decision may arrive late, twice or
    before an earlier one: each write requires that there is no later one.
    """

    sellers: Sellers
    products: Products
    stock: Stock
    begin: BeginTransaction

    def carry_out(self, decision: SellerDecision, has_time: Callable[[], bool]) -> None:
        """Hide or show all products of the seller, from where the last attempt stopped. Raises
        RetryLater when there are more, or when those are to be found that were added meanwhile.
        """
        present = self.sellers.record(decision)
        rounds = ROUNDS_TO_HIDE if decision.is_hidden else 1
        try:
            while present and present.rounds < rounds:
                present = self._carry_out_page(present)
                if present.place is None and present.rounds < rounds:
                    raise RetryLater("products may have been added meanwhile", PAUSE)
                if present.place is not None and not has_time():
                    raise RetryLater("there are more products", AT_ONCE)
        except Superseded:
            return

    def _carry_out_page(self, decision: SellerDecision) -> SellerDecision:
        """Return the decision with its progress."""
        page = self.products.list_by_seller(decision.seller_id, decision.place, PRODUCTS_PER_PAGE)
        for product in page.products:
            if product.is_hidden is not decision.is_hidden:
                self._change(product.id, decision)
        rounds = decision.rounds + (page.next is None)
        done = replace(decision, place=page.next, rounds=rounds)
        if not self.sellers.save(done):
            raise Superseded("There is a later decision about the seller")
        return done

    def _change(self, product_id: str, decision: SellerDecision) -> None:
        retry_on_conflict(lambda: self._try_to_change(product_id, decision))

    def _try_to_change(self, product_id: str, decision: SellerDecision) -> None:
        product = self.products.find(product_id)
        if product is None or product.is_hidden is decision.is_hidden:
            return
        transaction = self.begin()
        superseded = Superseded("There is a later decision about the seller")
        self.sellers.require(decision, transaction, superseded)
        write = self.products.hide if decision.is_hidden else self.products.unhide
        write(product, transaction)
        is_on_sale = not decision.is_hidden
        self.stock.change_offer(product, decision.seller_id, transaction, on_sale=is_on_sale)
        transaction.commit()
