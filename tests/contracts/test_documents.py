"""The documents that are generated from the event classes."""

import json
from typing import Any

import pytest
from jsonschema import Draft4Validator

from local.contracts import asyncapi, catalogue, registry
from supermarket.contracts import EVENTS, Event
from support.contracts import EVENTS_FOLDER, sample
from support.domains import listener_lambdas

DOCUMENT = asyncapi.document()
STACK = registry.stack()


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [reference for one in part for reference in references(one)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [reference for one in part.values() for reference in references(one)]


def at(document: Any, pointer: str) -> Any:
    """Resolve a reference such as `#/channels/bus`."""
    for name in pointer.removeprefix("#/").split("/"):
        document = document[name]
    return document


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    found = references({**DOCUMENT, "components": {"messages": {}}})
    assert found
    for pointer in found:
        assert at(DOCUMENT, pointer)
    for message in DOCUMENT["components"]["messages"].values():
        assert (EVENTS_FOLDER / message["payload"]["$ref"]).exists()


def test_operations_reference_messages_of_their_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["messages"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/")


def test_the_operations_of_a_domain_match_its_events_and_handlers() -> None:
    operations = DOCUMENT["operations"]
    handled: dict[str, set[str]] = {}
    for handler, known in listener_lambdas().items():
        handled.setdefault(handler.partition(".")[0], set()).update(known.handlers)
    for domain, names in handled.items():
        messages = operations[f"{domain}.receives"]["messages"]
        assert {one["$ref"].split("/")[-1] for one in messages} == names
    for name, event in EVENTS.items():
        domain = event.SOURCE.removeprefix("supermarket.")
        sent = [one["$ref"].split("/")[-1] for one in operations[f"{domain}.sends"]["messages"]]
        assert name in sent


def test_the_catalogue_has_a_row_per_event() -> None:
    rows = catalogue.table().splitlines()[2:]
    assert len(rows) == len(EVENTS)
    for row, event in zip(rows, EVENTS.values(), strict=True):
        assert row.startswith(f"| [{event.NAME}](contracts/")
        assert row.count("|") == 6


def test_the_registry_is_named_after_the_stage() -> None:
    assert STACK["Resources"]["Registry"]["Properties"]["RegistryName"] == {
        "Fn::Sub": "supermarket-${Stage}"
    }
    assert STACK["Resources"].keys() - {"Registry"} == EVENTS.keys()


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_registered_schema_describes_what_event_bridge_delivers(event: type[Event]) -> None:
    content = json.loads(STACK["Resources"][event.__name__]["Properties"]["Content"])
    delivered = content["components"]["schemas"]["AWSEvent"]
    event_on_the_bus = sample(event.__name__)
    assert delivered["x-amazon-events-detail-type"] == event_on_the_bus["detail-type"]
    assert delivered["x-amazon-events-source"] == event_on_the_bus["source"]
    assert set(delivered["required"]) == event_on_the_bus.keys()
    for pointer in references(content):
        assert at(content, pointer)


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_registered_schema_uses_only_keywords_of_openapi_3_0(event: type[Event]) -> None:
    text = STACK["Resources"][event.__name__]["Properties"]["Content"]
    for unknown in ('"$defs"', '"const"', '"null"', '"prefixItems"', '"examples"'):
        assert unknown not in text


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_sample_matches_its_registered_schema(event: type[Event]) -> None:
    content = json.loads(STACK["Resources"][event.__name__]["Properties"]["Content"])
    # Draft 4 is what OpenAPI 3.0 builds on; it only lacks a keyword for null
    Draft4Validator({**content, "$ref": "#/components/schemas/AWSEvent"}).validate(
        _without_nulls(sample(event.__name__))
    )


def _without_nulls(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _without_nulls(value) for name, value in part.items() if value is not None}
    return [_without_nulls(one) for one in part] if isinstance(part, list) else part
