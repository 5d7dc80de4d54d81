"""An HTTP request as a Lambda gets it from an API Gateway HTTP API (payload format 2.0)."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Self

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
HANDSHAKE = {"method": "GET"}


@dataclass(frozen=True)
class Request:
    """`headers` have lower-case names; `body` is the bytes as received; `client_address` is the IP
    address that API Gateway saw.
    """

    id: str
    method: str
    path: str
    path_parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes
    client_address: str = ""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Return the request of an event, which may also be the handshake of a WebSocket API."""
        context = event["requestContext"]
        http = context.get("http", HANDSHAKE)
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        sent_id = headers.get("x-request-id", "")
        return cls(
            id=sent_id if SANE_REQUEST_ID.fullmatch(sent_id) else context["requestId"],
            method=http["method"],
            path=event.get("rawPath", "/"),
            path_parameters=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            headers=headers,
            # API Gateway sends a list of cookies, other gateways the header
            cookies=_cookies(event.get("cookies") or headers.get("cookie", "").split(";")),
            body=_body(event),
            client_address=http.get("sourceIp", ""),
        )

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty when none was sent."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def bearer_token(self) -> str | None:
        """The token of an `Authorization: Bearer` header."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


def _body(event: Mapping[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _cookies(headers: list[str]) -> dict[str, str]:
    cookies: dict[str, str] = {}
    for header in headers:
        try:
            jar = SimpleCookie(header)
        except CookieError:
            continue  # a malformed cookie of another site on the domain must not fail the request
        cookies.update({name: morsel.value for name, morsel in jar.items()})
    return cookies
