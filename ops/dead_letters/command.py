"""What to do with events that nobody could handle: `python -m ops.dead_letters.command --help`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ops.command import DONE, UNFINISHED, WHERE, age, end, failed
from supermarket.clock import iso, utc_now

if TYPE_CHECKING:
    from ops.dead_letters.model import DeadLetter
    from ops.dead_letters.service import DeadLetters, Handled

BOX = "a consumer (notification, …), `undelivered` for what reached no queue, or `outbox`"
EVENT = "only these: an event's name, its id, or a message's id"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when all of it could be done, 2 when some letters are kept, 1 on failure."""
    options = _parser().parse_args(arguments)
    return end(lambda: int(options.command(options)))


def summarise(_: argparse.Namespace) -> int:
    """How much lies where."""
    now = utc_now()
    rows = [(box.name, str(box.count), age(box.oldest, now)) for box in _dead_letters().summary()]
    _print_table(("for", "events", "oldest"), rows)
    return DONE


def show(options: argparse.Namespace) -> int:
    """Each of them, and the whole of one."""
    office = _dead_letters()
    letters = office.look(options.box, options.event)
    _print_table(
        ("event", "id", "for", "received", "why"),
        [(one.event, _id(one), one.consumer, _minute(one.received), one.hint) for one in letters],
    )
    if not options.event and len(letters) < office.count(options.box):
        sys.stdout.write("There are more; --event looks among all of them\n")
    for letter in letters if options.event and len(letters) == 1 else ():
        sys.stdout.write(f"\n{_indented(letter.body)}\n")
    return DONE


def redrive(options: argparse.Namespace) -> int:
    """Hand them to their consumers again, which now should be able to handle them."""
    office = _dead_letters()
    return _told("sent again", office, options, office.redrive)


def drop(options: argparse.Namespace) -> int:
    """Give them up for good."""
    office = _dead_letters()
    if not options.yes and not _is_sure(office, options):
        return failed("Nothing was dropped")
    return _told("dropped", office, options, office.drop)


def _told(
    done: str,
    office: "DeadLetters",
    options: argparse.Namespace,
    act: "Callable[[str, str | None, Callable[[Handled], None]], Handled]",
) -> int:
    from rich.progress import MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), *Progress.get_default_columns()[1:2])
    with Progress(*columns, MofNCompleteColumn()) as progress:
        task = progress.add_task(done, total=None if options.event else office.count(options.box))
        handled = act(
            options.box,
            options.event,
            lambda so_far: progress.update(task, completed=so_far.done),
        )
        progress.update(task, total=handled.done)
    sys.stdout.write(f"{handled.done} {done}, {len(handled.kept)} kept\n")
    for letter, reason in handled.kept.items():
        sys.stderr.write(f"{letter}: {reason}\n")
    return UNFINISHED if handled.kept else DONE


def _is_sure(office: "DeadLetters", options: argparse.Namespace) -> bool:
    found = office.count(options.box)
    if options.event:
        found = len(office.look(options.box, options.event))
    which = f"{options.event} in {options.box}" if options.event else options.box
    if not sys.stdin.isatty():
        sys.stderr.write("Nobody is here to be asked: --yes\n")
        return False
    return input(f"Drop {found} events ({which}) for good? [y/N] ").strip().lower() == "y"


def _dead_letters() -> "DeadLetters":
    # the tables' names are read from the environment on import, which was looked at only now
    from ops import wiring

    return wiring.dead_letters()


def _id(letter: "DeadLetter") -> str:
    return letter.id if letter.event_id == "?" else letter.event_id


def _minute(moment: datetime) -> str:
    return iso(moment)[:16].replace("T", " ")


def _indented(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # a tool of whoever operates the shop: not in the layers
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "id", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table if rows else "None.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.dead_letters.command",
        description=f"Events that nobody could handle, or that could not be sent. {WHERE}",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    lists = commands.add_parser("list", help="how many there are for whom, and how old they are")
    lists.set_defaults(command=summarise)
    for command, help_ in (
        (show, "each of them and what is known of its reason; with --event, the whole of one"),
        (redrive, "send them again to whom they are for: after the fault is mended"),
        (drop, "give them up for good"),
    ):
        sub = commands.add_parser(command.__name__, help=help_, description=f"{help_}. {WHERE}")
        sub.set_defaults(command=command)
        sub.add_argument("box", help=BOX)
        sub.add_argument("--event", help=EVENT)
    sub.add_argument("--yes", action="store_true", help="do not ask")
    return parser


if __name__ == "__main__":
    sys.exit(main())
