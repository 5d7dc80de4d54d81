"""The assistant over a real WebSocket: who gets in, what is said, and what it survives."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.chat import Chat, chatting
from support.deployed import rows
from support.shop import Person, at_once, eventually

pytestmark = pytest.mark.e2e

SOCKETS = 50


@pytest.fixture
def customer(endpoints: dict[str, Any]) -> Person:
    return Person.register(endpoints)


@pytest.fixture
def chat(endpoints: dict[str, Any], customer: Person) -> Iterator[Chat]:
    with chatting(endpoints, customer) as chat:
        yield chat


@pytest.fixture(scope="module")
def shelf(endpoints: dict[str, Any]) -> tuple[Person, list[dict[str, Any]]]:
    """A seller with three sorts of rice."""
    seller = Person.register(endpoints, "seller")
    titles = {"Basmati rice, aged": 240.0, "Basmati rice, brown": 180.0, "Basmati rice, royal": 900}
    rice = [seller.sells(stock=20, price=price, title=title) for title, price in titles.items()]
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


# --- who gets in ----------------------------------------------------------------------------------


def test_only_whoever_is_signed_in_gets_in(endpoints: dict[str, Any], customer: Person) -> None:
    assert refused_with(endpoints, None) == 401
    assert refused_with(endpoints, None, Cookie="token=forged") == 401
    assert refused_with(endpoints, customer, Origin="https://evil.example") == 403
    with chatting(endpoints, customer, Origin=endpoints["api"]) as chat:
        chat.send("ping")
        assert chat.receive() == {"type": "pong"}


def test_a_ticket_gets_one_connection_in(endpoints: dict[str, Any], customer: Person) -> None:
    issued = customer.post("/api/ai/ticket")
    assert issued.status_code == 201, issued.text
    query = f"?ticket={issued.json()['ticket']}"

    with chatting(endpoints, None, query) as chat:
        chat.send("ping")
        assert chat.receive() == {"type": "pong"}
    assert refused_with(endpoints, None, query) == 401


def test_signing_out_ends_open_connections(
    endpoints: dict[str, Any], customer: Person, chat: Chat
) -> None:
    chat.send("ping")
    chat.receive()

    assert customer.post("/api/auth/logout").status_code == 200

    with pytest.raises(ConnectionClosed):
        chat.until("nothing that ever comes")
    assert [frame["code"] for frame in chat.frames if frame["type"] == "error"] == ["SIGNED_OUT"]
    assert refused_with(endpoints, customer) == 401


# --- what it survives -----------------------------------------------------------------------------


def test_nonsense_is_told_so_and_the_connection_stays(chat: Chat) -> None:
    for nonsense in ("", "{", "[]", "🛒", '{"action":"$connect"}', '{"action":"dance"}', '{"a":1}'):
        chat.socket.send(nonsense)
        assert chat.receive()["type"] == "error", nonsense
    for frame in ({}, {"text": "x" * 4_001}, {"text": "hi", "user": "01"}, {"text": 1}):
        chat.send("message", **frame)
        assert chat.receive()["code"] == "INVALID", frame

    chat.send("ping")
    assert chat.receive() == {"type": "pong"}


@pytest.mark.parametrize(("frame", "code"), [(b"\x00\xff", 1003), ("x" * 200_000, 1009)])
def test_what_the_gateway_does_not_take_closes_the_connection_with_a_reason(
    chat: Chat, frame: bytes | str, code: int
) -> None:
    chat.socket.send(frame)

    with pytest.raises(ConnectionClosed) as ending:
        chat.receive()
    assert ending.value.rcvd
    assert ending.value.rcvd.code == code


def test_a_flood_ends_its_own_connection_and_hurts_nobody(
    endpoints: dict[str, Any], chat: Chat
) -> None:
    with chatting(endpoints, Person.register(endpoints)) as other, ThreadPoolExecutor(1) as pool:
        other.send("ping")
        other.receive()
        flood = pool.submit(_flood, chat)
        for _ in range(3):
            began = time.monotonic()
            other.send("ping")
            assert other.receive() == {"type": "pong"}
            assert time.monotonic() - began < 2
        with pytest.raises(ConnectionClosed):
            chat.until("nothing that ever comes")
        flood.result()

    codes = [frame.get("code", "pong") for frame in chat.frames]
    assert codes[-1] == "FLOODING"
    assert len(codes) < 300


def _flood(chat: Chat) -> None:
    try:
        for _ in range(1_000):
            chat.send("ping")
    except ConnectionClosed:
        pass


# --- a conversation -------------------------------------------------------------------------------


def test_a_conversation_finds_fills_a_cart_and_knows_its_total(
    shelf: tuple[Person, list[dict[str, Any]]], customer: Person, chat: Chat
) -> None:
    found = chat.ask("find basmati rice under 500")
    assert len(found["products"]) >= 2
    assert all(product["price"]["amount"] <= 500 for product in found["products"])

    chat.ask("add two of the second")
    second = found["products"][1]
    cart = customer.get("/api/cart").json()
    [item] = cart["cart"]["items"]
    assert (item["productId"], item["quantity"]) == (second["id"], 2)

    told = chat.ask("what's in my cart")
    assert f"{second['price']['amount'] * 2:.2f}" in told["text"].replace(",", "")


def test_an_answer_streams_and_is_told_whole(chat: Chat) -> None:
    frames = chat.say("hello")

    types = [frame["type"] for frame in frames]
    assert types[0] == "started"
    assert types[-2:] == ["message", "done"]
    tokens = [frame["text"] for frame in frames if frame["type"] == "token"]
    assert "".join(tokens) == frames[-2]["text"]
    assert len({frame["messageId"] for frame in frames}) == 1


def test_a_client_that_drops_and_comes_back_has_the_whole_answer_once(
    endpoints: dict[str, Any], customer: Person
) -> None:
    with chatting(endpoints, customer) as first:
        first.send("message", text="hello", clientMessageId="m-1")
        started = first.receive()
    with chatting(endpoints, customer) as again:
        again.send("message", text="hello", clientMessageId="m-1")
        assert again.until("started")[-1]["messageId"] == started["messageId"]

        def whole() -> dict[str, Any] | None:
            again.send("history", conversationId=started["conversationId"])
            messages = again.until("history")[-1]["messages"]
            assert len(messages) == 2
            return messages[1] if messages[1]["status"] == "done" else None

        message = eventually(whole, "the answer is kept")
        again.send("message", text="hello", clientMessageId="m-1")
        told = again.until("message")[-1]
    assert message["text"]
    assert told["text"] == message["text"]


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


def test_fifty_sockets_are_all_answered_in_order_and_none_mixed(
    endpoints: dict[str, Any], shelf: tuple[Person, list[dict[str, Any]]]
) -> None:
    people = at_once([lambda: Person.register(endpoints) for _ in range(10)])

    def talk(number: int) -> list[dict[str, Any]]:
        with chatting(endpoints, people[number % len(people)]) as chat:
            return chat.say(f"hello, my number is {number}")

    answers = at_once([partial(talk, number) for number in range(SOCKETS)])

    assert len({frames[0]["messageId"] for frames in answers}) == SOCKETS
    for frames in answers:
        assert frames[-1]["type"] == "done", frames[-1]
        assert {frame["messageId"] for frame in frames} == {frames[0]["messageId"]}
        tokens = [frame["text"] for frame in frames if frame["type"] == "token"]
        assert "".join(tokens) == frames[-2]["text"]
