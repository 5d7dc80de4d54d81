"""Talks with the assistant in a terminal: answers stream in, writes ask first."""

import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from websockets.exceptions import ConnectionClosed

from local.chat.client import Conversation, Frame, Refused, conversation
from sample.client import UnexpectedResponse, UserSession, connect

with suppress(ImportError):  # arrow keys and what was typed before, where there is a readline
    import readline  # noqa: F401

HELP = "/history what was said · /new another conversation · /delete this one · /quit (or Ctrl-D)"
YES = {"y", "yes", "ha", "haan", "हाँ", "हां"}
GREEN = "\x01\x1b[1;32m\x02you:\x01\x1b[0m\x02 "  # readline must know what has no width


def talk(
    endpoints: dict[str, Any], email: str | None, password: str | None, console: Console
) -> int:
    """Until the person has had enough; 1 when the shop does not let them in."""
    try:
        with connect(endpoints["api"]) as client, ExitStack() as leaving:
            session = UserSession(client, *_account(endpoints, email, password))
            first_name = session.sign_in()["fullName"]["firstName"]
            talk = Talk(endpoints["websocket"], session, console, leaving)
            console.print(Text(f"Hello {_safe(first_name)}!"), f" [dim]{HELP}[/dim]\n")
            talk.go_on_until_enough()
    except (Refused, UnexpectedResponse) as refusal:
        console.print(Text(_safe(refusal), "red"))
        return 1
    except (EOFError, KeyboardInterrupt):
        console.print("\nGoodbye.")
    return 0


class Talk:
    """A person at a terminal, and one conversation at a time, over as many connections as it
    takes.
    """

    def __init__(
        self, address: str, session: UserSession, console: Console, leaving: ExitStack
    ) -> None:
        self._address = address
        self._session = session
        self._console = console
        self._leaving = leaving
        self._chat = self._connected()

    def go_on_until_enough(self) -> None:
        """Questions and answers, up to /quit."""
        while (said := self._console_input()) != "/quit":
            try:
                self._obey(said)
            except ConnectionClosed:
                self._reconnect()
            except (Refused, UnexpectedResponse) as refusal:
                self._tell(refusal, "red")

    def _console_input(self) -> str:
        return input(GREEN if self._console.is_terminal else "you: ").strip()

    def _obey(self, said: str) -> None:
        match said:
            case "":
                return
            case "/new":
                self._chat.id = None
                self._tell("A new conversation.", "dim")
            case "/history":
                self._show_history()
            case "/delete":
                self._delete()
            case command if command.startswith("/"):
                self._tell(HELP, "dim")
            case _:
                self._show_answer(self._chat.say(said))

    def _connected(self) -> Conversation:
        self._session.request("GET", "/api/auth/me")  # signs in again when the token has run out
        return self._leaving.enter_context(conversation(self._address, self._session.token))

    def _reconnect(self) -> None:
        """Whatever was being answered goes on where it was cut."""
        self._tell("\nConnecting again …", "dim")
        cut_off, self._chat = self._chat, self._connected()
        self._show_answer(self._chat.go_on(cut_off))

    def _show_answer(self, frames: Iterator[Frame]) -> None:
        """The answer as it streams; Ctrl-C stops it, not the program."""
        try:
            proposal = self._show(frames)
        except KeyboardInterrupt:
            self._chat.stop()
            proposal = self._show(self._chat.rest())
        if proposal:
            self._ask_to_confirm(proposal)

    def _show(self, frames: Iterator[Frame]) -> Frame | None:
        """Prints all of them; the message that wants a word of the person, if one does."""
        proposal = None
        for frame in frames:
            match frame["type"]:
                case "token":
                    self._print(frame["text"])
                case "tool" if frame["status"] == "failed":
                    self._print(f"({frame['name']} did not work) ", "dim yellow")
                case "message":
                    self._tell(frame["text"].removeprefix(self._chat.heard))
                    self._show_things(frame)
                    proposal = frame if _is_open(frame.get("confirm")) else None
                case "error":
                    self._tell(("\n" if self._chat.heard else "") + frame["message"], "red")
                case "done" if frame["status"] == "stopped":
                    self._tell("Stopped.", "dim")
        self._tell("")
        return proposal

    def _ask_to_confirm(self, message: Frame) -> None:
        self._tell(message["confirm"]["text"], "bold")
        accept = input("Do it? [y/N] ").strip().lower() in YES
        self._show(self._chat.confirm(message["messageId"], accept=accept))

    def _show_history(self) -> None:
        messages = self._chat.history()
        for message in messages:
            self._print(f"{'you' if message['role'] == 'user' else 'shop'}: ", "dim")
            self._tell(message["text"])
            self._show_things(message)
        self._tell("" if messages else "Nothing was said yet.", "dim")

    def _delete(self) -> None:
        if self._chat.id is None:
            self._tell("There is nothing to delete.", "dim")
            return
        self._session.request("DELETE", f"/api/ai/conversations/{self._chat.id}")
        self._chat.id = None
        self._tell("The conversation is deleted.", "dim")

    def _show_things(self, message: Frame) -> None:
        if products := message.get("products"):
            self._console.print(_products(products))
        if order := message.get("order"):
            self._console.print(_order(order))

    def _tell(self, text: object, style: str = "") -> None:
        self._console.print(Text(_safe(text), style))

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(_safe(text), style), end="", soft_wrap=True)


def _account(endpoints: dict[str, Any], email: str | None, password: str | None) -> tuple[str, str]:
    """Whoever was named, or else the first sample customer."""
    known = {one["email"]: one["password"] for one in endpoints["accounts"]}
    customers = (one["email"] for one in endpoints["accounts"] if one["role"] == "user")
    email = email or next(customers, None)
    if email is None or not (password := password or known.get(email)):
        raise Refused("Say who you are: make chat AS=<email> PASSWORD=<password>")
    return email, password


def _is_open(confirm: Frame | None) -> bool:
    """Whether something was proposed that waits for a word."""
    return confirm is not None and confirm["answered"] is None


def _products(products: list[Frame]) -> Table:
    """Numbered, since people say "the second"."""
    table = _table(("", "right"), ("", "left"), ("", "right"), ("", "left"))
    for number, product in enumerate(products, 1):
        left = product.get("stock")
        stock = "sold out" if left == 0 else f"{left} in stock"
        table.add_row(str(number), Text(_safe(product["title"])), _money(product["price"]), stock)
    return table


def _order(order: Frame) -> Table:
    table = _table(("", "right"), ("", "left"), ("", "right"))
    for item in order["items"]:
        table.add_row(str(item["quantity"]), Text(_safe(item["title"])), _money(item["lineTotal"]))
    table.add_row("", f"Order …{order['id'][-6:]}, {order['status']}", _total(order))
    return table


def _table(*columns: tuple[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
    for name, justify in columns:
        table.add_column(name, justify=justify)
    return table


def _total(order: Frame) -> str:
    totals = order["totalPrice"]
    return " + ".join(map(_money, totals if isinstance(totals, list) else [totals]))


def _money(price: Frame) -> str:
    return f"{price['amount']:,.2f} {price['currency']}"


def _safe(text: object) -> str:
    """Without what would steer the terminal: sellers write titles."""
    return "".join(c for c in str(text) if c in "\n\t" or unicodedata.category(c) != "Cc")
