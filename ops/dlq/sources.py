"""The sources of dead letters: the queues behind consumers, the undelivered events, the outbox."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from ops.aws import client
from ops.bus_topology import BusTopology, count_messages, other_queues
from ops.dlq.failure_log import json_object
from ops.dlq.service import DeadLetter, DeadLetterSource
from outbox.model import MAX_BYTES, UNSENDABLE, UnsentEvent
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
STREAM_BATCH = "DDBStreamBatchInfo"
SWEPT = "in the outbox: the sweep sends it every five minutes"


def all_sources(
    stack: str, topology: BusTopology, relay: OutboxRelay, outbox: Outbox, clock: Clock
) -> Iterator[DeadLetterSource]:
    """Yield a source for each consumer and other queue, for undelivered events, and the outbox."""
    consumers = topology.consumers()
    for queue in (*consumers, *other_queues(stack, consumers)):
        yield DeadLetterQueue(queue.name, queue.dead_letters, {queue.name: queue.url})
    for url in sorted({consumer.undelivered for consumer in consumers}):
        queues = {consumer.name: consumer.url for consumer in consumers}
        yield UndeliveredQueue(UNDELIVERED, url, queues)
    yield OutboxSource(relay, outbox, clock)


class DeadLetterQueue:
    """`DeadLetterSource` of a queue (URL) that operators alone receive from: the events that the
    handlers of a consumer failed on at every attempt. `queues` are those of consumers (URLs).
    """

    def __init__(self, name: str, url: str, queues: Mapping[str, str]) -> None:
        self.name = name
        self._url = url
        self._queues = queues
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
            keys = {"QueueUrl": self._url, "ReceiptHandle": self._receipts[message.id]}
            with suppress(sqs.exceptions.MessageNotInflight):  # its visibility timeout is over
                sqs.change_message_visibility(**keys, VisibilityTimeout=0)

    def redrive(self, message: DeadLetter) -> None:
        """Send the event to the one consumer that did not handle or get it."""
        if message.consumer not in self._queues:
            raise RuleViolated(f"{message.consumer} has no queue for events")
        queue = self._queues[message.consumer]
        client("sqs").send_message(QueueUrl=queue, MessageBody=message.body)

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
        sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
        event, event_id, reason = _parse(message["Body"])
        id_, body = message["MessageId"], message["Body"]
        return DeadLetter(id_, event, event_id, self.name, sent, body, reason)


class UndeliveredQueue(DeadLetterQueue):
    """`DeadLetterSource` of events that EventBridge could not put into a queue, and of stream
    records that Lambda stopped retrying.
    """

    def redrive(self, message: DeadLetter) -> None:
        if message.consumer != OUTBOX:  # those are in the outbox, for the sweep
            super().redrive(message)

    def _dead_letter(self, message: Mapping[str, Any]) -> DeadLetter:
        dead_letter = super()._dead_letter(message)
        failure = json_object(dead_letter.body)
        if STREAM_BATCH in failure:
            return _stream_failure(dead_letter, failure)
        attributes = {
            name: str(attribute.get("StringValue", ""))
            for name, attribute in message.get("MessageAttributes", {}).items()
        }
        reasons = (attributes.get("ERROR_CODE"), attributes.get("ERROR_MESSAGE"))
        target = attributes.get("TARGET_ARN") or UNKNOWN
        by_queue = {url.rsplit("/", 1)[1]: name for name, url in self._queues.items()}
        consumer = by_queue.get(target.rsplit(":", 1)[-1], target)
        return replace(dead_letter, consumer=consumer, reason=": ".join(filter(None, reasons)))


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
            reason = f"too large: {event.size} bytes" if event.size > MAX_BYTES else SWEPT
            names = (event.id, event.detail_type, event.id, ALL_CONSUMERS)
            yield DeadLetter(*names, event.occurred_at, event.detail, reason)

    def release(self, messages: Iterable[DeadLetter]) -> None:
        """Rows of the outbox are never hidden."""

    def redrive(self, message: DeadLetter) -> None:
        # the sweep may have sent it in the meantime: consumers ignore the second one
        if failures := self._relay.send([self._received[message.id]]):
            raise Unavailable(failures[message.id].reason)

    def delete(self, message: DeadLetter) -> None:
        self._outbox.delete([message.id])

    def _events(self) -> Sequence[UnsentEvent]:
        moment = self._clock() - SWEEP_AFTER
        shards = (*self._outbox.shards, UNSENDABLE)
        pages = (self._outbox.list_older_than(moment, shard) for shard in shards)
        return [event for page in chain.from_iterable(pages) for event in page]


def _parse(body: str) -> tuple[str, str, str]:
    """An event's name and id, as far as they are known, and what is wrong with the message."""
    message = json_object(body)
    try:
        return message["detail-type"], message["detail"]["metadata"]["eventId"], ""
    except (KeyError, TypeError):
        return str(message.get("detail-type", UNKNOWN)), UNKNOWN, "not an event of the shop"


def _stream_failure(message: DeadLetter, failure: Mapping[str, Any]) -> DeadLetter:
    """Lambda reports where the records are in the stream, and not what is in them."""
    batch, context = failure[STREAM_BATCH], failure["requestContext"]
    event = f"{batch['batchSize']} records of a stream"
    consumer, reason = context["functionArn"].split(":function:")[1], context["condition"]
    if batch["streamArn"].split("/")[1] == table_name(OUTBOX):
        consumer, reason = OUTBOX, SWEPT
    return replace(message, event=event, consumer=consumer, reason=reason)
