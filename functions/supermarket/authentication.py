"""Authentication of requests: verifies the token, reads the session, and refuses requests from
other sites.
"""

from collections.abc import Callable

from supermarket.caller import Caller
from supermarket.config import settings
from supermarket.dynamo.read_ahead import reading_ahead
from supermarket.errors import Forbidden, Unauthenticated
from supermarket.request import Request
from supermarket.sessions import NOT_SIGNED_IN, present_caller
from supermarket.wiring import access_tokens, sessions

TOKEN_COOKIE, REFRESH_COOKIE = "token", "refresh"
HOST_PREFIX = "__Host-"  # browsers take such a cookie from this host only, and over https only
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def authenticate(request: Request, *plans: Callable[[Request, Caller], None]) -> Caller:
    """Return the caller, who has an open session, with the role and status of its row. Raises
    Unauthenticated, and Forbidden for a request from another site. `plans` name rows that are read
    together with the session.
    """
    token = _presented_token(request)
    if token is None:
        raise Unauthenticated(NOT_SIGNED_IN)
    with reading_ahead():  # one call reads the session, what is planned and, if needed, the keys
        claimed = access_tokens().claimed(token)
        sessions().plan_read(claimed.user_id)
        for plan in plans:
            plan(request, claimed)
        caller = present_caller(access_tokens().verify(token), sessions())
    if caller is None:
        raise Unauthenticated(NOT_SIGNED_IN)
    return caller


def find_caller(request: Request) -> Caller | None:
    """Return the caller where signing in is optional, None without an open session."""
    try:
        return authenticate(request)
    except (Forbidden, Unauthenticated):
        return None


def token_holder(request: Request) -> Caller | None:
    """Return the caller of the token, even if it has expired or the session has ended. For signing
    out only, which must work without an open session.
    """
    token = _presented_token(request)
    try:
        return access_tokens().verify_allowing_expired(token) if token else None
    except Unauthenticated:
        return None


def refresh_token_of(request: Request) -> str | None:
    """Return the refresh token of the cookie. Raises Forbidden for a request from another site."""
    return _presented_cookie(request, cookie_name(REFRESH_COOKIE))


def cookie_name(name: str) -> str:
    """Return the name that a cookie has in this shop: `__Host-token` where it has https."""
    return HOST_PREFIX + name if settings().has_https else name


def _presented_token(request: Request) -> str | None:
    # the name without the prefix is the old one, which is read until 2027
    return request.bearer_token or _presented_cookie(
        request, cookie_name(TOKEN_COOKIE), TOKEN_COOKIE
    )


def _presented_cookie(request: Request, *names: str) -> str | None:
    """Return the first cookie that the request has. Raises Forbidden for another site."""
    name = next((name for name in names if name in request.cookies), None)
    if name is None:
        return None
    _refuse_foreign_site(request)
    return request.cookies[name]


def _refuse_foreign_site(request: Request) -> None:
    """Raise Forbidden for a write from another site: browsers send the cookie with requests of any
    site.
    """
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    if origin is None:
        foreign = request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    else:
        # compared as text: an Origin can be any text, also one that is not a URL
        scheme = request.headers.get("x-forwarded-proto", "https")
        own = f"{scheme}://{request.headers.get('host')}"
        foreign = origin not in {own, *settings().origins}
    if foreign:
        raise Forbidden("This request came from another site")
