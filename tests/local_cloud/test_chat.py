"""The chat's client and terminal with a fake assistant."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed

from local.chat.client import Conversation, Frame, Refused, conversation
from local.chat.terminal import chat as run_chat
from local.cloud import serving
from local.emulator import free_port

type Answers = Callable[[Frame], Iterable[Frame | None]]

CUT = None  # in place of a frame: the connection is closed
RICE: Frame = {
    "id": "p1",
    "title": "Rice, 1 kg",
    "price": {"amount": 189.0, "currency": "INR"},
    "stock": 4,
}
ASKED: Frame = {"action": "place_order", "text": "Order 2 x Rice for 378.00 INR.", "answered": None}


class Assistant:
    """A fake of the shop: answers as the test says, and keeps the frames that it received."""

    def __init__(self) -> None:
        self.received: list[Frame] = []
        self.deleted: list[str] = []
        self.connections = 0
        self.answers: Answers = lambda _: ()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                WebSocketRoute("/ws", self.socket),
                Route("/api/auth/login", self.sign_in, methods=["POST"]),
                Route("/api/auth/me", self.sign_in),
                Route("/api/ai/conversations/{id}", self.delete, methods=["DELETE"]),
            ]
        )

    async def socket(self, socket: WebSocket) -> None:
        if socket.cookies.get("token") != "the-token":
            await socket.send_denial_response(Response(status_code=401))
            return
        self.connections += 1
        await socket.accept()
        async for text in socket.iter_text():
            frame = json.loads(text)
            self.received.append(frame)
            for answer in self.answers(frame):
                if answer is CUT:
                    await socket.close(1001)
                    return
                await socket.send_text(json.dumps(answer))

    async def sign_in(self, _: Request) -> Response:
        user = {"id": "u1", "fullName": {"firstName": "Asha\x1b[31m"}, "role": "user"}
        return JSONResponse({"user": user, "accessToken": "the-token"})

    async def delete(self, request: Request) -> Response:
        self.deleted.append(request.path_params["id"])
        return JSONResponse({"message": "The conversation is deleted"})

    @property
    def said(self) -> list[str]:
        return [frame["text"] for frame in self.received if frame["action"] == "message"]


@pytest.fixture
def assistant() -> Assistant:
    return Assistant()


@pytest.fixture
def address(assistant: Assistant) -> Iterator[str]:
    port = free_port()
    with serving(assistant.app(), "127.0.0.1", port):
        yield f"127.0.0.1:{port}"


@pytest.fixture
def chat(address: str) -> Iterator[Conversation]:
    with conversation(f"ws://{address}/ws", "the-token") as chat:
        yield chat


def started(number: int = 1) -> Frame:
    return {"type": "started", "conversationId": "c1", "messageId": f"c1-{number}"}


def token(text: str) -> Frame:
    return {"type": "token", "messageId": "c1-1", "text": text}


def ending(text: str, status: str = "done", **more: Any) -> tuple[Frame, Frame]:
    message = {"type": "message", "messageId": "c1-1", "text": text, **more}
    return message, {"type": "done", "messageId": "c1-1", "status": status}


def kinds(frames: Iterable[Frame]) -> list[str]:
    return [frame["type"] for frame in frames]


def history(question: Frame, text: str, status: str) -> Frame:
    mine = {"messageId": "c1-1", "role": "user", "text": question["text"]}
    own = {"clientMessageId": question["clientMessageId"]}
    answer = {"messageId": "c1-1", "role": "assistant", "text": text, "status": status}
    return {"type": "history", "conversationId": "c1", "messages": [mine | own, answer]}


# --- the client -----------------------------------------------------------------------------------


def test_an_answer_ends_with_done_and_the_next_one_is_in_the_same_conversation(
    assistant: Assistant, chat: Conversation
) -> None:
    assistant.answers = lambda _: (started(), token("Hel"), token("lo."), *ending("Hello."))

    assert kinds(chat.say("hi")) == ["started", "token", "token", "message", "done"]
    assert chat.received == "Hello."
    list(chat.say("and?"))

    first, second = assistant.received
    assert "conversationId" not in first
    assert second["conversationId"] == "c1"
    assert first["clientMessageId"] != second["clientMessageId"]


def test_an_error_ends_an_answer_without_done(assistant: Assistant, chat: Conversation) -> None:
    error = {"type": "error", "code": "TOO_SLOW", "message": "Too slow", "messageId": "c1-1"}
    assistant.answers = lambda _: (started(), token("Hel"), error)

    assert kinds(chat.say("hi")) == ["started", "token", "error"]
    assert kinds(chat.say("again")) == ["started", "token", "error"]


def test_a_connection_without_a_session_is_refused(address: str) -> None:
    with (
        pytest.raises(Refused, match="sign in first"),
        conversation(f"ws://{address}/ws", "forged"),
    ):
        pass


def test_a_connection_without_a_shop_is_refused() -> None:
    with pytest.raises(Refused, match="does not respond"), conversation("ws://127.0.0.1:9/ws", "t"):
        pass


def test_a_stopped_answer_is_read_to_its_end_before_the_next(
    assistant: Assistant, chat: Conversation
) -> None:
    def answers(frame: Frame) -> Iterable[Frame]:
        if frame["action"] == "stop":
            return ending("One two", "stopped")
        return (started(), token("One two"))

    assistant.answers = answers
    frames = chat.say("count")
    assert [next(frames)["type"] for _ in range(2)] == ["started", "token"]
    chat.stop()
    assert kinds(chat.rest()) == ["message", "done"]
    assert kinds(chat.rest()) == []


def test_a_decision_in_another_window_is_not_part_of_the_answer(
    assistant: Assistant, chat: Conversation
) -> None:
    decided = ({"confirms": "c1-0"}, {"messageId": "c1-9"})
    outcome = {"type": "message", "text": "Order 01 is placed.", **decided[0], **decided[1]}
    done = {"type": "done", "status": "done", **decided[1]}
    assistant.answers = lambda _: (outcome, started(), done, token("Hel"), *ending("Hello."))

    frames = list(chat.say("hi"))

    assert kinds(frames) == ["started", "token", "message", "done"]
    assert frames[-2]["text"] == "Hello."
    assistant.answers = lambda _: (outcome, done)
    assert kinds(chat.confirm("c1-0", accept=True)) == ["message", "done"]


def test_a_repeated_answer_is_not_part_of_the_next(
    assistant: Assistant, chat: Conversation
) -> None:
    again = tuple({**frame, "messageId": "c1-0"} for frame in ending("An old answer."))
    failed = {"type": "error", "code": "INTERNAL", "message": "Ask again.", "messageId": "c1-7"}
    assistant.answers = lambda _: (started(), *again, token("Hel"), failed, *ending("Hello."))

    frames = list(chat.say("hi"))

    assert kinds(frames) == ["started", "token", "message", "done"]
    assert {frame["messageId"] for frame in frames} == {"c1-1"}


def test_a_late_stop_does_not_affect_the_next_answer(
    assistant: Assistant, chat: Conversation
) -> None:
    late = {"type": "error", "code": "MESSAGE_UNKNOWN", "message": "Nothing is being said"}
    whole = (started(), *ending("Hello."))
    assistant.answers = lambda frame: (late,) if frame["action"] == "stop" else whole

    list(chat.say("hi"))
    chat.stop()

    assert kinds(chat.rest()) == []
    assert kinds(chat.say("again")) == ["started", "message", "done"]


@pytest.mark.parametrize("running", [True, False])
def test_an_answer_continues_without_loss_or_repetition_after_a_lost_connection(
    assistant: Assistant, chat: Conversation, address: str, running: bool
) -> None:
    whole = "One two three."

    def answers(frame: Frame) -> Iterable[Frame | None]:
        if frame["action"] == "message":
            return (started(), token("One "), CUT)
        if running:
            so_far = history(assistant.received[0], "One two ", "running")
            return (so_far, token("three."), *ending(whole))
        return (history(assistant.received[0], whole, "done"),)

    assistant.answers = answers
    frames: list[Frame] = []
    with pytest.raises(ConnectionClosed):
        frames.extend(chat.say("count"))
    with conversation(f"ws://{address}/ws", "the-token") as again:
        frames += again.resume(chat)

    assert "".join(f["text"] for f in frames if f["type"] == "token") == whole
    assert kinds(frames)[-2:] == ["message", "done"]
    assert len(assistant.said) == 1


def test_a_message_that_was_not_received_is_sent_again_with_the_same_id(
    assistant: Assistant, chat: Conversation, address: str
) -> None:
    def answers(_: Frame) -> Iterable[Frame | None]:
        return (CUT,) if assistant.connections == 1 else (started(), *ending("Hello."))

    assistant.answers = answers
    with pytest.raises(ConnectionClosed):
        list(chat.say("hi"))
    with conversation(f"ws://{address}/ws", "the-token") as again:
        assert kinds(again.resume(chat)) == ["started", "message", "done"]

    first, second = assistant.received
    assert first == second


# --- the terminal ---------------------------------------------------------------------------------


type Typing = Callable[..., tuple[int, str]]


@pytest.fixture
def typing(address: str, monkeypatch: pytest.MonkeyPatch) -> Typing:
    """Run the chat with these input lines; returns the exit code and the output."""

    def type_in(*lines: str, email: str | None = None) -> tuple[int, str]:
        typed = iter(lines)

        def read(_: str) -> str:
            for line in typed:
                return line
            raise EOFError

        monkeypatch.setattr("builtins.input", read)
        accounts = [{"role": "user", "email": "asha@example.com", "password": "secret"}]
        endpoints = {
            "api": f"http://{address}",
            "websocket": f"ws://{address}/ws",
            "accounts": accounts,
        }
        printed = StringIO()
        code = run_chat(endpoints, email, None, Console(file=printed, width=120))
        return code, printed.getvalue()

    return type_in


def test_products_are_listed_with_numbers(assistant: Assistant, typing: Typing) -> None:
    honey = {**RICE, "title": "Honey [bold]", "stock": 0}
    found = ending("I found these:", products=[RICE, honey])
    assistant.answers = lambda _: (started(), token("I found "), token("these:"), *found)

    code, printed = typing("find rice", "/quit")

    assert code == 0
    assert printed.count("I found these:") == 1
    assert re.search(r"^ *1 +Rice, 1 kg +189\.00 INR +4 in stock", printed, re.MULTILINE)
    assert re.search(r"^ *2 +Honey \[bold\] +189\.00 INR +sold out", printed, re.MULTILINE)


@pytest.mark.parametrize(
    ("word", "accept"), [("y", True), ("haan", True), ("", False), ("n", False)]
)
def test_a_proposal_needs_a_yes(
    assistant: Assistant, typing: Typing, word: str, accept: bool
) -> None:
    def answers(frame: Frame) -> Iterable[Frame]:
        if frame["action"] == "confirm":
            return ending("So be it.", confirms=frame["messageId"])
        return (started(), *ending("Please confirm.", confirm=ASKED))

    assistant.answers = answers
    _, printed = typing("order it", word)

    assert assistant.received[-1] == {"action": "confirm", "messageId": "c1-1", "accept": accept}
    assert ASKED["text"] in printed
    assert "So be it." in printed


def test_the_terminal_reconnects_and_continues_the_answer(
    assistant: Assistant, typing: Typing
) -> None:
    def answers(frame: Frame) -> Iterable[Frame | None]:
        if frame["action"] == "message":
            return (started(), token("One "), CUT)
        return (history(assistant.received[0], "One two.", "done"),)

    assistant.answers = answers
    code, printed = typing("count")

    assert code == 0
    assert [line for line in printed.splitlines() if line][1:4] == [
        "One ",
        "Reconnecting …",
        "two.",
    ]


def test_a_conversation_can_be_restarted_shown_and_deleted(
    assistant: Assistant, typing: Typing
) -> None:
    def answers(frame: Frame) -> Iterable[Frame]:
        if frame["action"] == "history":
            return (history(assistant.received[0], "Hello.", "done"),)
        return (started(), *ending("Hello."))

    assistant.answers = answers
    _, printed = typing("hi", "/history", "/new", "hi again", "/delete", "/delete")

    assert "you: hi\nshop: Hello." in printed
    assert all(
        "conversationId" not in one for one in assistant.received if one["action"] == "message"
    )
    assert assistant.deleted == ["c1"]
    assert "There is nothing to delete." in printed


def test_control_characters_do_not_reach_the_terminal(assistant: Assistant, typing: Typing) -> None:
    evil = "\x1b]0;mine\x07\x9b2J"
    answer = ending(f"Hello{evil}", products=[{**RICE, "title": evil}])
    assistant.answers = lambda _: (started(), token(f"Hello{evil}"), *answer)

    _, printed = typing(f"hi{evil}", "/quit")

    assert not set(printed) & set("\x1b\x07\x9b")


def test_an_account_without_a_password_is_refused(typing: Typing) -> None:
    code, printed = typing(email="unknown@example.com")
    assert code == 1
    assert "make chat AS=<email> PASSWORD=<password>" in printed
