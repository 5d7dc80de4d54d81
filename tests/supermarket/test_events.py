"""Event handlers: batches from a queue, one handler per event, partial failures."""

import io
import json
import random
from datetime import timedelta
from typing import Any

import pytest

from supermarket import events, telemetry
from supermarket.contracts import Envelope, Metadata, UserRegistered
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import PermanentFailure, RetryLater
from supermarket.events import SPARE_MILLISECONDS, EventHandlers, retry_delay
from support import cloud
from support.template import resources

REGISTERED = UserRegistered(
    user_id="u1",
    username="asha",
    email="asha@example.com",
    first_name="Asha",
    last_name="Rao",
    role="user",
)


class Greeter:
    """Event handlers that record the greeted names and fail for one name."""

    def __init__(self) -> None:
        self.handlers = EventHandlers("greeter")
        self.greeted: list[tuple[str, Metadata]] = []
        self.ids_in_effect: list[tuple[str, str | None]] = []

        @self.handlers.on(UserRegistered)
        def greet(event: UserRegistered, metadata: Metadata) -> None:
            if event.first_name == "Trouble":
                raise RuntimeError("cannot greet")
            self.greeted.append((event.first_name, metadata))
            self.ids_in_effect.append((telemetry.correlation_id(), telemetry.causation_id()))

    def receive(self, *records: dict[str, Any]) -> list[str]:
        """Handle a batch and return the ids of the messages to retry."""
        answer = self.handlers({"Records": list(records)}, None)
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


@pytest.fixture
def greeter() -> Greeter:
    return Greeter()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    lines = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", lines)
    return lines


def registered(name: str, event_id: str = "e1") -> dict[str, Any]:
    metadata = {
        "eventId": event_id,
        "version": 1,
        "occurredAt": "2026-11-22T09:30:00.000Z",
        "correlationId": f"request of {name}",
        "causationId": None,
    }
    data = REGISTERED.model_copy(update={"first_name": name}).model_dump(mode="json")
    return {"metadata": metadata, "data": data}


def record(detail: Any, message_id: str = "m1", name: str = "UserRegistered") -> dict[str, Any]:
    """Return a message as EventBridge sends it to an SQS queue."""
    body = {"detail-type": name, "source": "supermarket.auth", "detail": detail}
    return {
        "messageId": message_id,
        "receiptHandle": "r",
        "body": json.dumps(body),
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:ap-south-1:000000000000:greeter",
        "awsRegion": "ap-south-1",
    }


def test_a_handler_is_called_with_the_typed_event_and_its_metadata(greeter: Greeter) -> None:
    assert greeter.receive(record(registered("Asha", event_id="e7"))) == []
    ((name, metadata),) = greeter.greeted
    assert (name, metadata.event_id) == ("Asha", "e7")


def test_a_failed_event_does_not_stop_the_rest_of_its_batch(greeter: Greeter) -> None:
    failed = greeter.receive(
        record(registered("Asha"), "m1"),
        record(registered("Trouble"), "m2"),
        record(registered("Ravi"), "m3"),
    )
    assert failed == ["m2"]
    assert [name for name, _ in greeter.greeted] == ["Asha", "Ravi"]


class DecreasingTime:
    """A Lambda context whose remaining time decreases with every call."""

    def __init__(self, *milliseconds: int) -> None:
        self._left = iter(milliseconds)

    def get_remaining_time_in_millis(self) -> int:
        return next(self._left)


def test_no_event_is_started_without_enough_remaining_time(
    greeter: Greeter, log: io.StringIO
) -> None:
    batch = [record(registered(name), name) for name in ("Asha", "Ravi", "Mira")]
    context = DecreasingTime(9_000, SPARE_MILLISECONDS, SPARE_MILLISECONDS - 1)
    answer = greeter.handlers({"Records": batch}, context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "Mira"}]}
    assert [name for name, _ in greeter.greeted] == ["Asha", "Ravi"]
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["message"], line["level"]) == ("event postponed", "WARNING")


def test_when_all_messages_fail_each_is_reported(greeter: Greeter) -> None:
    trouble = [record(registered("Trouble"), message_id) for message_id in ("m1", "m2")]
    assert greeter.receive(*trouble) == ["m1", "m2"]


def test_failures_of_one_batch_are_not_reported_in_the_next(greeter: Greeter) -> None:
    assert greeter.receive(record(registered("Trouble"), "m1")) == ["m1"]
    assert greeter.receive(record(registered("Asha"), "m2")) == []


def test_an_event_without_a_handler_returns_to_the_queue(greeter: Greeter) -> None:
    unknown = record(registered("Asha"), "m1", name="UserVanished")
    assert greeter.receive(unknown, record(registered("Ravi"), "m2")) == ["m1"]
    assert [name for name, _ in greeter.greeted] == ["Ravi"]


@pytest.mark.parametrize(
    "detail",
    [
        None,
        {},
        {"metadata": {}, "data": {}},
        {**registered("Asha"), "data": {"userId": "u1"}},
        {**registered("Asha"), "metadata": {"eventId": "e1"}},
    ],
)
def test_an_event_that_violates_its_schema_returns_to_the_queue(
    greeter: Greeter, detail: Any
) -> None:
    assert greeter.receive(record(detail, "m1")) == ["m1"]
    assert greeter.greeted == []


def test_a_message_that_is_not_json_returns_to_the_queue(greeter: Greeter) -> None:
    assert greeter.receive(record(None, "m1") | {"body": "{"}) == ["m1"]


def test_fields_added_by_a_producer_are_ignored(greeter: Greeter) -> None:
    event = registered("Asha")
    event["data"]["favouriteTea"] = "Assam"
    event["metadata"]["region"] = "south"
    assert greeter.receive(record(event)) == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{", "JSONDecodeError"),
        (json.dumps({"detail": registered("Asha")}), "detail-type"),
        (json.dumps({"detail-type": "UserRegistered", "detail": {"data": {}}}), "metadata"),
    ],
)
def test_an_unreadable_message_is_logged_and_counted_as_a_failure(
    greeter: Greeter,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    body: str,
    why: str,
) -> None:
    assert greeter.receive(record(None, "m1") | {"body": body}) == ["m1"]
    (line,) = (json.loads(line) for line in log.getvalue().splitlines())
    assert (line["message"], line["level"]) == ("event failed", "ERROR")
    assert (line["consumer"], line["message_id"]) == ("greeter", "m1")
    assert why in line["exception"]
    assert "EventsFailed" in capsys.readouterr().out


def test_the_log_names_the_invalid_field_without_its_value(
    greeter: Greeter, log: io.StringIO
) -> None:
    event = registered("Asha")
    event["data"]["email"] = ["asha@example.com"]
    greeter.receive(record(event))
    assert "email" in log.getvalue()
    assert "asha@example.com" not in log.getvalue()


def test_a_handler_runs_with_the_correlation_and_causation_ids_of_its_event(
    greeter: Greeter,
) -> None:
    greeter.receive(
        record(registered("Asha", event_id="e1")), record(registered("Ravi", event_id="e2"))
    )
    assert greeter.ids_in_effect == [("request of Asha", "e1"), ("request of Ravi", "e2")]


def test_the_log_contains_the_request_the_event_and_the_error(
    greeter: Greeter, log: io.StringIO
) -> None:
    greeter.receive(record(registered("Asha"), "m1"), record(registered("Trouble"), "m2"))
    fine, bad = (json.loads(line) for line in log.getvalue().splitlines())
    assert (fine["message"], fine["correlation_id"]) == ("event handled", "request of Asha")
    assert (bad["message"], bad["correlation_id"]) == ("event failed", "request of Trouble")
    assert (bad["consumer"], bad["event"], bad["level"]) == ("greeter", "UserRegistered", "ERROR")
    assert "cannot greet" in bad["exception"]


def test_a_failed_event_is_counted(greeter: Greeter, capsys: pytest.CaptureFixture[str]) -> None:
    greeter.receive(record(registered("Trouble")))
    lines = [line for line in capsys.readouterr().out.splitlines() if "EventsFailed" in line]
    (metric,) = (json.loads(line) for line in lines)
    assert metric["EventsFailed"] == [1.0]
    assert (metric["consumer"], metric["event"]) == ("greeter", "UserRegistered")


def test_a_second_handler_of_an_event_is_refused() -> None:
    event_handlers = EventHandlers("greeter")

    def greet(event: UserRegistered, metadata: Metadata) -> None: ...

    assert event_handlers.on(UserRegistered)(greet) is greet
    with pytest.raises(ValueError, match="UserRegistered"):
        event_handlers.on(UserRegistered)(greet)


def test_an_envelope_is_serialised_and_read_back_unchanged() -> None:
    envelope = Envelope.model_validate(registered("Asha"))
    assert Envelope.model_validate_json(envelope.model_dump_json()) == envelope


def test_a_second_version_has_its_own_handler_and_the_same_name(greeter: Greeter) -> None:
    class UserRegisteredV2(UserRegistered):
        """An account was created."""

    assert (UserRegistered.NAME, UserRegistered.VERSION) == ("UserRegistered", 1)
    assert (UserRegisteredV2.NAME, UserRegisteredV2.VERSION) == ("UserRegistered", 2)
    welcomed = []
    greeter.handlers.on(UserRegisteredV2)(lambda event, _: welcomed.append(event))
    second = registered("Bela", "e2")
    second["metadata"]["version"] = 2
    assert greeter.receive(record(registered("Asha")), record(second, "m2")) == []
    assert [name for name, _ in greeter.greeted] == ["Asha"]
    assert [event.first_name for event in welcomed] == ["Bela"]


def test_a_version_newer_than_the_known_ones_is_skipped(
    greeter: Greeter,
) -> None:
    unknown = registered("Asha")
    unknown["metadata"]["version"] = 7
    assert greeter.receive(record(unknown)) == []
    assert greeter.greeted == []


def test_a_version_without_a_handler_returns_to_the_queue_and_is_logged(log: io.StringIO) -> None:
    class UserRegisteredV2(UserRegistered):
        """An account was created."""

    event_handlers = EventHandlers("greeter")
    event_handlers.on(UserRegisteredV2)(lambda *_: None)
    answer = event_handlers({"Records": [record(registered("Asha"), "m1")]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert "no handler of version 1 of UserRegistered" in log.getvalue()


@pytest.mark.usefixtures("aws")
def test_two_versions_of_an_event_are_two_outbox_rows_with_the_same_id() -> None:
    class UserRegisteredV2(UserRegistered):
        """An account was created."""

    transaction = DynamoTransaction()
    transaction.emit(REGISTERED, "fact-1")
    transaction.emit(UserRegisteredV2(**REGISTERED.model_dump()), "fact-1")
    transaction.commit()
    sent = [json.loads(row.detail)["metadata"] for row in OutboxRow.scan()]
    assert sorted((one["eventId"], one["version"]) for one in sent) == [
        ("fact-1", 1),
        ("fact-1", 2),
    ]


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The receipt handles of hidden messages, with the seconds."""
    calls: list[tuple[str, int]] = []
    sqs = cloud.client("sqs")

    def hide(**call: Any) -> None:
        calls.append((call["ReceiptHandle"], call["VisibilityTimeout"]))

    monkeypatch.setattr(sqs, "change_message_visibility", hide)
    monkeypatch.setattr(events, "_sqs", lambda: sqs)
    return calls


def postponing(wait: timedelta | None) -> EventHandlers:
    """Return event handlers that always raise RetryLater."""
    event_handlers = EventHandlers("greeter")

    @event_handlers.on(UserRegistered)
    def greet(event: UserRegistered, metadata: Metadata) -> None:
        raise RetryLater("asleep", wait)

    return event_handlers


@pytest.mark.parametrize(
    ("wait", "seconds"), [(timedelta(minutes=15), 15 * 60 + 1), (timedelta(days=2), 11 * 60 * 60)]
)
def test_a_postponed_message_is_hidden_for_its_wait_and_not_logged_as_a_failure(
    hidden: list[tuple[str, int]], log: io.StringIO, wait: timedelta, seconds: int
) -> None:
    answer = postponing(wait)({"Records": [record(registered("Asha"), "m1")]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert hidden == [("r", seconds)]
    (line,) = (json.loads(line) for line in log.getvalue().splitlines())
    assert (line["message"], line["reason"]) == ("event postponed", "asleep")


def test_a_postponed_message_without_a_wait_is_retried_with_growing_delays(
    hidden: list[tuple[str, int]],
) -> None:
    event_handlers = postponing(None)
    for attempt in ("1", "2", "20"):
        message = record(registered("Asha")) | {"attributes": {"ApproximateReceiveCount": attempt}}
        event_handlers({"Records": [message]}, None)
    first, second, last = (seconds for _, seconds in hidden)
    assert 60 <= first < 120 <= second < last
    assert 2 * 3600 <= last <= 3 * 3600 + 1


def test_an_event_that_can_never_be_handled_is_a_dead_letter_at_once(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    sent: list[dict[str, str]] = []

    class Sqs:
        """A queue with dead letters."""

        def get_queue_attributes(self, **_: Any) -> Any:
            arn = "arn:aws:sqs:ap-south-1:000000000000:dead-greeter"
            return {"Attributes": {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn})}}

        def send_message(self, **call: str) -> None:
            sent.append(call)

    monkeypatch.setattr(events, "_sqs", Sqs)
    events._dead_letters_of.cache_clear()
    event_handlers = EventHandlers("greeter")

    @event_handlers.on(UserRegistered)
    def greet(event: UserRegistered, metadata: Metadata) -> None:
        raise PermanentFailure("no such person")

    message = record(registered("Asha"), "m1")
    assert event_handlers({"Records": [message]}, None) == {"batchItemFailures": []}
    [call] = sent
    assert call["QueueUrl"].endswith("/000000000000/dead-greeter")
    assert call["MessageBody"] == message["body"]
    assert json.loads(log.getvalue())["message"] == "event failed"


RETRYING = [
    queue["RedrivePolicy"]
    for queue in resources("AWS::SQS::Queue").values()
    if "RedrivePolicy" in queue
]


@pytest.mark.parametrize("policy", RETRYING, ids=lambda policy: policy["deadLetterTargetArn"])
def test_a_message_is_retried_for_more_than_a_day_before_it_is_a_dead_letter(
    monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any]
) -> None:
    monkeypatch.setattr(random, "uniform", lambda shortest, _: shortest)
    pauses = (retry_delay(attempt) for attempt in range(1, policy["maxReceiveCount"]))
    assert sum(pauses, timedelta()) > timedelta(days=1)
