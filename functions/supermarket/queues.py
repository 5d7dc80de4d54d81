"""Batches of an SQS queue, without Powertools' batch processor, whose import takes a tenth of a
listener's cold start.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Message:
    """One message, as Lambda passes it on."""

    record: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.record["messageId"])

    @property
    def body(self) -> str:
        return str(self.record["body"])

    @property
    def receipt_handle(self) -> str:
        return str(self.record["receiptHandle"])

    @property
    def receive_count(self) -> int:
        """How often the message was received, this time included."""
        return int(self.record["attributes"]["ApproximateReceiveCount"])

    @property
    def queue_url(self) -> str:
        return url_of(str(self.record["eventSourceARN"]))


def url_of(queue_arn: str) -> str:
    """Return the URL of a queue."""
    region, account, name = queue_arn.split(":")[3:6]
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"


def handle_batch(
    batch: Mapping[str, Any], handle: Callable[[Message], object]
) -> dict[str, list[dict[str, str]]]:
    """Handle each message by itself; returns a partial batch response with those that failed, which
    SQS delivers again. `handle` logs why it raises.
    """
    failed = []
    for message in map(Message, batch["Records"]):
        try:
            handle(message)
        except Exception:
            failed.append({"itemIdentifier": message.id})
    return {"batchItemFailures": failed}
