"""Maps products to the catalogue's events."""

from product.model import Product
from supermarket.contracts import Event


def to_event[Kind: Event](kind: type[Kind], product: Product) -> Kind:
    """Return an event of this kind, whose fields are all facts of the product."""
    facts = vars(product) | {
        "product_id": product.id,
        "seller_id": product.seller.user_id,
        "threshold": product.low_stock_threshold,
    }
    return kind.model_validate(facts, from_attributes=True)
