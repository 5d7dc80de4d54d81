"""The Lambdas of the socket's actions, called with API Gateway's events."""

import json
import time
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from pynamodb.exceptions import GetError

from ai_buddy import sockets as lambdas
from ai_buddy import wiring
from ai_buddy.conversations import repository
from ai_buddy.conversations.model import LEASE, RESERVED_TOKENS, RETENTION
from ai_buddy.endpoints import delete_conversation
from ai_buddy.model import (
    PROPOSAL_LIFETIME,
    REPEAT_PERIOD,
    DisplayedItems,
    Proposal,
    Proposed,
    Task,
    TextDelta,
    TokensUsed,
)
from ai_buddy.schemas import MAX_TEXT
from ai_buddy.sockets import (
    answer_ping,
    confirm_proposal,
    refuse_unknown_action,
    show_history,
    stop_turn,
    take_message,
)
from supermarket.clock import new_id, utc_now
from supermarket.errors import Conflict, Unavailable
from supermarket.wiring import cursors
from support.api import a_caller, call
from support.sockets import Client, ScriptedAgent, Sockets

RICE = {"id": "01", "title": "Basmati rice", "price": {"amount": 120.5, "currency": "INR"}}
CANCEL = Proposal("cancel_order", {"orderId": "01"}, "Cancel your order of rice.")


def ask(client: Client, text: str = "Hello", **frame: Any) -> dict[str, Any]:
    """Send a message and return its `started` frame."""
    [started] = client.send(take_message, text=text, **frame)
    assert started["type"] == "started", started
    return started


# --- frames ---------------------------------------------------------------------------------------


def test_a_ping_is_answered(sockets: Sockets) -> None:
    assert sockets.connect().send(answer_ping) == [{"type": "pong"}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "NOT_JSON"),
        ("{", "NOT_JSON"),
        ("[" * 100_000, "NOT_JSON"),
        ("[1]", "NOT_JSON"),
        ("null", "NOT_JSON"),
        ("\x00\x01", "NOT_JSON"),
        ('{"action": "dance"}', "UNKNOWN_ACTION"),
        ('{"text": "hello"}', "UNKNOWN_ACTION"),
    ],
)
def test_an_invalid_frame_gets_an_error_and_the_connection_stays_open(
    sockets: Sockets, body: str, code: str
) -> None:
    client = sockets.connect()

    [error] = client.send_raw(refuse_unknown_action, body)

    assert (error["type"], error["code"]) == ("error", code)
    assert sockets.sender.closed == []
    assert client.send(answer_ping) == [{"type": "pong"}]


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "   "}, "text"),
        ({"text": 5}, "text"),
        ({"text": "x" * (MAX_TEXT + 1)}, "text"),
        ({"text": "hi", "userId": "01"}, "userId"),
        ({"text": "hi", "conversationId": "../x"}, "conversationId"),
        ({"text": "hi", "clientMessageId": "a b"}, "clientMessageId"),
    ],
)
def test_a_frame_may_have_the_fields_of_its_action_only(
    sockets: Sockets, frame: dict[str, Any], field: str
) -> None:
    client = sockets.connect()

    [error] = client.send(take_message, **frame)

    assert error["code"] == "INVALID"
    assert [each["field"] for each in error["errors"]] == [field]
    assert sockets.workers.tasks == []


def test_no_text_of_a_conversation_is_logged(
    sockets: Sockets, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    client = sockets.connect()
    ask(client, "my secret question")
    sockets.run_workers(ScriptedAgent(TextDelta("a secret answer"), RuntimeError("secret cause")))
    client.send(take_message, text="secret", extra="secret")

    written = capsys.readouterr().out + caplog.text + repr([r.__dict__ for r in caplog.records])
    assert "answered" in written
    assert "secret" not in written


# --- turns ----------------------------------------------------------------------------------------


def test_an_answer_is_started_streamed_sent_whole_and_done(
    sockets: Sockets,
) -> None:
    client = sockets.connect()
    started = ask(client, "Rice?")

    sockets.run_workers(
        ScriptedAgent(TextDelta("We have "), TextDelta("two."), DisplayedItems(products=(RICE,)))
    )

    assert client.frames[-2] == {
        "type": "message",
        "messageId": started["messageId"],
        "text": "We have two.",
        "products": [RICE],
    }
    assert client.frames[-1]["type"] == "done"
    assert sockets.sender.text(client.id) == "We have two."
    assert {frame["messageId"] for frame in client.frames} == {started["messageId"]}


def test_the_agent_gets_the_utterances_before(sockets: Sockets) -> None:
    client, agent = sockets.connect(), ScriptedAgent(TextDelta("Yes."))
    first = ask(client, "Have you rice?")
    sockets.run_workers(agent)
    ask(client, "And dal?", conversationId=first["conversationId"])
    sockets.run_workers(agent)

    question = agent.questions[-1]
    assert question.text == "And dal?"
    assert [(u.role, u.text) for u in question.history] == [
        ("user", "Have you rice?"),
        ("assistant", "Yes."),
    ]
    assert question.caller == client.caller


def test_a_conversation_answers_one_message_at_a_time(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)

    [error] = client.send(take_message, text="More", conversationId=started["conversationId"])
    assert error["code"] == "TURN_RUNNING"
    ask(client, "Elsewhere")  # another conversation is free

    sockets.run_workers(ScriptedAgent())
    ask(client, "More", conversationId=started["conversationId"])


def test_a_message_that_is_sent_twice_is_answered_once(sockets: Sockets) -> None:
    client = sockets.connect()
    first = ask(client, clientMessageId="m-1")
    again = ask(client, clientMessageId="m-1")
    assert again == first
    assert len(sockets.workers.tasks) == 1

    sockets.run_workers(ScriptedAgent(TextDelta("Hi.")))
    late = client.send(take_message, text="Hello", clientMessageId="m-1")
    assert [frame["type"] for frame in late] == ["started", "message", "done"]
    assert late[1]["text"] == "Hi."
    assert sockets.workers.tasks == []


def test_a_repeated_message_whose_answer_failed_gets_an_error(sockets: Sockets) -> None:
    client = sockets.connect()
    ask(client, clientMessageId="m-1")
    sockets.run_workers(ScriptedAgent(RuntimeError("a power cut")))

    again = client.send(take_message, text="Hello", clientMessageId="m-1")

    assert [frame["type"] for frame in again] == ["started", "error"]
    assert again[1]["messageId"] == again[0]["messageId"]


def test_a_repeated_message_without_a_living_worker_gets_an_error(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    ask(client, clientMessageId="m-1")
    service = wiring.conversations()
    monkeypatch.setattr(service, "_clock", lambda: utc_now() + timedelta(minutes=2))

    again = client.send(take_message, text="Hello", clientMessageId="m-1")

    assert [frame["type"] for frame in again] == ["started", "error"]


def test_an_answer_that_ends_during_a_subscription_is_sent(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sockets.connect()
    ask(first, clientMessageId="m-1")
    late, service = sockets.connect(first.caller), wiring.connections()
    subscribe = service.subscribe

    def end_before_subscription(*args: Any) -> None:
        sockets.run_workers(ScriptedAgent(TextDelta("Just done.")))
        subscribe(*args)

    monkeypatch.setattr(service, "subscribe", end_before_subscription)

    [history, *rest] = late.send(show_history)

    assert history["messages"][-1]["status"] == "running"
    assert [frame["type"] for frame in rest] == ["message", "done"]
    assert rest[0]["text"] == "Just done."


def test_another_persons_conversation_is_unknown(sockets: Sockets) -> None:
    owner, stranger = sockets.connect(), sockets.connect()
    started = ask(owner, "Where is my order?")
    sockets.run_workers(ScriptedAgent(TextDelta("Here."), Proposed(CANCEL)))
    theirs = {"conversationId": started["conversationId"]}

    for frames in (
        stranger.send(take_message, text="Hi", **theirs),
        stranger.send(show_history, **theirs),
        stranger.send(stop_turn, **theirs),
        stranger.send(confirm_proposal, messageId=started["messageId"], accept=True),
    ):
        assert [frame["code"] for frame in frames][-1].endswith("UNKNOWN")
    path = {"conversationId": started["conversationId"]}
    assert call(delete_conversation, caller=stranger.caller, path=path).status == 404
    assert sockets.executor.executed == []


def test_frames_go_only_to_connections_of_the_person_that_show_the_conversation(
    sockets: Sockets,
) -> None:
    person = a_caller()
    here, elsewhere, stranger = sockets.connect(person), sockets.connect(person), sockets.connect()
    ask(here)
    elsewhere.send(answer_ping)

    sockets.run_workers(ScriptedAgent(TextDelta("For one person.")))

    assert sockets.sender.text(here.id) == "For one person."
    assert sockets.sender.types(elsewhere.id) == ["pong"]
    assert stranger.frames == []


def test_too_many_messages_a_minute_are_refused_with_a_time_to_retry(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets.freeze_minute(monkeypatch)
    client = sockets.connect()
    for _ in range(20):
        ask(client)
        sockets.run_workers(ScriptedAgent())

    [error] = client.send(take_message, text="And another thing")

    assert error["code"] == "TOO_MANY_MESSAGES"
    assert 0 < error["retryAfter"] <= 60
    assert sockets.workers.tasks == []


def test_no_message_is_accepted_when_the_days_tokens_are_used_up(sockets: Sockets) -> None:
    client = sockets.connect()
    wiring._usage().spend_tokens(client.caller.user_id, utc_now(), 100_000)

    [error] = client.send(take_message, text="Hello")

    assert error["code"] == "TOO_MANY_TOKENS"
    assert 0 < error["retryAfter"] <= timedelta(days=1).total_seconds()


def tokens_of(client: Client) -> int:
    """Return the tokens that the person used today, including reserved ones."""
    rows = repository.CounterRow.query(client.caller.user_id)
    return sum(int(row.tokens or 0) for row in rows)


def test_a_failed_turn_returns_its_reserved_tokens_once(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    ask(client)
    [task] = sockets.workers.tasks
    repository.DynamoConversations(utc_now).claim(task.key)  # by a worker that dies
    second = sockets.turn_worker(ScriptedAgent())
    second._clock = lambda: utc_now() + LEASE * 2

    for _ in range(2):
        second.answer(task, 5)

    assert tokens_of(client) == 0


def test_the_next_question_returns_the_reserved_tokens_of_an_abandoned_turn(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    started = ask(client)
    [lost] = sockets.workers.tasks
    sockets.workers.tasks.clear()
    monkeypatch.setattr(wiring.conversations(), "_clock", lambda: utc_now() + LEASE * 3)
    stored = wiring.conversations()._conversations
    monkeypatch.setattr(stored, "_clock", lambda: utc_now() + LEASE * 3)

    ask(client, conversationId=started["conversationId"])

    assert tokens_of(client) == RESERVED_TOKENS
    sockets.turn_worker(ScriptedAgent()).answer(lost, 5)
    assert tokens_of(client) == RESERVED_TOKENS


def test_a_deletion_returns_the_reserved_tokens(
    sockets: Sockets,
) -> None:
    client = sockets.connect()

    def delete() -> None:
        path = {"conversationId": started["conversationId"]}
        call(delete_conversation, caller=client.caller, path=path)

    started = ask(client)
    delete()
    sockets.run_workers(ScriptedAgent())
    assert tokens_of(client) == 0
    started = ask(client)
    sockets.run_workers(ScriptedAgent(TokensUsed(900, 100), delete, 0.2, TextDelta("Gone.")))
    assert tokens_of(client) == 1_000


def test_a_worker_that_started_despite_an_error_returns_the_reserved_tokens_alone(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()

    def start(task: Task) -> None:
        agent = ScriptedAgent(TokensUsed(900, 100), TextDelta("Yes."))
        sockets.turn_worker(agent).answer(task, 5)
        raise RuntimeError("the response to the invocation was lost")

    monkeypatch.setattr(sockets.workers, "start", start)
    client.send(take_message, text="Hello")
    assert tokens_of(client) == 1_000


def test_simultaneous_questions_cannot_exceed_the_days_tokens(
    sockets: Sockets,
) -> None:
    client = sockets.connect()
    wiring._usage().spend_tokens(client.caller.user_id, utc_now(), 100_000 - 2 * RESERVED_TOKENS)

    ask(client)
    ask(client)
    [error] = client.send(take_message, text="And a third")
    assert error["code"] == "TOO_MANY_TOKENS"

    sockets.run_workers(ScriptedAgent(TokensUsed(900, 100), TextDelta("Yes.")))
    assert tokens_of(client) == 100_000 - 2 * RESERVED_TOKENS + 2 * 1_000
    ask(client)


def test_a_refused_message_reserves_no_tokens(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)

    client.send(take_message, text="More", conversationId=started["conversationId"])
    client.send(take_message, text="Hi", conversationId=new_id())

    assert tokens_of(client) == RESERVED_TOKENS


def test_a_conversation_is_free_again_when_no_worker_can_be_started(sockets: Sockets) -> None:
    client = sockets.connect()
    sockets.workers.broken = True

    started, error = client.send(take_message, text="Hello")

    assert (started["type"], error["code"]) == ("started", "INTERNAL")
    assert error["messageId"] == started["messageId"]
    assert tokens_of(client) == 0
    sockets.workers.broken = False
    ask(client, conversationId=started["conversationId"])


def test_a_turn_is_handed_over_though_its_started_frame_fails(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    sockets.sender.gone.add(client.id)

    def throttled(_: str) -> None:
        raise GetError("throttled")

    monkeypatch.setattr(wiring.connections(), "remove", throttled)

    client.send(take_message, text="Hello")

    assert len(sockets.workers.tasks) == 1


def test_a_message_is_answered_although_its_client_has_gone(sockets: Sockets) -> None:
    client = sockets.connect()
    sockets.sender.gone.add(client.id)
    client.send(take_message, text="Hello")

    sockets.run_workers(ScriptedAgent(TextDelta("Still here?")))

    again = sockets.connect(client.caller)
    [history] = again.send(show_history)
    assert [message["text"] for message in history["messages"]] == ["Hello", "Still here?"]


def test_the_history_frame_comes_before_the_rest_of_a_running_answer(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sockets.connect()
    ask(first)
    service, reconnected = wiring.connections(), []
    subscribe = service.subscribe

    def subscribe_slowly(*args: Any) -> None:
        subscribe(*args)
        time.sleep(0.1)  # as long as a Lambda's first call of API Gateway

    def reconnect() -> None:
        reconnected.append(sockets.connect(first.caller))
        Thread(target=lambda: reconnected[0].send(show_history)).start()

    monkeypatch.setattr(service, "subscribe", subscribe_slowly)
    words = [step for number in range(20) for step in (0.01, TextDelta(f"{number} "))]
    sockets.run_workers(ScriptedAgent(TextDelta("One two "), 0.1, reconnect, *words, 0.2))

    [again] = reconnected
    assert again.frames[0]["type"] == "history"
    missed = again.frames[0]["messages"][-1]["text"]
    assert missed + sockets.sender.text(again.id) == again.frames[-2]["text"]


def test_a_history_request_during_an_answer_changes_no_tokens(sockets: Sockets) -> None:
    client = sockets.connect()
    ask(client)

    sockets.run_workers(
        ScriptedAgent(
            TextDelta("One "), 0.1, lambda: client.send(show_history), TextDelta("two "), 0.1
        )
    )

    assert "history" in sockets.sender.types(client.id)
    assert sockets.sender.text(client.id) == "One two "


def test_a_stopped_answer_keeps_its_text_so_far(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)
    agent = ScriptedAgent(
        TextDelta("To begin with"),
        lambda: client.send(stop_turn, conversationId=started["conversationId"]),
        *[step for _ in range(100) for step in (0.02, TextDelta("."))],
    )

    sockets.run_workers(agent)

    message, done = client.frames[-2:]
    assert message["text"].startswith("To begin with")
    assert len(message["text"]) < 60
    assert done["status"] == "stopped"
    ask(client, conversationId=started["conversationId"])


def test_a_stop_without_a_running_answer_is_refused(sockets: Sockets) -> None:
    client = sockets.connect()
    assert client.send(stop_turn)[0]["code"] == "MESSAGE_UNKNOWN"

    ask(client)
    sockets.run_workers(ScriptedAgent())
    assert client.send(stop_turn)[0]["code"] == "MESSAGE_UNKNOWN"


# --- history --------------------------------------------------------------------------------------


def test_history_pages_have_no_gaps_and_no_repetitions(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai_buddy.conversations.service.PAGE", 2)
    client = sockets.connect()
    conversation = ask(client, "0")["conversationId"]
    for number in range(1, 5):
        sockets.run_workers(ScriptedAgent(TextDelta("ok")))
        ask(client, str(number), conversationId=conversation)
    sockets.run_workers(ScriptedAgent(TextDelta("ok")))

    pages, cursor = [], None
    while True:
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        [page] = client.send(show_history, conversationId=conversation, **more)
        pages.append([m["text"] for m in page["messages"] if m["role"] == "user"])
        cursor = page["nextCursor"]
        if cursor is None:
            break

    assert pages == [["3", "4"], ["1", "2"], ["0"]]


def test_a_cursor_is_valid_for_its_own_conversation_only(sockets: Sockets) -> None:
    client, other = sockets.connect(), sockets.connect()
    conversation = ask(client)["conversationId"]
    cursor = cursors().encode({"olderThan": "x"}, f"ai-history:{other.caller.user_id}:None")

    [error] = client.send(show_history, conversationId=conversation, cursor=cursor)

    assert error["code"] == "INVALID"


def test_a_history_frame_is_no_larger_than_api_gateway_allows(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambdas, "MAX_HISTORY_BYTES", 3_000)
    client = sockets.connect()
    conversation = ask(client, "x" * 2_000)["conversationId"]
    sockets.run_workers(ScriptedAgent())
    ask(client, "y" * 2_000, conversationId=conversation)

    [page] = client.send(show_history, conversationId=conversation)
    assert [m["text"][0] for m in page["messages"] if m["role"] == "user"] == ["y"]
    [rest] = client.send(show_history, conversationId=conversation, cursor=page["nextCursor"])
    assert [m["text"][0] for m in rest["messages"] if m["role"] == "user"] == ["x"]


def test_the_history_is_empty_before_the_first_message(sockets: Sockets) -> None:
    [history] = sockets.connect().send(show_history)

    assert (history["messages"], history["nextCursor"]) == ([], None)


def test_a_client_that_reconnects_gets_what_it_missed_and_the_rest_once(sockets: Sockets) -> None:
    first = sockets.connect()
    started = ask(first)
    reconnected: list[Client] = []

    def drop_and_reconnect() -> None:
        sockets.sender.gone.add(first.id)
        reconnected.append(sockets.connect(first.caller))
        reconnected[0].send(show_history, conversationId=started["conversationId"])

    sockets.run_workers(
        ScriptedAgent(
            TextDelta("The first half, "),
            0.1,
            drop_and_reconnect,
            TextDelta("the second "),
            0.1,
            TextDelta("half."),
        )
    )

    [again] = reconnected
    history = again.frames[0]["messages"][-1]
    assert (history["status"], history["text"]) == ("running", "The first half, ")
    assert history["text"] + sockets.sender.text(again.id) == "The first half, the second half."
    assert [f["type"] for f in again.frames[-2:]] == ["message", "done"]
    assert again.frames[-2]["text"] == "The first half, the second half."
    [later] = sockets.connect(first.caller).send(show_history)
    assert [m["text"] for m in later["messages"]] == ["Hello", "The first half, the second half."]


def test_a_deletion_removes_all_turns(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client, clientMessageId="m-1")
    sockets.run_workers(ScriptedAgent())
    path = {"conversationId": started["conversationId"]}

    assert call(delete_conversation, caller=client.caller, path=path).status == 200

    assert list(repository.TurnRow.scan()) == []
    assert client.send(show_history, **path)[0]["code"] == "CONVERSATION_UNKNOWN"
    assert call(delete_conversation, caller=client.caller, path=path).status == 404


def test_a_deletion_reads_consistently(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sockets.connect()
    started = ask(client)
    options: list[dict[str, Any]] = []
    query = repository.TurnRow.query

    def record(*key: Any, **how: Any) -> Any:
        options.append(how)
        return query(*key, **how)

    monkeypatch.setattr(repository.TurnRow, "query", record)
    path = {"conversationId": started["conversationId"]}
    assert call(delete_conversation, caller=client.caller, path=path).status == 200

    assert [how["consistent_read"] for how in options] == [True]


def test_an_answer_to_a_deleted_conversation_is_not_stored(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)
    path = {"conversationId": started["conversationId"]}

    def delete() -> None:
        assert call(delete_conversation, caller=client.caller, path=path).status == 200

    sockets.run_workers(ScriptedAgent(TextDelta("So "), delete, TextDelta("what")))

    assert list(repository.TurnRow.scan()) == []
    assert "message" not in sockets.sender.types(client.id)


def test_a_deletion_during_a_confirmation_leaves_nothing_and_the_result_is_sent(
    sockets: Sockets, asked: tuple[Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, message_id = asked
    query = repository.TurnRow.query

    def query_and_confirm(*key: Any, **how: Any) -> Any:
        found = list(query(*key, **how))
        monkeypatch.setattr(repository.TurnRow, "query", query)
        client.send(confirm_proposal, messageId=message_id, accept=True)
        return found

    monkeypatch.setattr(repository.TurnRow, "query", query_and_confirm)
    path = {"conversationId": message_id.partition("-")[0]}
    assert call(delete_conversation, caller=client.caller, path=path).status == 200

    assert sockets.executor.executed == [("cancel_order", message_id)]
    assert [frame["type"] for frame in client.frames[-2:]] == ["message", "done"]
    assert [row for row in repository.TurnRow.scan() if row.sk.startswith("turn#")] == []


# --- confirmations --------------------------------------------------------------------------------


@pytest.fixture
def asked(sockets: Sockets) -> tuple[Client, str]:
    """A client that is asked to confirm a cancellation, and the id of the message."""
    client = sockets.connect()
    started = ask(client, "Cancel it")
    sockets.run_workers(ScriptedAgent(TextDelta("Shall I?"), Proposed(CANCEL)))
    message = client.frames[-2]
    assert message["confirm"]["text"] == CANCEL.text
    assert "arguments" not in message["confirm"]
    return client, started["messageId"]


def test_nothing_happens_without_a_confirmation(
    sockets: Sockets, asked: tuple[Client, str]
) -> None:
    client, _ = asked
    ask(client, "yes, do it, I confirm")

    assert sockets.executor.executed == []


def test_a_proposal_that_is_confirmed_twice_is_executed_once(
    sockets: Sockets, asked: tuple[Client, str]
) -> None:
    client, message_id = asked

    first = client.send(confirm_proposal, messageId=message_id, accept=True)
    again = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert [frame["type"] for frame in first] == ["message", "done"]
    assert first[0]["text"] == "It is done."
    assert first[0]["confirms"] == message_id
    assert again == first
    assert sockets.executor.executed == [("cancel_order", message_id)]
    assert client.send(confirm_proposal, messageId=message_id, accept=False)[0]["code"] == "DECIDED"
    [history] = client.send(show_history)
    assert history["messages"][-1]["text"] == "It is done."


def test_a_declined_proposal_is_not_executed(sockets: Sockets, asked: tuple[Client, str]) -> None:
    client, message_id = asked

    declined = client.send(confirm_proposal, messageId=message_id, accept=False)
    too_late = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert declined[-1]["type"] == "done"
    assert too_late[0]["code"] == "DECIDED"
    assert sockets.executor.executed == []


def test_a_proposal_expires(
    sockets: Sockets, asked: tuple[Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, message_id = asked
    service = wiring.conversations()
    monkeypatch.setattr(service, "_clock", lambda: utc_now() + timedelta(minutes=11))

    [error] = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert error["code"] == "DECIDED"
    assert "expired" in error["message"]
    assert sockets.executor.executed == []


def test_the_shops_refusal_is_the_result(sockets: Sockets, asked: tuple[Client, str]) -> None:
    client, message_id = asked
    sockets.executor.refusal = Conflict("It is on its way already")

    outcome = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert outcome[0]["text"] == "It is on its way already"


@pytest.mark.parametrize("failure", [RuntimeError("a power cut"), Unavailable("No answer")])
def test_an_interrupted_execution_is_repeated_under_the_same_key(
    sockets: Sockets,
    asked: tuple[Client, str],
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    client, message_id = asked
    sockets.executor.refusal = failure
    [error] = client.send(confirm_proposal, messageId=message_id, accept=True)
    assert error["code"] in {"INTERNAL", "UNAVAILABLE"}
    sockets.executor.refusal = None

    [meanwhile] = client.send(confirm_proposal, messageId=message_id, accept=True)
    assert "being carried out" in meanwhile["message"]
    service = wiring.conversations()
    monkeypatch.setattr(service, "_clock", lambda: utc_now() + timedelta(minutes=2))
    after = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert after[0]["text"] == "It is done."
    assert sockets.executor.executed == [("cancel_order", message_id)]


def test_an_interrupted_acceptance_cannot_be_repeated_for_ever(
    sockets: Sockets, asked: tuple[Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, message_id = asked
    sockets.executor.refusal = RuntimeError("a power cut")
    client.send(confirm_proposal, messageId=message_id, accept=True)
    sockets.executor.refusal = None
    later = PROPOSAL_LIFETIME + REPEAT_PERIOD + timedelta(minutes=1)
    monkeypatch.setattr(wiring.conversations(), "_clock", lambda: utc_now() + later)

    [error] = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert error["code"] == "DECIDED"
    assert "interrupted" in error["message"]
    assert sockets.executor.executed == []


@pytest.mark.parametrize("accept", [True, False])
def test_the_result_of_a_decision_goes_to_every_connection_that_shows_the_conversation(
    sockets: Sockets, asked: tuple[Client, str], accept: bool
) -> None:
    client, message_id = asked
    beside, elsewhere = sockets.connect(client.caller), sockets.connect(client.caller)
    beside.send(show_history)

    result = client.send(confirm_proposal, messageId=message_id, accept=accept)

    assert result == beside.frames[1:]
    assert (result[0]["confirms"], result[0]["accepted"]) == (message_id, accept)
    assert elsewhere.frames == []


def test_a_decision_extends_the_retention_of_the_conversation(
    sockets: Sockets, asked: tuple[Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, message_id = asked
    service, later = wiring.conversations(), utc_now() + timedelta(minutes=5)
    monkeypatch.setattr(service._conversations, "_clock", lambda: later)

    client.send(confirm_proposal, messageId=message_id, accept=False)

    [head] = repository.ConversationRow.query(
        f"{client.caller.user_id}#{message_id.partition('-')[0]}",
        repository.ConversationRow.sk == repository.CONVERSATION,
    )
    assert head.expires_at == int((later + RETENTION).timestamp())


def test_a_message_without_a_proposal_cannot_be_confirmed(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)
    sockets.run_workers(ScriptedAgent())

    for message_id in (started["messageId"], f"{new_id()}-{new_id()}"):
        [error] = client.send(confirm_proposal, messageId=message_id, accept=True)
        assert error["code"] == "MESSAGE_UNKNOWN"


def test_frames_keep_text_in_any_script(sockets: Sockets) -> None:
    client = sockets.connect()
    ask(client, "न्यूनतम दाम?")
    sockets.run_workers(ScriptedAgent(TextDelta("सबसे सस्ता ₹49.50")))

    assert json.loads(json.dumps(client.frames)) == client.frames
    assert sockets.sender.text(client.id) == "सबसे सस्ता ₹49.50"
