"""The socket's Lambdas, spoken to as API Gateway does."""

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
from ai_buddy.endpoints import create_ticket, delete_conversation
from ai_buddy.model import (
    LEASE,
    MEMORY,
    PROPOSAL_LIFETIME,
    RESERVED_TOKENS,
    TIME_TO_REPEAT,
    Proposal,
    Proposed,
    ShownProducts,
    Task,
    TextDelta,
    TokensUsed,
)
from ai_buddy.realtime.connections import FRAMES_PER_MINUTE, FRAMES_TOO_MANY
from ai_buddy.realtime.repository import TicketRow
from ai_buddy.schemas import MAX_TEXT
from ai_buddy.sockets import (
    answer_ping,
    confirm_proposal,
    connect_socket,
    disconnect_socket,
    refuse_unknown_action,
    show_history,
    stop_turn,
    take_message,
)
from supermarket.clock import new_id, utc_now
from supermarket.errors import Conflict, Unavailable
from supermarket.websocket import Connection
from supermarket.wiring import cursors
from support.api import a_caller, bearer, call
from support.sockets import Client, ScriptedAgent, Sockets, event, handshake, sign_out

RICE = {"id": "01", "title": "Basmati rice", "price": {"amount": 120.5, "currency": "INR"}}
CANCEL = Proposal("cancel_order", {"orderId": "01"}, "Cancel your order of rice.")


def status(answer: dict[str, Any]) -> int:
    return int(answer["statusCode"])


def open_with(headers: dict[str, str], **query: str) -> int:
    return status(connect_socket(handshake(new_id(), headers, query), None))


def ask(client: Client, text: str = "Hello", **frame: Any) -> dict[str, Any]:
    """Say something; the `started` frame."""
    [started] = client.send(take_message, text=text, **frame)
    assert started["type"] == "started", started
    return started


# --- connections ----------------------------------------------------------------------------------


def test_whoever_is_signed_in_gets_a_connection(sockets: Sockets) -> None:
    cookie = bearer(a_caller())["authorization"].removeprefix("Bearer ")

    assert open_with({"Cookie": f"theme=dark; token={cookie}"}) == 200


@pytest.mark.parametrize("headers", [{}, {"Cookie": "token=forged"}, {"Cookie": "token="}])
def test_whoever_is_not_is_refused(sockets: Sockets, headers: dict[str, str]) -> None:
    assert open_with(headers) == 401


def test_a_token_of_a_revoked_session_opens_nothing(sockets: Sockets) -> None:
    caller = a_caller()
    headers = bearer(caller)
    sign_out(caller)

    assert open_with(headers) == 401


def test_another_site_gets_no_connection_though_the_browser_sends_the_cookie(
    sockets: Sockets,
) -> None:
    headers = bearer(a_caller())

    assert open_with({**headers, "Origin": "https://evil.example"}) == 403
    assert open_with({**headers, "Origin": "null"}) == 403
    assert open_with({**headers, "Origin": "https://shop.example"}) == 200


def test_a_ticket_opens_one_connection(sockets: Sockets) -> None:
    issued = call(create_ticket, caller=a_caller())
    assert issued.status == 201
    assert issued.body["expiresIn"] == 60

    assert open_with({}, ticket=issued.body["ticket"]) == 200
    assert open_with({}, ticket=issued.body["ticket"]) == 401
    assert open_with({}, ticket="made-up") == 401


def test_a_ticket_is_kept_as_its_hash_only(sockets: Sockets) -> None:
    ticket = call(create_ticket, caller=a_caller()).body["ticket"]

    keys = [row.pk for row in TicketRow.scan()]

    assert keys
    assert not any(ticket in key for key in keys)


def test_a_ticket_of_somebody_who_signed_out_meanwhile_opens_nothing(sockets: Sockets) -> None:
    caller = a_caller()
    ticket = call(create_ticket, caller=caller).body["ticket"]
    sign_out(caller)

    assert open_with({}, ticket=ticket) == 401


def test_a_person_has_so_many_connections_and_the_oldest_ends(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = a_caller()
    clients = []
    for number in range(6):
        now = utc_now() + timedelta(seconds=number)
        monkeypatch.setattr(wiring.connections()._connections, "_clock", lambda now=now: now)
        clients.append(sockets.connect(caller))

    assert clients[0].frames[-1]["code"] == "TOO_MANY_CONNECTIONS"
    assert sockets.lines.closed == [clients[0].id]
    assert sorted(sockets.switchboard_lines(caller.user_id)) == sorted(c.id for c in clients[1:])
    assert clients[5].send(answer_ping) == [{"type": "pong"}]


def test_an_old_connection_that_cannot_be_ended_now_is_ended_by_the_next_that_opens(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, now = a_caller(), utc_now()
    clock = wiring.connections()._connections
    old = []
    for second in range(5):
        monkeypatch.setattr(clock, "_clock", lambda second=second: now + timedelta(seconds=second))
        old.append(sockets.connect(caller).id)
    monkeypatch.setattr(clock, "_clock", lambda: now + timedelta(seconds=9))
    with monkeypatch.context() as throttled:
        throttled.setattr(sockets.lines, "hang_up", lambda _: 1 / 0)
        sixth = sockets.connect(caller).id
    assert sockets.switchboard_lines(caller.user_id) == [*old, sixth]

    monkeypatch.setattr(clock, "_clock", lambda: now + timedelta(seconds=10))
    seventh = sockets.connect(caller).id

    assert sockets.lines.closed == old[:2]
    assert sockets.switchboard_lines(caller.user_id) == [*old[2:], sixth, seventh]


def test_a_connection_that_is_overtaken_by_too_many_as_it_opens_is_refused(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, kept = a_caller(), wiring.connections()._connections
    open_one = kept.open
    newer: list[str] = []

    def open_and_be_overtaken(connection: Connection) -> None:
        open_one(connection)
        monkeypatch.setattr(kept, "open", open_one)
        monkeypatch.setattr(kept, "_clock", lambda: utc_now() + timedelta(seconds=9))
        newer.extend(sockets.connect(caller).id for _ in range(5))

    monkeypatch.setattr(kept, "open", open_and_be_overtaken)

    assert open_with(bearer(caller)) == 429
    assert sorted(sockets.switchboard_lines(caller.user_id)) == sorted(newer)


def test_a_connection_can_be_closed_by_its_client(sockets: Sockets) -> None:
    client = sockets.connect()

    disconnect_socket(event(client.id, kind="DISCONNECT"), None)

    assert sockets.switchboard_lines(client.caller.user_id) == []


def test_a_frame_cannot_pose_as_a_handshake_or_a_farewell(sockets: Sockets) -> None:
    client = sockets.connect()

    refused = connect_socket({**handshake(client.id), **event(client.id, "{}")}, None)
    disconnect_socket(event(client.id, '{"action": "$disconnect"}'), None)

    assert status(refused) == 400
    assert client.send(answer_ping) == [{"type": "pong"}]


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
def test_what_makes_no_sense_is_told_so_and_the_connection_stays(
    sockets: Sockets, body: str, code: str
) -> None:
    client = sockets.connect()

    [told] = client.send_raw(refuse_unknown_action, body)

    assert (told["type"], told["code"]) == ("error", code)
    assert sockets.lines.closed == []
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
def test_a_frame_has_the_fields_of_its_action_only(
    sockets: Sockets, frame: dict[str, Any], field: str
) -> None:
    client = sockets.connect()

    [told] = client.send(take_message, **frame)

    assert told["code"] == "INVALID"
    assert [error["field"] for error in told["errors"]] == [field]
    assert sockets.workers.tasks == []


def test_what_was_said_is_in_no_log(
    sockets: Sockets, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    client = sockets.connect()
    ask(client, "my secret wish")
    sockets.work(ScriptedAgent(TextDelta("a secret answer"), RuntimeError("secret cause")))
    client.send(take_message, text="secret", extra="secret")

    written = capsys.readouterr().out + caplog.text + repr([r.__dict__ for r in caplog.records])
    assert "answered" in written
    assert "secret" not in written


def test_a_session_that_ended_ends_the_connection_at_its_next_frame(sockets: Sockets) -> None:
    client = sockets.connect()
    sign_out(client.caller)

    [told] = client.send(take_message, text="Hello")

    assert told["code"] == "SIGNED_OUT"
    assert sockets.lines.closed == [client.id]
    assert sockets.workers.tasks == []


def test_a_flood_is_refused_and_then_cut_off_while_others_notice_nothing(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets.stop_the_clock_of_limits(monkeypatch)
    client, other = sockets.connect(), sockets.connect()
    codes = []
    for _ in range(FRAMES_TOO_MANY + 1):
        [told] = client.send(answer_ping)
        codes.append(told.get("code", "pong"))
        if sockets.lines.closed:
            break

    assert codes[: FRAMES_PER_MINUTE - 1] == ["pong"] * (FRAMES_PER_MINUTE - 1)
    assert set(codes[FRAMES_PER_MINUTE:-1]) == {"TOO_MANY_FRAMES"}
    assert codes[-1] == "FLOODING"
    assert sockets.lines.closed == [client.id]
    assert open_with(bearer(client.caller)) == 429
    assert other.send(answer_ping) == [{"type": "pong"}]


# --- turns ----------------------------------------------------------------------------------------


def test_a_message_is_started_streamed_told_whole_and_done(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client, "Rice?")

    sockets.work(ScriptedAgent(TextDelta("We have "), TextDelta("two."), ShownProducts((RICE,))))

    assert client.frames[-2] == {
        "type": "message",
        "messageId": started["messageId"],
        "text": "We have two.",
        "products": [RICE],
    }
    assert client.frames[-1]["type"] == "done"
    assert sockets.lines.text(client.id) == "We have two."
    assert {frame["messageId"] for frame in client.frames} == {started["messageId"]}


def test_the_agent_is_told_what_was_said_before(sockets: Sockets) -> None:
    client, agent = sockets.connect(), ScriptedAgent(TextDelta("Yes."))
    first = ask(client, "Have you rice?")
    sockets.work(agent)
    ask(client, "And dal?", conversationId=first["conversationId"])
    sockets.work(agent)

    question = agent.questions[-1]
    assert question.text == "And dal?"
    assert [(u.role, u.text) for u in question.history] == [
        ("user", "Have you rice?"),
        ("assistant", "Yes."),
    ]
    assert question.caller == client.caller


def test_one_answer_at_a_time_in_a_conversation(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)

    [told] = client.send(take_message, text="More", conversationId=started["conversationId"])
    assert told["code"] == "TURN_RUNNING"
    ask(client, "Elsewhere")  # another conversation is free

    sockets.work(ScriptedAgent())
    ask(client, "More", conversationId=started["conversationId"])


def test_a_message_that_is_sent_twice_is_said_once(sockets: Sockets) -> None:
    client = sockets.connect()
    first = ask(client, clientMessageId="m-1")
    again = ask(client, clientMessageId="m-1")
    assert again == first
    assert len(sockets.workers.tasks) == 1

    sockets.work(ScriptedAgent(TextDelta("Hi.")))
    late = client.send(take_message, text="Hello", clientMessageId="m-1")
    assert [frame["type"] for frame in late] == ["started", "message", "done"]
    assert late[1]["text"] == "Hi."
    assert sockets.workers.tasks == []


def test_whoever_says_again_what_was_never_answered_is_told_so(sockets: Sockets) -> None:
    client = sockets.connect()
    ask(client, clientMessageId="m-1")
    sockets.work(ScriptedAgent(RuntimeError("the power went")))

    again = client.send(take_message, text="Hello", clientMessageId="m-1")

    assert [frame["type"] for frame in again] == ["started", "error"]
    assert again[1]["messageId"] == again[0]["messageId"]


def test_whoever_says_again_what_nobody_works_on_is_told_so(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    ask(client, clientMessageId="m-1")
    service = wiring.conversations()
    monkeypatch.setattr(service, "_clock", lambda: utc_now() + timedelta(minutes=2))

    again = client.send(take_message, text="Hello", clientMessageId="m-1")

    assert [frame["type"] for frame in again] == ["started", "error"]


def test_an_answer_that_ends_while_one_begins_to_listen_is_told(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sockets.connect()
    ask(first, clientMessageId="m-1")
    late, board = sockets.connect(first.caller), wiring.connections()
    show = board.show

    def end_before_it_listens(*told: Any) -> None:
        sockets.work(ScriptedAgent(TextDelta("Just done.")))
        show(*told)

    monkeypatch.setattr(board, "show", end_before_it_listens)

    [history, *rest] = late.send(show_history)

    assert history["messages"][-1]["status"] == "running"
    assert [frame["type"] for frame in rest] == ["message", "done"]
    assert rest[0]["text"] == "Just done."


def test_nobody_speaks_in_or_reads_anothers_conversation(sockets: Sockets) -> None:
    owner, stranger = sockets.connect(), sockets.connect()
    started = ask(owner, "Where is my order?")
    sockets.work(ScriptedAgent(TextDelta("Here."), Proposed(CANCEL)))
    theirs = {"conversationId": started["conversationId"]}

    for told in (
        stranger.send(take_message, text="Hi", **theirs),
        stranger.send(show_history, **theirs),
        stranger.send(stop_turn, **theirs),
        stranger.send(confirm_proposal, messageId=started["messageId"], accept=True),
    ):
        assert [frame["code"] for frame in told][-1].endswith("UNKNOWN")
    path = {"conversationId": started["conversationId"]}
    assert call(delete_conversation, caller=stranger.caller, path=path).status == 404
    assert sockets.actions.executed == []


def test_frames_reach_the_connections_of_their_person_and_conversation_only(
    sockets: Sockets,
) -> None:
    person = a_caller()
    here, elsewhere, stranger = sockets.connect(person), sockets.connect(person), sockets.connect()
    ask(here)
    elsewhere.send(answer_ping)

    sockets.work(ScriptedAgent(TextDelta("For one person.")))

    assert sockets.lines.text(here.id) == "For one person."
    assert sockets.lines.types(elsewhere.id) == ["pong"]
    assert stranger.frames == []


def test_too_many_messages_a_minute_are_told_when_to_come_back(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets.stop_the_clock_of_limits(monkeypatch)
    client = sockets.connect()
    for _ in range(20):
        ask(client)
        sockets.work(ScriptedAgent())

    [told] = client.send(take_message, text="And another thing")

    assert told["code"] == "TOO_MANY_MESSAGES"
    assert 0 < told["retryAfter"] <= 60
    assert sockets.workers.tasks == []


def test_whoever_used_up_the_days_tokens_waits_for_tomorrow(sockets: Sockets) -> None:
    client = sockets.connect()
    wiring._usage().spend_tokens(client.caller.user_id, utc_now(), 100_000)

    [told] = client.send(take_message, text="Hello")

    assert told["code"] == "TOO_MANY_TOKENS"
    assert 0 < told["retryAfter"] <= timedelta(days=1).total_seconds()


def tokens_of(client: Client) -> int:
    """Of this day's, with those that are reserved."""
    rows = repository.CounterRow.query(client.caller.user_id)
    return sum(int(row.tokens or 0) for row in rows)


def test_what_was_reserved_for_an_answer_that_never_came_is_given_back_once(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    ask(client)
    [task] = sockets.workers.tasks
    repository.DynamoConversations(utc_now).claim(task.key)  # by a worker that dies
    second = sockets.answering(ScriptedAgent())
    second._clock = lambda: utc_now() + LEASE * 2

    for _ in range(2):
        second.answer(task, 5)

    assert tokens_of(client) == 0


def test_what_was_reserved_for_an_answer_that_nobody_gave_comes_back_with_the_next_question(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    started = ask(client)
    [lost] = sockets.workers.tasks
    sockets.workers.tasks.clear()
    monkeypatch.setattr(wiring.conversations(), "_clock", lambda: utc_now() + LEASE * 3)
    memory = wiring.conversations()._conversations
    monkeypatch.setattr(memory, "_clock", lambda: utc_now() + LEASE * 3)

    ask(client, conversationId=started["conversationId"])

    assert tokens_of(client) == RESERVED_TOKENS
    sockets.answering(ScriptedAgent()).answer(lost, 5)
    assert tokens_of(client) == RESERVED_TOKENS


def test_what_was_reserved_is_given_back_with_the_conversation_that_is_deleted(
    sockets: Sockets,
) -> None:
    client = sockets.connect()

    def delete() -> None:
        path = {"conversationId": started["conversationId"]}
        call(delete_conversation, caller=client.caller, path=path)

    started = ask(client)
    delete()
    sockets.work(ScriptedAgent())
    assert tokens_of(client) == 0
    started = ask(client)
    sockets.work(ScriptedAgent(TokensUsed(900, 100), delete, 0.2, TextDelta("Gone.")))
    assert tokens_of(client) == 1_000


def test_a_worker_that_came_although_it_seemed_not_to_settles_its_turn_alone(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()

    def start(task: Task) -> None:
        agent = ScriptedAgent(TokensUsed(900, 100), TextDelta("Yes."))
        sockets.answering(agent).answer(task, 5)
        raise RuntimeError("the answer to the invocation got lost")

    monkeypatch.setattr(sockets.workers, "start", start)
    client.send(take_message, text="Hello")
    assert tokens_of(client) == 1_000


def test_questions_that_are_asked_at_once_do_not_get_round_the_days_tokens(
    sockets: Sockets,
) -> None:
    client = sockets.connect()
    wiring._usage().spend_tokens(client.caller.user_id, utc_now(), 100_000 - 2 * RESERVED_TOKENS)

    ask(client)
    ask(client)
    [told] = client.send(take_message, text="And a third")
    assert told["code"] == "TOO_MANY_TOKENS"

    sockets.work(ScriptedAgent(TokensUsed(900, 100), TextDelta("Yes.")))
    assert tokens_of(client) == 100_000 - 2 * RESERVED_TOKENS + 2 * 1_000
    ask(client)


def test_a_message_that_is_refused_costs_no_tokens(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)

    client.send(take_message, text="More", conversationId=started["conversationId"])
    client.send(take_message, text="Hi", conversationId=new_id())

    assert tokens_of(client) == RESERVED_TOKENS


def test_a_conversation_is_free_again_when_no_worker_can_be_had(sockets: Sockets) -> None:
    client = sockets.connect()
    sockets.workers.broken = True

    started, told = client.send(take_message, text="Hello")

    assert (started["type"], told["code"]) == ("started", "INTERNAL")
    assert told["messageId"] == started["messageId"]
    assert tokens_of(client) == 0
    sockets.workers.broken = False
    ask(client, conversationId=started["conversationId"])


def test_an_answer_is_given_though_its_beginning_could_not_be_said(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    sockets.lines.dead.add(client.id)

    def throttled(_: str) -> None:
        raise GetError("throttled")

    monkeypatch.setattr(wiring.connections(), "forget", throttled)

    client.send(take_message, text="Hello")

    assert len(sockets.workers.tasks) == 1


def test_whoever_left_before_it_started_is_answered_all_the_same(sockets: Sockets) -> None:
    client = sockets.connect()
    sockets.lines.dead.add(client.id)
    client.send(take_message, text="Hello")

    sockets.work(ScriptedAgent(TextDelta("Still here?")))

    again = sockets.connect(client.caller)
    [history] = again.send(show_history)
    assert [message["text"] for message in history["messages"]] == ["Hello", "Still here?"]


def test_history_comes_before_the_rest_of_what_it_tells(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sockets.connect()
    ask(first)
    board, came_back = wiring.connections(), []
    show = board.show

    def show_slowly(*told: Any) -> None:
        show(*told)
        time.sleep(0.1)  # a Lambda's first call through @connections takes as long

    def come_back() -> None:
        came_back.append(sockets.connect(first.caller))
        Thread(target=lambda: came_back[0].send(show_history)).start()

    monkeypatch.setattr(board, "show", show_slowly)
    words = [step for number in range(20) for step in (0.01, TextDelta(f"{number} "))]
    sockets.work(ScriptedAgent(TextDelta("One two "), 0.1, come_back, *words, 0.2))

    [again] = came_back
    assert again.frames[0]["type"] == "history"
    missed = again.frames[0]["messages"][-1]["text"]
    assert missed + sockets.lines.text(again.id) == again.frames[-2]["text"]


def test_a_history_in_mid_answer_changes_nothing_of_the_tokens_that_come(sockets: Sockets) -> None:
    client = sockets.connect()
    ask(client)

    sockets.work(
        ScriptedAgent(
            TextDelta("One "), 0.1, lambda: client.send(show_history), TextDelta("two "), 0.1
        )
    )

    assert "history" in sockets.lines.types(client.id)
    assert sockets.lines.text(client.id) == "One two "


def test_a_stopped_answer_ends_where_it_was(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)
    agent = ScriptedAgent(
        TextDelta("To begin with"),
        lambda: client.send(stop_turn, conversationId=started["conversationId"]),
        *[
            step
            for _ in range(100)
            for step in (lambda: __import__("time").sleep(0.02), TextDelta("."))
        ],
    )

    sockets.work(agent)

    message, done = client.frames[-2:]
    assert message["text"].startswith("To begin with")
    assert len(message["text"]) < 60
    assert done["status"] == "stopped"
    ask(client, conversationId=started["conversationId"])


def test_there_must_be_something_to_stop(sockets: Sockets) -> None:
    client = sockets.connect()
    assert client.send(stop_turn)[0]["code"] == "MESSAGE_UNKNOWN"

    ask(client)
    sockets.work(ScriptedAgent())
    assert client.send(stop_turn)[0]["code"] == "MESSAGE_UNKNOWN"


# --- history --------------------------------------------------------------------------------------


def test_history_is_read_page_by_page_without_gap_or_repetition(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai_buddy.conversations.service.PAGE", 2)
    client = sockets.connect()
    conversation = ask(client, "0")["conversationId"]
    for number in range(1, 5):
        sockets.work(ScriptedAgent(TextDelta("ok")))
        ask(client, str(number), conversationId=conversation)
    sockets.work(ScriptedAgent(TextDelta("ok")))

    pages, cursor = [], None
    while True:
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        [page] = client.send(show_history, conversationId=conversation, **more)
        pages.append([m["text"] for m in page["messages"] if m["role"] == "user"])
        cursor = page["nextCursor"]
        if cursor is None:
            break

    assert pages == [["3", "4"], ["1", "2"], ["0"]]


def test_a_cursor_is_good_for_its_own_conversation_only(sockets: Sockets) -> None:
    client, other = sockets.connect(), sockets.connect()
    conversation = ask(client)["conversationId"]
    cursor = cursors().encode({"olderThan": "x"}, f"ai-history:{other.caller.user_id}:None")

    [told] = client.send(show_history, conversationId=conversation, cursor=cursor)

    assert told["code"] == "INVALID"


def test_a_history_frame_is_as_large_as_the_gateway_takes(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambdas, "LARGEST_HISTORY", 3_000)
    client = sockets.connect()
    conversation = ask(client, "x" * 2_000)["conversationId"]
    sockets.work(ScriptedAgent())
    ask(client, "y" * 2_000, conversationId=conversation)

    [page] = client.send(show_history, conversationId=conversation)
    assert [m["text"][0] for m in page["messages"] if m["role"] == "user"] == ["y"]
    [rest] = client.send(show_history, conversationId=conversation, cursor=page["nextCursor"])
    assert [m["text"][0] for m in rest["messages"] if m["role"] == "user"] == ["x"]


def test_somebody_who_never_said_anything_has_an_empty_history(sockets: Sockets) -> None:
    [history] = sockets.connect().send(show_history)

    assert (history["messages"], history["nextCursor"]) == ([], None)


def test_a_client_that_comes_back_gets_what_it_missed_and_the_rest_once(sockets: Sockets) -> None:
    first = sockets.connect()
    started = ask(first)
    came_back: list[Client] = []

    def drop_and_come_back() -> None:
        sockets.lines.dead.add(first.id)
        came_back.append(sockets.connect(first.caller))
        came_back[0].send(show_history, conversationId=started["conversationId"])

    sockets.work(
        ScriptedAgent(
            TextDelta("The first half, "),
            0.1,
            drop_and_come_back,
            TextDelta("the second "),
            0.1,
            TextDelta("half."),
        )
    )

    [again] = came_back
    history = again.frames[0]["messages"][-1]
    assert (history["status"], history["text"]) == ("running", "The first half, ")
    assert history["text"] + sockets.lines.text(again.id) == "The first half, the second half."
    assert [f["type"] for f in again.frames[-2:]] == ["message", "done"]
    assert again.frames[-2]["text"] == "The first half, the second half."
    [later] = sockets.connect(first.caller).send(show_history)
    assert [m["text"] for m in later["messages"]] == ["Hello", "The first half, the second half."]


def test_a_conversation_can_be_deleted_with_all_that_was_said(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client, clientMessageId="m-1")
    sockets.work(ScriptedAgent())
    path = {"conversationId": started["conversationId"]}

    assert call(delete_conversation, caller=client.caller, path=path).status == 200

    assert list(repository.TurnRow.scan()) == []
    assert client.send(show_history, **path)[0]["code"] == "CONVERSATION_UNKNOWN"
    assert call(delete_conversation, caller=client.caller, path=path).status == 404


def test_a_deletion_sees_what_was_said_a_moment_ago(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    started = ask(client)
    asked: list[dict[str, Any]] = []
    query = repository.TurnRow.query

    def note(*key: Any, **how: Any) -> Any:
        asked.append(how)
        return query(*key, **how)

    monkeypatch.setattr(repository.TurnRow, "query", note)
    path = {"conversationId": started["conversationId"]}
    assert call(delete_conversation, caller=client.caller, path=path).status == 200

    assert [how["consistent_read"] for how in asked] == [True]


def test_an_answer_to_a_deleted_conversation_is_kept_nowhere(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)
    path = {"conversationId": started["conversationId"]}

    def delete() -> None:
        assert call(delete_conversation, caller=client.caller, path=path).status == 200

    sockets.work(ScriptedAgent(TextDelta("So "), delete, TextDelta("what")))

    assert list(repository.TurnRow.scan()) == []
    assert "message" not in sockets.lines.types(client.id)


def test_a_deletion_during_a_confirmation_leaves_nothing_and_the_outcome_is_told(
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

    assert sockets.actions.executed == [("cancel_order", message_id)]
    assert [frame["type"] for frame in client.frames[-2:]] == ["message", "done"]
    assert [row for row in repository.TurnRow.scan() if row.sk.startswith("turn#")] == []


# --- confirmations --------------------------------------------------------------------------------


@pytest.fixture
def asked(sockets: Sockets) -> tuple[Client, str]:
    """Somebody who is asked whether an order is to be cancelled, and in which message."""
    client = sockets.connect()
    started = ask(client, "Cancel it")
    sockets.work(ScriptedAgent(TextDelta("Shall I?"), Proposed(CANCEL)))
    message = client.frames[-2]
    assert message["confirm"]["text"] == CANCEL.text
    assert "arguments" not in message["confirm"]
    return client, started["messageId"]


def test_nothing_happens_without_a_confirmation(
    sockets: Sockets, asked: tuple[Client, str]
) -> None:
    client, _ = asked
    ask(client, "yes, do it, I confirm")

    assert sockets.actions.executed == []


def test_a_confirmed_proposal_is_executed_once_however_often_it_is_confirmed(
    sockets: Sockets, asked: tuple[Client, str]
) -> None:
    client, message_id = asked

    first = client.send(confirm_proposal, messageId=message_id, accept=True)
    again = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert [frame["type"] for frame in first] == ["message", "done"]
    assert first[0]["text"] == "It is done."
    assert first[0]["confirms"] == message_id
    assert again == first
    assert sockets.actions.executed == [("cancel_order", message_id)]
    assert client.send(confirm_proposal, messageId=message_id, accept=False)[0]["code"] == "DECIDED"
    [history] = client.send(show_history)
    assert history["messages"][-1]["text"] == "It is done."


def test_a_declined_proposal_stays_undone(sockets: Sockets, asked: tuple[Client, str]) -> None:
    client, message_id = asked

    declined = client.send(confirm_proposal, messageId=message_id, accept=False)
    too_late = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert declined[-1]["type"] == "done"
    assert too_late[0]["code"] == "DECIDED"
    assert sockets.actions.executed == []


def test_an_offer_runs_out(
    sockets: Sockets, asked: tuple[Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, message_id = asked
    service = wiring.conversations()
    monkeypatch.setattr(service, "_clock", lambda: utc_now() + timedelta(minutes=11))

    [told] = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert told["code"] == "DECIDED"
    assert "run out" in told["message"]
    assert sockets.actions.executed == []


def test_a_refusal_of_the_shop_is_the_outcome(sockets: Sockets, asked: tuple[Client, str]) -> None:
    client, message_id = asked
    sockets.actions.refusal = Conflict("It is on its way already")

    outcome = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert outcome[0]["text"] == "It is on its way already"


@pytest.mark.parametrize("failure", [RuntimeError("the power went"), Unavailable("No answer")])
def test_an_execution_that_was_cut_short_is_repeated_under_the_same_key(
    sockets: Sockets,
    asked: tuple[Client, str],
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    client, message_id = asked
    sockets.actions.refusal = failure
    [told] = client.send(confirm_proposal, messageId=message_id, accept=True)
    assert told["code"] in {"INTERNAL", "UNAVAILABLE"}
    sockets.actions.refusal = None

    [meanwhile] = client.send(confirm_proposal, messageId=message_id, accept=True)
    assert "being carried out" in meanwhile["message"]
    service = wiring.conversations()
    monkeypatch.setattr(service, "_clock", lambda: utc_now() + timedelta(minutes=2))
    after = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert after[0]["text"] == "It is done."
    assert sockets.actions.executed == [("cancel_order", message_id)]


def test_an_acceptance_that_was_cut_short_cannot_be_repeated_for_ever(
    sockets: Sockets, asked: tuple[Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, message_id = asked
    sockets.actions.refusal = RuntimeError("the power went")
    client.send(confirm_proposal, messageId=message_id, accept=True)
    sockets.actions.refusal = None
    later = PROPOSAL_LIFETIME + TIME_TO_REPEAT + timedelta(minutes=1)
    monkeypatch.setattr(wiring.conversations(), "_clock", lambda: utc_now() + later)

    [told] = client.send(confirm_proposal, messageId=message_id, accept=True)

    assert told["code"] == "DECIDED"
    assert "cut short" in told["message"]
    assert sockets.actions.executed == []


@pytest.mark.parametrize("accept", [True, False])
def test_whatever_comes_of_a_decision_is_told_to_all_who_show_the_conversation(
    sockets: Sockets, asked: tuple[Client, str], accept: bool
) -> None:
    client, message_id = asked
    beside, elsewhere = sockets.connect(client.caller), sockets.connect(client.caller)
    beside.send(show_history)

    told = client.send(confirm_proposal, messageId=message_id, accept=accept)

    assert told == beside.frames[1:]
    assert (told[0]["confirms"], told[0]["accepted"]) == (message_id, accept)
    assert elsewhere.frames == []


def test_a_decision_keeps_the_conversation_as_any_other_use_does(
    sockets: Sockets, asked: tuple[Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, message_id = asked
    service, later = wiring.conversations(), utc_now() + timedelta(minutes=5)
    monkeypatch.setattr(service._conversations, "_clock", lambda: later)

    client.send(confirm_proposal, messageId=message_id, accept=False)

    [head] = repository.HeadRow.query(
        f"{client.caller.user_id}#{message_id.partition('-')[0]}",
        repository.HeadRow.sk == repository.HEAD,
    )
    assert head.expires_at == int((later + MEMORY).timestamp())


def test_a_message_without_a_proposal_cannot_be_confirmed(sockets: Sockets) -> None:
    client = sockets.connect()
    started = ask(client)
    sockets.work(ScriptedAgent())

    for message_id in (started["messageId"], f"{new_id()}-{new_id()}"):
        [told] = client.send(confirm_proposal, messageId=message_id, accept=True)
        assert told["code"] == "MESSAGE_UNKNOWN"


def test_a_frame_is_json(sockets: Sockets) -> None:
    client = sockets.connect()
    ask(client, "न्यूनतम दाम?")
    sockets.work(ScriptedAgent(TextDelta("सबसे सस्ता ₹49.50")))

    assert json.loads(json.dumps(client.frames)) == client.frames
    assert sockets.lines.text(client.id) == "सबसे सस्ता ₹49.50"
