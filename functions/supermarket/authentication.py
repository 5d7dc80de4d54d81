"""Who sent a request: the token is verified, the session is looked up, a foreign site is turned
away.
"""

from collections.abc import Callable

from supermarket.caller import Caller
from supermarket.config import settings
from supermarket.errors import Forbidden, Unauthenticated
from supermarket.request import Request
from supermarket.tokens import NOT_SIGNED_IN
from supermarket.wiring import access_tokens, sessions

TOKEN_COOKIE = "token"  # noqa: S105 - the cookie's name
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def authenticate(request: Request, *plans: Callable[[Request, Caller], None]) -> Caller:
    """Return the caller, who has an open session. Raises Unauthenticated, and Forbidden for a
    request from another site. `plans` name rows that are read together with the session.
    """
    token = _presented_token(request)
    if token is None:
        raise Unauthenticated(NOT_SIGNED_IN)
    caller = access_tokens().verify(token)
    for plan in plans:
        plan(request, caller)
    if not sessions().is_open(caller.session_id, caller.user_id):
        raise Unauthenticated(NOT_SIGNED_IN)
    return caller


def token_holder(request: Request) -> Caller | None:
    """Whoever the token was issued to, even if it is out of date and the session over; good for
    signing out only, which nobody should have to sign in for.
    """
    token = _presented_token(request)
    try:
        return access_tokens().verify_allowing_expired(token) if token else None
    except Unauthenticated:
        return None


def _presented_token(request: Request) -> str | None:
    if request.bearer_token is None and TOKEN_COOKIE in request.cookies:
        _refuse_foreign_site(request)
    return request.bearer_token or request.cookies.get(TOKEN_COOKIE)


def _refuse_foreign_site(request: Request) -> None:
    """A browser sends the cookie along whichever site made it ask; only our own may change
    things.
    """
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    if origin is None:
        foreign = request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    else:
        # compared as text: an Origin can be anything, also what no parser takes
        own = origin.partition("://")[2] == request.headers.get("host")
        foreign = not own and origin not in settings().origins
    if foreign:
        raise Forbidden("This request came from another site")
