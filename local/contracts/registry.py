"""The nested stack that puts the schemas into an EventBridge schema registry,
`events/registry.json`.

The registry takes OpenAPI 3.0, in the form that EventBridge's own discovery writes, so that AWS's
toolkits can make classes of it: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-schema.html
"""

import json
from typing import Any

from local.contracts.catalogue import summary
from local.contracts.schemas import schema
from supermarket.contracts import EVENTS, Event

ENVELOPE = {
    "detail-type": {"type": "string"},
    "source": {"type": "string"},
    "account": {"type": "string"},
    "id": {"type": "string"},
    "region": {"type": "string"},
    "version": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "resources": {"type": "array", "items": {"type": "string"}},
}


def stack() -> dict[str, Any]:
    """A registry and its schemas; CloudFormation makes them side by side."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The registry of the platform's events; made by: python -m local contracts",
        "Parameters": {"Stage": {"Type": "String"}},
        "Resources": {
            "Registry": {
                "Type": "AWS::EventSchemas::Registry",
                "Properties": {
                    "RegistryName": {"Fn::Sub": "supermarket-${Stage}"},
                    "Description": "What the domains of Super-Market tell each other",
                },
            },
            **{name: _resource(event) for name, event in EVENTS.items()},
        },
    }


def open_api(event: type[Event]) -> dict[str, Any]:
    """The event as EventBridge delivers it."""
    detail = _plain(schema(event))
    definitions = detail.pop("$defs")
    delivered = {
        "type": "object",
        "required": [*ENVELOPE, "detail"],
        "x-amazon-events-detail-type": event.NAME,
        "x-amazon-events-source": event.SOURCE,
        "properties": {**ENVELOPE, "detail": {"$ref": "#/components/schemas/Detail"}},
    }
    return {
        "openapi": "3.0.0",
        "info": {"version": f"{event.VERSION}.0.0", "title": event.NAME},
        "paths": {},
        "components": {"schemas": {"AWSEvent": delivered, "Detail": detail, **definitions}},
    }


def _resource(event: type[Event]) -> dict[str, Any]:
    return {
        "Type": "AWS::EventSchemas::Schema",
        "Properties": {
            "RegistryName": {"Fn::GetAtt": ["Registry", "RegistryName"]},
            "SchemaName": f"{event.SOURCE}@{event.__name__}",
            "Description": summary(event)[:256],
            "Type": "OpenApi3",
            "Content": json.dumps(open_api(event), sort_keys=True, ensure_ascii=False),
        },
    }


def _plain(part: Any) -> Any:
    """JSON Schema of 2020 in the words of OpenAPI 3.0, which knows no null and no const."""
    if isinstance(part, list):
        return [_plain(one) for one in part]
    if not isinstance(part, dict):
        return part
    plain = {name: _plain(value) for name, value in part.items() if name != "$schema"}
    if "$ref" in plain:
        plain["$ref"] = plain["$ref"].replace("#/$defs/", "#/components/schemas/")
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    return _nullable(plain) if {"type": "null"} in plain.get("anyOf", ()) else plain


def _nullable(plain: dict[str, Any]) -> dict[str, Any]:
    [alternative] = [one for one in plain.pop("anyOf") if one != {"type": "null"}]
    # siblings of a reference are ignored, so it needs a wrapping
    typed = {"allOf": [alternative]} if "$ref" in alternative else alternative
    return (
        {key: value for key, value in plain.items() if key != "default"}
        | typed
        | {"nullable": True}
    )
