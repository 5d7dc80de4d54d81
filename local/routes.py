"""Gives an HTTP API its routes: the emulator ignores the OpenAPI body that SAM writes them into.

Delete this step when the emulator learns to import `Body` of `AWS::ApiGatewayV2::Api`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

HTTP_API = "AWS::ApiGatewayV2::Api"
ANY_METHOD = "x-amazon-apigateway-any-method"


@dataclass(frozen=True)
class Route:
    """One route of the API: its key, as API Gateway writes it, and the function behind it."""

    key: str
    function: str


def declared_routes(body: dict[str, Any]) -> Iterator[Route]:
    """The routes of an OpenAPI body as SAM generates it."""
    for path, operations in body.get("paths", {}).items():
        for method, operation in operations.items():
            integration = operation["x-amazon-apigateway-integration"]
            yield Route(_key(path, method), _function(integration["uri"]))


def declared_cors(body: dict[str, Any]) -> dict[str, Any]:
    """The CORS configuration of an OpenAPI body, as the API takes it."""
    cors = body.get("x-amazon-apigateway-cors", {})
    return {name[0].upper() + name[1:]: _as_list(name, value) for name, value in cors.items()}


def import_routes(aws: Any, stack: str) -> int:
    """Make the deployed APIs of a stack answer the routes its template declares; how many."""
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
        _forget_routes(gateway, api)
        if cors := declared_cors(body):
            # the emulator transforms the template with the parameters' defaults
            cors["AllowOrigins"] = _parameter(cloudformation, stack, "AllowedOrigins").split(",")
            gateway.update_api(ApiId=api, CorsConfiguration=cors)
        integrations: dict[str, str] = {}
        for route in declared_routes(body):
            if route.function not in integrations:
                arn = functions.get_function(FunctionName=deployed[route.function])
                integrations[route.function] = _integrate(
                    gateway, api, arn["Configuration"]["FunctionArn"]
                )
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
    """A list parameter arrives as the comma-separated text that it was given as."""
    return value.split(",") if name.startswith("allow") and isinstance(value, str) else value


def _parameter(cloudformation: Any, stack: str, name: str) -> str:
    [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return str(
        next(p["ParameterValue"] for p in described["Parameters"] if p["ParameterKey"] == name)
    )


def _physical_ids(cloudformation: Any, stack: str) -> dict[str, str]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }


def _forget_routes(gateway: Any, api: str) -> None:
    for route in gateway.get_routes(ApiId=api)["Items"]:
        gateway.delete_route(ApiId=api, RouteId=route["RouteId"])
    for integration in gateway.get_integrations(ApiId=api)["Items"]:
        gateway.delete_integration(ApiId=api, IntegrationId=integration["IntegrationId"])


def _integrate(gateway: Any, api: str, function: str) -> str:
    integration = gateway.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=function,
        IntegrationMethod="POST",
        PayloadFormatVersion="2.0",
    )
    return str(integration["IntegrationId"])
