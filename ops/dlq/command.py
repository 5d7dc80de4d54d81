"""List, show, redrive or drop events that could not be handled or delivered."""

import argparse
import json
from contextlib import suppress
from datetime import datetime

from ops.command import FAILED, SUCCESS, add_yes, confirm
from ops.console import errors, output, print_table, progress
from ops.dlq.service import DeadLetters
from ops.stages import Stage
from supermarket.clock import iso, utc_now
from supermarket.errors import Invalid

LIST, SHOW, REDRIVE, DROP = "list", "show", "redrive", "drop"


def run(options: argparse.Namespace, stage: Stage) -> int:
    from ops import wiring

    dead_letters = wiring.dead_letters(stage.stack)
    if options.action == LIST:
        return _list(dead_letters)
    if not options.source:
        raise Invalid(f"{options.action} needs a source, such as order_mails")
    if options.action == SHOW:
        return _show(dead_letters, options.source, options.event)
    if options.action == DROP:
        found = dead_letters.find(options.source, options.event) if options.event else None
        count = dead_letters.count(options.source) if found is None else len(found)
        confirm(f"Drop {count} events of {options.source} for good?", options)
    return _handle(dead_letters, options)


def _list(dead_letters: DeadLetters) -> int:
    rows = [
        (name, str(source.count()), _age(dead_letters.oldest(name)))
        for name, source in dead_letters.sources.items()
    ]
    print_table(("source", "events", "oldest"), rows)
    return SUCCESS


def _show(dead_letters: DeadLetters, source: str, event: str | None) -> int:
    messages = dead_letters.find(source, event)
    rows = []
    for message in messages:
        id_ = message.id if message.event_id == "?" else message.event_id
        received = iso(message.received)[:16].replace("T", " ")
        rows.append((message.event, id_, message.consumer, received, message.reason))
    print_table(("event", "id", "consumer", "received", "reason"), rows)
    if not event and len(messages) < dead_letters.count(source):
        output.print("There are more. --event searches all of them.")
    if event and len(messages) == 1:
        body = messages[0].body
        with suppress(ValueError):  # a message may be any text
            body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        output.print(f"\n{body}")
    return SUCCESS


def _handle(dead_letters: DeadLetters, options: argparse.Namespace) -> int:
    done = "dropped" if options.action == DROP else "redriven"
    action = dead_letters.drop if options.action == DROP else dead_letters.redrive
    total = "" if options.event else f" of {dead_letters.count(options.source)}"
    text = f"{total} {done}"
    with progress() as show:
        outcome = action(
            options.source, options.event, lambda at: show(f"{at.done}{text}, {len(at.kept)} kept")
        )
    output.print(f"{outcome.done} {done}, {len(outcome.kept)} kept")
    for message, reason in outcome.kept.items():
        errors.print(f"{message}: {reason}")
    return FAILED if outcome.kept else SUCCESS


def _age(moment: datetime | None) -> str:
    """Such as `3 d`, `4 h`, `5 min` or `6 s`."""
    if moment is None:
        return "-"
    seconds = max(0, int((utc_now() - moment).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=(LIST, SHOW, REDRIVE, DROP),
        default=LIST,
        help="list: how many dead letters each source has (the default); show: each of them with "
        "its reason; redrive: send them to their consumers again; drop: delete them for good",
    )
    parser.add_argument(
        "source",
        nargs="?",
        help="a consumer such as order_mails, `undelivered` for events that reached no queue, or "
        "`outbox` for events that the bus did not accept",
    )
    parser.add_argument("--event", help="an event's name or id, or a message's id")
    add_yes(parser)
