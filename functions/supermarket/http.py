"""The HTTP edge: a typed function becomes a Lambda, and all that is equal for every endpoint
happens here.

    @post("/api/orders", status=201, roles={Role.USER})
    def create_order(body: PlaceOrder, caller: Caller) -> OrderAnswer: ...

A parameter is filled by its type: a `Body` from the JSON body, a `Query` from the query string,
`Caller` with whoever is signed in, `Request` with the request itself, and a `str` that bears the
name of a path parameter with that.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, get_type_hints

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ValidationError
from pynamodb.exceptions import PynamoDBException

from supermarket import telemetry
from supermarket.authentication import authenticate
from supermarket.caller import Caller, Role
from supermarket.errors import (
    BadGateway,
    Conflict,
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    RuleViolated,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from supermarket.request import Request
from supermarket.schemas import Body, Query

JSON = "application/json"
ANY_TYPE = "*/*"
NO_FIELDS = b"{}"  # what a request without a body says
MAX_JSON_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 10 * 1024 * 1024  # API Gateway lets no more through
MAX_FIELD_NAME = 80
MAX_PATH_PARAMETER = 128  # no id is longer, and no key of a table takes much more

STATUS_OF: dict[type[DomainError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    RuleViolated: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    BadGateway: HTTPStatus.BAD_GATEWAY,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

SECURITY_HEADERS = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}

PRIVATE = "no-store"
NO_ANSWER = "Something that the shop needs does not answer. Try again."


class PayloadTooLarge(Invalid):
    """The body is larger than the route takes."""


class UnsupportedMediaType(Invalid):
    """The body is of a kind that the route does not read."""


class MethodNotAllowed(Invalid):
    """The path exists, but not with this method; `allowed` are those that it has."""

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__("This path does not take that method")
        self.allowed = tuple(allowed)


STATUS_OF |= {
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
}


@dataclass(frozen=True)
class Answer:
    """A view together with what else the response needs; an endpoint may return a bare view
    instead. Text is sent as it is, under the content type that the headers name.
    """

    view: BaseModel | str
    cookies: Iterable[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


type Route = Callable[..., BaseModel | Answer]


@dataclass(frozen=True)
class Endpoint:
    """One HTTP Lambda. `function` is the plain function, for tests and for reading.

    `also` names further routes that lead here, as `POST /api/auth/logout`.
    """

    function: Route
    method: str
    path: str
    status: int = HTTPStatus.OK
    also: tuple[str, ...] = ()
    roles: Set[Role] | None = None
    accepts: tuple[str, ...] = (JSON,)
    max_body: int = MAX_JSON_BYTES
    cache_control: str = PRIVATE

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler."""
        began = time.perf_counter()
        request = Request.from_event(event)
        telemetry.begin(request.id, endpoint=self.name)
        try:
            response = self._answer(request)
        except DomainError as error:
            response = self._refusal(request, error)
        except (BotoCoreError, ClientError, PynamoDBException):
            telemetry.logger.exception("AWS does not do its part")
            response = self._refusal(request, Unavailable(NO_ANSWER))
        except Exception:
            telemetry.logger.exception("unexpected error")
            response = self._failure(request)
        self._report(request, response["statusCode"], began)
        return response

    @property
    def name(self) -> str:
        return f"{self.function.__module__.split('.')[0]}.{self.function.__name__}"

    @property
    def routes(self) -> tuple[str, ...]:
        """Every route that leads here, as `GET /api/cart`."""
        return (f"{self.method} {self.path}", *self.also)

    def _answer(self, request: Request) -> dict[str, Any]:
        arguments = {name: bind(request) for name, bind in self._binders.items()}
        result = self.function(**arguments)
        answer = result if isinstance(result, Answer) else Answer(result)
        return self._response(
            request,
            answer.status or self.status,
            _text(answer.view),
            {"cache-control": self.cache_control, **answer.headers},
            answer.cookies,
        )

    @cached_property
    def _binders(self) -> dict[str, Callable[[Request], Any]]:
        """What fills each parameter; the caller's comes first, so that strangers learn nothing
        else.
        """
        hints = get_type_hints(self.function)
        hints.pop("return", None)
        binders = {name: self._binder(name, hint) for name, hint in hints.items()}
        return dict(sorted(binders.items(), key=lambda item: hints[item[0]] is not Caller))

    def _binder(self, name: str, hint: Any) -> Callable[[Request], Any]:
        if hint is Caller:
            return self._caller
        if hint is Request:
            return self._checked
        if issubclass(hint, Body):
            return lambda request: _validated(
                lambda: hint.model_validate_json(self._checked(request).body or NO_FIELDS)
            )
        if issubclass(hint, Query):
            return lambda request: _validated(lambda: hint.model_validate(request.query))
        return lambda request: _short(request.path_parameters[name])

    def _caller(self, request: Request) -> Caller:
        caller = authenticate(request)
        if self.roles is not None:
            caller.require(self.roles)
        return caller

    def _checked(self, request: Request) -> Request:
        """The request, if its body is of a kind and a size that this endpoint takes."""
        if len(request.body) > self.max_body:
            raise PayloadTooLarge(f"The body is larger than {self.max_body} bytes")
        known = ANY_TYPE in self.accepts or request.content_type in self.accepts
        if request.body and not known:
            raise UnsupportedMediaType(f"The body must be {' or '.join(self.accepts)}")
        return request

    def _refusal(self, request: Request, error: DomainError) -> dict[str, Any]:
        return self._error(
            request, status_of(error), error.message, error.errors, _headers_of(error)
        )

    def _failure(self, request: Request) -> dict[str, Any]:
        message = "Something went wrong on our side"
        return self._error(request, HTTPStatus.INTERNAL_SERVER_ERROR, message)

    def _error(
        self,
        request: Request,
        status: int,
        message: str,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        body = ErrorView(message=message, errors=list(errors) or None, requestId=request.id)
        text = body.model_dump_json(exclude_none=True)
        return self._response(request, status, text, {"cache-control": PRIVATE, **(headers or {})})

    def _response(
        self,
        request: Request,
        status: int,
        body: str,
        headers: Mapping[str, str],
        cookies: Iterable[str] = (),
    ) -> dict[str, Any]:
        return {
            "statusCode": int(status),
            "headers": {
                "content-type": JSON,
                "x-request-id": request.id,
                **SECURITY_HEADERS,
                **headers,
            },
            "cookies": list(cookies),
            "body": body,
            "isBase64Encoded": False,
        }

    def _report(self, request: Request, status: int, began: float) -> None:
        milliseconds = round((time.perf_counter() - began) * 1000, 1)
        telemetry.logger.info(
            "answered",
            extra={"method": request.method, "status": status, "milliseconds": milliseconds},
        )
        telemetry.count("Answers", endpoint=self.name, status=f"{status // 100}xx")


class ErrorView(BaseModel):
    """The shape of every error."""

    message: str
    errors: list[FieldError] | None = None
    requestId: str  # noqa: N815 - the name on the wire


def status_of(error: DomainError) -> HTTPStatus:
    """The status that stands for an error."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def get(path: str, **options: Any) -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of `GET path`; options are the fields of `Endpoint`."""
    return _endpoint("GET", path, options)


def post(path: str, **options: Any) -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of `POST path`."""
    return _endpoint("POST", path, options)


def patch(path: str, **options: Any) -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of `PATCH path`."""
    return _endpoint("PATCH", path, options)


def delete(path: str, **options: Any) -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of `DELETE path`."""
    return _endpoint("DELETE", path, options)


def unrouted() -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of every request that no other route takes."""
    options = {"accepts": (ANY_TYPE,), "max_body": MAX_PAYLOAD_BYTES}
    return _endpoint("ANY", "$default", options)


def _endpoint(method: str, path: str, options: dict[str, Any]) -> Callable[[Route], Endpoint]:
    return lambda function: Endpoint(function, method, path, **options)


def _text(view: BaseModel | str) -> str:
    return view if isinstance(view, str) else view.model_dump_json(by_alias=True)


def _headers_of(error: DomainError) -> dict[str, str]:
    if isinstance(error, MethodNotAllowed):
        return {"allow": ", ".join(error.allowed)}
    if isinstance(error, TooMany):
        return {"retry-after": str(error.retry_after)}
    return {"retry-after": "1"} if isinstance(error, Unavailable) else {}


def _short(parameter: str) -> str:
    """What names nothing for sure is not looked for: DynamoDB would call it a fault of ours."""
    if len(parameter) > MAX_PATH_PARAMETER:
        raise NotFound("There is no such thing")
    return parameter


def _validated[Model: BaseModel](validate: Callable[[], Model]) -> Model:
    try:
        return validate()
    except ValidationError as fault:
        raise invalid(fault) from None


def invalid(fault: ValidationError) -> Invalid:
    """What Pydantic found, in the platform's words; the values that were sent stay out of it."""
    errors = tuple(
        FieldError(
            ".".join(str(part) for part in error["loc"])[:MAX_FIELD_NAME] or "body", error["msg"]
        )
        for error in fault.errors(include_url=False, include_input=False, include_context=False)
    )
    return Invalid("The request is not valid", errors)
