"""The table of events in `events/README.md`: producer and consumers of each."""

import re
from functools import cache
from importlib import import_module
from pathlib import Path

from local.contracts.schemas import file_name
from supermarket.contracts import EVENTS, Event
from supermarket.events import EventHandlers

BEGIN, END = "<!-- events: begin -->", "<!-- events: end -->"
PUBLIC = "public"


def page(text: str) -> str:
    """Replace the table in the page."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def table() -> str:
    """Return a row per event and version, in the order of `EVENTS`."""
    rows = ["| event | version | producer | what happened | consumers |", "|---|---|---|---|---|"]
    rows += [_row(event) for event in EVENTS.values()]
    return "\n".join(rows) + "\n"


def consumers(event: type[Event]) -> list[str]:
    """List the domains that handle the event, and `public` if it is a public one."""
    return [
        *(domain for domain, handled in sorted(_listeners().items()) if event in handled),
        *([PUBLIC] if event.PUBLIC else []),
    ]


def summary(event: type[Event]) -> str:
    """Return the first sentence of the event's docstring."""
    words = " ".join((event.__doc__ or "").split())
    return re.split(r"(?<=[.;:])\s", words, maxsplit=1)[0].rstrip(".;:")


def producer(event: type[Event]) -> str:
    return event.SOURCE.removeprefix("supermarket.")


def _row(event: type[Event]) -> str:
    name = f"[{event.NAME}](contracts/{file_name(event)})"
    handled_by = ", ".join(consumers(event))
    version = f"{event.VERSION}, deprecated" if event.DEPRECATED else event.VERSION
    return f"| {name} | {version} | {producer(event)} | {summary(event)} | {handled_by} |"


@cache
def _listeners() -> dict[str, set[type[Event]]]:
    listeners: dict[str, set[type[Event]]] = {}
    for path in (Path(__file__).parents[2] / "functions").glob("*/listeners.py"):
        module = import_module(f"{path.parent.name}.listeners")
        known = [one for one in vars(module).values() if isinstance(one, EventHandlers)]
        handled = {event for one in known for event, _ in one.handlers.values()}
        listeners[path.parent.name] = handled
    return listeners
