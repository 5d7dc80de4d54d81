"""An HTTP request as a Lambda gets it from an API Gateway HTTP API (payload format 2.0)."""

import base64
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Self
from urllib.parse import parse_qsl

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
HANDSHAKE = {"method": "GET"}
UTF_8 = {"utf-8", "utf8"}


@dataclass(frozen=True)
class Request:
    """`headers` have lower-case names; `query` has no blank parameters, since blank means absent,
    and `repeated` names those that were sent more than once; `body` is the bytes as received;
    `client_address` is the IP address that API Gateway saw.
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
    repeated: tuple[str, ...] = ()
    raw_query: str = ""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Return the request of an event, which may also be the handshake of a WebSocket API."""
        context = event["requestContext"]
        http = context.get("http", HANDSHAKE)
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        sent_id = headers.get("x-request-id", "")
        query = _query(event)
        return cls(
            id=sent_id if SANE_REQUEST_ID.fullmatch(sent_id) else context["requestId"],
            method=http["method"],
            path=event.get("rawPath", "/"),
            path_parameters=event.get("pathParameters") or {},
            query=dict(query),
            headers=headers,
            # API Gateway sends a list of cookies, other gateways the header
            cookies=_cookies(event.get("cookies") or headers.get("cookie", "").split(";")),
            body=_body(event),
            client_address=http.get("sourceIp", ""),
            repeated=tuple(name for name, n in Counter(name for name, _ in query).items() if n > 1),
            raw_query=event.get("rawQueryString", ""),
        )

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty when none was sent."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def is_utf_8(self) -> bool:
        """Whether the content type names no other charset than UTF-8."""
        parameters = self.headers.get("content-type", "").split(";")[1:]
        pairs = (parameter.partition("=") for parameter in parameters)
        charsets = (value for name, _, value in pairs if name.strip().lower() == "charset")
        return all(charset.strip(' "').lower() in UTF_8 for charset in charsets)

    @property
    def is_compressed(self) -> bool:
        """Whether the body has a content encoding."""
        return self.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}

    @property
    def bearer_token(self) -> str | None:
        """The token of an `Authorization: Bearer` header."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


def _query(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the parameters that are not blank. API Gateway joins those of one name with a comma in
    `queryStringParameters`, which the events of a WebSocket API have alone.
    """
    raw = event.get("rawQueryString")
    if raw is None:
        pairs = list((event.get("queryStringParameters") or {}).items())
    else:
        pairs = parse_qsl(raw, keep_blank_values=True)
    return [(name, value) for name, value in pairs if value.strip()]


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
