"""The sources of dead letters: the queues behind consumers, the undelivered events, the outbox."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ops.aws import client
from ops.bus_topology import BusTopology, Consumer, count_messages, other_queues
from ops.dlq.failure_log import json_object
from ops.dlq.service import DeadLetter, DeadLetterSource
from outbox.model import MAX_BYTES, UnsentEvent
from outbox.ports import Outbox
from outbox.service import SWEEP_AFTER, OutboxRelay
from supermarket.clock import Clock
from supermarket.config import table_name
from supermarket.errors import RuleViolated, Unavailable

UNDELIVERED = "undelivered"
OUTBOX = "outbox"
ALL_CONSUMERS = "all"
VISIBILITY_TIMEOUT_SECONDS = 600
WAIT_SECONDS = 1  # with any wait, SQS asks all of its servers and not a sample of them
UNKNOWN = "?"
STREAM_FAILURE = "stream failure"
STREAM_BATCH = "DDBStreamBatchInfo"
SWEPT = "in the outbox: the sweep sends it every five minutes"


def all_sources(
    stack: str, topology: BusTopology, relay: OutboxRelay, outbox: Outbox, clock: Clock
) -> Iterator[DeadLetterSource]:
    """Yield a source for each consumer and other queue, for undelivered events, and the outbox."""
    consumers = topology.consumers()
    for queue in (*consumers, *other_queues(stack, consumers)):
        yield DeadLetterQueue(queue.name, queue.dead_letters, queue.url)
    for url in sorted({consumer.undelivered for consumer in consumers}):
        yield UndeliveredQueue(url, consumers)
    yield OutboxSource(relay, outbox, clock)


class SqsSource:
    """A queue (URL) of which operators alone receive messages."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url
        self._receipts: dict[str, str] = {}  # the last of each message: SQS accepts no others

    def count(self) -> int:
        return count_messages(self._url)

    def receive(self) -> Iterator[DeadLetter]:
        """Yield every message once. A message that becomes visible again in the meantime is hidden
        again; when all have come again, there are no others.
        """
        seen: set[str] = set()
        repeated = 0
        while repeated <= len(seen) and (batch := self._receive()):
            fresh = [message for message in batch if message["MessageId"] not in seen]
            repeated = 0 if fresh else repeated + len(batch)
            seen.update(message["MessageId"] for message in fresh)
            messages = [self._dead_letter(message) for message in fresh]
            try:
                while messages:
                    yield messages.pop(0)
            finally:
                self.release(messages)  # those that the caller did not take

    def release(self, messages: Iterable[DeadLetter]) -> None:
        sqs = client("sqs")
        for message in messages:
            with suppress(sqs.exceptions.MessageNotInflight):  # its visibility timeout is over
                sqs.change_message_visibility(
                    QueueUrl=self._url,
                    ReceiptHandle=self._receipts[message.id],
                    VisibilityTimeout=0,
                )

    def delete(self, message: DeadLetter) -> None:
        client("sqs").delete_message(QueueUrl=self._url, ReceiptHandle=self._receipts[message.id])

    def _receive(self) -> list[dict[str, Any]]:
        response = client("sqs").receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=VISIBILITY_TIMEOUT_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = response.get("Messages", [])
        self._receipts |= {one["MessageId"]: one["ReceiptHandle"] for one in messages}
        return messages

    def _dead_letter(self, message: Mapping[str, Any]) -> DeadLetter:
        sent = int(message["Attributes"]["SentTimestamp"])
        event, event_id, reason = _parse(message["Body"])
        return DeadLetter(
            id=message["MessageId"],
            event=event,
            event_id=event_id,
            consumer=self.name,
            received=datetime.fromtimestamp(sent / 1000, UTC),
            body=message["Body"],
            reason=reason,
        )


class DeadLetterQueue(SqsSource):
    """`DeadLetterSource` of a consumer: events that its handlers failed on at every attempt."""

    def __init__(self, consumer: str, url: str, consumer_queue: str) -> None:
        super().__init__(consumer, url)
        self._consumer_queue = consumer_queue

    def redrive(self, message: DeadLetter) -> None:
        client("sqs").send_message(QueueUrl=self._consumer_queue, MessageBody=message.body)


class UndeliveredQueue(SqsSource):
    """`DeadLetterSource` of events that EventBridge could not put into a queue, and of stream
    records that Lambda stopped retrying.
    """

    def __init__(self, url: str, consumers: Iterable[Consumer]) -> None:
        super().__init__(UNDELIVERED, url)
        self._queues = {consumer.name: consumer.url for consumer in consumers}

    def redrive(self, message: DeadLetter) -> None:
        """Send the event to the one consumer that it did not reach."""
        if message.consumer == OUTBOX:
            return  # the events are in the outbox, for the sweep
        if message.consumer not in self._queues:
            raise RuleViolated(f"{message.consumer} has no queue for events")
        queue = self._queues[message.consumer]
        client("sqs").send_message(QueueUrl=queue, MessageBody=message.body)

    def _dead_letter(self, message: Mapping[str, Any]) -> DeadLetter:
        dead_letter = super()._dead_letter(message)
        if dead_letter.event == STREAM_FAILURE:
            return _stream_failure(dead_letter)
        attributes = {
            name: str(attribute.get("StringValue", ""))
            for name, attribute in message.get("MessageAttributes", {}).items()
        }
        reasons = (attributes.get("ERROR_CODE"), attributes.get("ERROR_MESSAGE"))
        consumer = self._consumer(attributes.get("TARGET_ARN", ""))
        return replace(dead_letter, consumer=consumer, reason=": ".join(filter(None, reasons)))

    def _consumer(self, target: str) -> str:
        """The consumer of a target (ARN of a queue); the target itself if it has none."""
        by_queue = {url.rsplit("/", 1)[1]: name for name, url in self._queues.items()}
        return by_queue.get(target.rsplit(":", 1)[-1], target or UNKNOWN)


class OutboxSource:
    """`DeadLetterSource` of events that should have left the outbox."""

    name = OUTBOX

    def __init__(self, relay: OutboxRelay, outbox: Outbox, clock: Clock) -> None:
        self._relay = relay
        self._outbox = outbox
        self._clock = clock
        self._received: dict[str, UnsentEvent] = {}

    def count(self) -> int:
        return len(self._events())

    def receive(self) -> Iterator[DeadLetter]:
        for event in self._events():
            self._received[event.id] = event
            is_too_large = event.size > MAX_BYTES
            yield DeadLetter(
                id=event.id,
                event=event.detail_type,
                event_id=event.id,
                consumer=ALL_CONSUMERS,
                received=event.occurred_at,
                body=event.detail,
                reason=f"too large: {event.size} bytes" if is_too_large else SWEPT,
            )

    def release(self, messages: Iterable[DeadLetter]) -> None:
        """Rows of the outbox are never hidden."""

    def redrive(self, message: DeadLetter) -> None:
        # the sweep may have sent it in the meantime: consumers ignore the second one
        if failures := self._relay.send([self._received[message.id]]):
            raise Unavailable(failures[message.id].reason)

    def delete(self, message: DeadLetter) -> None:
        self._outbox.delete([message.id])

    def _events(self) -> Sequence[UnsentEvent]:
        return self._outbox.list_older_than(self._clock() - SWEEP_AFTER)


def _parse(body: str) -> tuple[str, str, str]:
    """An event's name and id, as far as they are known, and what is wrong with the message."""
    message = json_object(body)
    if STREAM_BATCH in message:
        return STREAM_FAILURE, UNKNOWN, ""
    try:
        return message["detail-type"], message["detail"]["metadata"]["eventId"], ""
    except (KeyError, TypeError):
        return str(message.get("detail-type", UNKNOWN)), UNKNOWN, "not an event of the shop"


def _stream_failure(message: DeadLetter) -> DeadLetter:
    """Lambda reports where the records are in the stream, and not what is in them."""
    body = json_object(message.body)
    batch = body[STREAM_BATCH]
    table = batch["streamArn"].split("/")[1]
    records = replace(message, event=f"{batch['batchSize']} records of a stream")
    if table == table_name(OUTBOX):
        return replace(records, consumer=OUTBOX, reason=SWEPT)
    function = body["requestContext"]["functionArn"].split(":function:")[1]
    return replace(records, consumer=function, reason=body["requestContext"]["condition"])
