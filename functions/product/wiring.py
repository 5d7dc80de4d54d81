"""Composition root of the catalogue."""

import random
import time
from functools import cache
from typing import TYPE_CHECKING

from product.gateways import ImageKitPictures
from product.purge import Purge
from product.repository import DynamoEntries, DynamoProducts, changed_by, product_of
from product.search import SearchIndex
from product.service import ProductService
from product.stock import StockMonitor
from supermarket.clock import new_id, utc_now
from supermarket.config import ConfigurationError, settings
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.secrets import secret
from supermarket.wiring import audit_trail

if TYPE_CHECKING:
    from imagekitio import ImageKit

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.8
IMAGEKIT_TIMEOUT_SECONDS = 8.0
IMAGEKIT_RETRIES = 1


@cache
def product_service() -> ProductService:
    products = DynamoProducts()
    return ProductService(
        products=products,
        index=SearchIndex(DynamoEntries(), products),
        pictures=ImageKitPictures(imagekit, new_id),
        audit=audit_trail(),
        begin=DynamoTransaction,
        clock=utc_now,
        new_id=new_id,
        pause=pause,
    )


@cache
def stock_monitor() -> StockMonitor:
    return StockMonitor(product_of, changed_by, DynamoTransaction)


@cache
def purge() -> Purge:
    products = DynamoProducts()
    index = SearchIndex(DynamoEntries(), products)
    return Purge(products, index, ImageKitPictures(imagekit, new_id))


def pause(number: int) -> None:
    """Wait after a failed attempt (from 0): exponential backoff with jitter."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**number)
    time.sleep(random.uniform(0, longest))  # noqa: S311 - it spreads, and guards nothing


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
