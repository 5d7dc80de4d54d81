"""Compares two versions of a schema: what would break consumers or events in the archive.

Consumers rely on every published field, and archived events lack every new one. So a published
version may get optional fields; everything else about it must stay.
"""

from collections.abc import Iterator
from typing import Any

SOURCE = "x-source"
"""The event's source, by which rules select it."""

ANNOTATIONS = {"description", "title", "default", "examples", "$schema"}
"""Keywords that do not restrict values."""

type Outline = dict[str, tuple[bool, Any]]
"""By the path of a field: whether it is required, and the restrictions of its values."""


def breaks(published: dict[str, Any], proposed: dict[str, Any]) -> list[str]:
    """List what breaks if `proposed` replaces `published`."""
    before, after = outline(published), outline(proposed)
    changed = [path for path in before if path in after and before[path] != after[path]]
    return [
        *(f"{path} is gone" for path in before if path not in after),
        *(f"{path} {_difference(before[path], after[path])}" for path in changed),
        *(f"{path} is new and required" for path in after if path not in before and after[path][0]),
    ]


def outline(schema: dict[str, Any]) -> Outline:
    """Return every field of a schema, nested ones included, and its source."""
    return {SOURCE: (True, schema[SOURCE]), **dict(_fields(schema, schema.get("$defs", {}), ""))}


def _fields(
    part: dict[str, Any], definitions: dict[str, Any], path: str
) -> Iterator[tuple[str, tuple[bool, Any]]]:
    for name, field in part.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        resolved = _resolved(field, definitions)
        yield here, (name in part.get("required", ()), _restrictions(resolved))
        for inner in _objects_in(resolved):
            yield from _fields(inner, definitions, here)


def _resolved(part: Any, definitions: dict[str, Any]) -> Any:
    """Replace references by the schemas that they refer to."""
    if isinstance(part, list):
        return [_resolved(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        target = definitions[part["$ref"].removeprefix("#/$defs/")]
        return _resolved({**target, **{k: v for k, v in part.items() if k != "$ref"}}, definitions)
    return {name: _resolved(value, definitions) for name, value in part.items()}


def _restrictions(part: Any) -> Any:
    """Return the restrictions of a value, without the fields of objects."""
    if isinstance(part, list):
        return [_restrictions(one) for one in part]
    if not isinstance(part, dict):
        return part
    ignored = ANNOTATIONS | {"properties", "required"}
    return {name: _restrictions(value) for name, value in part.items() if name not in ignored}


def _objects_in(part: Any) -> Iterator[dict[str, Any]]:
    """Yield the object schemas of a field: itself, list items and alternatives."""
    if not isinstance(part, dict):
        return
    if "properties" in part:
        yield part
    for alternative in (part.get("items"), *part.get("anyOf", ())):
        yield from _objects_in(alternative)


def _difference(before: tuple[bool, Any], after: tuple[bool, Any]) -> str:
    if before[1] != after[1]:
        return f"changes from {before[1]} to {after[1]}"
    return "becomes required" if after[0] else "becomes optional"
