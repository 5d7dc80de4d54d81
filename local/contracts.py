"""Writes the events' JSON Schemas, `events/contracts`, from their classes in
`supermarket.contracts`.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import create_model
from pydantic.json_schema import GenerateJsonSchema

from supermarket.contracts import EVENTS, Event, Fact, Metadata

FOLDER = Path(__file__).parent.parent / "events" / "contracts"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """The text of every schema by its file's name, such as `OrderPlaced.v1.schema.json`."""
    return {
        f"{name}.v{event.VERSION}.schema.json": _schema(event) for name, event in EVENTS.items()
    }


def outdated() -> list[str]:
    """Files that are missing, superfluous, or not what the classes say."""
    wanted = schemas()
    found = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def write() -> list[str]:
    """Make the folder say what the classes say; the names of what changed."""
    changed, wanted = outdated(), schemas()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name])
        else:
            (FOLDER / name).unlink()
    return changed


class _Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schema(event: type[Event]) -> str:
    """Of the `detail` of the EventBridge event: metadata, and the fact itself."""
    detail = create_model(
        event.__name__, __base__=Fact, __doc__=event.__doc__, metadata=Metadata, data=event
    )
    schema = detail.model_json_schema(schema_generator=_Untitled)
    schema |= {
        "$schema": DIALECT,
        "title": f"{event.__name__}, version {event.VERSION}",
        "x-source": event.SOURCE,
    }
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
