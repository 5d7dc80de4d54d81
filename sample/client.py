"""An HTTP client of the shop's public API that signs in and turns refusals into clear errors."""

from __future__ import annotations

import threading
from decimal import Decimal
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

type Json = dict[str, Any]

# The first call of a function starts a process, and several start at once after a deployment.
TIMEOUT = httpx.Timeout(60, connect=5)


class UnexpectedResponse(Exception):
    """The API answered with another status than the expected one."""

    def __init__(self, request: str, expected: int, response: httpx.Response) -> None:
        self.status = response.status_code
        super().__init__(f"{request}: expected {expected}, got {self.status}: {_reason(response)}")


def connect(base_url: str) -> httpx.Client:
    """Open a connection pool without cookies, so that several accounts can share it."""
    client = httpx.Client(base_url=base_url, timeout=TIMEOUT, trust_env=False)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def request_json(
    client: httpx.Client, method: str, path: str, *, expect: int = HTTPStatus.OK, **options: Any
) -> Any:
    """Return the response's JSON with amounts as `Decimal`.

    Raises `UnexpectedResponse` for any status other than `expect`.
    """
    response = client.request(method, path, **options)
    if response.status_code != expect:
        raise UnexpectedResponse(f"{method} {response.request.url.path}", expect, response)
    return response.json(parse_float=Decimal)


class UserSession:
    """One account's session with the API; several threads may share it."""

    def __init__(self, client: httpx.Client, email: str, password: str) -> None:
        self._client = client
        self._credentials = {"email": email, "password": password}
        self._signing_in = threading.Lock()
        self.token = ""
        self.user: Json = {}

    def sign_in(self) -> Json:
        """Log in, keep the access token and return the user."""
        answer = request_json(self._client, "POST", "/api/auth/login", json=self._credentials)
        self.token, self.user = answer["accessToken"], answer["user"]
        return self.user

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Call `request_json` with the access token; sign in again when the token has expired."""
        token = self.token
        try:
            return self._request(token, method, path, **options)
        except UnexpectedResponse as refused:
            if refused.status != HTTPStatus.UNAUTHORIZED:
                raise
        with self._signing_in:
            if token == self.token:
                self.sign_in()
        return self._request(self.token, method, path, **options)

    def _request(
        self, token: str, method: str, path: str, *, headers: Json | None = None, **options: Any
    ) -> Any:
        bearer = {"Authorization": f"Bearer {token}", **(headers or {})}
        return request_json(self._client, method, path, headers=bearer, **options)


def _reason(response: httpx.Response) -> str:
    """The API's message and its field errors, or the beginning of the body."""
    try:
        body = response.json()
        errors = [f"{error['field']}: {error['message']}" for error in body.get("errors", [])]
        reason = "; ".join([str(body["message"]), *errors])
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = response.text[:300]
    return f"{reason} (request {response.headers.get('X-Request-ID', 'unknown')})"
