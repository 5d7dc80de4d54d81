"""Records the AWS responses of an invocation.

moto replaces AWS, and the project's own repositories wrote all the items that it returns.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.endpoint import Endpoint
from urllib3 import HTTPResponse

# services that are not called: moto would start a container, or knows no open connections
ACCEPTED = {"lambda": 202, "apigatewaymanagementapi": 200}


@dataclass(frozen=True)
class Response:
    """One HTTP response of AWS or of another web API."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


type Recording = dict[str, list[Response]]
"""Responses in the order of the requests, by `X-Amz-Target`, or by method and path."""


@contextmanager
def recording() -> Iterator[Recording]:
    """Collect the response of every AWS call inside the block."""
    collected: Recording = defaultdict(list)
    send: Callable[..., tuple[AWSResponse, dict[str, Any]]] = Endpoint.make_request

    def record(endpoint: Endpoint, operation: Any, request: dict[str, Any]) -> Any:
        service = operation.service_model.service_name
        if service in ACCEPTED:
            response, parsed = _accepted(request["url"], ACCEPTED[service])
        else:
            response, parsed = send(endpoint, operation, request)
        target = request["headers"].get("X-Amz-Target")
        key = target or f"{request['method']} {request['url_path']}"
        kind = response.headers.get("content-type", "application/x-amz-json-1.0")
        collected[key].append(Response(response.content, response.status_code, kind))
        return response, parsed

    with patch.object(Endpoint, "make_request", record):
        yield collected


def _accepted(url: str, status: int) -> tuple[AWSResponse, dict[str, Any]]:
    response = AWSResponse(url, status, HTTPHeaders(), HTTPResponse(BytesIO()))
    return response, {"StatusCode": status, "ResponseMetadata": {"HTTPStatusCode": status}}
