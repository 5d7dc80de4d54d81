"""Talks with the assistant in a terminal: answers stream in, writes ask first."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from websockets.exceptions import ConnectionClosed

from local.chat.client import Conversation, Frame, Refused, conversation
from local.client import UnexpectedAnswer, Visitor, connect

HELP = "Ask away. /history shows what was said, /new begins anew, /quit (or Ctrl-D) ends."
YES = {"y", "yes", "ha", "haan", "हाँ"}


def talk(
    endpoints: dict[str, Any], email: str | None, password: str | None, console: Console
) -> int:
    """Until the person has had enough; 1 when the shop does not let them in."""
    try:
        token = _sign_in(endpoints, email, password, console)
        with conversation(endpoints["websocket"], token) as chat:
            console.print(f"[dim]{HELP}[/dim]\n")
            _converse(chat, console)
    except (Refused, UnexpectedAnswer) as refusal:
        console.print(f"[red]{escape(str(refusal))}[/red]")
        return 1
    except ConnectionClosed as closed:
        console.print(f"\n[red]The connection was closed: {escape(str(closed))}[/red]")
        return 1
    except (EOFError, KeyboardInterrupt):
        console.print("\nGoodbye.")
    return 0


def _sign_in(
    endpoints: dict[str, Any], email: str | None, password: str | None, console: Console
) -> str:
    """The access token of who was named, or else of the first sample customer."""
    known = {one["email"]: one["password"] for one in endpoints["accounts"]}
    customers = (one["email"] for one in endpoints["accounts"] if one["role"] == "user")
    email = email or next(customers, None)
    if email is None or not (password := password or known.get(email)):
        raise Refused("say who you are: make chat AS=<email> PASSWORD=<password>")
    with connect(endpoints["api"]) as client:
        visitor = Visitor(client, email, password)
        user = visitor.sign_in()
        name = escape(user["fullName"]["firstName"])
        console.print(f"Signed in as [bold]{name}[/bold] ({user['role']}).")
        return visitor.token


def _converse(chat: Conversation, console: Console) -> None:
    while True:
        said = console.input("[bold green]you:[/bold green] ").strip()
        match said:
            case "":
                continue
            case "/quit":
                return
            case "/new":
                chat.id = None
                console.print("[dim]A new conversation.[/dim]")
            case "/history":
                _show_history(chat, console)
            case _:
                _show_answer(chat, chat.say(said), console)


def _show_answer(chat: Conversation, frames: Any, console: Console) -> None:
    """The answer as it streams; Ctrl-C stops it, not the program."""
    proposal = None
    try:
        for frame in frames:
            proposal = _show(frame, console) or proposal
    except KeyboardInterrupt:
        chat.stop()
        console.print("\n[dim]Stopped.[/dim]")
        for _ in frames:
            pass
    if proposal:
        _ask_to_confirm(chat, proposal, console)


def _show(frame: Frame, console: Console) -> Frame | None:
    """Print one frame; the frame itself if it wants a word of the person."""
    match frame["type"]:
        case "started":
            console.print("[bold cyan]shop:[/bold cyan] ", end="")
        case "token":
            console.print(escape(frame["text"]), end="", highlight=False)
        case "tool" if frame["status"] == "failed":
            console.print(f"[dim yellow]({frame['name']} did not work)[/dim yellow] ", end="")
        case "message":
            console.print()
            _show_products(frame.get("products") or [], console)
            return frame if frame.get("confirm") else None
        case "error":
            console.print(f"[red]{escape(frame['message'])}[/red]")
    return None


def _show_products(products: list[dict[str, Any]], console: Console) -> None:
    if not products:
        return
    table = Table("", "product", "price", "in stock", box=None, padding=(0, 2))
    for number, product in enumerate(products, 1):
        price = product["price"]
        amount = f"{price['currency']} {price['amount']:,.2f}"
        table.add_row(str(number), escape(product["title"]), amount, str(product.get("stock", "")))
    console.print(table)


def _ask_to_confirm(chat: Conversation, frame: Frame, console: Console) -> None:
    console.print(f"[bold]{escape(frame['confirm']['text'])}[/bold]")
    accept = console.input("Do it? [y/N] ", markup=False).strip().lower() in YES
    for answer in chat.confirm(frame["messageId"], accept=accept):
        if answer["type"] == "message":
            console.print(escape(answer["text"]))
        elif answer["type"] == "error":
            console.print(f"[red]{escape(answer['message'])}[/red]")


def _show_history(chat: Conversation, console: Console) -> None:
    if chat.id is None:
        console.print("[dim]Nothing was said yet.[/dim]")
        return
    for message in chat.history():
        who = "you" if message["role"] == "user" else "shop"
        console.print(f"[dim]{who:>4}:[/dim] {escape(message['text'])}")
