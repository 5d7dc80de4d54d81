"""What a change of a published schema would break: consumers that run, and events in the archive.

Consumers rely on every field that was there; the archive replays events that lack every field that
was not. So a version may get optional fields, and nothing else about it may change.
"""

from collections.abc import Iterator
from typing import Any

SOURCE = "x-source"
"""Who tells it: rules of consumers and of the archive go by that."""

WORDS = {"description", "title", "default", "examples", "$schema"}
"""Keywords that no value can break."""

type Outline = dict[str, tuple[bool, Any]]
"""Of every field by its path: whether it is required, and what its values must be."""


def breaks(published: dict[str, Any], proposed: dict[str, Any]) -> list[str]:
    """What would break, in words; nothing if `proposed` can take the place of `published`."""
    before, after = outline(published), outline(proposed)
    return [
        *(f"{path} is gone" for path in before if path not in after),
        *(
            f"{path} {_difference(before[path], after[path])}"
            for path in before
            if path in after and before[path] != after[path]
        ),
        *(f"{path} is new and required" for path in after if path not in before and after[path][0]),
    ]


def outline(schema: dict[str, Any]) -> Outline:
    """Every field of a schema, however deep, and its source."""
    return {SOURCE: (True, schema[SOURCE]), **dict(_fields(schema, schema.get("$defs", {}), ""))}


def _fields(
    part: dict[str, Any], definitions: dict[str, Any], path: str
) -> Iterator[tuple[str, tuple[bool, Any]]]:
    for name, field in part.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        resolved = _resolved(field, definitions)
        yield here, (name in part.get("required", ()), _demands(resolved))
        for inner in _objects_in(resolved):
            yield from _fields(inner, definitions, here)


def _resolved(part: Any, definitions: dict[str, Any]) -> Any:
    """With what it refers to in place of the references."""
    if isinstance(part, list):
        return [_resolved(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        target = definitions[part["$ref"].removeprefix("#/$defs/")]
        return _resolved({**target, **{k: v for k, v in part.items() if k != "$ref"}}, definitions)
    return {name: _resolved(value, definitions) for name, value in part.items()}


def _demands(part: Any) -> Any:
    """What values must be, apart from the fields of objects, which are looked at one by one."""
    if isinstance(part, list):
        return [_demands(one) for one in part]
    if not isinstance(part, dict):
        return part
    apart = WORDS | {"properties", "required"}
    return {name: _demands(value) for name, value in part.items() if name not in apart}


def _objects_in(part: Any) -> Iterator[dict[str, Any]]:
    """The objects that a field holds: itself, the items of a list, the alternatives."""
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
