"""Creates resources of the template that the emulator does not create: HTTP routes, event archive.

Remove `import_routes` once the emulator imports `Body` of `AWS::ApiGatewayV2::Api`, and
`create_archive` once it supports `AWS::Events::Archive`.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

HTTP_API = "AWS::ApiGatewayV2::Api"
ANY_METHOD = "x-amazon-apigateway-any-method"


@dataclass(frozen=True)
class Route:
    """A route of the API: its key, as API Gateway writes it, and the logical id of its function."""

    key: str
    function: str


def declared_routes(body: dict[str, Any]) -> Iterator[Route]:
    """Yield the routes of an OpenAPI body as SAM generates it."""
    for path, operations in body.get("paths", {}).items():
        for method, operation in operations.items():
            integration = operation["x-amazon-apigateway-integration"]
            yield Route(_key(path, method), _function(integration["uri"]))


def declared_cors(body: dict[str, Any]) -> dict[str, Any]:
    """Return the CORS configuration of an OpenAPI body in the form of the API's own."""
    cors = body.get("x-amazon-apigateway-cors", {})
    return {name[0].upper() + name[1:]: _as_list(name, value) for name, value in cors.items()}


def create_archive(aws: Any, bus: str) -> None:
    """Create the bus's archive, `BusArchive` of the template. It survives restarts.

    The emulator replays an event to every rule that accepts replays, not to the chosen one only.
    """
    events = aws.client("events")
    arn = events.describe_event_bus(Name=bus)["Arn"]
    with suppress(events.exceptions.ResourceAlreadyExistsException):
        events.create_archive(ArchiveName=bus, EventSourceArn=arn)


def import_routes(aws: Any, stack: str) -> int:
    """Create the routes that the stack's template declares; return their number."""
    cloudformation, gateway = aws.client("cloudformation"), aws.client("apigatewayv2")
    template = cloudformation.get_template(StackName=stack, TemplateStage="Processed")
    deployed = _physical_ids(cloudformation, stack)
    functions = aws.client("lambda")
    count = 0
    for name, resource in template["TemplateBody"]["Resources"].items():
        body = resource.get("Properties", {}).get("Body")
        if resource["Type"] != HTTP_API or not body:
            continue
        api = deployed[name]
        _delete_routes(gateway, api)
        if cors := declared_cors(body):
            # the emulator transforms the template with the default values of the parameters
            cors["AllowOrigins"] = _parameter(cloudformation, stack, "AllowedOrigins").split(",")
            gateway.update_api(ApiId=api, CorsConfiguration=cors)
        integrations: dict[str, str] = {}
        for route in declared_routes(body):
            if route.function not in integrations:
                function = functions.get_function(FunctionName=deployed[route.function])
                arn = function["Configuration"]["FunctionArn"]
                integrations[route.function] = _create_integration(gateway, api, arn)
            target = f"integrations/{integrations[route.function]}"
            gateway.create_route(ApiId=api, RouteKey=route.key, Target=target)
            count += 1
    return count


def _key(path: str, method: str) -> str:
    if path == "$default":
        return path
    return f"{'ANY' if method == ANY_METHOD else method.upper()} {path}"


def _function(uri: dict[str, str]) -> str:
    match = re.search(r"\$\{(\w+)\.Arn\}", uri["Fn::Sub"])
    if match is None:
        raise ValueError(f"no function in the integration {uri}")
    return match.group(1)


def _as_list(name: str, value: Any) -> Any:
    """Split a list parameter, which is a comma-separated text here."""
    return value.split(",") if name.startswith("allow") and isinstance(value, str) else value


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
