"""Composition root of stock."""

import random
from functools import cache

from inventory.model import BucketChange
from inventory.repository import (
    DynamoMovements,
    DynamoReservations,
    DynamoStockLevels,
    bucket_row_of,
)
from inventory.service import InventoryService
from supermarket import telemetry
from supermarket.clock import utc_now
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import wait
from supermarket.streams import Change

# SystemRandom: copies of a process that continue from one snapshot must not choose the same bucket
_random = random.SystemRandom()


@cache
def inventory_service() -> InventoryService:
    return InventoryService(
        levels=DynamoStockLevels(),
        reservations=DynamoReservations(),
        movements=DynamoMovements(),
        begin=DynamoTransaction,
        choose=_random.randrange,
        pause=wait,
        request_id=telemetry.correlation_id,
        clock=utc_now,
    )


def bucket_change(change: Change) -> BucketChange:
    """Return the change of a bucket that a stream record describes."""
    if change.after is None:
        raise ValueError("buckets are never removed")
    row = bucket_row_of(change.after)
    before = bucket_row_of(change.before).bucket() if change.before else None
    return BucketChange(
        product_id=row.subject,
        before=before,
        after=row.bucket(),
        offer=row.offer,
        cause=row.cause,
        is_only=row.buckets == 1,
    )
