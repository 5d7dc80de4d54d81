"""Chat with the assistant in the terminal: answers are streamed, proposals need confirmation."""

import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text
from websockets.exceptions import ConnectionClosed

from local.chat.client import Conversation, Frame, Refused, conversation
from sample.client import UnexpectedResponse, UserSession, connect

with suppress(ImportError):  # line editing and input history
    import readline  # noqa: F401

HELP = "/history · /new conversation · /delete this conversation · /quit (or Ctrl-D)"
YES = {"y", "yes", "ha", "haan", "हाँ", "हां"}
PROMPT = "\x01\x1b[1;32m\x02you:\x01\x1b[0m\x02 "  # \x01 and \x02 mark escape codes for readline


def chat(
    endpoints: dict[str, Any], email: str | None, password: str | None, console: Console
) -> int:
    """Run the chat until the user quits; return 1 if the shop refuses the sign-in."""
    try:
        with connect(endpoints["api"]) as client, ExitStack() as closing:
            session = UserSession(client, *_account(endpoints, email, password))
            first_name = session.sign_in()["fullName"]["firstName"]
            terminal = Terminal(endpoints["websocket"], session, console, closing)
            console.print(Text(f"Hello {_safe(first_name)}!"), f" [dim]{HELP}[/dim]\n")
            terminal.run()
    except (Refused, UnexpectedResponse) as refusal:
        console.print(Text(_safe(refusal), "red"))
        return 1
    except (EOFError, KeyboardInterrupt):
        console.print("\nGoodbye.")
    return 0


class Terminal:
    """A user at a terminal: one conversation at a time, with reconnections."""

    def __init__(
        self, address: str, session: UserSession, console: Console, closing: ExitStack
    ) -> None:
        self._address = address
        self._session = session
        self._console = console
        self._closing = closing
        self._chat = self._connected()

    def run(self) -> None:
        """Read input and show answers until /quit."""
        while (text := self._read()) != "/quit":
            try:
                self._execute(text)
            except ConnectionClosed:
                self._reconnect()
            except (Refused, UnexpectedResponse) as refusal:
                self._print_line(refusal, "red")

    def _read(self) -> str:
        return input(PROMPT if self._console.is_terminal else "you: ").strip()

    def _execute(self, text: str) -> None:
        match text:
            case "":
                return
            case "/new":
                self._chat.id = None
                self._print_line("A new conversation.", "dim")
            case "/history":
                self._show_history()
            case "/delete":
                self._delete()
            case command if command.startswith("/"):
                self._print_line(HELP, "dim")
            case _:
                self._show_answer(self._chat.say(text))

    def _connected(self) -> Conversation:
        self._session.request("GET", "/api/auth/me")  # signs in again if the token has expired
        return self._closing.enter_context(conversation(self._address, self._session.token))

    def _reconnect(self) -> None:
        """Open a new connection and continue the answer that was interrupted."""
        self._print_line("\nReconnecting …", "dim")
        lost, self._chat = self._chat, self._connected()
        self._show_answer(self._chat.resume(lost))

    def _show_answer(self, frames: Iterator[Frame]) -> None:
        """Show a streamed answer; Ctrl-C stops the answer, not the program."""
        try:
            proposal = self._show(frames)
        except KeyboardInterrupt:
            self._chat.stop()
            proposal = self._show(self._chat.rest())
        if proposal:
            self._ask_to_confirm(proposal)

    def _show(self, frames: Iterator[Frame]) -> Frame | None:
        """Print the frames; return the message with an open proposal, if there is one."""
        proposal = None
        for frame in frames:
            match frame["type"]:
                case "token":
                    self._print(frame["text"])
                case "tool" if frame["status"] == "failed":
                    self._print(f"({frame['name']} failed) ", "dim yellow")
                case "message":
                    self._print_line(frame["text"].removeprefix(self._chat.received))
                    self._show_attachments(frame)
                    confirm = frame.get("confirm")
                    proposal = frame if confirm and confirm["answered"] is None else None
                case "error":
                    before = "\n" if self._chat.received else ""
                    self._print_line(before + frame["message"], "red")
                case "done" if frame["status"] == "stopped":
                    self._print_line("Stopped.", "dim")
        self._print_line("")
        return proposal

    def _ask_to_confirm(self, message: Frame) -> None:
        self._print_line(message["confirm"]["text"], "bold")
        accept = input("Do it? [y/N] ").strip().lower() in YES
        self._show(self._chat.confirm(message["messageId"], accept=accept))

    def _show_history(self) -> None:
        messages = self._chat.history()
        for message in messages:
            self._print(f"{'you' if message['role'] == 'user' else 'shop'}: ", "dim")
            self._print_line(message["text"])
            self._show_attachments(message)
        self._print_line("" if messages else "There are no messages yet.", "dim")

    def _delete(self) -> None:
        if self._chat.id is None:
            self._print_line("There is nothing to delete.", "dim")
            return
        self._session.request("DELETE", f"/api/ai/conversations/{self._chat.id}")
        self._chat.id = None
        self._print_line("The conversation is deleted.", "dim")

    def _show_attachments(self, message: Frame) -> None:
        if products := message.get("products"):
            self._console.print(_products(products))
        if order := message.get("order"):
            self._console.print(_order(order))

    def _print_line(self, text: object, style: str = "") -> None:
        self._console.print(Text(_safe(text), style))

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(_safe(text), style), end="", soft_wrap=True)


def _account(endpoints: dict[str, Any], email: str | None, password: str | None) -> tuple[str, str]:
    """Return the email and password of the options, or of the first sample customer."""
    passwords = {one["email"]: one["password"] for one in endpoints["accounts"]}
    customers = (one["email"] for one in endpoints["accounts"] if one["role"] == "user")
    email = email or next(customers, None)
    if email is None or not (password := password or passwords.get(email)):
        raise Refused("Give an account: make chat AS=<email> PASSWORD=<password>")
    return email, password


def _products(products: list[Frame]) -> Table:
    """Number the products, so that users can write "the second"."""
    table = _table("right", "left", "right", "left")
    for number, product in enumerate(products, 1):
        left = product.get("stock")
        stock = "sold out" if left == 0 else f"{left} in stock"
        table.add_row(str(number), Text(_safe(product["title"])), _money(product["price"]), stock)
    return table


def _order(order: Frame) -> Table:
    table = _table("right", "left", "right")
    for item in order["items"]:
        table.add_row(str(item["quantity"]), Text(_safe(item["title"])), _money(item["lineTotal"]))
    totals = order["totalPrice"]
    total = " + ".join(map(_money, totals if isinstance(totals, list) else [totals]))
    table.add_row("", f"Order …{order['id'][-6:]}, {order['status']}", total)
    return table


def _table(*columns: JustifyMethod) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
    for justify in columns:
        table.add_column(justify=justify)
    return table


def _money(price: Frame) -> str:
    return f"{price['amount']:,.2f} {price['currency']}"


def _safe(text: object) -> str:
    """Remove control characters, which sellers could put into titles."""
    return "".join(c for c in str(text) if c in "\n\t" or unicodedata.category(c) != "Cc")
