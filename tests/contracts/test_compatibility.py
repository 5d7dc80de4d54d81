"""Compatible and breaking changes of a published version."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.contracts.compatibility import breaks, outline
from local.contracts.schemas import schema
from supermarket.contracts import EVENTS, OrderPlaced

PUBLISHED = schema(OrderPlaced)
FIELDS = list(outline(PUBLISHED))
OBJECTS = ["OrderPlaced", "Metadata", "OrderLine", "Recipient", "Amount", "Address"]


def changed(definition: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A copy of the published schema, and one of the objects in it."""
    proposed = deepcopy(PUBLISHED)
    return proposed, proposed["$defs"][definition]


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_version_is_compatible_with_itself(event: Any) -> None:
    assert breaks(schema(event), schema(event)) == []


def test_the_outline_contains_fields_at_every_depth() -> None:
    assert {"metadata.eventId", "data.lines.unitPrice.minor", "data.customer.email"} <= set(FIELDS)


@given(definition=st.sampled_from(OBJECTS), data=st.data())
def test_removing_a_field_is_breaking(definition: str, data: st.DataObject) -> None:
    proposed, part = changed(definition)
    gone = data.draw(st.sampled_from(sorted(part["properties"])))
    del part["properties"][gone]
    part["required"] = [name for name in part.get("required", ()) if name != gone]
    assert any(fault.endswith(f"{gone} is gone") for fault in breaks(PUBLISHED, proposed))


@given(definition=st.sampled_from(OBJECTS), data=st.data())
def test_changing_the_type_of_a_field_is_breaking(definition: str, data: st.DataObject) -> None:
    proposed, part = changed(definition)
    name = data.draw(st.sampled_from(sorted(part["properties"])))
    is_boolean = part["properties"][name].get("type") == "boolean"
    part["properties"][name] = {"type": "string" if is_boolean else "boolean"}
    assert any(f"{name} changes from" in fault for fault in breaks(PUBLISHED, proposed))


@given(definition=st.sampled_from(OBJECTS), data=st.data())
def test_making_a_required_field_optional_is_breaking(definition: str, data: st.DataObject) -> None:
    proposed, part = changed(definition)
    name = data.draw(st.sampled_from(sorted(part["required"])))
    part["required"].remove(name)
    assert any(fault.endswith(f"{name} becomes optional") for fault in breaks(PUBLISHED, proposed))


def test_a_renamed_field_is_reported_as_removed_and_added() -> None:
    proposed, part = changed("OrderPlaced")
    part["properties"]["sum"] = part["properties"].pop("total")
    part["required"] = ["sum" if name == "total" else name for name in part["required"]]
    faults = breaks(PUBLISHED, proposed)
    assert "data.total is gone" in faults
    assert "data.sum is new and required" in faults


def test_a_new_required_field_is_breaking_for_archived_events() -> None:
    proposed, part = changed("OrderPlaced")
    part["properties"]["channel"] = {"type": "string"}
    assert breaks(PUBLISHED, proposed) == []
    part["required"].append("channel")
    assert breaks(PUBLISHED, proposed) == ["data.channel is new and required"]


def test_a_new_enum_value_is_breaking() -> None:
    proposed, part = changed("Currency")
    part["enum"].append("EUR")
    assert any("currency changes from" in fault for fault in breaks(PUBLISHED, proposed))


def test_changed_descriptions_are_compatible() -> None:
    proposed, part = changed("OrderPlaced")
    part["description"] = "A better description."
    part["properties"]["total"]["description"] = "Tax and shipping included."
    assert breaks(PUBLISHED, proposed) == []


def test_changing_the_source_of_an_event_is_breaking() -> None:
    proposed = {**PUBLISHED, "x-source": "supermarket.orders"}
    assert breaks(PUBLISHED, proposed) == [
        "x-source changes from supermarket.order to supermarket.orders"
    ]
