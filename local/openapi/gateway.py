"""The definition of the HTTP API for API Gateway: routes, integrations and CORS."""

import re
from collections.abc import Sequence
from typing import Any

from local.openapi.routes import Route

URI = (
    "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
    "${%s.Arn}/invocations"
)
CORS = {
    "allowOrigins": {"Ref": "AllowedOrigins"},
    "allowCredentials": True,
    "allowMethods": ["GET", "HEAD", "POST", "PATCH", "DELETE"],
    "allowHeaders": ["authorization", "content-type", "idempotency-key", "x-request-id"],
    "exposeHeaders": ["x-request-id", "retry-after", "link"],
    "maxAge": 600,
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the definition; API Gateway invokes every function through the role `ApiRole`."""
    paths: dict[str, Any] = {}
    for route in routes:
        method = "x-amazon-apigateway-any-method" if route.is_default else route.method.lower()
        operations = paths.setdefault(route.path, {})
        operations[method] = _operation(route)
        if method == "get":
            operations["head"] = _operation(route)
    return {
        "openapi": "3.0.1",
        "info": {"title": {"Ref": "AWS::StackName"}, "version": "1"},
        "paths": paths,
        "x-amazon-apigateway-cors": CORS,
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "responses": {"default": {"description": "See the published API description"}},
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "payloadFormatVersion": "2.0",
            "uri": {"Fn::Sub": URI % route.function_id},
            "credentials": {"Fn::GetAtt": ["ApiRole", "Arn"]},
        },
    }
    if route.is_default:
        operation["isDefaultRoute"] = True
    if names := re.findall(r"\{(\w+)\}", route.path):
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    return operation
