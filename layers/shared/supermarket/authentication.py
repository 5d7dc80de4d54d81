"""Who sent a request: the token is verified, the session is looked up, a foreign site is turned
away.
"""

from urllib.parse import urlsplit

from supermarket.caller import Caller
from supermarket.config import settings
from supermarket.errors import Forbidden, Unauthenticated
from supermarket.request import Request
from supermarket.tokens import NOT_SIGNED_IN
from supermarket.wiring import access_tokens, sessions

TOKEN_COOKIE = "token"  # noqa: S105 - the cookie's name
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def authenticate(request: Request) -> Caller:
    """The caller with an open session; Unauthenticated otherwise, Forbidden for a foreign site."""
    token = request.bearer_token or request.cookies.get(TOKEN_COOKIE)
    if token is None:
        raise Unauthenticated(NOT_SIGNED_IN)
    if request.bearer_token is None:
        _refuse_foreign_site(request)
    caller = access_tokens().verify(token)
    if not sessions().is_open(caller.session_id, caller.user_id):
        raise Unauthenticated(NOT_SIGNED_IN)
    return caller


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
        own = urlsplit(origin).netloc == request.headers.get("host")
        foreign = not own and origin not in settings().origins
    if foreign:
        raise Forbidden("This request came from another site")
