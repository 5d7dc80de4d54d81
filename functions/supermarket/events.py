"""The adapter of event queues: a domain's event handlers become one Lambda that reads a queue."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from supermarket import aws, telemetry
from supermarket.contracts import Envelope, Event, Metadata
from supermarket.errors import PermanentFailure, RetryLater
from supermarket.init_phase import make_services
from supermarket.queues import Message, handle_batch, url_of

UNREAD = "unread"
SPARE_MILLISECONDS = 5_000  # the time that one event may take, unless its consumer says otherwise
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=2)
LONGEST_WAIT_SECONDS = 11 * 60 * 60  # SQS hides a message for twelve hours at most in total

type EventHandler[E: Event] = Callable[[E, Metadata], None]

# SystemRandom: processes restored from one snapshot must not have the same random numbers
_random = random.SystemRandom()


class OutOfTime(TimeoutError):
    """The rest of the invocation is too short for another event."""


class UnknownEvent(LookupError):
    """The consumer has no handler for an event that its rule matches, or for its version."""


class EventHandlers:
    """A domain's event handlers and the Lambda that calls them.

    event_handlers = EventHandlers("notification")

    @event_handlers.on(UserRegistered)
    def greet_new_user(event: UserRegistered, metadata: Metadata) -> None: ...

    Delivery is at least once and unordered. An event whose handler raises is retried by its queue
    and ends in the dead-letter queue, after a PermanentFailure at once; the rest of its batch
    continues. No event is begun when less than `spare_milliseconds` of the invocation are left.
    """

    def __init__(self, consumer: str, spare_milliseconds: int = SPARE_MILLISECONDS) -> None:
        self.consumer = consumer
        self._spare_milliseconds = spare_milliseconds
        self.handlers: dict[str, tuple[type[Event], EventHandler[Any]]] = {}

    def on[E: Event](self, event: type[E]) -> Callable[[EventHandler[E]], EventHandler[E]]:
        """Register the domain's one handler of `event`."""

        def register(handler: EventHandler[E]) -> EventHandler[E]:
            if event.__name__ in self.handlers:
                raise ValueError(f"{self.consumer} has a handler of {event.__name__} already")
            self.handlers[event.__name__] = (event, handler)
            return handler

        return register

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """The Lambda handler: takes an SQS batch, returns the messages to retry."""
        return handle_batch(event, lambda message: self._handle(message, context))

    def prepare(self) -> None:
        """Make what an invocation needs; see `init_phase`."""
        make_services(*(handler for _, handler in self.handlers.values()))

    def _handle(self, message: Message, lambda_context: Any) -> None:
        """Handle one message; logs and counts every outcome, also of an unreadable message."""
        keys = {"consumer": self.consumer, "message_id": message.id}
        telemetry.begin(message.id, **keys)
        name = UNREAD
        try:
            self._require_time_left(lambda_context)
            body = json.loads(message.body)
            name = str(body["detail-type"])
            envelope = Envelope.model_validate(body["detail"])
            correlation_id, event_id = envelope.metadata.correlation_id, envelope.metadata.event_id
            telemetry.begin(correlation_id, event_id, event=name, event_id=event_id, **keys)
            self._dispatch(name, envelope)
        except (RetryLater, OutOfTime) as early:
            telemetry.logger.warning("event postponed", extra={"reason": str(early)})
            telemetry.count("EventsPostponed", consumer=self.consumer, event=name)
            if isinstance(early, RetryLater):
                _extend_visibility(message, early.wait or retry_delay(message.receive_count))
            raise
        except Exception as failure:
            telemetry.logger.exception("event failed")
            telemetry.count("EventsFailed", consumer=self.consumer, event=name)
            if not isinstance(failure, PermanentFailure):
                raise
            _move_to_dead_letters(message)

    def _require_time_left(self, context: Any) -> None:
        """Raise OutOfTime when Lambda could end the invocation during the event: an effect outside
        of DynamoDB, such as a mail, could then happen twice.
        """
        if context and context.get_remaining_time_in_millis() < self._spare_milliseconds:
            raise OutOfTime("the rest of the invocation is too short")

    def _dispatch(self, name: str, envelope: Envelope) -> None:
        """Call the handler of an event's version. A newer version than the known ones is skipped,
        because its producer also sends the known one; an older one raises UnknownEvent.
        """
        known = {
            event.VERSION: (event, handler)
            for event, handler in self.handlers.values()
            if name == event.NAME
        }
        version = envelope.metadata.version
        if version in known:
            event, handler = known[version]
            handler(event.model_validate(envelope.data), envelope.metadata)
            telemetry.logger.info("event handled")
        elif known and version > max(known):
            telemetry.logger.info("newer version skipped")
        else:
            raise UnknownEvent(f"{self.consumer} has no handler of version {version} of {name}")


def retry_delay(attempt: int) -> timedelta:
    """Return the delay after an attempt (counted from 1): exponential backoff with jitter. The
    twenty attempts of a queue last for more than a day.
    """
    doublings = min(attempt - 1, 10)  # more than the longest pause has, and few enough to compute
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << doublings)) * _random.uniform(1, 1.5)


def _extend_visibility(message: Message, wait: timedelta) -> None:
    """Hide the message for the wait, so that it uses up one receive instead of twenty."""
    seconds = min(int(wait.total_seconds()) + 1, LONGEST_WAIT_SECONDS)
    keys = {"QueueUrl": message.queue_url, "ReceiptHandle": message.receipt_handle}
    _sqs().change_message_visibility(**keys, VisibilityTimeout=seconds)


def _move_to_dead_letters(message: Message) -> None:
    """Send the message to its queue's dead letters; the queue then deletes it as handled."""
    dead_letters = _dead_letters_of(message.queue_url)
    _sqs().send_message(QueueUrl=dead_letters, MessageBody=message.body)


@cache
def _dead_letters_of(queue_url: str) -> str:
    names = ["RedrivePolicy"]
    found = _sqs().get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return url_of(json.loads(found["RedrivePolicy"])["deadLetterTargetArn"])


@cache
def _sqs() -> Any:
    return aws.client("sqs")
