"""Generates `events/` from the event classes: schemas, catalogue, AsyncAPI document, registry.

A committed schema is published: it changes only in ways that break no consumer.
"""

import json
from contextlib import suppress
from pathlib import Path

from local.contracts import asyncapi, catalogue, registry
from local.contracts.compatibility import breaks
from local.contracts.history import NoHistory, committed
from local.contracts.schemas import as_text, file_name, schema
from supermarket.contracts import EVENTS

EVENTS_FOLDER = Path(__file__).parents[2] / "events"
SCHEMAS = "contracts"


def documents() -> dict[str, str]:
    """Return the text of every generated file, by its path below `events/`."""
    return {
        **{f"{SCHEMAS}/{file_name(one)}": as_text(schema(one)) for one in EVENTS.values()},
        "README.md": catalogue.page((EVENTS_FOLDER / "README.md").read_text()),
        "asyncapi.json": as_text(asyncapi.document()),
        "registry.json": as_text(registry.stack()),
    }


def outdated() -> list[str]:
    """List the files that are missing, superfluous, or differ from the classes."""
    wanted = documents()
    found = {
        str(path.relative_to(EVENTS_FOLDER)): path.read_text()
        for path in (*(EVENTS_FOLDER / SCHEMAS).glob("*.json"), *EVENTS_FOLDER.glob("[!.]*.*"))
    }
    return sorted(name for name in wanted | found if wanted.get(name) != found.get(name))


def broken() -> list[str]:
    """List how the classes break published schemas, one line per fault.

    Published are the files in the folder and those in its git history: removing a file does not
    withdraw its schema.
    """
    present = {file_name(event): event for event in EVENTS.values()}
    files = {path.name: path for path in sorted((EVENTS_FOLDER / SCHEMAS).glob("*.json"))}
    published = [(name, json.loads(path.read_text())) for name, path in files.items()]
    with suppress(NoHistory):
        published += committed(EVENTS_FOLDER / SCHEMAS)
    faults = [f"{SCHEMAS}/{name}: its class is gone" for name in files if name not in present]
    for name, before in published:
        if name in present:
            found = breaks(before, schema(present[name]))
            faults += [f"{SCHEMAS}/{name}: {fault}" for fault in found]
    return list(dict.fromkeys(faults))


def unremembered() -> str | None:
    """Return why the git history is not available, or None if it is."""
    try:
        next(committed(EVENTS_FOLDER / SCHEMAS))
    except NoHistory as why:
        return str(why)
    return None


def write() -> list[str]:
    """Write the generated files that differ, and return their names; nothing is deleted."""
    wanted = documents()
    changed = [name for name in outdated() if name in wanted]
    for name in changed:
        (EVENTS_FOLDER / name).write_text(wanted[name])
    return changed


def advice(faults: list[str]) -> str:
    """Explain to a developer what to do about these faults."""
    return "\n".join(
        (
            "This breaks consumers, or events in the archive:",
            *(f"  {fault}" for fault in faults),
            "Give the change a new version: add a class with the next number beside the old one",
            "(OrderPlacedV2 after OrderPlaced), and emit both until no consumer handles the old",
            "one. Then remove its class and its schema file. A schema that was committed but never",
            "deployed can be listed in local/contracts/history.py.",
        )
    )
