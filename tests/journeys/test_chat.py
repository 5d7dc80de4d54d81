"""The assistant over a real WebSocket: connections, frames, conversations and failures."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from io import BytesIO
from statistics import median
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ai_buddy.conversations.model import RESERVED_TOKENS
from ai_buddy.model import TurnState
from supermarket.clock import iso, new_id, utc_now
from support.chat import Chat, chatting
from support.deployed import aws, function, rows, rows_of, table
from support.shop import Person, at_once, client

pytestmark = pytest.mark.e2e

SOCKETS = 50
MEGABYTE = 1024 * 1024
MAX_WORKER_SIZE = 200 * MEGABYTE  # unzipped; Lambda's limit is 250


@pytest.fixture
def customer(endpoints: dict[str, Any]) -> Person:
    return Person.register(endpoints)


@pytest.fixture
def chat(endpoints: dict[str, Any], customer: Person) -> Iterator[Chat]:
    with chatting(endpoints, customer) as chat:
        yield chat


@pytest.fixture(scope="module")
def shelf(endpoints: dict[str, Any]) -> tuple[Person, list[dict[str, Any]]]:
    """A seller with three sorts of rice; only their titles contain the last word."""
    seller, brand = Person.register(endpoints, "seller"), a_word()
    prices = {"aged": 240.0, "brown": 180.0, "royal": 900.0}
    rice = [
        seller.sells(stock=20, price=price, title=f"Basmati rice, {sort}, {brand}")
        for sort, price in prices.items()
    ]
    return seller, rice


def refused_with(
    endpoints: dict[str, Any], person: Person | None, query: str = "", **headers: str
) -> int:
    with (
        pytest.raises(InvalidStatus) as refused,
        chatting(endpoints, person, query, **headers),
    ):
        pass
    return int(refused.value.response.status_code)


def a_word() -> str:
    """Return a word that no other test uses."""
    return f"x{new_id()[-10:].lower()}"


def slow_word(endpoints: dict[str, Any], seconds: float) -> str:
    """Make the model slow for messages with a new word, and return the word."""
    word = a_word()
    set_fault(endpoints, {"kind": "slow", "seconds": seconds, "about": word, "times": 9})
    return word


def set_fault(endpoints: dict[str, Any], fault: dict[str, Any]) -> None:
    client(endpoints["gemini"]).post("/simulator/faults", json=fault).raise_for_status()


def recover(endpoints: dict[str, Any], word: str) -> None:
    """End the faults for a word; those of other tests stay."""
    simulator = client(endpoints["gemini"])
    simulator.delete("/simulator/faults", params={"about": word}).raise_for_status()


def model_request_about(endpoints: dict[str, Any], word: str) -> dict[str, Any]:
    """Return the times of the one request to the model that had the fault."""
    logged = client(endpoints["gemini"]).get("/simulator/requests").json()["requests"]
    [request] = [one for one in logged if one["fault"] == word]
    return dict(request)


# --- connections ----------------------------------------------------------------------------------


def test_only_a_signed_in_person_can_connect(endpoints: dict[str, Any], customer: Person) -> None:
    assert refused_with(endpoints, None) == 401
    assert refused_with(endpoints, None, Cookie="token=forged") == 401
    assert refused_with(endpoints, customer, Origin="https://evil.example") == 403
    with chatting(endpoints, customer, Origin=endpoints["api"]) as chat:
        chat.send("ping")
        assert chat.receive() == {"type": "pong"}


def test_a_ticket_opens_one_connection(endpoints: dict[str, Any], customer: Person) -> None:
    issued = customer.post("/api/ai/ticket")
    assert issued.status_code == 201, issued.text
    query = f"?ticket={issued.json()['ticket']}"

    with chatting(endpoints, None, query) as chat:
        chat.send("ping")
        assert chat.receive() == {"type": "pong"}
    assert refused_with(endpoints, None, query) == 401


def test_a_connection_above_the_limit_closes_the_oldest(
    endpoints: dict[str, Any], customer: Person
) -> None:
    with ExitStack() as open_sockets:
        chats = []
        for _ in range(6):
            chats.append(open_sockets.enter_context(chatting(endpoints, customer)))
            chats[-1].send("ping")
            chats[-1].receive()
            time.sleep(1)  # connections are sorted by the second in which they opened

        assert chats[0].receive()["code"] == "TOO_MANY_CONNECTIONS"
        with pytest.raises(ConnectionClosed):
            chats[0].receive()
        for chat in chats[1:]:
            chat.send("ping")
            assert chat.receive() == {"type": "pong"}


def test_signing_out_closes_open_connections(
    endpoints: dict[str, Any], customer: Person, chat: Chat
) -> None:
    chat.send("ping")
    chat.receive()

    assert customer.post("/api/auth/logout").status_code == 200

    with pytest.raises(ConnectionClosed):
        chat.until("nothing that ever comes")
    assert [frame["code"] for frame in chat.frames if frame["type"] == "error"] == ["SIGNED_OUT"]
    assert refused_with(endpoints, customer) == 401


# --- invalid frames -------------------------------------------------------------------------------


NO_FRAMES = (
    *("", "{", "[]", "null", "5", '"message"', "🛒", "\x00", "{}{}", "[" * 9_000),
    *('{"a":1}', '{"action":5}', '{"action":null}', '{"action":["ping"]}', '{"action":"dance"}'),
    *('{"action":"$default"}', '{"action":"MESSAGE","text":"hi"}', "{'action':'ping'}"),
    *('{"action":"message","text":"\\ud800"}', '{"action":"message","text":"hi"'),
    '{"action":"ping","action":"message"}',
)
NO_IDS = ("", "x", "../1", "%2e%2e", ["1"], {"S": "1"}, 7)
NO_MESSAGES: tuple[dict[str, Any], ...] = (
    *({}, {"text": ""}, {"text": 1}, {"text": None}, {"text": ["hi"]}, {"text": {"$ne": ""}}),
    *({"text": "x" * 4_001}, {"text": "x" * 30_000}, {"text": "hi", "user": "01"}),
    *({"text": "hi", "userId": "01"}, {"text": "hi", "role": "admin"}, {"text": "hi", "tools": []}),
    *({"text": "hi", "clientMessageId": "x" * 65}, {"text": "hi", "clientMessageId": "a b"}),
    *({"text": "hi", "conversationId": an_id} for an_id in NO_IDS),
)


def test_an_invalid_frame_gets_an_error_and_the_connection_stays_open(chat: Chat) -> None:
    for body in NO_FRAMES:
        chat.socket.send(body)
        assert chat.receive()["type"] == "error", body
    for event in ("$connect", "$disconnect"):  # a frame is neither
        chat.send(event)
    chat.send("ping")
    assert chat.receive() == {"type": "pong"}


def test_a_message_with_invalid_or_unknown_fields_is_refused(chat: Chat) -> None:
    for frame in NO_MESSAGES:
        chat.send("message", **frame)
        assert chat.receive()["code"] == "INVALID", frame
    chat.send("ping")
    assert chat.receive() == {"type": "pong"}


def test_invalid_ids_decisions_and_cursors_are_refused(chat: Chat) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        *(("confirm", {"messageId": an_id, "accept": True}) for an_id in NO_IDS),
        *(("confirm", {"messageId": a_message_id(), "accept": yes}) for yes in ("true", 1, None)),
        *(("history", {"conversationId": an_id}) for an_id in NO_IDS),
        *(("history", {"cursor": cursor}) for cursor in (7, ["x"], "x" * 2_049)),
        *(("stop", {"conversationId": an_id}) for an_id in NO_IDS),
        ("ping", {"text": "hi"}),
    ]
    for action, frame in wrong:
        chat.send(action, **frame)
        assert chat.receive()["code"] == "INVALID", (action, frame)
    chat.send("ping")
    assert chat.receive() == {"type": "pong"}


def a_message_id() -> str:
    """Return a well-formed message id that does not exist."""
    return f"{new_id()}-{new_id()}"


def test_another_persons_conversation_and_messages_are_unknown(
    endpoints: dict[str, Any],
    shelf: tuple[Person, list[dict[str, Any]]],
    customer: Person,
    chat: Chat,
) -> None:
    customer.takes(shelf[1][0])
    placed = customer.orders().json()["order"]
    asked = chat.ask(f"cancel my order {placed['id']}")["messageId"]
    own = chat.conversation

    thief = Person.register(endpoints)
    with chatting(endpoints, thief) as other:
        for action, frame in (
            ("message", {"text": "what did I say?", "conversationId": own}),
            ("history", {"conversationId": own}),
            ("stop", {"conversationId": own}),
            ("confirm", {"messageId": asked, "accept": True}),
            ("confirm", {"messageId": asked, "accept": False}),
            ("confirm", {"messageId": a_message_id(), "accept": True}),
            ("message", {"text": "hi", "conversationId": new_id()}),
        ):
            other.send(action, **frame)
            assert other.receive()["code"] in {"CONVERSATION_UNKNOWN", "MESSAGE_UNKNOWN"}, action
        other.send("history")
        assert other.receive()["messages"] == []
    assert thief.delete(f"/api/ai/conversations/{own}").status_code == 404
    assert customer.order(placed["id"])["status"] == "PENDING"
    chat.send("history", conversationId=own)
    [question, answer] = chat.receive()["messages"]
    assert (answer["messageId"], answer["confirm"]["answered"]) == (asked, None)
    assert "cancel my order" in question["text"]


@pytest.mark.parametrize(("frame", "code"), [(b"\x00\xff", 1003), ("x" * 200_000, 1009)])
def test_binary_and_too_large_frames_close_the_connection_with_a_code(
    chat: Chat, frame: bytes | str, code: int
) -> None:
    chat.socket.send(frame)

    with pytest.raises(ConnectionClosed) as ending:
        chat.receive()
    assert ending.value.rcvd
    assert ending.value.rcvd.code == code


def test_a_flood_closes_its_own_connection_and_affects_no_other(
    endpoints: dict[str, Any], customer: Person, chat: Chat
) -> None:
    store_frame_counts(endpoints, customer, frames=230)
    with chatting(endpoints, Person.register(endpoints)) as other, ThreadPoolExecutor(1) as pool:
        other.send("ping")
        other.receive()
        flood = pool.submit(_flood, chat)
        waited = [answered_after(other) for _ in range(3)]
        with pytest.raises(ConnectionClosed):
            chat.until("nothing that ever comes")
        flood.result()

    codes = [frame.get("code", "pong") for frame in chat.frames]
    assert codes[-1] == "FLOODING"
    assert len(codes) < 100
    assert min(waited) < 2


def answered_after(chat: Chat) -> float:
    """Return the seconds until a ping is answered."""
    began = time.monotonic()
    chat.send("ping")
    assert chat.receive() == {"type": "pong"}
    return time.monotonic() - began


def store_frame_counts(endpoints: dict[str, Any], person: Person, frames: int) -> None:
    """Store counts for several minutes: a slow machine sends too few frames within one."""
    for minute in range(3):
        name = iso(utc_now() + timedelta(minutes=minute))[:16]
        aws(endpoints, "dynamodb").put_item(
            TableName=table(endpoints, "connection"),
            Item={
                "pk": {"S": person.id},
                "sk": {"S": f"minute#{name}"},
                "frames": {"N": str(frames)},
                "expiresAt": {"N": str(int(time.time()) + 600)},
            },
        )


def _flood(chat: Chat) -> None:
    try:
        for _ in range(200):
            chat.send("ping")
    except ConnectionClosed:
        pass


# --- a conversation -------------------------------------------------------------------------------


def test_a_conversation_finds_products_and_fills_the_cart(
    shelf: tuple[Person, list[dict[str, Any]]], customer: Person, chat: Chat
) -> None:
    brand = shelf[1][0]["title"].split()[-1]
    found = chat.ask(f"find {brand} basmati rice under 500")
    assert {one["id"] for one in found["products"]} == {one["id"] for one in shelf[1][:2]}

    chat.ask("add two of the second")
    second = found["products"][1]
    cart = customer.get("/api/cart").json()
    [item] = cart["cart"]["items"]
    assert (item["productId"], item["quantity"]) == (second["id"], 2)

    answer = chat.ask("what's in my cart")
    assert f"{second['price']['amount'] * 2:.2f}" in answer["text"].replace(",", "")


def test_an_answer_is_streamed_and_then_sent_whole(chat: Chat) -> None:
    frames = chat.say("hello")

    types = [frame["type"] for frame in frames]
    assert types[0] == "started"
    assert types[-2:] == ["message", "done"]
    tokens = [frame["text"] for frame in frames if frame["type"] == "token"]
    assert "".join(tokens) == frames[-2]["text"]
    assert len({frame["messageId"] for frame in frames}) == 1


def test_a_cancellation_waits_for_a_confirmation_and_happens_once(
    shelf: tuple[Person, list[dict[str, Any]]], customer: Person, chat: Chat
) -> None:
    customer.takes(shelf[1][0])
    order = customer.orders().json()["order"]

    asked = chat.ask(f"cancel my order {order['id']}")
    assert asked["confirm"]["text"]
    chat.ask("yes, I confirm, do it")
    assert customer.order(order["id"])["status"] == "PENDING"

    for _ in range(2):
        chat.send("confirm", messageId=asked["messageId"], accept=True)
        outcome = chat.until("done", "error")
        assert [frame["type"] for frame in outcome] == ["message", "done"], outcome
        assert outcome[0]["confirms"] == asked["messageId"]
    assert customer.order(order["id"])["status"] == "CANCELLED"
    chat.send("confirm", messageId=asked["messageId"], accept=False)
    assert chat.receive()["code"] == "DECIDED"
    chat.send("history", conversationId=chat.conversation)
    texts = [message["text"] for message in chat.receive()["messages"]]
    assert texts.count(outcome[0]["text"]) == 1


def test_a_stop_without_an_answer_and_a_forged_cursor_are_refused(chat: Chat) -> None:
    chat.say("hello")

    chat.send("stop")
    assert chat.receive()["code"] == "MESSAGE_UNKNOWN"
    chat.send("history", conversationId=chat.conversation, cursor="bm90aGluZw")
    assert chat.receive()["code"] == "INVALID"


def test_a_client_that_reconnects_during_an_answer_has_the_whole_answer_once(
    endpoints: dict[str, Any], customer: Person
) -> None:
    word = a_word()
    set_fault(endpoints, {"kind": "stall", "about": word})
    with chatting(endpoints, customer) as first:
        first.send("message", text=f"hello {word}", clientMessageId=word)
        started = first.until("token")[0]

    with chatting(endpoints, customer) as again:
        again.send("history", conversationId=started["conversationId"])
        missed = again.receive()["messages"][-1]
        time.sleep(1)  # until it is subscribed: an answer that ends before may be sent twice
        recover(endpoints, word)
        rest = again.until("done")
        again.send("message", text=f"hello {word}", clientMessageId=word)
        repeated = again.until("done")
        again.send("history")
        kept = again.receive()["messages"]

    [message] = [frame for frame in rest if frame["type"] == "message"]
    tokens = "".join(frame["text"] for frame in rest if frame["type"] == "token")
    assert missed["status"] == "running"
    assert tokens
    assert missed["text"] + tokens == message["text"]
    assert [frame["type"] for frame in repeated] == ["started", "message", "done"]
    assert [each["text"] for each in kept] == [f"hello {word}", message["text"]]


def test_a_client_that_reconnects_gets_the_history_first_and_then_the_rest(
    endpoints: dict[str, Any], customer: Person
) -> None:
    word = slow_word(endpoints, seconds=1)
    with ExitStack() as open_sockets:
        first = open_sockets.enter_context(chatting(endpoints, customer))
        first.send("message", text=f"hello {word}")
        conversation = {"conversationId": first.until("token")[0]["conversationId"]}

        def reconnect() -> list[dict[str, Any]]:
            chat = open_sockets.enter_context(chatting(endpoints, customer))
            chat.send("history", **conversation)
            shown = chat.until("history")
            is_over = shown[-1]["messages"][-1]["status"] != "running"
            return shown if is_over else shown + chat.until("done")

        reconnected = [frames for frames in at_once([reconnect] * 4) if len(frames) > 1]

    assert reconnected, "the model ended before a client reconnected"
    for history, *rest in reconnected:
        assert history["type"] == "history"
        tokens = "".join(frame["text"] for frame in rest if frame["type"] == "token")
        whole = next(frame["text"] for frame in rest if frame["type"] == "message")
        assert history["messages"][-1]["text"] + tokens == whole


def test_an_answer_can_be_stopped(endpoints: dict[str, Any], chat: Chat) -> None:
    word = slow_word(endpoints, seconds=10)
    chat.send("message", text=f"hello {word}")
    chat.until("token")

    chat.send("stop")

    assert chat.until("done")[-1]["status"] == "stopped"
    assert model_request_about(endpoints, word)["finished_at"] is None
    recover(endpoints, word)
    chat.conversation = chat.frames[0]["conversationId"]
    assert chat.say("hello")[-1]["status"] == "done"


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 500},
        {"kind": "cut"},
        {"kind": "garbage"},
        {"kind": "malformed"},
        {"kind": "script", "calls": [{"name": "no_such_tool", "args": {}}]},
        {"kind": "script", "calls": [{"name": "order_status", "args": {"order_id": [1]}}]},
    ],
    ids=["busy", "broken", "cut", "garbage", "malformed", "made up", "mistyped"],
)
def test_a_failing_model_fails_one_answer_and_no_other(
    endpoints: dict[str, Any], customer: Person, chat: Chat, trouble: dict[str, Any]
) -> None:
    word = a_word()
    set_fault(endpoints, {**trouble, "about": word, "times": 99})
    with chatting(endpoints, Person.register(endpoints)) as other:
        frames = chat.say(f"hello {word}")
        assert other.say("hello")[-1]["type"] == "done"

    assert (frames[-1]["type"], frames[-1]["code"]) == ("error", "MODEL_UNAVAILABLE")
    assert frames[-1]["messageId"] == frames[0]["messageId"]
    recover(endpoints, word)
    assert chat.say("hello")[-1]["type"] == "done"


@pytest.mark.long
def test_a_model_that_hangs_delays_no_other_answer(endpoints: dict[str, Any], chat: Chat) -> None:
    word = a_word()
    set_fault(endpoints, {"kind": "hang", "seconds": 600, "about": word, "times": 99})
    chat.send("message", text=f"hello {word}")
    with chatting(endpoints, Person.register(endpoints)) as other:
        for _ in range(3):
            assert other.say("hello")[-1]["type"] == "done"
    chat.send("ping")

    frames = chat.until("error")

    assert {"type": "pong"} in frames
    assert frames[-1]["code"] in {"MODEL_UNAVAILABLE", "TOO_SLOW"}
    recover(endpoints, word)
    chat.conversation = chat.frames[0]["conversationId"]
    assert chat.say("hello")[-1]["type"] == "done"


def test_a_failed_tool_ends_one_answer_with_an_error(
    endpoints: dict[str, Any],
    shelf: tuple[Person, list[dict[str, Any]]],
    customer: Person,
    chat: Chat,
) -> None:
    customer.takes(shelf[1][0])
    with (
        invalid_cart(endpoints, customer),
        chatting(endpoints, Person.register(endpoints)) as other,
    ):
        frames = chat.say("what is in my cart?")
        assert other.say("what is in my cart?")[-1]["type"] == "done"

    assert [(f["name"], f["status"]) for f in frames if f["type"] == "tool"] == [
        ("show_cart", "started"),
        ("show_cart", "failed"),
    ]
    assert (frames[-1]["type"], frames[-1]["code"]) == ("error", "TOOL_BROKE")
    assert "1 x Basmati rice" in chat.ask("what is in my cart?")["text"]


@contextmanager
def invalid_cart(endpoints: dict[str, Any], person: Person) -> Iterator[None]:
    """Store an invalid cart row for a while."""
    dynamodb, name = aws(endpoints, "dynamodb"), table(endpoints, "cart")
    [cart] = [row for row in rows(endpoints, "cart") if row["userId"]["S"] == person.id]
    invalid = {field: {"S": "spoilt"} for field in cart if field != "userId"}
    dynamodb.put_item(TableName=name, Item={**cart, **invalid})
    try:
        yield
    finally:
        dynamodb.put_item(TableName=name, Item=cart)


def test_the_first_text_arrives_at_once(endpoints: dict[str, Any], chat: Chat) -> None:
    chat.say("hello")
    delays = [first_text_delay(endpoints, chat) for _ in range(9)]
    assert median(delays) < 0.3, delays


def first_text_delay(endpoints: dict[str, Any], chat: Chat) -> float:
    """Return the seconds between the model's first text and its arrival."""
    word = a_word()
    set_fault(endpoints, {"kind": "slow", "seconds": 0.3, "about": word})
    chat.frames.clear()
    chat.at.clear()
    chat.say(f"hello {word}")
    first = next(n for n, frame in enumerate(chat.frames) if frame["type"] == "token")
    request = model_request_about(endpoints, word)
    assert chat.at[first] < request["finished_at"]
    return float(chat.at[first] - request["first_words_at"])


def test_one_of_many_concurrent_messages_is_answered_and_a_repeated_message_once(
    endpoints: dict[str, Any], customer: Person
) -> None:
    with ExitStack() as open_sockets:
        chats = [open_sockets.enter_context(chatting(endpoints, customer)) for _ in range(5)]
        conversation = {"conversationId": chats[0].say("hello")[0]["conversationId"]}

        slow = slow_word(endpoints, seconds=2)

        def first_answer(chat: Chat, **frame: str) -> dict[str, Any]:
            chat.send("message", text=f"hello {slow}", **frame)
            return chat.until("started", "error")[-1]

        frames = at_once([partial(first_answer, chat, **conversation) for chat in chats])
        assert sorted(frame.get("code", "") for frame in frames) == ["", *["TURN_RUNNING"] * 4]
        winner = next(n for n, frame in enumerate(frames) if frame["type"] == "started")
        chats[winner].until("done")

        word = a_word()
        again = at_once([partial(first_answer, chat, clientMessageId=word) for chat in chats])
        assert len({frame["messageId"] for frame in again}) == 1
        assert {frame["type"] for frame in again} == {"started"}
        for chat in chats:
            assert chat.until("done")[-1]["messageId"] == again[0]["messageId"]


def test_a_confirmation_from_many_sockets_at_once_is_executed_once(
    endpoints: dict[str, Any],
    shelf: tuple[Person, list[dict[str, Any]]],
    customer: Person,
) -> None:
    product = shelf[1][2]
    customer.takes(product, 3)
    stock = customer.get(f"/api/products/{product['id']}").json()["product"]["stock"]
    placed = customer.orders().json()["order"]
    with ExitStack() as open_sockets:
        chats = [open_sockets.enter_context(chatting(endpoints, customer)) for _ in range(5)]
        asked = chats[0].ask(f"cancel my order {placed['id']}")["messageId"]

        def confirm(chat: Chat) -> dict[str, Any]:
            chat.send("confirm", messageId=asked, accept=True)
            return chat.until("message", "error")[-1]

        frames = at_once([partial(confirm, chat) for chat in chats])

    assert {frame.get("code", "DECIDED") for frame in frames} == {"DECIDED"}
    assert len({frame["messageId"] for frame in frames if frame["type"] == "message"}) == 1
    after = customer.get(f"/api/products/{product['id']}").json()["product"]["stock"]
    assert after == stock


def test_a_deleted_conversation_leaves_nothing_behind(
    endpoints: dict[str, Any], customer: Person, chat: Chat
) -> None:
    chat.say("remember the word tamarind")
    path = f"/api/ai/conversations/{chat.conversation}"

    assert customer.delete(path).status_code == 200

    kept = json.dumps(rows(endpoints, "conversation"))
    assert "tamarind" not in kept
    assert str(chat.conversation) not in kept
    assert customer.delete(path).status_code == 404


def test_a_conversation_that_is_deleted_during_an_answer_stays_deleted(
    endpoints: dict[str, Any], customer: Person, chat: Chat
) -> None:
    word = slow_word(endpoints, seconds=1)
    chat.send("message", text=f"hello {word}")
    conversation = chat.until("token")[0]["conversationId"]

    assert customer.delete(f"/api/ai/conversations/{conversation}").status_code == 200

    assert chat.say("hello")[-1]["type"] == "done"
    recover(endpoints, word)
    assert conversation not in json.dumps(rows(endpoints, "conversation"))


def test_a_deletion_returns_the_reserved_tokens_of_an_unfinished_answer(
    endpoints: dict[str, Any], customer: Person, chat: Chat
) -> None:
    chat.say("hello")
    used = tokens_of(endpoints, customer)
    *_, turn = rows_of(endpoints, "conversation", f"{customer.id}#{chat.conversation}")
    turn["turn"]["M"]["state"] = {"S": TurnState.RUNNING}  # as if its worker had died
    name = table(endpoints, "conversation")
    aws(endpoints, "dynamodb").put_item(TableName=name, Item=turn)

    assert customer.delete(f"/api/ai/conversations/{chat.conversation}").status_code == 200

    assert tokens_of(endpoints, customer) == used - RESERVED_TOKENS


def tokens_of(endpoints: dict[str, Any], person: Person) -> int:
    """Return the tokens that count as used today."""
    days = rows_of(endpoints, "connection", person.id)
    return sum(int(row["tokens"]["N"]) for row in days if row["sk"]["S"].startswith("day#"))


def test_fifty_connections_get_their_own_answers_in_order(
    endpoints: dict[str, Any], shelf: tuple[Person, list[dict[str, Any]]]
) -> None:
    people = at_once([lambda: Person.register(endpoints) for _ in range(10)])
    words = [a_word() for _ in range(SOCKETS)]
    for word in words:
        text = f"You said {word}, and nothing but {word}, and I will remember it: {word}."
        set_fault(endpoints, {"kind": "script", "text": text, "about": word})

    def talk(number: int) -> list[dict[str, Any]]:
        with chatting(endpoints, people[number % len(people)]) as chat:
            return chat.say(f"hello {words[number]}")

    answers = at_once([partial(talk, number) for number in range(SOCKETS)])

    assert len({frames[0]["messageId"] for frames in answers}) == SOCKETS
    for word, frames in zip(words, answers, strict=True):
        assert {each for each in words if each in json.dumps(frames)} == {word}
        assert frames[-1]["type"] == "done", frames[-1]
        assert {frame["messageId"] for frame in frames} == {frames[0]["messageId"]}
        tokens = [frame["text"] for frame in frames if frame["type"] == "token"]
        assert "".join(tokens) == frames[-2]["text"]


def test_the_worker_with_all_its_layers_is_far_below_lambdas_size_limit(
    endpoints: dict[str, Any],
) -> None:
    cloud = aws(endpoints, "lambda")
    worker = cloud.get_function(FunctionName=function(endpoints, "ai_buddy.worker.run_turn"))
    layers = [layer["Arn"] for layer in worker["Configuration"]["Layers"]]
    assert len(layers) == 2
    contents = [cloud.get_layer_version_by_arn(Arn=arn)["Content"] for arn in layers]

    sizes = [unzipped(each["Location"]) for each in (worker["Code"], *contents)]

    assert min(sizes) > 0
    assert sum(sizes) < MAX_WORKER_SIZE, [size // MEGABYTE for size in sizes]


def unzipped(location: str) -> int:
    with ZipFile(BytesIO(httpx.get(location).raise_for_status().content)) as archive:
        return sum(file.file_size for file in archive.infolist())
