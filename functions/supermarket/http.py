"""The HTTP edge: a typed function becomes a Lambda.

    @post("/api/orders", status=201, roles={Role.USER})
    def create_order(body: PlaceOrder, caller: Caller) -> OrderResponse: ...

A parameter is filled by its type: a `Body` from the JSON body, a `Query` from the query string,
`Caller` with the signed-in person, `Request` with the request itself, `IdempotencyKey | None` with
the key of the request, and a `str` with the path parameter of the same name.

The decorator and the types are the only place that describes a route: `python -m local openapi`
writes the published API description and API Gateway's routes from them.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol, TypedDict, Unpack, get_args, get_type_hints

from pydantic import BaseModel, ValidationError

from supermarket import telemetry
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
from supermarket.init_phase import make_services
from supermarket.request import Request
from supermarket.schemas import Body

JSON = "application/json"
ANY_TYPE = "*/*"
EMPTY_OBJECT = b"{}"  # a request without a body has no fields
MAX_JSON_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 10 * 1024 * 1024  # the limit of API Gateway
MAX_FIELD_NAME = 80
MAX_PATH_PARAMETER = 128  # ids are shorter, and keys of tables have a limit

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
INTERNAL_ERROR = "INTERNAL"
DEPENDENCY_DOWN = "A service that this request needs does not answer. Try again later."


class PayloadTooLarge(Invalid):
    """The body is larger than the route accepts."""

    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(Invalid):
    """The body has a media type that the route does not accept."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class MethodNotAllowed(Invalid):
    """The path exists, but not with this method; `allowed` are the methods that it has."""

    code = "METHOD_NOT_ALLOWED"

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__("Method not allowed")
        self.allowed = tuple(allowed)


STATUS_OF |= {
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
}


@dataclass(frozen=True)
class Response[Content: BaseModel | str]:
    """A view with cookies, headers or a status; an endpoint may return a bare view instead. Text
    is sent unchanged, with the content type that the headers name.
    """

    view: Content
    cookies: Iterable[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


type Route = Callable[..., BaseModel | Response[Any]]
type PlanReads = Callable[[Request, Caller], None]
type Bind = Callable[[Request, Caller | None], Any]


class KeyFromRequest(Protocol):
    """A type that is made from a request's headers, for one use case and caller."""

    @classmethod
    def from_request(cls, request: Request, use_case: str, user_id: str) -> object:
        """Return the value, or None when the request has none; raises Invalid."""


@dataclass(frozen=True)
class Endpoint:
    """One HTTP Lambda. `function` is the undecorated function, for tests.

    `also` lists further routes of the same Lambda, such as `POST /api/auth/logout`; `errors` the
    errors that its use case raises, besides those that follow from its types; `reads` the body that
    the function itself parses from the `Request`; `media_type` the type of a text response;
    `other_statuses` those that a `Response` may have besides `status`; `uses` factories that are
    called in the init phase, besides those that the function names; `reads_ahead` plans rows that
    are read together with the caller's session (`dynamo.read_ahead`).
    """

    function: Route
    method: str
    path: str
    status: int = HTTPStatus.OK
    other_statuses: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    roles: Set[Role] | None = None
    accepts: tuple[str, ...] = (JSON,)
    max_body: int = MAX_JSON_BYTES
    cache_control: str = PRIVATE
    errors: tuple[type[DomainError], ...] = ()
    reads: type[Body] | None = None
    media_type: str = JSON
    uses: tuple[Callable[[], object], ...] = ()
    reads_ahead: tuple[PlanReads, ...] = ()

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler."""
        began = time.perf_counter()
        request = Request.from_event(event)
        telemetry.begin(request.id, endpoint=self.name)
        try:
            with self._reading_ahead():
                response = self._answer(request)
        except DomainError as error:
            response = self._refusal(request, error)
        except aws_failures():
            telemetry.logger.exception("AWS call failed")
            response = self._refusal(request, Unavailable(DEPENDENCY_DOWN))
        except Exception:
            telemetry.logger.exception("unexpected error")
            response = self._failure(request)
        self._report(request, response["statusCode"], began)
        return response

    def prepare(self) -> None:
        """Make what an invocation needs; see `init_phase`."""
        for factory in self.uses:
            factory()
        make_services(self.function)
        if Caller in self.parameters.values():
            make_services(_authenticate())
        self._binders  # noqa: B018 - a cached property

    @property
    def name(self) -> str:
        return f"{self.function.__module__.split('.')[0]}.{self.function.__name__}"

    @property
    def routes(self) -> tuple[str, ...]:
        """All routes of this Lambda, such as `GET /api/cart`."""
        return (f"{self.method} {self.path}", *self.also)

    def _answer(self, request: Request) -> dict[str, Any]:
        # the caller first: a request without a session is refused before its body is examined
        caller = self._caller(request) if Caller in self.parameters.values() else None
        arguments = {name: bind(request, caller) for name, bind in self._binders.items()}
        result = self.function(**arguments)
        response = result if isinstance(result, Response) else Response(result)
        return self._response(
            request,
            response.status or self.status,
            _text(response.view),
            {"cache-control": self.cache_control, **response.headers},
            response.cookies,
        )

    def _reading_ahead(self) -> AbstractContextManager[None]:
        if not self.reads_ahead:
            return nullcontext()
        from supermarket.dynamo.read_ahead import reading_ahead

        return reading_ahead()

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The function's parameters and their types."""
        return {name: hint for name, hint in self._hints.items() if name != "return"}

    @cached_property
    def returns(self) -> Any:
        """The type of the function's result."""
        return self._hints["return"]

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function)

    @cached_property
    def _binders(self) -> dict[str, Bind]:
        return {name: self._binder(name, hint) for name, hint in self.parameters.items()}

    def _binder(self, name: str, hint: Any) -> Bind:
        """Return the function that fills a parameter."""
        if hint is Caller:
            return lambda _, caller: caller
        if hint is Request:
            return lambda request, _: self._checked(request)
        if hint is str:
            return lambda request, _: _path_parameter(request.path_parameters[name])
        if get_args(hint):
            return self._key_binder(get_args(hint)[0])
        if issubclass(hint, Body):
            return lambda request, _: _validated(
                lambda: hint.model_validate_json(self._checked(request).body or EMPTY_OBJECT)
            )
        return lambda request, _: _validated(lambda: hint.model_validate(request.query))

    def _key_binder(self, kind: type[KeyFromRequest]) -> Bind:
        def bind(request: Request, caller: Caller | None) -> object:
            owner = caller.user_id if caller else ""
            return kind.from_request(request, self.function.__name__, owner)

        return bind

    def _caller(self, request: Request) -> Caller:
        caller = _authenticate()(request, *self.reads_ahead)
        if self.roles is not None:
            caller.require(self.roles)
        return caller

    def _checked(self, request: Request) -> Request:
        """Return the request if its body has an accepted media type and size."""
        if len(request.body) > self.max_body:
            raise PayloadTooLarge(f"The body is larger than {self.max_body} bytes")
        known = ANY_TYPE in self.accepts or request.content_type in self.accepts
        if request.body and not known:
            raise UnsupportedMediaType(f"The body must be {' or '.join(self.accepts)}")
        return request

    def _refusal(self, request: Request, error: DomainError) -> dict[str, Any]:
        return self._error(
            request,
            status_of(error),
            error.code,
            error.message,
            error.errors,
            _headers_of(error),
        )

    def _failure(self, request: Request) -> dict[str, Any]:
        message = "Internal error. Try again later."
        return self._error(request, HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL_ERROR, message)

    def _error(
        self,
        request: Request,
        status: int,
        code: str,
        message: str,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        body = ErrorView(
            message=message, code=code, errors=list(errors) or None, requestId=request.id
        )
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


class Options(TypedDict, total=False):
    """What an endpoint may say besides its route: the fields of `Endpoint`."""

    status: int
    other_statuses: tuple[int, ...]
    also: tuple[str, ...]
    roles: Set[Role]
    accepts: tuple[str, ...]
    max_body: int
    cache_control: str
    errors: tuple[type[DomainError], ...]
    reads: type[Body]
    media_type: str
    uses: tuple[Callable[[], object], ...]
    reads_ahead: tuple[PlanReads, ...]


class ErrorView(BaseModel):
    """The shape of every error."""

    message: str
    code: str
    errors: list[FieldError] | None = None
    requestId: str  # noqa: N815 - the name on the wire


def aws_failures() -> tuple[type[Exception], ...]:
    """Return what failed AWS calls raise. The SDKs are imported when something has failed, since
    an endpoint without data needs none.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from pynamodb.exceptions import PynamoDBException

    return BotoCoreError, ClientError, PynamoDBException


def _authenticate() -> Callable[..., Caller]:
    # imported late, since an endpoint for everybody needs neither tokens nor sessions
    from supermarket.authentication import authenticate

    return authenticate


def status_of(error: DomainError) -> HTTPStatus:
    """Return the HTTP status of an error."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def get(path: str, **options: Unpack[Options]) -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of `GET path`."""
    return _endpoint("GET", path, options)


def post(path: str, **options: Unpack[Options]) -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of `POST path`."""
    return _endpoint("POST", path, options)


def patch(path: str, **options: Unpack[Options]) -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of `PATCH path`."""
    return _endpoint("PATCH", path, options)


def delete(path: str, **options: Unpack[Options]) -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of `DELETE path`."""
    return _endpoint("DELETE", path, options)


def catch_all() -> Callable[[Route], Endpoint]:
    """Make a function the Lambda of every request that no other route matches."""
    return _endpoint("ANY", "$default", {"accepts": (ANY_TYPE,), "max_body": MAX_PAYLOAD_BYTES})


def _endpoint(method: str, path: str, options: Options) -> Callable[[Route], Endpoint]:
    return lambda function: Endpoint(function, method, path, **options)


def _text(view: BaseModel | str) -> str:
    return view if isinstance(view, str) else view.model_dump_json(by_alias=True)


def _headers_of(error: DomainError) -> dict[str, str]:
    if isinstance(error, MethodNotAllowed):
        return {"allow": ", ".join(error.allowed)}
    if isinstance(error, TooMany):
        return {"retry-after": str(error.retry_after)}
    return {"retry-after": "1"} if isinstance(error, Unavailable) else {}


def _path_parameter(parameter: str) -> str:
    """Return a path parameter; NotFound when it is longer than any id, which DynamoDB would
    reject as an invalid key.
    """
    if len(parameter) > MAX_PATH_PARAMETER:
        raise NotFound("Not found")
    return parameter


def _validated[Model: BaseModel](validate: Callable[[], Model]) -> Model:
    try:
        return validate()
    except ValidationError as fault:
        raise invalid(fault) from None


def invalid(fault: ValidationError) -> Invalid:
    """Convert Pydantic's findings to field errors, without the submitted values."""
    errors = tuple(
        FieldError(
            ".".join(str(part) for part in error["loc"])[:MAX_FIELD_NAME] or "body",
            error["msg"],
            error["type"].upper(),
        )
        for error in fault.errors(include_url=False, include_input=False, include_context=False)
    )
    return Invalid("The request is not valid", errors)
