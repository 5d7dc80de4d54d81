"""What can go wrong, in the words of the shop.

DomainError                 a rule or a fact of the shop stands in the way
├── Invalid                 the input itself is wrong                              -> 400
├── Unauthenticated         nobody is signed in, or the proof of it is no good     -> 401
├── Forbidden               signed in, but not allowed                             -> 403
├── NotFound                no such thing, or not the caller's to know of          -> 404
├── Conflict                the present state does not permit it                   -> 409
├── RuleViolated            understood, but against a rule that holds at all times -> 422
├── TooMany                 more in a time than anybody may                        -> 429
└── Unavailable             something this depends on is down; try again           -> 503
    └── BadGateway          a third party answered with nonsense or an error       -> 502

`supermarket.http` holds the one table that turns these into HTTP; nothing else knows a status code.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class FieldError:
    """One field (or order line) that is at fault, and why. Never holds the submitted value."""

    field: str
    message: str


class DomainError(Exception):
    """Carries a message meant for the caller's eyes, and the fields at fault where there are
    any.
    """

    def __init__(self, message: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors


class Invalid(DomainError):
    """The input is malformed or breaks a rule of form."""


class Unauthenticated(DomainError):
    """No session, an expired or revoked one, or credentials that do not fit."""


class Forbidden(DomainError):
    """The caller is known and may not do this."""


class NotFound(DomainError):
    """There is no such thing, or the caller has no business knowing."""


class Conflict(DomainError):
    """The present state of things does not permit it."""


class RuleViolated(DomainError):
    """A request that is well-formed but breaks a standing rule, such as a reused idempotency
    key.
    """


class TooMany(DomainError):
    """More of it in a time than anybody may; in `retry_after` seconds there is room again."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """Something this use case depends on does not answer; trying again later may work."""


class BadGateway(Unavailable):
    """A third party answered, but with an error or with something that makes no sense."""


class NotYet(Exception):
    """A reaction to an event can act only later: its queue brings the event again after `wait` or,
    where nobody knows when, after a while that grows with every attempt. Nothing of this ever
    reaches a caller.
    """

    def __init__(self, why: str, wait: timedelta | None = None) -> None:
        super().__init__(why)
        self.wait = wait
