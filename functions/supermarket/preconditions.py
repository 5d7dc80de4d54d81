"""The precondition of a change: the version of a thing that the caller has read."""

import re
from dataclasses import dataclass
from typing import Self

from supermarket.errors import FieldError, Invalid, PreconditionFailed
from supermarket.request import Request

HEADER = "if-match"
VERSION = re.compile(r'"(\d{1,15})"')


@dataclass(frozen=True)
class IfMatch:
    """The header `If-Match: "<version>"`."""

    version: int

    def check(self, version: int) -> None:
        """Raise PreconditionFailed unless this is the present version."""
        if version != self.version:
            raise PreconditionFailed("This has changed since. Read it again.")

    @classmethod
    def from_request(cls, request: Request, _use_case: str, _user_id: str) -> Self | None:
        """Return the precondition of a request, or None. Raises Invalid when it is malformed."""
        header = request.headers.get(HEADER)
        if header is None:
            return None
        if not (found := VERSION.fullmatch(header.strip())):
            fault = FieldError("If-Match", 'must be the version in quotes, such as "3"')
            raise Invalid("The If-Match header is not valid", (fault,))
        return cls(int(found[1]))
