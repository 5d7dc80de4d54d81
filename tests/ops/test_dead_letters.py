"""Dead letters are seen, sent again and dropped, by an operator, and never lost on the way."""

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
from ops import bus_topology, wiring
from ops.dead_letters import command, service, sources
from ops.dead_letters.model import DeadLetter
from ops.dead_letters.service import DeadLetters
from outbox.repository import DynamoOutbox
from supermarket.clock import iso, utc_now
from supermarket.dynamo.outbox import OutboxRow
from supermarket.errors import NotFound
from support.cloud import client, make_bus, queue_arn, queue_url
from support.contracts import sample
from support.ops import InMemoryBox
from support.outbox import InMemoryBus, a_relay, an_event

IDS = list("abcdef")


def a_letter(letter_id: str, event: str = "OrderPlaced", received: datetime = NOON) -> DeadLetter:
    before = received - timedelta(hours=1)
    return DeadLetter(letter_id, event, f"event-{letter_id}", "reader", before, "{}")


def office(box: InMemoryBox) -> DeadLetters:
    return DeadLetters([box], lambda *_: {"event-a": "ValueError: no"}, FrozenClock())


@given(st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS)))
def test_what_is_sent_again_goes_and_everything_else_stays(
    called: set[str], refusing: set[str]
) -> None:
    letters = [a_letter(i, "OrderPlaced" if i in called else "OrderShipped") for i in IDS]
    box = InMemoryBox(*letters, refusing=refusing)
    handled = office(box).redrive("reader", "OrderPlaced")
    assert set(box.sent) == called - refusing
    assert box.letters.keys() == set(IDS) - set(box.sent)
    assert handled.done == len(box.sent)
    assert handled.kept.keys() == called & refusing
    assert box.held == set()


def test_a_redrive_that_dies_between_sending_and_discarding_leaves_the_letter() -> None:
    class Dying(InMemoryBox):
        def discard(self, letter: DeadLetter) -> None:
            raise ConnectionError("the machine is gone")

    box = Dying(a_letter("a"))
    with pytest.raises(ConnectionError):
        office(box).redrive("reader")
    assert (box.sent, list(box.letters), box.held) == (["a"], ["a"], set())


def test_what_comes_back_during_a_redrive_is_not_sent_a_second_time() -> None:
    box = InMemoryBox(a_letter("old"), a_letter("new", received=NOON + timedelta(hours=2)))
    assert office(box).redrive("reader").done == 1
    assert box.sent == ["old"]


def test_letters_are_called_by_event_or_by_id() -> None:
    box = InMemoryBox(a_letter("a"), a_letter("b", "OrderShipped"), a_letter("c"))
    for wanted, found in (("OrderPlaced", "ac"), ("event-b", "b"), ("c", "c"), (None, "abc")):
        assert "".join(sorted(one.id for one in office(box).look("reader", wanted))) == found


def test_looking_tells_the_reason_and_takes_nothing_away() -> None:
    box = InMemoryBox(a_letter("a"), a_letter("b"))
    assert [one.hint for one in office(box).look("reader")] == ["ValueError: no", ""]
    assert (box.count(), box.held, box.sent) == (2, set(), [])


def test_one_that_is_wanted_is_found_in_a_box_too_full_to_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "LOOK_AT", 2)
    box = InMemoryBox(*(a_letter(i) for i in IDS))
    assert len(office(box).look("reader")) == 2
    assert [one.id for one in office(box).look("reader", "f")] == ["f"]


def test_dropped_letters_are_gone_unsent() -> None:
    box = InMemoryBox(a_letter("a"), a_letter("b", "OrderShipped"))
    assert office(box).drop("reader", "OrderShipped").done == 1
    assert (list(box.letters), box.sent) == (["a"], [])


def test_an_unknown_box_is_told_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="only reader"):
        office(InMemoryBox()).look("mailer")


# --- on SQS, in moto -----------------------------------------------------------------------------


@pytest.fixture
def bus(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryBus]:
    """The deployed rules and queues; the relay's own bus is one that can be out of order."""
    make_bus()
    bus = InMemoryBus()
    relay = a_relay(bus, DynamoOutbox())
    monkeypatch.setattr(wiring, "outbox_relay", lambda: relay)
    monkeypatch.setattr(sources, "WAIT_SECONDS", 0)
    client("logs").create_log_group(logGroupName="/supermarket/test")
    yield bus
    bus_topology.client.cache_clear()


def put(queue: str, body: Any, **attributes: str) -> None:
    client("sqs").send_message(
        QueueUrl=queue_url(queue),
        MessageBody=body if isinstance(body, str) else json.dumps(body),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def bodies(queue: str) -> list[Any]:
    """What is in a queue now."""
    answer = client("sqs").receive_message(
        QueueUrl=queue_url(queue), MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.mark.usefixtures("bus")
def test_a_consumers_dead_letters_go_back_into_its_queue() -> None:
    put("NotificationDeadLetters", sample("OrderPlaced"))
    put("NotificationDeadLetters", sample("OrderShipped"))
    handled = wiring.dead_letters().redrive("notification", "OrderShipped")
    assert (handled.done, handled.kept) == (1, {})
    assert bodies("NotificationQueue") == [sample("OrderShipped")]
    assert bodies("NotificationDeadLetters") == [sample("OrderPlaced")]


@pytest.mark.usefixtures("bus")
def test_more_letters_than_one_call_returns_are_all_handled() -> None:
    for _ in range(25):
        put("OrderDeadLetters", sample("PaymentCompleted"))
    assert wiring.dead_letters().redrive("order").done == 25
    assert wiring.dead_letters().count("order") == 0


@pytest.mark.usefixtures("bus")
def test_whoever_looks_at_a_few_hides_none_of_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_AT", 3)
    for _ in range(5):
        put("OrderDeadLetters", sample("PaymentCompleted"))
    assert len(wiring.dead_letters().look("order")) == 3
    assert wiring.dead_letters().redrive("order").done == 5


@pytest.mark.usefixtures("bus")
def test_a_redrive_that_breaks_off_hides_none_of_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        put("OrderDeadLetters", sample("PaymentCompleted"))

    def break_off(*_: Any) -> None:
        raise ConnectionError("the cable is out")

    with monkeypatch.context() as broken:
        broken.setattr(sources.DeadLetterQueue, "send_back", break_off)
        with pytest.raises(ConnectionError):
            wiring.dead_letters().redrive("order")
    assert wiring.dead_letters().redrive("order").done == 5


@pytest.mark.usefixtures("bus")
def test_a_letter_that_was_held_for_too_long_needs_no_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("OrderDeadLetters", sample("PaymentCompleted"))
    monkeypatch.setattr(sources, "HELD_SECONDS", 0)
    assert len(wiring.dead_letters().look("order")) == 1


class Revolving(sources.Queue):
    """A queue that says in which order its messages are received."""

    def __init__(self, *receives: str) -> None:
        super().__init__("reader", "https://sqs.example/reader")
        self._told = iter(receives)

    def _receive(self) -> list[dict[str, Any]]:
        attributes = {"SentTimestamp": "0"}
        return [
            {"MessageId": one, "ReceiptHandle": one, "Body": "{}", "Attributes": attributes}
            for one in next(self._told, "")
        ]


@pytest.mark.parametrize(
    "receives",
    [("ab", "c"), ("ab", "a", "c"), ("ab", "ba", "c"), ("ab", "ac", "b"), ("abc", *("abc" * 9))],
)
def test_letters_that_come_again_hide_none_of_the_rest(receives: tuple[str, ...]) -> None:
    assert [letter.id for letter in Revolving(*receives).take()] == ["a", "b", "c"]


@pytest.mark.usefixtures("bus")
def test_what_could_not_be_delivered_goes_to_the_one_it_was_for() -> None:
    put(
        "UndeliveredEvents",
        sample("OrderPlaced"),
        TARGET_ARN=queue_arn("NotificationQueue"),
        ERROR_CODE="NO_PERMISSIONS",
        ERROR_MESSAGE="not allowed",
    )
    [seen] = wiring.dead_letters().look("undelivered")
    assert (seen.consumer, seen.hint) == ("notification", "NO_PERMISSIONS: not allowed")
    assert wiring.dead_letters().redrive("undelivered").done == 1
    assert bodies("NotificationQueue") == [sample("OrderPlaced")]
    assert bodies("SellerDashboardQueue") == bodies("UndeliveredEvents") == []


@pytest.mark.usefixtures("bus")
def test_what_is_for_nobody_is_kept_and_told() -> None:
    put("UndeliveredEvents", sample("OrderPlaced"), TARGET_ARN=queue_arn("LongGone"))
    handled = wiring.dead_letters().redrive("undelivered")
    assert handled.done == 0
    assert [reason for reason in handled.kept.values() if "LongGone" in reason]
    assert bodies("UndeliveredEvents") == [sample("OrderPlaced")]


def given_up(table: str) -> dict[str, Any]:
    """What Lambda tells when it gives a part of a stream up."""
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
def test_what_the_relay_gave_up_on_needs_no_sending() -> None:
    put("UndeliveredEvents", given_up("supermarket-test-outbox"))
    [seen] = wiring.dead_letters().look("undelivered")
    assert (seen.event, seen.consumer) == ("3 records of a stream", "outbox")
    assert "sweep" in seen.hint
    assert wiring.dead_letters().redrive("undelivered").done == 1
    assert bodies("UndeliveredEvents") == []


@pytest.mark.usefixtures("bus")
def test_what_another_stream_gave_up_on_is_kept() -> None:
    put("UndeliveredEvents", given_up("supermarket-test-product"))
    [seen] = wiring.dead_letters().look("undelivered")
    assert (seen.consumer, seen.hint) == ("SomeFunction:$LATEST", "RetryAttemptsExhausted")
    assert len(wiring.dead_letters().redrive("undelivered").kept) == 1


@pytest.mark.usefixtures("bus")
@pytest.mark.parametrize("body", ["no JSON", "[]", '{"detail-type": "Strange"}'])
def test_a_letter_that_is_no_event_is_shown_and_can_be_dropped(body: str) -> None:
    put("PaymentDeadLetters", body)
    [seen] = wiring.dead_letters().look("payment")
    assert (seen.event_id, seen.hint) == ("?", "not an event of ours")
    assert wiring.dead_letters().drop("payment", seen.id).done == 1
    assert wiring.dead_letters().count("payment") == 0


@pytest.mark.usefixtures("bus")
def test_a_queue_that_something_else_than_the_bus_fills_has_dead_letters_too() -> None:
    dead = "supermarket-test-MailFeedbackDeadLetters-1A"
    client("sqs").create_queue(QueueName=dead)
    policy = json.dumps({"maxReceiveCount": 20, "deadLetterTargetArn": queue_arn(dead)})
    for queue in ("supermarket-test-MailFeedbackQueue-1A", "supermarket-test-2-OrderQueue-1A"):
        client("sqs").create_queue(QueueName=queue, Attributes={"RedrivePolicy": policy})
    put(dead, {"notificationType": "Bounce"})
    assert [box.name for box in wiring.dead_letters().summary()][-3:] == [
        "mail_feedback",
        "undelivered",
        "outbox",
    ]
    assert wiring.dead_letters().redrive("mail_feedback").done == 1
    assert bodies("supermarket-test-MailFeedbackQueue-1A") == [{"notificationType": "Bounce"}]


def waiting_event() -> None:
    old = an_event("a", '{"n": 1}', NOON - timedelta(days=9000))
    OutboxRow(
        old.id,
        source=old.source,
        detail_type=old.detail_type,
        detail=old.detail,
        occurred_at=iso(old.occurred_at),
    ).save()


def test_what_waits_in_the_outbox_can_be_sent_now(bus: InMemoryBus) -> None:
    waiting_event()
    assert wiring.dead_letters().redrive("outbox").done == 1
    assert bus.accepted == ["a"]
    assert list(OutboxRow.scan()) == []


def test_what_the_sweep_sends_during_a_redrive_does_no_harm(bus: InMemoryBus) -> None:
    waiting_event()
    outbox = DynamoOutbox()
    box = sources.WaitingOutbox(a_relay(bus, outbox), outbox, utc_now)
    [letter] = box.take()
    outbox.delete([letter.id])
    box.send_back(letter)
    assert bus.accepted == ["a"]


def test_what_can_never_be_sent_stays_in_the_outbox_until_it_is_dropped(bus: InMemoryBus) -> None:
    waiting_event()
    bus.malformed = {"a"}
    assert wiring.dead_letters().redrive("outbox").kept == {"a": "ValidationException"}
    assert wiring.dead_letters().drop("outbox", "a").done == 1
    assert list(OutboxRow.scan()) == []


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("bus")
def test_the_list_tells_how_many_lie_where(capsys: pytest.CaptureFixture[str]) -> None:
    put("NotificationDeadLetters", sample("OrderPlaced"))
    assert command.main(["list"]) == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["notification"] == ["1", "0", "s"]
    assert rows["seller_dashboard"] == rows["undelivered"] == rows["outbox"] == ["0", "-"]


@pytest.mark.usefixtures("bus")
def test_showing_tells_why_from_the_logs_and_the_whole_of_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = sample("OrderPlaced")
    event_id = event["detail"]["metadata"]["eventId"]
    put("NotificationDeadLetters", event)
    log(
        message="event failed",
        consumer="notification",
        event_id=event_id,
        exception="Traceback\n  somewhere\nValueError: no such mail",
    )
    assert command.main(["show", "notification"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert event_id in told
    assert "ValueError:" in told
    assert '"detail-type"' not in told
    assert command.main(["show", "notification", "--event", "OrderPlaced"]) == 0
    assert '"detail-type": "OrderPlaced"' in capsys.readouterr().out


@pytest.mark.usefixtures("bus")
@pytest.mark.parametrize("body", ["no JSON", json.dumps({"detail-type": "OrderPlaced"})])
def test_showing_tells_why_also_of_what_could_not_be_read(body: str) -> None:
    put("NotificationDeadLetters", body)
    [letter] = wiring.dead_letters().look("notification")
    told = {"consumer": "notification", "message_id": letter.id, "exception": "KeyError: 'detail'"}
    log(message="event failed", **told)
    [letter] = wiring.dead_letters().look("notification")
    assert letter.hint == "KeyError: 'detail'"


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
def test_redriving_says_how_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    put("UndeliveredEvents", sample("OrderPlaced"), TARGET_ARN=queue_arn("OrderQueue"))
    put("UndeliveredEvents", sample("OrderPlaced"), TARGET_ARN=queue_arn("LongGone"))
    assert command.main(["redrive", "undelivered"]) == 2
    told = capsys.readouterr()
    assert "1 sent again, 1 kept" in told.out
    assert "LongGone" in told.err


@pytest.mark.usefixtures("bus")
@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1), ("", 1)])
def test_dropping_asks_first(monkeypatch: pytest.MonkeyPatch, answer: str, left: int) -> None:
    put("OrderDeadLetters", sample("PaymentCompleted"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    command.main(["drop", "order"])
    assert wiring.dead_letters().count("order") == left


@pytest.mark.usefixtures("bus")
def test_dropping_tells_how_many_also_of_a_box_too_full_to_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(3):
        put("OrderDeadLetters", sample("PaymentCompleted"))
    asked: list[str] = []

    def decline(question: str) -> str:
        asked.append(question)
        return "n"

    monkeypatch.setattr(service, "LOOK_AT", 2)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", decline)
    command.main(["drop", "order"])
    command.main(["drop", "order", "--event", "PaymentCompleted"])
    assert [re.findall(r"\d+", question) for question in asked] == [["3"], ["3"]]


@pytest.mark.usefixtures("bus")
def test_dropping_needs_a_yes_when_there_is_nobody_to_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put("OrderDeadLetters", sample("PaymentCompleted"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert command.main(["drop", "order"]) == 1
    assert "--yes" in capsys.readouterr().err
    assert command.main(["drop", "order", "--yes"]) == 0
    assert wiring.dead_letters().count("order") == 0


@pytest.mark.usefixtures("bus")
def test_what_is_not_there_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["show", "mailer"]) == 1
    assert "only notification" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["list"], ["show"], ["redrive"], ["drop"]])
def test_every_command_explains_itself(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        command.main([*words, "--help"])
    assert end.value.code == 0
    assert "usage: python -m ops.dead_letters.command" in capsys.readouterr().out


def test_without_a_stage_nothing_is_touched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STAGE")
    assert command.main(["list"]) == 1
    assert "STAGE" in capsys.readouterr().err
