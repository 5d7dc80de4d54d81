"""The rows of the table `sales`.

| pk          | sk                            | one row per                                      |
|-------------|-------------------------------|--------------------------------------------------|
| ORDER#<id>  | ORDER                         | order: the merged facts, with all its sellers    |
| ORDER#<id>  | COUNTED#<seller id>           | sale: what the totals below contain of it        |
| SELLER#<id> | ORDER#<placedAt>#<order id>   | sale: the seller's share of an order             |
| SELLER#<id> | PRODUCT#<product id>          | product: the merged facts, and lifetime sales    |
| SELLER#<id> | CUSTOMER#<user id>            | customer: totals, and the last order             |
| SELLER#<id> | PROFILE                       | seller: name and mail address                    |
| PAID#<id>   | PAYMENT#<placedAt>#<order id> | seller's sale with a payment: the same once more |
| TOTALS#<id> | DAY#<date>#<currency>#<part>  | seller's day and currency: a part of its totals  |
| DAY#<date>  | SELLER#<id>                   | seller with orders on that day                   |

The index `byStatus` holds the sales by status (partition `SELLER#<id>#<status>`, sorted by time of
placing), the products with low stock (partition `SELLER#<id>#LOW`, sorted by stock) and all sellers
(partition `SELLERS`, sorted by id).

The totals of a day are in parts (`DailyTotals.parts`), which are read together: each order belongs
to one of 16, and each product to one of 512, as attributes (`units#<product id>`). A part stays
about as small as one write unit with 5,600 products a day. Totals and payments have partitions of
their own, so that they do not share the throughput of a seller's list of sales.

`version`, `counted` and `soldAs` depend on the order in which events arrived; everything else
depends on the events alone, which a rebuild of the projections checks.
"""

from collections.abc import Mapping
from typing import Any, Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from seller_dashboard.projections.model import OrderFacts, ProductFacts, Sale
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.people import Recipient

UNSTORED = frozenset({"version"})  # an attribute of its own


class Key:
    """Keys, and what keys begin with."""

    ORDER = "ORDER#"
    PAYMENT = "PAYMENT#"
    DAY = "DAY#"
    PRODUCT = "PRODUCT#"
    CUSTOMER = "CUSTOMER#"
    COUNTED = "COUNTED#"
    SELLER = "SELLER#"
    PAID = "PAID#"
    TOTALS = "TOTALS#"
    PROFILE = "PROFILE"
    WHOLE_ORDER = "ORDER"
    LOW_STOCK = "LOW"
    ALL_SELLERS = "SELLERS"


class ByStatus(GlobalSecondaryIndex[Any]):
    """Sales by status, products with low stock, and all sellers."""

    class Meta:
        index_name = "byStatus"
        projection = AllProjection()

    partition = UnicodeAttribute(hash_key=True)
    sort_key = UnicodeAttribute(range_key=True, attr_name="sortKey")


class SalesRow(Row):
    """Base of the rows in the table; those in the index have `partition` and `sort_key`."""

    Meta = table("sales")
    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    partition = UnicodeAttribute(null=True)
    sort_key = UnicodeAttribute(attr_name="sortKey", null=True)


class CounterRow(SalesRow):
    """Base of rows with numbers that `ADD` creates, such as `minor#INR` or `units#<product id>`.

    `numbers` has them by attribute name; declared attributes are left out.
    """

    numbers: Mapping[str, int] = {}

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        row = super().from_raw_data(data)
        names = (name for name in data if name not in cls.get_attributes())
        row.numbers = {name: int(data[name]["N"]) for name in names if "N" in data[name]}
        return row

    def serialize(self, null_check: bool = True) -> dict[str, Any]:
        numbers = {name: {"N": str(number)} for name, number in self.numbers.items()}
        return {**super().serialize(null_check), **numbers}


class OrderRow(SalesRow):
    """The merged facts of an order."""

    order = Mapped[OrderFacts](OrderFacts, exclude=UNSTORED)
    version = NumberAttribute()


class SaleRow(SalesRow):
    """One seller's share of an order; once more if it has a payment."""

    by_status = ByStatus()
    sale = Mapped[Sale](Sale, exclude=UNSTORED)
    version = NumberAttribute()


class CountedRow(CounterRow):
    """What the totals contain of a sale, and as of which version of it."""

    counted = NumberAttribute()
    version = NumberAttribute()


class DayRow(CounterRow):
    """A part of the totals of one day in one currency, by the names of `DailyTotals.numbers`."""

    version = NumberAttribute(default=0)


class ProductRow(CounterRow):
    """A product, its `units` sold and their revenue per currency. Until the product's own events
    arrive, sales create the row without `product`, and its title is `soldAs`.
    """

    by_status = ByStatus()
    product = Mapped[ProductFacts | None](ProductFacts, exclude=UNSTORED, null=True)
    sold_as = UnicodeAttribute(attr_name="soldAs", null=True)
    version = NumberAttribute(null=True)


class CustomerRow(CounterRow):
    """A customer of a seller, the number of `orders` and their revenue per currency."""

    first_name = UnicodeAttribute(attr_name="firstName")
    last_order = UnicodeAttribute(attr_name="lastOrder")


class ProfileRow(SalesRow):
    """A seller's name and mail address, as of a moment."""

    by_status = ByStatus()
    seller = Mapped[Recipient](Recipient)
    as_of = UnicodeAttribute(attr_name="asOf")


class SellerOfDayRow(SalesRow):
    """A seller who had orders on a day."""
