"""Razorpay's SDK with an HTTP session of ours, which has time-outs and one TLS context.

requests reads the root certificates for each new connection, which takes 100 ms of an invocation
with 512 MB. A session that is made in the init phase has read them before the first one.
"""

import ssl
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

import razorpay
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

AUTHORITIES = Path(razorpay.__file__).with_name("ca-bundle.crt")  # those that the SDK trusts
# to connect, and to wait for the response; a verification makes three calls at most
TIMEOUT_SECONDS = (2.0, 4.0)
# unauthorized, in progress, rate-limited: says nothing about the request itself
RETRYABLE_STATUSES = {401, 409, 429}


class Client(razorpay.Client):  # type: ignore[misc] # the SDK has no types
    """The SDK's client, which reads its own version once instead of for each call."""

    _version = version("razorpay")

    def _get_version(self) -> str:
        return self._version


class _OneContext(HTTPAdapter):
    """Verifies all servers with one TLS context, whose certificates are read in the background:
    OpenSSL needs 25 ms for them, in which the init phase goes on.
    """

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies servers and their names
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        self._reading = Thread(target=context.load_verify_locations, args=(AUTHORITIES,))
        self._reading.start()
        super().init_poolmanager(*arguments, ssl_context=context, **options)

    def send(self, *arguments: Any, **options: Any) -> Response:
        self._reading.join()
        return super().send(*arguments, **options)

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Name the server only: the context has the certificates."""
        return super().build_connection_pool_key_attributes(request, True, cert)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the connection as it is: the context verifies the server."""


class _Session(Session):
    """Gives every request a time-out."""

    def request(self, *arguments: Any, **options: Any) -> Response:
        options.setdefault("timeout", TIMEOUT_SECONDS)
        return super().request(*arguments, **options)


def make_session(base_url: str) -> Session:
    """Make a session for a server, which raises an HTTP error for a retryable status."""
    session = _Session()
    if base_url.startswith("https:"):
        session.mount("https://", _OneContext())
    session.hooks["response"].append(_raise_for_retryable_status)
    return session


def _raise_for_retryable_status(response: Response, *_: Any, **__: Any) -> None:
    """Raise an HTTP error where the SDK would report a bad request."""
    if response.status_code in RETRYABLE_STATUSES:
        response.close()  # otherwise the connection would leak
        response.raise_for_status()
