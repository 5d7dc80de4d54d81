"""The published description of the HTTP API: OpenAPI 3.1 with schemas, errors and examples."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from inspect import cleandoc
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from local.openapi.examples import example
from local.openapi.routes import Route
from supermarket import errors, http
from supermarket.caller import SecondFactorRequired
from supermarket.http import JSON, ErrorView
from supermarket.idempotency import IdempotencyKey, KeyInUse, KeyMissing
from supermarket.preconditions import IfMatch
from supermarket.request import Request
from supermarket.retry import StaleWrite
from supermarket.schemas import Body, Query

FORM = "multipart/form-data"
SCHEMAS = "#/components/schemas/"
SIGNED_IN: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
INFO = {
    "title": "Super-Market",
    "version": "1",
    "summary": "The HTTP API of the Super-Market platform",
    "description": (
        "Amounts are decimals with at most two places, times are ISO 8601 in UTC, ids are opaque. "
        "Every error has a `message` for people, a stable `code` for programs and the `requestId`."
        " Requests over the API's rate limit are answered with 429 by API Gateway itself, without"
        " a `code`. Every response carries `X-Request-ID`. `HEAD` is answered like `GET`, without"
        " the body. A blank query parameter or form field is absent; an unknown or repeated query"
        " parameter is an error. A path with a slash at its end is redirected to the one without."
    ),
    "license": {"name": "ISC", "identifier": "ISC"},
}
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-token"},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A request that is repeated with the same key gets the first one's result.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "example": "order-2026-11-29-0001",
}


IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The version that the caller has read, in quotes.",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,15}"$'},
    "example": '"3"',
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the description of all routes but the default one, which answers 404 and 405."""
    shown = [route for route in routes if not route.is_default]
    references, schemas = _schemas(shown)
    paths: dict[str, Any] = {}
    for route in shown:
        operation = _Operation(route, references, schemas).describe()
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({route.domain for route in shown})],
        "paths": paths,
        "components": {"schemas": _used(paths, schemas), "securitySchemes": SECURITY_SCHEMES},
    }


class _Operation:
    """Describes one route."""

    def __init__(self, route: Route, references: dict[str, str], schemas: dict[str, Any]) -> None:
        self._route = route
        self._endpoint = route.endpoint
        self._references = references
        self._schemas = schemas

    def describe(self) -> dict[str, Any]:
        name = self._endpoint.function.__name__
        text = cleandoc(self._endpoint.function.__doc__ or "").replace("\n", " ")
        operation: dict[str, Any] = {
            "operationId": _operation_id(self._route),
            "summary": name.replace("_", " ").capitalize(),
            **({"description": text} if text else {}),
            "tags": [self._route.domain],
            "security": SIGNED_IN if self._endpoint.needs_session else [],
        }
        if self._endpoint.roles:
            operation["x-roles"] = sorted(self._endpoint.roles)
        if parameters := list(self._parameters()):
            operation["parameters"] = parameters
        if content := self._body():
            operation["requestBody"] = {"required": True, "content": content}
        operation["responses"] = self._responses()
        return operation

    def _parameters(self) -> Iterator[dict[str, Any]]:
        for name in re.findall(r"\{(\w+)\}", self._route.path):
            schema = {"type": "string", "maxLength": 128}
            yield {"name": name, "in": "path", "required": True, "schema": schema}
        for hint in self._endpoint.parameters.values():
            if _is_subclass(hint, Query):
                yield from self._query(hint)
            elif _is_key(hint):
                yield {**IDEMPOTENCY_KEY, "required": hint is IdempotencyKey}
            elif IfMatch in get_args(hint):
                yield IF_MATCH

    def _query(self, model: type[BaseModel]) -> Iterator[dict[str, Any]]:
        schema = self._schemas[self._references[_name(model)]]
        for name, field in schema["properties"].items():
            is_required = name in schema.get("required", ())
            yield {"name": name, "in": "query", "required": is_required, "schema": field}

    def _body(self) -> dict[str, Any]:
        endpoint = self._endpoint
        bodies = [hint for hint in endpoint.parameters.values() if _is_subclass(hint, Body)]
        if model := endpoint.reads or next(iter(bodies), None):
            return {kind: self._content(model, kind) for kind in endpoint.accepts}
        if http.ANY_TYPE in endpoint.accepts:
            return {JSON: {"schema": {"type": "object"}, "example": {}}}
        return {}

    def _content(self, model: type[BaseModel], kind: str) -> dict[str, Any]:
        reference = {"$ref": SCHEMAS + self._references[_name(model)]}
        if kind != FORM:
            return {"schema": reference, "example": example(reference, self._schemas)}
        images = {"type": "array", "items": {"type": "string", "format": "binary"}}
        return {"schema": {"allOf": [reference], "properties": {"images": images}}}

    def _responses(self) -> dict[str, Any]:
        responses = {
            str(int(status)): self._success(status)
            for status in (self._endpoint.status, *self._endpoint.other_statuses)
        }
        by_status: dict[int, set[str]] = {}
        for error in (*self._implied_errors(), *self._endpoint.errors):
            status = int(http.status_of(error.__new__(error)))
            by_status.setdefault(status, set()).add(error.code)
        by_status[500] = {errors.Internal.code}
        for status, codes in sorted(by_status.items()):
            responses[str(status)] = _error(status, sorted(codes))
        return dict(sorted(responses.items()))

    def _success(self, status: int) -> dict[str, Any]:
        description, views = HTTPStatus(status).phrase, _views(self._route)
        if not views:
            kind = self._endpoint.media_type.partition(";")[0]
            plain = {"type": "object" if kind == JSON else "string"}
            return {"description": description, "content": {kind: {"schema": plain}}}
        choices = [{"$ref": SCHEMAS + self._references[_name(view)]} for view in views]
        schema: dict[str, Any] = choices[0] if len(choices) == 1 else {"anyOf": choices}
        content = {"schema": schema, "example": example(schema, self._schemas)}
        return {"description": description, "content": {JSON: content}}

    def _implied_errors(self) -> Iterator[type[errors.DomainError]]:
        """Yield the errors that follow from the method and the parameters' types."""
        yield from (errors.Unavailable, errors.Invalid)  # every route refuses unknown parameters
        if self._route.method != "GET":
            yield from (errors.Conflict, StaleWrite, errors.Busy)
        yield from _refusals_of_callers(self._endpoint)
        if self._endpoint.limit:
            yield errors.TooMany
        for hint in self._endpoint.parameters.values():
            if hint is str:
                yield errors.NotFound
            elif hint is Request or _is_subclass(hint, Body):
                yield from (http.PayloadTooLarge, http.UnsupportedMediaType)
            elif not _is_subclass(hint, Query):
                yield from _header_errors(hint)


def _refusals_of_callers(endpoint: http.Endpoint) -> Iterator[type[errors.DomainError]]:
    if endpoint.needs_session:
        yield from (errors.Unauthenticated, errors.Forbidden)
    if endpoint.needs_second_factor:
        yield SecondFactorRequired


def _header_errors(hint: Any) -> Iterator[type[errors.DomainError]]:
    """Yield the errors of a parameter that is a header."""
    if _is_key(hint):
        missing = (KeyMissing,) if hint is IdempotencyKey else ()
        yield from (errors.Invalid, errors.RuleViolated, KeyInUse, *missing)
    elif IfMatch in get_args(hint):
        yield from (errors.Invalid, errors.PreconditionFailed)


def _schemas(routes: Iterable[Route]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the component's name of each model, and the components."""
    models = dict.fromkeys(model for route in routes for model in _models(route))
    wanted: list[tuple[type[BaseModel], Any]] = [*models, (ErrorView, "serialization")]
    definitions, together = models_json_schema(wanted, ref_template=SCHEMAS + "{model}")
    references = {
        _name(model): _component(definitions[(model, mode)]["$ref"].removeprefix(SCHEMAS))
        for model, mode in wanted
    }
    # Pydantic names models of one name after their modules: `cart__schemas__ItemView`
    text = re.sub(r"\w+__\w+", lambda found: _component(found[0]), json.dumps(together["$defs"]))
    return references, json.loads(text)


def _component(name: str) -> str:
    """Return the name of a component: `cart__schemas__ItemView` is `CartItemView`."""
    domain, *_, model = f"__{name}".split("__")[1:] if "__" in name else ("", name)
    return "".join(word.capitalize() for word in domain.split("_")) + model


def _used(paths: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the components that the paths refer to, directly or through others."""
    found: set[str] = set()
    waiting = [json.dumps(paths)]
    while waiting:
        names = set(re.findall(SCHEMAS + r"(\w+)", waiting.pop())) - found
        found |= names
        waiting += [json.dumps(schemas[name]) for name in names]
    return {name: schema for name, schema in schemas.items() if name in found}


def _models(route: Route) -> Iterator[tuple[type[BaseModel], Any]]:
    for hint in route.endpoint.parameters.values():
        if _is_subclass(hint, BaseModel):
            yield hint, "validation"
    if route.endpoint.reads:
        yield route.endpoint.reads, "validation"
    for view in _views(route):
        yield view, "serialization"


def _views(route: Route) -> list[type[BaseModel]]:
    """Return the views that the endpoint returns, bare or in a `Response`."""
    returns = route.endpoint.types["return"]
    choices = get_args(returns) if get_origin(returns) in {Union, UnionType} else (returns,)
    contents = [get_args(one)[0] if get_origin(one) is http.Response else one for one in choices]
    return list(dict.fromkeys(one for one in contents if _is_subclass(one, BaseModel)))


def _error(status: int, codes: list[str]) -> dict[str, Any]:
    own = {"code": {"enum": codes}}
    schema = {"allOf": [{"$ref": SCHEMAS + ErrorView.__name__}], "properties": own}
    phrase = HTTPStatus(status).phrase
    shown = {"message": phrase, "code": codes[0], "requestId": "Root-1-6929c1f2"}
    content = {"schema": schema, "example": shown}
    return {"description": f"{phrase}: {', '.join(codes)}", "content": {JSON: content}}


def _operation_id(route: Route) -> str:
    first, *words = route.endpoint.function.__name__.split("_")
    name = first + "".join(word.capitalize() for word in words)
    if not route.is_alias:
        return name
    return f"{name}{route.method.capitalize()}" if route.path == route.endpoint.path else f"{name}s"


def _name(model: type[BaseModel]) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _is_key(hint: Any) -> bool:
    """Whether a parameter is an idempotency key, required or optional."""
    return hint is IdempotencyKey or IdempotencyKey in get_args(hint)


def _is_subclass(hint: Any, kind: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, kind)
