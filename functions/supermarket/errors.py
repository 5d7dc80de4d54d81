"""The errors that callers see; `supermarket.http.STATUS_OF` maps them to HTTP statuses.

`code` is the stable name of an error for programs; clients receive it on HTTP and on the socket.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

FAILED = "Internal error. Try again later."


@dataclass(frozen=True)
class FieldError:
    """A field or order line at fault: what is wrong with it, and a stable code for programs. Never
    holds the submitted value.
    """

    field: str
    message: str
    code: str = "INVALID"


class DomainError(Exception):
    """A rule or the state of the shop does not permit a request; `message` is for the caller, and
    `errors` are the fields at fault, where there are any.
    """

    code: ClassVar[str] = "ERROR"

    def __init__(self, message: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors


class Invalid(DomainError):
    """The input is malformed or breaks a rule of form."""

    code = "INVALID"


class Unauthenticated(DomainError):
    """There is no session, it has expired or was revoked, or the credentials are wrong."""

    code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """The caller is known and not allowed to do this."""

    code = "FORBIDDEN"


class NotFound(DomainError):
    """There is no such thing, or the caller may not see it."""

    code = "NOT_FOUND"


class Conflict(DomainError):
    """The present state does not permit the request."""

    code = "CONFLICT"


class RuleViolated(DomainError):
    """The request is well-formed but breaks a standing rule, such as a reused idempotency key."""

    code = "RULE_VIOLATED"


class TooMany(DomainError):
    """A rate limit is exceeded; a request after `retry_after` seconds may pass."""

    code = "TOO_MANY"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Internal(DomainError):
    """The request failed for a reason that the caller cannot change, and does not see."""

    code = "INTERNAL"


class Unavailable(DomainError):
    """A dependency does not answer; a later request may succeed."""

    code = "UNAVAILABLE"


class BadGateway(Unavailable):
    """A third party answered with an error or with an invalid response."""

    code = "BAD_GATEWAY"


class Busy(Unavailable):
    """Other requests are changing the same thing; a later request may succeed."""

    code = "BUSY"


class PreconditionFailed(DomainError):
    """The thing has changed since the version that the caller names."""

    code = "PRECONDITION_FAILED"


class RetryLater(Exception):
    """An event can be handled only later: its queue delivers it again after `wait` or, without
    one, after a delay that grows with each attempt. Never reaches a client.
    """

    def __init__(self, reason: str, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class PermanentFailure(Exception):
    """An event can never be handled: it becomes a dead letter at once, instead of after all
    attempts of its queue. Never reaches a client.
    """
