"""A person who uses the shop's public API: signs in, asks, and says plainly what went wrong."""

from __future__ import annotations

import threading
from decimal import Decimal
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

type Json = dict[str, Any]

# A function's first call on a laptop starts a process; several start at once at the beginning.
TIMEOUT = httpx.Timeout(60, connect=5)


class UnexpectedAnswer(Exception):
    """The API answered with another status than the one the contract promises."""

    def __init__(self, asked: str, expected: int, answer: httpx.Response) -> None:
        self.status = answer.status_code
        super().__init__(f"{asked}: expected {expected}, came {self.status}: {_reason(answer)}")


def connect(base_url: str) -> httpx.Client:
    """A client without cookies: one connection pool serves several people, told apart by token."""
    client = httpx.Client(base_url=base_url, timeout=TIMEOUT, trust_env=False)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def ask(
    client: httpx.Client, method: str, path: str, *, expect: int = HTTPStatus.OK, **request: Any
) -> Any:
    """The answer's JSON, amounts as exact decimals; any other status than `expect` is an error."""
    answer = client.request(method, path, **request)
    if answer.status_code != expect:
        raise UnexpectedAnswer(f"{method} {answer.request.url.path}", expect, answer)
    return answer.json(parse_float=Decimal)


class Visitor:
    """Somebody with an account; safe to share between threads."""

    def __init__(self, client: httpx.Client, email: str, password: str) -> None:
        self._client = client
        self._credentials = {"email": email, "password": password}
        self._token = ""
        self._signing_in = threading.Lock()
        self.user: Json = {}

    @property
    def token(self) -> str:
        """The access token of the last sign-in."""
        return self._token

    def sign_in(self) -> Json:
        """Logs in and remembers the access token; gives the user as the shop knows them."""
        answer = ask(self._client, "POST", "/api/auth/login", json=self._credentials)
        self._token, self.user = answer["accessToken"], answer["user"]
        return self.user

    def ask(
        self,
        method: str,
        path: str,
        *,
        expect: int = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> Any:
        token = self._token
        try:
            return self._ask(token, method, path, expect, headers, request)
        except UnexpectedAnswer as refused:
            if refused.status != HTTPStatus.UNAUTHORIZED:
                raise
        # Access tokens live for a quarter of an hour, and a slow laptop may need longer.
        with self._signing_in:
            if token == self._token:
                self.sign_in()
        return self._ask(self._token, method, path, expect, headers, request)

    def _ask(
        self,
        token: str,
        method: str,
        path: str,
        expect: int,
        headers: dict[str, str] | None,
        request: Json,
    ) -> Any:
        bearer = {"Authorization": f"Bearer {token}"} | (headers or {})
        return ask(self._client, method, path, expect=expect, headers=bearer, **request)


def _reason(answer: httpx.Response) -> str:
    """The API's own message and its complaints about fields, or whatever text there is."""
    try:
        body = answer.json()
        faults = [f"{fault['field']}: {fault['message']}" for fault in body.get("errors", [])]
        told = "; ".join([str(body["message"]), *faults])
    except (ValueError, KeyError, TypeError, AttributeError):
        told = answer.text[:300]
    return f"{told} (request {answer.headers.get('X-Request-ID', 'unknown')})"
