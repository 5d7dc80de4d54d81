"""Generates the JSON Schema of an event from its class in `supermarket.contracts`."""

import json
from functools import cache
from typing import Any

from pydantic import create_model
from pydantic.json_schema import GenerateJsonSchema

from supermarket.contracts import ContractModel, Event, Metadata

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_name(event: type[Event]) -> str:
    """Return a name such as `OrderPlaced.v1.schema.json`."""
    return f"{event.NAME}.v{event.VERSION}.schema.json"


@cache
def schema(event: type[Event]) -> dict[str, Any]:
    """Return the schema of the event's `detail`, metadata and data. Do not change the result."""
    detail = create_model(
        event.__name__, __base__=ContractModel, __doc__=event.__doc__, metadata=Metadata, data=event
    )
    return detail.model_json_schema(schema_generator=_Untitled) | {
        "$schema": DIALECT,
        "title": f"{event.NAME}, version {event.VERSION}",
        "x-source": event.SOURCE,
    }


def as_text(document: dict[str, Any]) -> str:
    """Format JSON as in the repository: two spaces, sorted keys, a final line feed."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


class _Untitled(GenerateJsonSchema):
    """Omits titles, which only repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
