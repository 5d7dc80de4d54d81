"""The listening edge: a domain's reactions to events become one Lambda that takes batches from
its queue.
"""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any, cast

import botocore.session
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from supermarket import telemetry
from supermarket.contracts import Envelope, Event, Metadata
from supermarket.errors import NotYet

UNREAD = "unread"
SPARE_MILLISECONDS = 5_000  # what one event may take
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=2)
LONGEST_WAIT_SECONDS = 11 * 60 * 60  # SQS hides a message for twelve hours at most, all in all

type Reaction = Callable[[Any, Metadata], None]


class OutOfTime(TimeoutError):
    """Too little of the invocation is left to begin with another event."""


class UnknownEvent(LookupError):
    """The rule let an event through that nobody here reacts to: the template and the code
    disagree, or it comes in a version that was given up.
    """


class Reactions:
    """What a domain does about each event, and the Lambda handler that does it.

    reactions = Reactions("notification")

    @reactions.on(UserRegistered)
    def greet_new_user(event: UserRegistered, metadata: Metadata) -> None: ...

    Delivery is at least once and unordered; an event whose reaction raises is retried by its
    queue and ends in the dead-letter queue, while the rest of its batch goes on.
    """

    def __init__(self, consumer: str) -> None:
        self.consumer = consumer
        self.reactions: dict[str, tuple[type[Event], Reaction]] = {}

    def on[E: Event](
        self, event: type[E]
    ) -> Callable[[Callable[[E, Metadata], None]], Callable[[E, Metadata], None]]:
        """Register the one reaction of this domain to `event`."""

        def register(reaction: Callable[[E, Metadata], None]) -> Callable[[E, Metadata], None]:
            if event.__name__ in self.reactions:
                raise ValueError(f"{self.consumer} has a reaction to {event.__name__} already")
            self.reactions[event.__name__] = (event, reaction)
            return reaction

        return register

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """The Lambda handler: an SQS batch in, the items to be retried out."""
        # the processor keeps its batch in itself, so each invocation gets its own
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        answer = process_partial_response(event, self._react, processor, context)
        return cast("dict[str, Any]", answer)

    def _react(self, record: SQSRecord, lambda_context: Any = None) -> None:
        """Whatever becomes of a message is told, also of one that cannot even be read."""
        message = {"consumer": self.consumer, "message_id": record.message_id}
        telemetry.begin(record.message_id, **message)
        name = UNREAD
        try:
            _look_at_the_clock(lambda_context)
            told = json.loads(record.body)
            name = str(told["detail-type"])
            envelope = Envelope.model_validate(told["detail"])
            correlation_id, event_id = envelope.metadata.correlation_id, envelope.metadata.event_id
            telemetry.begin(correlation_id, event_id, event=name, event_id=event_id, **message)
            self._dispatch(name, envelope)
        except (NotYet, OutOfTime) as early:
            telemetry.logger.warning("reaction put off", extra={"why": str(early)})
            telemetry.count("ReactionsPutOff", consumer=self.consumer, event=name)
            if isinstance(early, NotYet):
                _hide(record, early.wait or pause_after(_attempts(record)))
            raise
        except Exception:
            telemetry.logger.exception("reaction failed")
            telemetry.count("ReactionsFailed", consumer=self.consumer, event=name)
            raise

    def _dispatch(self, name: str, envelope: Envelope) -> None:
        """A version that is newer than those known here is left alone: its older twin comes, too.
        An older one has no twin that is sure to come, so nobody may pass over it in silence.
        """
        known = {
            event.VERSION: (event, reaction)
            for event, reaction in self.reactions.values()
            if name == event.NAME
        }
        version = envelope.metadata.version
        if version in known:
            event, reaction = known[version]
            reaction(event.model_validate(envelope.data), envelope.metadata)
            telemetry.logger.info("reacted")
        elif known and version > max(known):
            telemetry.logger.info("left to an older version")
        else:
            raise UnknownEvent(f"{self.consumer} has no reaction to version {version} of {name}")


def pause_after(attempt: int) -> timedelta:
    """How long to wait for something nobody knows the end of: longer from attempt to attempt, and
    not equally long for all that wait. The twenty attempts of a queue last for more than a day.
    """
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << attempt - 1)) * random.uniform(1, 1.5)  # noqa: S311


def _look_at_the_clock(lambda_context: Any) -> None:
    """Nothing is begun that Lambda would break off: an effect outside of DynamoDB, such as a
    mail, could then happen twice.
    """
    if lambda_context and lambda_context.get_remaining_time_in_millis() < SPARE_MILLISECONDS:
        raise OutOfTime("too little is left of this invocation")


def _attempts(record: SQSRecord) -> int:
    return int(record.attributes.approximate_receive_count)


def _hide(record: SQSRecord, wait: timedelta) -> None:
    """Let nobody see the message for that long: one receive is used up by the wait, not twenty."""
    seconds = min(int(wait.total_seconds()) + 1, LONGEST_WAIT_SECONDS)
    _sqs().change_message_visibility(
        QueueUrl=record.queue_url, ReceiptHandle=record.receipt_handle, VisibilityTimeout=seconds
    )


@cache
def _sqs() -> Any:
    return botocore.session.get_session().create_client("sqs")
