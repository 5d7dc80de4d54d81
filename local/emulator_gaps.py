"""Creates resources of the template that the emulator does not create: HTTP routes, event archive.

Remove `import_routes` once the emulator imports `Body` of `AWS::ApiGatewayV2::Api`, and
`create_archive` once it supports `AWS::Events::Archive`.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

API = "Api"  # its id in the template
DEFINITION = Path(__file__).parents[1] / "deployment" / "http-api.json"
ANY_METHOD = "x-amazon-apigateway-any-method"


@dataclass(frozen=True)
class Route:
    """A route of the API: its key, as API Gateway writes it, and the logical id of its function."""

    key: str
    function: str


def definition() -> dict[str, Any]:
    """Return the definition of the HTTP API that the template includes."""
    read: dict[str, Any] = json.loads(DEFINITION.read_text())
    return read


def declared_routes(definition: dict[str, Any]) -> Iterator[Route]:
    """Yield the routes of a definition."""
    for path, operations in definition["paths"].items():
        for method, operation in operations.items():
            integration = operation["x-amazon-apigateway-integration"]
            yield Route(_key(path, method), _function(integration["uri"]))


def declared_cors(definition: dict[str, Any], origins: list[str]) -> dict[str, Any]:
    """Return the CORS configuration of a definition in the form of API Gateway's API."""
    cors = {**definition["x-amazon-apigateway-cors"], "allowOrigins": origins}
    return {name[0].upper() + name[1:]: value for name, value in cors.items()}


def create_archive(aws: Any, bus: str) -> None:
    """Create the bus's archive, `BusArchive` of the template. It survives restarts.

    The emulator replays an event to every rule that accepts replays, not to the chosen one only.
    """
    events = aws.client("events")
    arn = events.describe_event_bus(Name=bus)["Arn"]
    with suppress(events.exceptions.ResourceAlreadyExistsException):
        events.create_archive(ArchiveName=bus, EventSourceArn=arn)


def import_routes(aws: Any, stack: str) -> int:
    """Create the routes that the definition declares; return their number."""
    cloudformation, gateway = aws.client("cloudformation"), aws.client("apigatewayv2")
    functions = aws.client("lambda")
    deployed = _physical_ids(cloudformation, stack)
    api = deployed[API]
    _delete_routes(gateway, api)
    origins = _parameter(cloudformation, stack, "AllowedOrigins").split(",")
    gateway.update_api(ApiId=api, CorsConfiguration=declared_cors(definition(), origins))
    routes = list(declared_routes(definition()))
    integrations: dict[str, str] = {}
    for route in routes:
        if route.function not in integrations:
            function = functions.get_function(FunctionName=deployed[route.function])
            arn = function["Configuration"]["FunctionArn"]
            integrations[route.function] = _create_integration(gateway, api, arn)
        target = f"integrations/{integrations[route.function]}"
        gateway.create_route(ApiId=api, RouteKey=route.key, Target=target)
    return len(routes)


def _key(path: str, method: str) -> str:
    if path == "$default":
        return path
    return f"{'ANY' if method == ANY_METHOD else method.upper()} {path}"


def _function(uri: dict[str, str]) -> str:
    match = re.search(r"\$\{(\w+)\.Arn\}", uri["Fn::Sub"])
    if match is None:
        raise ValueError(f"no function in the integration {uri}")
    return match.group(1)


def _parameter(cloudformation: Any, stack: str, name: str) -> str:
    [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in described["Parameters"]}
    return str(parameters[name])


def _physical_ids(cloudformation: Any, stack: str) -> dict[str, str]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }


def _delete_routes(gateway: Any, api: str) -> None:
    for route in gateway.get_routes(ApiId=api)["Items"]:
        gateway.delete_route(ApiId=api, RouteId=route["RouteId"])
    for integration in gateway.get_integrations(ApiId=api)["Items"]:
        gateway.delete_integration(ApiId=api, IntegrationId=integration["IntegrationId"])


def _create_integration(gateway: Any, api: str, function: str) -> str:
    integration = gateway.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=function,
        IntegrationMethod="POST",
        PayloadFormatVersion="2.0",
    )
    return str(integration["IntegrationId"])
