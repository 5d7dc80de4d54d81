"""The HTTP edge: a typed function becomes a Lambda.

    @post("/api/orders", status=201, roles={Role.USER})
    def create_order(body: PlaceOrder, caller: Caller) -> OrderResponse: ...

A parameter is filled by its type: a `Body` from the JSON body, a `Query` from the query string,
`Caller` with the signed-in person, `Request` with the request itself, `IdempotencyKey` with the key
of the request (`IdempotencyKey | None` where it is optional), and a `str` with the path parameter
of the same name.

A `HEAD` request is answered like `GET`, without the body. A query parameter that no `Query` of the
function has, or that is sent twice, is an error.

The decorator and the types are the only place that describes a route: `python -m local openapi`
writes the published API description and API Gateway's routes from them.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Concatenate, get_args, get_type_hints

from pydantic import BaseModel, ValidationError

from supermarket import telemetry
from supermarket.caller import Caller, Role
from supermarket.config import settings
from supermarket.dynamo.read_ahead import reading_ahead
from supermarket.errors import (
    FAILED,
    BadGateway,
    Conflict,
    DomainError,
    FieldError,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    PreconditionFailed,
    RuleViolated,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from supermarket.field_errors import code_of, words_of
from supermarket.init_phase import Handler, make_services
from supermarket.rate_limits import RequestLimit
from supermarket.request import Request
from supermarket.schemas import Body, Query

if TYPE_CHECKING:
    from supermarket.throttle import Throttle

JSON = "application/json"
ANY_TYPE = "*/*"
DEFAULT_ROUTE = "$default"  # API Gateway's name for every request that no other route matches
NOT_VALID = "The request is not valid"
EMPTY_OBJECT = b"{}"  # a request without a body has no fields
MAX_JSON_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 10 * 1024 * 1024  # the limit of API Gateway
MAX_FIELD_NAME = 80
MAX_PATH_PARAMETER = 128  # ids are shorter, and keys of tables have a limit
PRIVATE = "no-store"
SECURITY_HEADERS = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


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


STATUS_OF: dict[type[DomainError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    Conflict: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RuleViolated: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    Internal: HTTPStatus.INTERNAL_SERVER_ERROR,
    BadGateway: HTTPStatus.BAD_GATEWAY,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
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
type Decorate = Callable[[Route], Endpoint]
type Bind = Callable[[Request, Caller | None], Any]


@dataclass(frozen=True)
class Endpoint(Handler[Route]):
    """One HTTP Lambda. `function` is the undecorated function, for tests.

    `also` lists further routes of the same Lambda, such as `POST /api/auth/logout`; `errors` the
    errors that its use case raises, besides those that follow from its types; `reads` the body that
    the function itself parses from the `Request`; `media_type` the type of a text response;
    `other_statuses` those that a `Response` may have besides `status`; `uses` factories that are
    called in the init phase, besides those that the function names; `reads_ahead` plans rows that
    are read together with the caller's session (`dynamo.read_ahead`); `limit` is how often
    a signed-in person, and a client address, may send the request.
    """

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
    limit: RequestLimit | None = None

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler."""
        began = time.perf_counter()
        request = Request.from_event(event)
        telemetry.begin(request.id, endpoint=self.name)
        try:
            with reading_ahead():
                response = self._answer(request)
        except Exception as failure:
            response = _refusal(request, domain_error(failure))
        self._report(request, response["statusCode"], began)
        return response

    def prepare(self) -> None:
        for factory in self.uses:
            factory()
        super().prepare()
        if self.needs_session:
            make_services(_authenticate())
        if self.limit:
            _throttle()
        self._binders  # noqa: B018 - a cached property

    @property
    def routes(self) -> tuple[str, ...]:
        """All routes of this Lambda, such as `GET /api/cart`."""
        return (f"{self.method} {self.path}", *self.also)

    @property
    def needs_session(self) -> bool:
        """Whether only signed-in people may call it."""
        return Caller in self.parameters.values()

    @property
    def needs_second_factor(self) -> bool:
        """Whether administrators may need one: they can always use auth's routes, to set one up."""
        return self.needs_session and not self.name.startswith("auth.")

    @cached_property
    def types(self) -> dict[str, Any]:
        """The types of the function's parameters, and of its result as `return`."""
        return get_type_hints(self.function)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The function's parameters and their types."""
        return {name: hint for name, hint in self.types.items() if name != "return"}

    def _answer(self, request: Request) -> dict[str, Any]:
        # the caller first: a request without a session is refused before its body is examined
        caller = self._admit(request)
        self._check_query(request)
        arguments = {name: bind(request, caller) for name, bind in self._binders.items()}
        result = self.function(**arguments)
        response = result if isinstance(result, Response) else Response(result)
        view = response.view
        return _response(
            request,
            response.status or self.status,
            view if isinstance(view, str) else view.model_dump_json(by_alias=True),
            {"cache-control": self.cache_control, **response.headers},
            response.cookies,
        )

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
        if optional := get_args(hint):  # `IdempotencyKey | None`, whose module is not loaded here
            return self._key_binder(optional[0].from_request)
        if require_key := getattr(hint, "require", None):  # `IdempotencyKey`
            return self._key_binder(require_key)
        if issubclass(hint, Body):
            return lambda request, _: validated(
                lambda: hint.model_validate_json(self._checked(request).body or EMPTY_OBJECT)
            )
        return lambda request, _: validated(lambda: hint.model_validate(request.query))

    def _key_binder(self, read: Callable[[Request, str, str], Any]) -> Bind:
        use_case = self.function.__name__
        return lambda request, caller: read(request, use_case, caller.user_id if caller else "")

    def _admit(self, request: Request) -> Caller | None:
        """Return the caller, if the route needs one. The request is counted if it has a limit; a
        repeated one that has a result gets it although the limit is exceeded.
        """
        caller = self._caller(request) if self.needs_session else None
        if self.limit:
            try:
                _throttle().count(self.name, self.limit, request, caller)
            except TooMany:
                if caller is None or not self._is_repeated(request, caller):
                    raise
        return caller

    def _is_repeated(self, request: Request, caller: Caller) -> bool:
        """Return whether the request has an idempotency key with a result."""
        from supermarket.idempotency import IdempotencyKey
        from supermarket.wiring import idempotency_keys

        hints = self.parameters.values()
        if not any(IdempotencyKey in (hint, *get_args(hint)) for hint in hints):
            return False
        key = IdempotencyKey.from_request(request, self.function.__name__, caller.user_id)
        return key is not None and idempotency_keys().is_used(key)

    def _caller(self, request: Request) -> Caller:
        caller = _authenticate()(request, *self.reads_ahead)
        if self.roles is not None:
            caller.require(self.roles)
        if self.needs_second_factor and settings().admins_need_second_factor:
            caller.require_second_factor()
        return caller

    def _check_query(self, request: Request) -> None:
        """Raise Invalid for a repeated parameter, and for any where the function has no `Query`."""
        if self.path == DEFAULT_ROUTE:
            return
        if request.repeated:
            errors = (
                FieldError(name[:MAX_FIELD_NAME], "must be sent once", "REPEATED")
                for name in request.repeated
            )
            raise Invalid(NOT_VALID, tuple(errors))
        if request.query and not self._has_query:
            validated(lambda: Query.model_validate(request.query))

    @cached_property
    def _has_query(self) -> bool:
        kinds = (hint for hint in self.parameters.values() if isinstance(hint, type))
        return any(issubclass(kind, Query) for kind in kinds)

    def _checked(self, request: Request) -> Request:
        """Return the request if its body has an accepted media type, encoding and size."""
        if len(request.body) > self.max_body:
            raise PayloadTooLarge(f"The body is larger than {self.max_body} bytes")
        if not request.body or ANY_TYPE in self.accepts:
            return request
        if request.content_type not in self.accepts:
            raise UnsupportedMediaType(f"The body must be {' or '.join(self.accepts)}")
        if not request.is_utf_8:
            raise UnsupportedMediaType("The body must be encoded in UTF-8")
        if request.is_compressed:
            raise UnsupportedMediaType("The body must not have a content encoding")
        return request

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
    code: str
    errors: list[FieldError] | None = None
    requestId: str  # noqa: N815 - the name on the wire


def domain_error(failure: Exception) -> DomainError:
    """Return the error that a client sees for a failure; logs what is no `DomainError`."""
    if isinstance(failure, DomainError):
        return failure
    if isinstance(failure, aws_failures()) and _is_transient(failure):
        telemetry.logger.exception("AWS call failed")
        return Unavailable("A service that this request needs does not answer. Try again later.")
    telemetry.logger.exception("unexpected error")
    return Internal(FAILED)


def aws_failures() -> tuple[type[Exception], ...]:
    """Return what failed AWS calls raise. The SDKs are imported when something has failed, since
    an endpoint without data needs none.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from pynamodb.exceptions import PynamoDBException

    return BotoCoreError, ClientError, PynamoDBException


def _is_transient(failure: Exception) -> bool:
    from supermarket.aws import is_transient

    return is_transient(failure)


def _authenticate() -> Callable[..., Caller]:
    # imported late, since an endpoint for everybody needs neither tokens nor sessions
    from supermarket.authentication import authenticate

    return authenticate


def _throttle() -> "Throttle":
    from supermarket.wiring import throttle

    return throttle()


def status_of(error: DomainError) -> HTTPStatus:
    """Return the HTTP status of an error."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def _decorator[**Options](
    make: Callable[Concatenate[Route, str, str, Options], Endpoint], method: str
) -> Callable[Concatenate[str, Options], Decorate]:
    """Return the decorator of a method; it takes the path and the further fields of `Endpoint`."""

    def at(path: str, /, *args: Options.args, **options: Options.kwargs) -> Decorate:
        return lambda function: make(function, method, path, *args, **options)

    return at


# `@get("/api/cart")` makes a function the Lambda of `GET /api/cart`
get = _decorator(Endpoint, "GET")
post = _decorator(Endpoint, "POST")
patch = _decorator(Endpoint, "PATCH")
delete = _decorator(Endpoint, "DELETE")


def catch_all() -> Decorate:
    """Make a function the Lambda of every request that no other route matches."""
    return _decorator(Endpoint, "ANY")(
        DEFAULT_ROUTE, accepts=(ANY_TYPE,), max_body=MAX_PAYLOAD_BYTES
    )


def _response(
    request: Request,
    status: int,
    body: str,
    headers: Mapping[str, str],
    cookies: Iterable[str] = (),
) -> dict[str, Any]:
    own = {"content-type": JSON, "x-request-id": request.id}
    return {
        "statusCode": int(status),
        "headers": {**own, **SECURITY_HEADERS, **headers},
        "cookies": list(cookies),
        "body": "" if request.method == "HEAD" else body,
        "isBase64Encoded": False,
    }


def _refusal(request: Request, error: DomainError) -> dict[str, Any]:
    view = ErrorView(
        message=error.message,
        code=error.code,
        errors=list(error.errors) or None,
        requestId=request.id,
    )
    headers = {"cache-control": PRIVATE, **_headers_of(error)}
    return _response(request, status_of(error), view.model_dump_json(exclude_none=True), headers)


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


def validated[Model: BaseModel](validate: Callable[[], Model]) -> Model:
    """Return the model that `validate` makes. Raises Invalid with Pydantic's findings."""
    try:
        return validate()
    except ValidationError as fault:
        raise invalid(fault) from None


def invalid(fault: ValidationError) -> Invalid:
    """Convert Pydantic's findings to field errors, without the submitted values."""
    errors = tuple(
        FieldError(
            ".".join(str(part) for part in error["loc"])[:MAX_FIELD_NAME] or "body",
            words_of(error),
            code_of(error),
        )
        for error in fault.errors(include_url=False, include_input=False)
    )
    return Invalid(NOT_VALID, errors)
