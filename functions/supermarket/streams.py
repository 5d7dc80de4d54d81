"""The stream edge: a function over changes of a table becomes one Lambda."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.init_phase import Handler

type Image = Mapping[str, Mapping[str, Any]]


class BatchFailed(RuntimeError):
    """Every change of a batch failed: the Lambda fails, so that alarms on errors see it."""


@dataclass(frozen=True)
class Change:
    """One change of a row, as DynamoDB's stream describes it. `before` and `after` hold attribute
    values (`{"orderId": {"S": "…"}}`); they are None where the row did not exist or the stream's
    view leaves them out.
    """

    sequence_number: str
    kind: str  # INSERT, MODIFY or REMOVE
    keys: Image
    before: Image | None
    after: Image | None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        change = record["dynamodb"]
        return cls(
            sequence_number=change["SequenceNumber"],
            kind=record["eventName"],
            keys=change.get("Keys", {}),
            before=change.get("OldImage"),
            after=change.get("NewImage"),
        )


class StreamHandler(Handler[Callable[[Sequence[Change]], Collection[Change]]]):
    """The handler of a Lambda that reads a table's stream.

        @StreamHandler
        def close_connections(changes: Sequence[Change]) -> Collection[Change]: ...

    The function takes a batch and returns the changes to retry; Lambda sends these again.
    """

    def __call__(self, batch: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """Handle a batch; raises BatchFailed when all of its changes are to be retried."""
        telemetry.begin(new_id(), job=self.name)
        changes = [Change.from_record(record) for record in batch["Records"]]
        failed = self.function(changes)
        if changes and len(failed) == len(changes):
            raise BatchFailed(f"all {len(failed)} changes of the batch failed")
        return {
            "batchItemFailures": [{"itemIdentifier": change.sequence_number} for change in failed]
        }


def failures(changes: Iterable[Change], handle: Callable[[Change], None]) -> list[Change]:
    """Handle each change by itself; returns those whose handling raised."""
    failed = []
    for change in changes:
        try:
            handle(change)
        except Exception:
            telemetry.logger.exception("change not handled", extra={"keys": change.keys})
            failed.append(change)
    return failed
