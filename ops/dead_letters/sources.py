"""Where events end that did not get where they should: dead-letter queues, what EventBridge could
not deliver, and the outbox; and what the logs know of the reasons.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from ops.bus_topology import EventConsumers, client, count, other_queues
from ops.dead_letters.model import DeadLetter
from ops.dead_letters.service import LetterBox
from ops.model import Consumer
from outbox.model import MAX_BYTES, UnsentEvent
from outbox.ports import Outbox
from outbox.service import SWEEP_AFTER, OutboxRelay
from supermarket.clock import Clock
from supermarket.config import table_name
from supermarket.errors import RuleViolated, Unavailable

UNDELIVERED = "undelivered"
OUTBOX = "outbox"
HELD_SECONDS = 600
WAIT_SECONDS = 1  # any at all: then SQS asks all of its servers, not a sample of them
UNKNOWN = "?"
GIVEN_UP = "given up"
GIVEN_UP_BATCH = "DDBStreamBatchInfo"
SWEPT = "still in the outbox: the sweep tries it every five minutes"
PAGES_OF_LOG = 50


def all_boxes(
    stack: str, consumers: EventConsumers, relay: OutboxRelay, outbox: Outbox, clock: Clock
) -> Iterator[LetterBox]:
    """One for each consumer and other queue, one for what reached none of them, and the outbox."""
    known = consumers.all()
    for consumer in known:
        yield DeadLetterQueue(consumer.name, consumer.dead_letters, consumer.queue)
    for name, queue, dead in other_queues(stack, {consumer.queue for consumer in known}):
        yield DeadLetterQueue(name, dead, queue)
    for queue in sorted({consumer.undelivered for consumer in known}):
        yield UndeliveredQueue(queue, known)
    yield WaitingOutbox(relay, outbox, clock)


class Queue:
    """A queue that nobody reads but an operator."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url
        self._receipts: dict[str, str] = {}

    def count(self) -> int:
        return count(self._url)

    def take(self) -> Iterator[DeadLetter]:
        """Every letter once. Those that are held for so long that they are visible again are held
        anew; when all of them have come again, there are no others.
        """
        seen: set[str] = set()
        again = 0
        while again <= len(seen) and (messages := self._receive()):
            fresh = [message for message in messages if message["MessageId"] not in seen]
            again = 0 if fresh else again + len(messages)
            seen.update(message["MessageId"] for message in fresh)
            letters = [self._letter(message) for message in fresh]
            try:
                while letters:
                    yield letters.pop(0)
            finally:
                self.release(letters)  # whoever wanted no more of them never got these

    def release(self, letters: Iterable[DeadLetter]) -> None:
        sqs = client("sqs")
        for letter in letters:
            with suppress(sqs.exceptions.MessageNotInflight):  # it was held for too long
                sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=self._receipt(letter), VisibilityTimeout=0
                )

    def discard(self, letter: DeadLetter) -> None:
        client("sqs").delete_message(QueueUrl=self._url, ReceiptHandle=self._receipt(letter))

    def _receipt(self, letter: DeadLetter) -> str:
        """The last one: SQS need not take those before it."""
        return self._receipts[letter.id]

    def _receive(self) -> list[dict[str, Any]]:
        answer = client("sqs").receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HELD_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        self._receipts |= {one["MessageId"]: one["ReceiptHandle"] for one in messages}
        return messages

    def _letter(self, message: Mapping[str, Any]) -> DeadLetter:
        sent = int(message["Attributes"]["SentTimestamp"])
        event, event_id, hint = _read(message["Body"])
        return DeadLetter(
            id=message["MessageId"],
            event=event,
            event_id=event_id,
            consumer=self.name,
            received=datetime.fromtimestamp(sent / 1000, UTC),
            body=message["Body"],
            hint=hint,
        )


class DeadLetterQueue(Queue):
    """`LetterBox` behind a consumer's queue: events that its handlers failed on, every time."""

    def __init__(self, consumer: str, url: str, goes_back_to: str) -> None:
        super().__init__(consumer, url)
        self._goes_back_to = goes_back_to

    def send_back(self, letter: DeadLetter) -> None:
        client("sqs").send_message(QueueUrl=self._goes_back_to, MessageBody=letter.body)


class UndeliveredQueue(Queue):
    """`LetterBox` of what EventBridge could put into no queue, and of what streams gave up on."""

    def __init__(self, url: str, consumers: Iterable[Consumer]) -> None:
        super().__init__(UNDELIVERED, url)
        self._queues = {consumer.name: consumer.queue for consumer in consumers}

    def send_back(self, letter: DeadLetter) -> None:
        """To the one consumer it did not reach; the others have it."""
        if letter.consumer == OUTBOX:
            return  # the events themselves are in the outbox, for the sweep
        if letter.consumer not in self._queues:
            raise RuleViolated(f"{letter.consumer} takes no events from a queue")
        client("sqs").send_message(QueueUrl=self._queues[letter.consumer], MessageBody=letter.body)

    def _letter(self, message: Mapping[str, Any]) -> DeadLetter:
        letter = super()._letter(message)
        if letter.event == GIVEN_UP:
            return _given_up(letter)
        told = {
            name: str(attribute.get("StringValue", ""))
            for name, attribute in message.get("MessageAttributes", {}).items()
        }
        reason = ": ".join(filter(None, (told.get("ERROR_CODE"), told.get("ERROR_MESSAGE"))))
        return replace(letter, consumer=self._consumer(told.get("TARGET_ARN", "")), hint=reason)

    def _consumer(self, target: str) -> str:
        """Whose queue that is; the target itself when it is nobody's any more."""
        by_queue = {url.rsplit("/", 1)[1]: name for name, url in self._queues.items()}
        return by_queue.get(target.rsplit(":", 1)[-1], target or UNKNOWN)


class WaitingOutbox:
    """`LetterBox` of events that were not sent yet, though they should have been."""

    name = OUTBOX

    def __init__(self, relay: OutboxRelay, outbox: Outbox, clock: Clock) -> None:
        self._relay = relay
        self._outbox = outbox
        self._clock = clock
        self._taken: dict[str, UnsentEvent] = {}

    def count(self) -> int:
        return len(self._waiting())

    def take(self) -> Iterator[DeadLetter]:
        for event in self._waiting():
            self._taken[event.id] = event
            too_large = event.size > MAX_BYTES
            yield DeadLetter(
                id=event.id,
                event=event.detail_type,
                event_id=event.id,
                consumer="everybody",
                received=event.occurred_at,
                body=event.detail,
                hint=f"{event.size} bytes are too many" if too_large else SWEPT,
            )

    def release(self, letters: Iterable[DeadLetter]) -> None:
        """Nobody was kept from seeing them."""

    def send_back(self, letter: DeadLetter) -> None:
        # the sweep may have sent it in the meantime: twice is better than not at all
        if refused := self._relay.send([self._taken[letter.id]]):
            raise Unavailable(refused[letter.id].reason)

    def discard(self, letter: DeadLetter) -> None:
        self._outbox.delete([letter.id])

    def _waiting(self) -> Sequence[UnsentEvent]:
        return self._outbox.list_older_than(self._clock() - SWEEP_AFTER)


class FailureLog:
    """`Reasons` from the log group in which all functions write."""

    def __init__(self, log_group: str) -> None:
        self._log_group = log_group

    def __call__(self, consumer: str, since: datetime) -> dict[str, str]:
        """The last reason of each event, and of each message that could not be read as one; none
        where the logs cannot be read or are gone.
        """
        reasons: dict[str, str] = {}
        with suppress(ClientError):
            for line in self._lines(since):
                letter = line.get("event_id") or line.get("message_id")
                if letter and line.get("consumer") == consumer:
                    reasons[letter] = _last_line(line)
        return reasons

    def _lines(self, since: datetime) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        for _ in range(PAGES_OF_LOG):
            answer = client("logs").filter_log_events(
                logGroupName=self._log_group,
                startTime=int(since.timestamp() * 1000),
                filterPattern='"event failed"',
                **more,
            )
            yield from (_parsed(event["message"]) for event in answer["events"])
            if "nextToken" not in answer:
                return
            more = {"nextToken": answer["nextToken"]}


def _last_line(line: Mapping[str, Any]) -> str:
    told: list[str] = str(line.get("exception", "")).strip().splitlines()
    return told[-1] if told else str(line.get("exception_name", ""))


def _read(body: str) -> tuple[str, str, str]:
    """An event's name and its id, as far as they can be made out, and what is wrong if not."""
    message = _parsed(body)
    if GIVEN_UP_BATCH in message:
        return GIVEN_UP, UNKNOWN, ""
    try:
        return message["detail-type"], message["detail"]["metadata"]["eventId"], ""
    except (KeyError, TypeError):
        return str(message.get("detail-type", UNKNOWN)), UNKNOWN, "not an event of ours"


def _given_up(letter: DeadLetter) -> DeadLetter:
    """What Lambda tells of a part of a stream: where it is, not what it is."""
    body = _parsed(letter.body)
    batch = body[GIVEN_UP_BATCH]
    table = batch["streamArn"].split("/")[1]
    named = replace(letter, event=f"{batch['batchSize']} records of a stream")
    if table == table_name(OUTBOX):
        return replace(named, consumer=OUTBOX, hint=SWEPT)
    function = body["requestContext"]["functionArn"].split(":function:")[1]
    return replace(named, consumer=function, hint=body["requestContext"]["condition"])


def _parsed(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
