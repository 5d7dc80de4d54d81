"""The Lambda that follows the product table's stream and tells what became of stock."""

from typing import Any, cast

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from product import wiring
from supermarket import telemetry
from supermarket.clock import new_id


def watch_stock(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of changes in; those to be tried again out. If all of them are, it is an error."""
    processor = BatchProcessor(EventType.DynamoDBStreams)
    answer = process_partial_response(event, _watch, processor, context)
    return cast("dict[str, Any]", answer)


def _watch(record: DynamoDBRecord) -> None:
    """What it tells bears the id of the request that changed the stock."""
    watch, change = wiring.stock_watch(), record["dynamodb"]
    before, after = change.get("OldImage"), change.get("NewImage")
    telemetry.begin(watch.changed_by(after) or new_id(), job="product.watch_stock")
    try:
        watch.look(before, after)
    except Exception:
        telemetry.logger.exception("change of stock not told", extra={"keys": change.get("Keys")})
        telemetry.count("StockChangesFailed")
        raise
