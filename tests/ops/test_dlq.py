"""Dead letters are listed, redriven and dropped, and never lost in the process."""

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from ops import wiring
from ops.dlq import service, sources
from ops.dlq.service import DeadLetter, DeadLetters, Outcome
from outbox.repository import DynamoOutbox
from supermarket.clock import utc_now
from supermarket.dynamo.outbox import OutboxRow
from supermarket.errors import NotFound
from support.cloud import client, make_bus, queue_arn, queue_url
from support.contracts import sample
from support.ops import InMemorySource, ops
from support.outbox import InMemoryBus, a_relay, an_event, an_outbox_row

IDS = list("abcdef")


def ignore(_: Outcome) -> None:
    """Ignore the progress."""


def wired() -> DeadLetters:
    return wiring.dead_letters("supermarket-test")


def a_message(message_id: str, event: str = "OrderPlaced", received: datetime = NOON) -> DeadLetter:
    before = received - timedelta(hours=1)
    return DeadLetter(message_id, event, f"event-{message_id}", "reader", before, "{}")


def dead_letters(source: InMemorySource) -> DeadLetters:
    return DeadLetters([source], lambda *_: {"event-a": "ValueError: no"}, FrozenClock())


@given(st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS)))
def test_redriven_messages_are_deleted_and_all_others_stay(
    selected: set[str], failing: set[str]
) -> None:
    messages = [a_message(i, "OrderPlaced" if i in selected else "OrderShipped") for i in IDS]
    source = InMemorySource(*messages, failing=failing)
    handled = dead_letters(source).redrive("reader", "OrderPlaced", ignore)
    assert set(source.sent) == selected - failing
    assert source.messages.keys() == set(IDS) - set(source.sent)
    assert handled.done == len(source.sent)
    assert handled.kept.keys() == selected & failing
    assert source.hidden == set()


def test_a_redrive_that_fails_between_sending_and_deleting_keeps_the_message() -> None:
    class Dying(InMemorySource):
        def delete(self, message: DeadLetter) -> None:
            raise ConnectionError("the process is killed")

    source = Dying(a_message("a"))
    with pytest.raises(ConnectionError):
        dead_letters(source).redrive("reader", None, ignore)
    assert (source.sent, list(source.messages), source.hidden) == (["a"], ["a"], set())


def test_a_message_that_comes_back_during_a_redrive_is_not_sent_a_second_time() -> None:
    source = InMemorySource(a_message("old"), a_message("new", received=NOON + timedelta(hours=2)))
    assert dead_letters(source).redrive("reader", None, ignore).done == 1
    assert source.sent == ["old"]


def test_messages_are_selected_by_event_or_by_id() -> None:
    source = InMemorySource(a_message("a"), a_message("b", "OrderShipped"), a_message("c"))
    for wanted, found in (("OrderPlaced", "ac"), ("event-b", "b"), ("c", "c"), (None, "abc")):
        assert (
            "".join(sorted(one.id for one in dead_letters(source).find("reader", wanted))) == found
        )


def test_find_returns_the_reasons_and_hides_no_message() -> None:
    source = InMemorySource(a_message("a"), a_message("b"))
    assert [one.reason for one in dead_letters(source).find("reader")] == ["ValueError: no", ""]
    assert (source.count(), source.hidden, source.sent) == (2, set(), [])


def test_a_selected_message_is_found_in_a_source_with_more_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "LIST_LIMIT", 2)
    source = InMemorySource(*(a_message(i) for i in IDS))
    assert len(dead_letters(source).find("reader")) == 2
    assert [one.id for one in dead_letters(source).find("reader", "f")] == ["f"]


def test_dropped_messages_are_deleted_and_not_sent() -> None:
    source = InMemorySource(a_message("a"), a_message("b", "OrderShipped"))
    assert dead_letters(source).drop("reader", "OrderShipped", ignore).done == 1
    assert (list(source.messages), source.sent) == (["a"], [])


def test_an_unknown_source_is_reported_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="only reader"):
        dead_letters(InMemorySource()).find("mailer")


# --- on SQS, in moto -----------------------------------------------------------------------------


@pytest.fixture
def bus(aws: None, monkeypatch: pytest.MonkeyPatch) -> InMemoryBus:
    """The deployed rules and queues; the bus of the relay is in memory."""
    make_bus()
    bus = InMemoryBus()
    relay = a_relay(bus, DynamoOutbox())
    monkeypatch.setattr(wiring, "outbox_relay", lambda: relay)
    monkeypatch.setattr(sources, "WAIT_SECONDS", 0)
    client("logs").create_log_group(logGroupName="/supermarket/test")
    return bus


def put(queue: str, body: Any, **attributes: str) -> None:
    client("sqs").send_message(
        QueueUrl=queue_url(queue),
        MessageBody=body if isinstance(body, str) else json.dumps(body),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def bodies(queue: str) -> list[Any]:
    """The messages in a queue."""
    answer = client("sqs").receive_message(
        QueueUrl=queue_url(queue), MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.mark.usefixtures("bus")
def test_dead_letters_of_a_consumer_are_redriven_to_its_queue() -> None:
    put("OrderMailDeadLetters", sample("OrderPlaced"))
    put("OrderMailDeadLetters", sample("OrderShipped"))
    handled = wired().redrive("order_mails", "OrderShipped", ignore)
    assert (handled.done, handled.kept) == (1, {})
    assert bodies("OrderMailQueue") == [sample("OrderShipped")]
    assert bodies("OrderMailDeadLetters") == [sample("OrderPlaced")]


@pytest.mark.usefixtures("bus")
def test_more_messages_than_one_call_returns_are_all_redriven() -> None:
    for _ in range(25):
        put("OrderDeadLetters", sample("PaymentCompleted"))
    assert wired().redrive("order", None, ignore).done == 25
    assert wired().count("order") == 0


@pytest.mark.usefixtures("bus")
def test_a_limited_list_hides_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LIST_LIMIT", 3)
    for _ in range(5):
        put("OrderDeadLetters", sample("PaymentCompleted"))
    assert len(wired().find("order")) == 3
    assert wired().redrive("order", None, ignore).done == 5


@pytest.mark.usefixtures("bus")
def test_a_redrive_that_fails_hides_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        put("OrderDeadLetters", sample("PaymentCompleted"))

    def break_off(*_: Any) -> None:
        raise ConnectionError("no connection")

    with monkeypatch.context() as broken:
        broken.setattr(sources.DeadLetterQueue, "redrive", break_off)
        with pytest.raises(ConnectionError):
            wired().redrive("order", None, ignore)
    assert wired().redrive("order", None, ignore).done == 5


@pytest.mark.usefixtures("bus")
def test_a_message_whose_visibility_timeout_is_over_needs_no_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("OrderDeadLetters", sample("PaymentCompleted"))
    monkeypatch.setattr(sources, "VISIBILITY_TIMEOUT_SECONDS", 0)
    assert len(wired().find("order")) == 1


class ScriptedSource(sources.DeadLetterQueue):
    """A queue whose messages are received in the given order."""

    def __init__(self, *receives: str) -> None:
        super().__init__("reader", "https://sqs.example/reader", {})
        self._receives = iter(receives)

    def _receive(self) -> list[dict[str, Any]]:
        attributes = {"SentTimestamp": "0"}
        return [
            {"MessageId": one, "ReceiptHandle": one, "Body": "{}", "Attributes": attributes}
            for one in next(self._receives, "")
        ]


@pytest.mark.parametrize(
    "receives",
    [("ab", "c"), ("ab", "a", "c"), ("ab", "ba", "c"), ("ab", "ac", "b"), ("abc", *("abc" * 9))],
)
def test_messages_that_are_received_again_do_not_end_the_list(receives: tuple[str, ...]) -> None:
    assert [message.id for message in ScriptedSource(*receives).receive()] == ["a", "b", "c"]


@pytest.mark.usefixtures("bus")
def test_an_undelivered_event_is_redriven_to_its_consumer_only() -> None:
    put(
        "UndeliveredEvents",
        sample("OrderPlaced"),
        TARGET_ARN=queue_arn("OrderMailQueue"),
        ERROR_CODE="NO_PERMISSIONS",
        ERROR_MESSAGE="not allowed",
    )
    [seen] = wired().find("undelivered")
    assert (seen.consumer, seen.reason) == ("order_mails", "NO_PERMISSIONS: not allowed")
    assert wired().redrive("undelivered", None, ignore).done == 1
    assert bodies("OrderMailQueue") == [sample("OrderPlaced")]
    assert bodies("SellerDashboardQueue") == bodies("UndeliveredEvents") == []


@pytest.mark.usefixtures("bus")
def test_an_undelivered_event_without_a_consumer_is_kept_and_reported() -> None:
    put("UndeliveredEvents", sample("OrderPlaced"), TARGET_ARN=queue_arn("LongGone"))
    handled = wired().redrive("undelivered", None, ignore)
    assert handled.done == 0
    assert [reason for reason in handled.kept.values() if "LongGone" in reason]
    assert bodies("UndeliveredEvents") == [sample("OrderPlaced")]


def stream_failure(table: str) -> dict[str, Any]:
    """The message that Lambda sends when it stops retrying records of a stream."""
    region = "arn:aws:lambda:ap-south-1:123456789012"
    return {
        "requestContext": {
            "functionArn": f"{region}:function:SomeFunction:$LATEST",
            "condition": "RetryAttemptsExhausted",
        },
        "DDBStreamBatchInfo": {
            "batchSize": 3,
            "streamArn": f"arn:aws:dynamodb:ap-south-1:123456789012:table/{table}/stream/2026",
        },
    }


@pytest.mark.usefixtures("bus")
def test_stream_records_of_the_outbox_need_no_redrive() -> None:
    put("UndeliveredEvents", stream_failure("supermarket-test-outbox"))
    [seen] = wired().find("undelivered")
    assert (seen.event, seen.consumer) == ("3 records of a stream", "outbox")
    assert "sweep" in seen.reason
    assert wired().redrive("undelivered", None, ignore).done == 1
    assert bodies("UndeliveredEvents") == []


@pytest.mark.usefixtures("bus")
def test_stream_records_of_another_table_are_kept() -> None:
    put("UndeliveredEvents", stream_failure("supermarket-test-product"))
    [seen] = wired().find("undelivered")
    assert (seen.consumer, seen.reason) == ("SomeFunction:$LATEST", "RetryAttemptsExhausted")
    assert len(wired().redrive("undelivered", None, ignore).kept) == 1


@pytest.mark.usefixtures("bus")
@pytest.mark.parametrize("body", ["no JSON", "[]", '{"detail-type": "Strange"}'])
def test_a_message_that_is_no_event_is_listed_and_can_be_dropped(body: str) -> None:
    put("PaymentDeadLetters", body)
    [seen] = wired().find("payment")
    assert (seen.event_id, seen.reason) == ("?", "not an event of the shop")
    assert wired().drop("payment", seen.id, ignore).done == 1
    assert wired().count("payment") == 0


@pytest.mark.usefixtures("bus")
def test_dead_letters_of_a_queue_that_the_bus_does_not_fill_are_a_source() -> None:
    dead = "supermarket-test-MailFeedbackDeadLetters-1A"
    client("sqs").create_queue(QueueName=dead)
    policy = json.dumps({"maxReceiveCount": 20, "deadLetterTargetArn": queue_arn(dead)})
    for queue in ("supermarket-test-MailFeedbackQueue-1A", "supermarket-test-2-OrderQueue-1A"):
        client("sqs").create_queue(QueueName=queue, Attributes={"RedrivePolicy": policy})
    put(dead, {"notificationType": "Bounce"})
    assert list(wired().sources)[-3:] == [
        "mail_feedback",
        "undelivered",
        "outbox",
    ]
    assert wired().redrive("mail_feedback", None, ignore).done == 1
    assert bodies("supermarket-test-MailFeedbackQueue-1A") == [{"notificationType": "Bounce"}]


def save_old_event() -> None:
    an_outbox_row(an_event("a", '{"n": 1}', NOON - timedelta(days=9000))).save()


def test_an_event_in_the_outbox_can_be_sent_now(bus: InMemoryBus) -> None:
    save_old_event()
    assert wired().redrive("outbox", None, ignore).done == 1
    assert bus.accepted == ["a"]
    assert list(OutboxRow.scan()) == []


def test_an_event_that_the_sweep_sends_during_a_redrive_is_sent_twice(bus: InMemoryBus) -> None:
    save_old_event()
    outbox = DynamoOutbox()
    source = sources.OutboxSource(a_relay(bus, outbox), outbox, utc_now)
    [message] = source.receive()
    outbox.delete([message.id])
    source.redrive(message)
    assert bus.accepted == ["a"]


def test_an_event_that_can_never_be_sent_stays_in_the_outbox_until_it_is_dropped(
    bus: InMemoryBus,
) -> None:
    save_old_event()
    bus.malformed = {"a"}
    assert wired().redrive("outbox", None, ignore).kept == {"a": "ValidationException"}
    assert wired().drop("outbox", "a", ignore).done == 1
    assert list(OutboxRow.scan()) == []


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("bus")
def test_the_list_receives_nothing_from_empty_sources_and_reads_no_logs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("OrderMailDeadLetters", sample("OrderPlaced"))
    received: list[str] = []
    receive = sources.DeadLetterQueue.receive

    def recorded(source: sources.DeadLetterQueue) -> Iterator[DeadLetter]:
        received.append(source.name)
        return receive(source)

    def read_logs(*_: object) -> dict[str, str]:
        pytest.fail("the list needs no reasons")

    monkeypatch.setattr(sources.DeadLetterQueue, "receive", recorded)
    monkeypatch.setattr(wiring, "failure_reasons", read_logs)
    assert ops("dlq") == 0
    assert received == ["order_mails"]


@pytest.mark.usefixtures("bus")
def test_the_list_has_the_number_of_messages_and_the_oldest_of_each_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("OrderMailDeadLetters", sample("OrderPlaced"))
    assert ops("dlq", "list") == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["order_mails"] == ["1", "0", "s"]
    assert rows["seller_dashboard"] == rows["undelivered"] == rows["outbox"] == ["0", "-"]


@pytest.mark.usefixtures("bus")
def test_show_has_the_reason_from_the_logs_and_the_content_of_one_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = sample("OrderPlaced")
    event_id = event["detail"]["metadata"]["eventId"]
    put("OrderMailDeadLetters", event)
    log(
        message="event failed",
        consumer="order_mails",
        event_id=event_id,
        exception="Traceback\n  somewhere\nValueError: no such mail",
    )
    assert ops("dlq", "show", "order_mails") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert event_id in shown
    assert "ValueError:" in shown
    assert '"detail-type"' not in shown
    assert ops("dlq", "show", "order_mails", "--event", "OrderPlaced") == 0
    assert '"detail-type": "OrderPlaced"' in capsys.readouterr().out


@pytest.mark.usefixtures("bus")
@pytest.mark.parametrize("body", ["no JSON", json.dumps({"detail-type": "OrderPlaced"})])
def test_show_has_the_reason_of_a_message_that_could_not_be_parsed(body: str) -> None:
    put("OrderMailDeadLetters", body)
    [message] = wired().find("order_mails")
    line = {"consumer": "order_mails", "message_id": message.id, "exception": "KeyError: 'detail'"}
    log(message="event failed", **line)
    [message] = wired().find("order_mails")
    assert message.reason == "KeyError: 'detail'"


def log(**line: str) -> None:
    logs = client("logs")
    logs.create_log_stream(logGroupName="/supermarket/test", logStreamName="one")
    now = int((datetime.now(UTC) + timedelta(seconds=1)).timestamp() * 1000)
    logs.put_log_events(
        logGroupName="/supermarket/test",
        logStreamName="one",
        logEvents=[{"timestamp": now, "message": json.dumps(line)}],
    )


@pytest.mark.usefixtures("bus")
def test_redrive_reports_what_was_sent_and_what_was_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("UndeliveredEvents", sample("OrderPlaced"), TARGET_ARN=queue_arn("OrderQueue"))
    put("UndeliveredEvents", sample("OrderPlaced"), TARGET_ARN=queue_arn("LongGone"))
    assert ops("dlq", "redrive", "undelivered") == 1
    captured = capsys.readouterr()
    assert "1 redriven, 1 kept" in captured.out
    assert "LongGone" in captured.err


@pytest.mark.usefixtures("bus")
@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1), ("", 1)])
def test_drop_asks_for_confirmation(
    monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    put("OrderDeadLetters", sample("PaymentCompleted"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    ops("dlq", "drop", "order")
    assert wired().count("order") == left


@pytest.mark.usefixtures("bus")
def test_drop_reports_the_number_of_a_source_with_more_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(3):
        put("OrderDeadLetters", sample("PaymentCompleted"))
    asked: list[str] = []

    def decline(question: str) -> str:
        asked.append(question)
        return "n"

    monkeypatch.setattr(service, "LIST_LIMIT", 2)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", decline)
    ops("dlq", "drop", "order")
    ops("dlq", "drop", "order", "--event", "PaymentCompleted")
    assert [re.findall(r"\d+", question) for question in asked] == [["3"], ["3"]]


@pytest.mark.usefixtures("bus")
def test_drop_needs_the_option_yes_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put("OrderDeadLetters", sample("PaymentCompleted"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert ops("dlq", "drop", "order") == 2
    assert "--yes" in capsys.readouterr().err
    assert ops("dlq", "drop", "order", "--yes") == 0
    assert wired().count("order") == 0


@pytest.mark.usefixtures("bus")
def test_an_unknown_source_is_an_error_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert ops("dlq", "show", "mailer") == 1
    assert "only bulk_mails" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["show", "redrive", "drop"])
@pytest.mark.usefixtures("bus")
def test_every_action_but_list_needs_a_source(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ops("dlq", action) == 2
    assert f"{action} needs a source" in capsys.readouterr().err
