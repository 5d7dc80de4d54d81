"""Composition root of the catalogue."""

from functools import cache
from typing import TYPE_CHECKING

from inventory.wiring import bucket_change, inventory_service
from product.gateways import ImageKitPictures, InventoryStock, StockMonitor
from product.repository import DynamoCheckpoint, DynamoEntries, DynamoProducts
from product.search import SearchIndex
from product.service import ProductService
from supermarket.clock import new_id, utc_now
from supermarket.config import ConfigurationError, settings
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import wait
from supermarket.secrets import secret
from supermarket.wiring import audit_trail, idempotency_keys

if TYPE_CHECKING:
    from imagekitio import ImageKit

    from product.orphans import OrphanSweep
    from product.purge import Purge
    from product.visibility import SellerVisibility

LAST_DOUBLED_PAUSE = 5  # of up to 0.64 seconds
IMAGEKIT_TIMEOUT_SECONDS = 8.0
IMAGEKIT_RETRIES = 1


@cache
def product_service() -> ProductService:
    products = DynamoProducts()
    return ProductService(
        products=products,
        stock=InventoryStock(inventory_service()),
        index=SearchIndex(DynamoEntries(), products),
        pictures=_pictures(),
        audit=audit_trail(),
        idempotency_keys=idempotency_keys(),
        begin=DynamoTransaction,
        clock=utc_now,
        new_id=new_id,
        pause=lambda number: wait(min(number, LAST_DOUBLED_PAUSE)),
    )


@cache
def stock_monitor() -> StockMonitor:
    return StockMonitor(inventory_service(), bucket_change)


@cache
def seller_visibility() -> "SellerVisibility":
    from product.repository import DynamoSellers
    from product.visibility import SellerVisibility

    stock = InventoryStock(inventory_service())
    return SellerVisibility(DynamoSellers(), DynamoProducts(), stock, DynamoTransaction)


@cache
def purge() -> "Purge":
    from product.purge import Purge

    products = DynamoProducts()
    index = SearchIndex(DynamoEntries(), products)
    return Purge(products, index, _pictures())


@cache
def orphan_sweep() -> "OrphanSweep":
    from product.orphans import OrphanSweep

    products = DynamoProducts()
    index = SearchIndex(DynamoEntries(), products)
    return OrphanSweep(index, _pictures(), products, DynamoCheckpoint())


def _pictures() -> ImageKitPictures:
    # stages may share an account, and a sweep must not find the pictures of another one
    return ImageKitPictures(imagekit, new_id, f"/supermarket-{settings().stage}/products")


def imagekit() -> "ImageKit":
    """Return a client with the present key, which may have been rotated."""
    private_key = secret("imagekit").get("privateKey")
    if not private_key:
        raise ConfigurationError("The secret imagekit has no privateKey")
    return _imagekit(private_key)


@cache
def _imagekit(private_key: str) -> "ImageKit":
    from imagekitio import ImageKit

    return ImageKit(
        private_key=private_key,
        base_url=settings().imagekit_base_url or None,  # ImageKit's own addresses when empty
        timeout=IMAGEKIT_TIMEOUT_SECONDS,
        max_retries=IMAGEKIT_RETRIES,
    )
