"""The HTTP session of Razorpay's SDK, whose TLS context is made once.

requests reads the root certificates at each new connection, which takes 100 ms of an invocation
with 512 MB. A session that is made in the init phase has read them before the first one.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import razorpay
from requests import PreparedRequest, Session
from requests.adapters import HTTPAdapter

AUTHORITIES = Path(razorpay.__file__).with_name("ca-bundle.crt")  # those that the SDK trusts


class _OneContext(HTTPAdapter):
    """Verifies all servers with one TLS context."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        context = ssl.create_default_context(cafile=str(AUTHORITIES))
        super().init_poolmanager(*arguments, ssl_context=context, **options)

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Name the server only: the context has the certificates."""
        return super().build_connection_pool_key_attributes(request, True, cert)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the connection as it is: the context verifies the server."""


def session(hook: Callable[..., None], *, tls: bool = True) -> Session:
    """Make a session that calls the hook with each response. Without `tls`, it does not prepare for
    a server that speaks TLS; requests then does so for each connection.
    """
    made = Session()
    if tls:
        made.mount("https://", _OneContext())
    made.hooks["response"].append(hook)
    return made
