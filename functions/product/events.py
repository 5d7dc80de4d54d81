"""Maps products to the catalogue's events."""

from product.model import Product, Seller
from supermarket.contracts import (
    Amount,
    ProductCreated,
    ProductDeleted,
    ProductFacts,
    ProductUpdated,
    StockMoved,
    StockRanLow,
)
from supermarket.people import Recipient


def to_product_created(product: Product) -> ProductCreated:
    return _with_details(ProductCreated, product)


def to_product_updated(product: Product) -> ProductUpdated:
    return _with_details(ProductUpdated, product)


def to_product_deleted(product: Product) -> ProductDeleted:
    return ProductDeleted(
        product_id=product.id, seller_id=product.seller.user_id, revision=product.revision + 1
    )


def to_stock_ran_low(product: Product) -> StockRanLow:
    return StockRanLow(
        product_id=product.id,
        seller=to_recipient(product.seller),
        title=product.title,
        stock=product.stock,
        threshold=product.low_stock_threshold or 0,
        stock_revision=product.stock_revision,
    )


def to_stock_moved(product: Product) -> StockMoved:
    return StockMoved(
        product_id=product.id,
        seller_id=product.seller.user_id,
        title=product.title,
        stock=product.stock,
        threshold=product.low_stock_threshold,
        stock_revision=product.stock_revision,
    )


def to_recipient(seller: Seller) -> Recipient:
    return Recipient(user_id=seller.user_id, email=seller.email, first_name=seller.first_name)


def _with_details[Kind: ProductFacts](kind: type[Kind], product: Product) -> Kind:
    return kind(
        product_id=product.id,
        seller=to_recipient(product.seller),
        title=product.title,
        price=Amount.of(product.price),
        stock=product.stock,
        category=product.category,
        revision=product.revision,
        low_stock_threshold=product.low_stock_threshold,
        stock_revision=product.stock_revision,
    )
