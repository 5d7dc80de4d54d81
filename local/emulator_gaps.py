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
            uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            function = re.search(r"\$\{(\w+)\.Arn\}", uri)
            if function is None:
                raise ValueError(f"no function in the integration {uri}")
            verb = "ANY" if method == ANY_METHOD else method.upper()
            yield Route(path if path == "$default" else f"{verb} {path}", function[1])


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


def import_routes(aws: Any, stack: str, origins: list[str]) -> None:
    """Create the routes that the definition declares; the origins may send requests to them."""
    gateway, functions = aws.client("apigatewayv2"), aws.client("lambda")
    deployed = _physical_ids(aws.client("cloudformation"), stack)
    api = deployed[API]
    _delete_routes(gateway, api)
    gateway.update_api(ApiId=api, CorsConfiguration=declared_cors(definition(), origins))
    integrations: dict[str, str] = {}
    for route in declared_routes(definition()):
        if route.function not in integrations:
            function = functions.get_function(FunctionName=deployed[route.function])
            arn = function["Configuration"]["FunctionArn"]
            integrations[route.function] = _create_integration(gateway, api, arn)
        target = f"integrations/{integrations[route.function]}"
        gateway.create_route(ApiId=api, RouteKey=route.key, Target=target)


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
