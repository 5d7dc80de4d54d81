"""What `events/` holds that is made from the event classes: schemas, catalogue, AsyncAPI, registry.

Schemas that were written and committed are published: they change only in ways that break nobody.
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


class PublishedContractBroken(ValueError):
    """Somebody relies on what a change takes away; the message says what, and what to do."""


def documents() -> dict[str, str]:
    """The text of every file by its path below `events/`."""
    return {
        **{f"{SCHEMAS}/{file_name(one)}": as_text(schema(one)) for one in EVENTS.values()},
        "README.md": catalogue.page((EVENTS_FOLDER / "README.md").read_text()),
        "asyncapi.json": as_text(asyncapi.document()),
        "registry.json": as_text(registry.stack()),
    }


def outdated() -> list[str]:
    """Files that are missing, superfluous, or not what the classes say."""
    wanted = documents()
    found = {
        str(path.relative_to(EVENTS_FOLDER)): path.read_text()
        for path in (*(EVENTS_FOLDER / SCHEMAS).glob("*.json"), *EVENTS_FOLDER.glob("[!.]*.*"))
    }
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def broken() -> list[str]:
    """What the classes take away from published versions, a line each. Published is what lies in
    the folder, and what git remembers of it: removing a file takes nothing back.
    """
    present = {file_name(event): event for event in EVENTS.values()}
    files = {path.name: path for path in sorted((EVENTS_FOLDER / SCHEMAS).glob("*.json"))}
    published = [(name, json.loads(path.read_text())) for name, path in files.items()]
    with suppress(NoHistory):
        published += committed(EVENTS_FOLDER / SCHEMAS)
    faults = [
        *(f"{SCHEMAS}/{name}: its class is gone" for name in files if name not in present),
        *(
            f"{SCHEMAS}/{name}: {fault}"
            for name, before in published
            if name in present
            for fault in breaks(before, schema(present[name]))
        ),
    ]
    return list(dict.fromkeys(faults))


def unremembered() -> str | None:
    """Why git cannot tell what was ever published, if so: then the files that are here are all."""
    try:
        next(committed(EVENTS_FOLDER / SCHEMAS))
    except NoHistory as why:
        return str(why)
    return None


def write() -> list[str]:
    """Make the folder say what the classes say; the names of what changed. What is superfluous is
    left to whoever put it there.

    PublishedContractBroken, and nothing is written, when that would break a published version.
    """
    if faults := broken():
        raise PublishedContractBroken(advice(faults))
    wanted = documents()
    changed = [name for name in outdated() if name in wanted]
    for name in changed:
        (EVENTS_FOLDER / name).write_text(wanted[name])
    return changed


def advice(faults: list[str]) -> str:
    """What a developer is told whose change breaks somebody."""
    return "\n".join(
        (
            "This breaks consumers, or events in the archive:",
            *(f"  {fault}" for fault in faults),
            "Give the change a version of its own: a class with the next number beside the old",
            "one (OrderPlacedV2 after OrderPlaced), and emit both until nobody listens to the old",
            "one. What nobody listens to goes with its class and its schema file. What was never",
            "deployed, though it was committed, can be listed in local/contracts/history.py.",
        )
    )
