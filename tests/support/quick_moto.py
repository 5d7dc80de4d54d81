"""Faster implementations of parts of moto, with the same results."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from functools import cache
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.useragent import UserAgentString
from moto import backend_index
from moto.core import models as core
from moto.core import responses as core_responses
from moto.core import utils as core_utils
from moto.core.model import Shape, StructureShape
from moto.core.parse import BaseJSONParser
from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS, JSONSerializer
from moto.dynamodb import models
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing.ast_nodes import (  # type: ignore[attr-defined]  # untyped
    DepthFirstTraverser,
    Expression,
    Node,
    UpdateExpression,
    UpdateExpressionFunction,
)
from moto.dynamodb.parsing.expressions import (  # type: ignore[attr-defined]  # untyped
    UpdateExpressionParser,
)

LARGEST_ITEM = 405_000  # bytes, as in moto


@contextmanager
def speed_up() -> Iterator[None]:
    """Start it before moto."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "RESPONSES_METHODS", ())  # only botocore calls AWS, not requests
        patch.setitem(SERVICE_SPECIFIC_SERIALIZERS, "dynamodb", {"json": DynamoSerializer})
        patch.setattr(models.DynamoDBBackend, "transact_write_items", transact_write_items)
        patch.setattr(Table, "all_items", all_items)
        patch.setattr(Item, "__init__", init_item)
        patch.setattr(SigV4Auth, "add_auth", add_credential_only)
        patch.setattr(backend_index, "backend_url_patterns", _dynamodb_first)
        patch.setattr(UserAgentString, "to_string", lambda _: "tests")
        patch.setattr(core_responses, "method_names_from_class", _method_names)
        patch.setattr(BaseJSONParser, "_parse_structure", parse_structure)
        patch.setattr(UpdateExpressionParser, "make", staticmethod(parse_update))
        patch.setattr(ConditionExpressionParser, "_lex_condition_expression", lex_condition)
        patch.setattr(DepthFirstTraverser, "traverse", traverse)
        patch.setattr(Node, "find_clauses", find_clauses)
        patch.setattr(Node, "__deepcopy__", copy_node, raising=False)
        yield


def add_credential_only(auth: Any, request: AWSRequest) -> None:
    """Moto reads the key and the region, and checks no signature."""
    credential = f"{auth.credentials.access_key}/20261122/{auth._region_name}/{auth._service_name}"
    request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}/aws4_request"


class DynamoSerializer(JSONSerializer):
    """Writes the members that a response has. Moto looks for each that it might have, and for
    several spellings of each.
    """

    def _serialize_structure_member(
        self, serialized: Any, value: Any, shape: Shape, key: str
    ) -> None:
        if not isinstance(value, dict) or key in value:
            super()._serialize_structure_member(serialized, value, shape, key)

    def _serialize_type_structure(
        self, serialized: Any, value: Any, shape: StructureShape, key: str
    ) -> None:
        if shape.name == "AttributeValue" and _is_json(value):
            self._default_serialize(serialized, value, shape, key)
        else:
            super()._serialize_type_structure(serialized, value, shape, key)


_parse_structure = BaseJSONParser._parse_structure


def parse_structure(parser: BaseJSONParser, shape: StructureShape, value: Any) -> Any:
    if shape.name == "AttributeValue" and _is_json(value):
        return value
    return _parse_structure(parser, shape, value)  # type: ignore[no-untyped-call]


def _is_json(value: dict[str, Any]) -> bool:
    """Whether an attribute's value is read and written as it is: it has nothing to encode."""
    ((kind, content),) = value.items()
    match kind:
        case "S" | "N":
            return isinstance(content, str)
        case "M":
            return all(_is_json(member) for member in content.values())
        case "L":
            return all(_is_json(member) for member in content)
    return kind in ("BOOL", "NULL", "SS", "NS")


_transact_write_items = models.DynamoDBBackend.transact_write_items


def transact_write_items(backend: models.DynamoDBBackend, items: list[dict[str, Any]]) -> None:
    """Moto copies a table for each write to it, to put it back if the transaction fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "copy", OneCopyOfEachTable())
        _transact_write_items(backend, items)


class OneCopyOfEachTable:
    """Takes the place of the module `copy` during a transaction.

    A copy of a table shares the items. Moto replaces them, except in an update: that copies the
    item and changes the original, so the copied table gets the copied item.
    """

    def __init__(self) -> None:
        self._copies: dict[str, Table] = {}

    def deepcopy(self, value: Any) -> Any:
        if isinstance(value, Table):
            if value.name not in self._copies:
                self._copies[value.name] = _copy_of(value)
            return self._copies[value.name]
        copied = deepcopy(value)
        if isinstance(value, Item):
            for table in self._copies.values():
                _replace(value, copied, table)
        return copied


def _copy_of(table: Table) -> Table:
    copied = copy(table)
    items: dict[Any, Any] = table.items  # without a sort key, they are no dictionaries of items
    copied.items = defaultdict(dict)
    for key, found in items.items():
        copied.items[key] = found.copy() if isinstance(found, dict) else found
    if table.stream_shard:
        copied.stream_shard = copy(table.stream_shard)
        copied.stream_shard.table = copied
        copied.stream_shard.items = list(table.stream_shard.items)
    return copied


def _replace(item: Item, other: Item, table: Table) -> None:
    items: dict[Any, Any] = table.items
    found = items.get(item.hash_key)
    if found is item:
        items[item.hash_key] = other
    elif isinstance(found, dict) and found.get(item.range_key) is item:
        found[item.range_key] = other


def all_items(table: Table) -> list[Item]:
    """In the order of their keys. Moto parses two keys for each comparison of two items."""
    partitions = table.items.values()
    if table.range_key_attr:
        return sorted((item for items in partitions for item in items.values()), key=_place)
    return sorted(partitions, key=_place)  # type: ignore[arg-type]


def _place(item: Item) -> tuple[Any, ...]:
    return _value(item.hash_key), _value(item.range_key) if item.range_key else ""


def _value(key: DynamoType) -> Any:
    return key.value if key.type == "S" else key.cast_value


def copy_of_empty(table: Table) -> Table:
    """Copy a table that has few items; its schema is shared, because no test changes it."""
    copied = _copy_of(table)
    copied.items = deepcopy(copied.items)
    return copied


def init_item(
    item: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]
) -> None:
    """Moto computes the size of all attributes before it adds each."""
    item.hash_key, item.range_key = hash_key, range_key
    item.attrs = LimitedSizeDict()
    for key, value in attrs.items():
        dict.__setitem__(item.attrs, key, DynamoType(value))
    if item.size() > LARGEST_ITEM:
        raise ItemSizeTooLarge


_dynamodb_first = sorted(
    backend_index.backend_url_patterns, key=lambda entry: entry[0] != "dynamodb"
)
_method_names = cache(core_utils.method_names_from_class)
_parsed_update = cache(UpdateExpressionParser.make)
_lex_condition = ConditionExpressionParser._lex_condition_expression


def parse_update(expression: str) -> UpdateExpression:
    """Parse each expression once; moto copies the tree before it changes it."""
    return _parsed_update(expression)


def lex_condition(parser: ConditionExpressionParser) -> deque[Any]:
    """Split each expression once."""
    return deque(_lexed(parser.condition_expression))


@cache
def _lexed(expression: str) -> tuple[Any, ...]:
    return tuple(_lex_condition(ConditionExpressionParser(expression, None, None)))


def traverse(traverser: DepthFirstTraverser, root: Node) -> Node:
    """Moto asks for the classes to process at each node, and looks for them with `isinstance`,
    which is slow for abstract classes. None of these classes has a subclass, except
    `UpdateExpression`: its processors look through the whole tree below a node, so that the root
    is enough.
    """
    processors = traverser._processing_map()
    if UpdateExpression in processors:
        return processors[UpdateExpression](root)
    return _traverse(traverser.pre_processing_of_child, processors, root, -1)


def _traverse(
    prepare: Callable[[Node, int], None], processors: dict[Any, Any], node: Any, place: int
) -> Any:
    kind: Any = type(node)
    if not _is_node(kind):
        return node
    parent = node.parent
    for index, child in enumerate(node.children or ()):
        prepare(node, index)
        _traverse(prepare, processors, child, index)
    if kind in processors:
        node = processors[kind](node)
        node.parent = parent
        if parent:
            parent.children[place] = node
    return node


def find_clauses(node: Node, kinds: list[type[Node]]) -> list[Node]:
    clauses: list[Node] = []
    for child in node.children or ():
        kind: Any = type(child)
        if kind in kinds:
            clauses.append(child)
        elif _has_clauses(kind):
            clauses.extend(find_clauses(child, kinds))
    return clauses


def copy_node(node: Node, memo: dict[int, Any]) -> Node:
    copied: Node = object.__new__(type(node))
    copied.type, copied.parent, copied.children = node.type, None, None
    if node.children is not None:
        copied.children = [deepcopy(child, memo) for child in node.children]
        for child in copied.children:
            kind: Any = type(child)
            if _is_node(kind):
                child.parent = copied
    return copied


@cache
def _is_node(kind: Any) -> bool:
    return issubclass(kind, Node)


@cache
def _has_clauses(kind: Any) -> bool:
    return issubclass(kind, (Expression, UpdateExpressionFunction))
