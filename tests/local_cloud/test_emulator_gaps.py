"""The routes that are created for the emulator, compared with what SAM generates."""

from typing import Any

import pytest

from local.emulator_gaps import Route, declared_cors, declared_routes
from support.template import resources, transformed


@pytest.fixture(scope="module")
def body() -> dict[str, Any]:
    """The OpenAPI document that SAM generates for the template's HTTP API."""
    document: dict[str, Any] = transformed()["Resources"]["Api"]["Properties"]["Body"]
    return document


def test_every_route_of_the_template_is_found_with_its_function(body: dict[str, Any]) -> None:
    expected = {
        (_key(event["Properties"]), function)
        for function, properties in resources("AWS::Serverless::Function").items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }

    assert {(route.key, route.function) for route in declared_routes(body)} == expected
    assert len(expected) > 30


def test_the_cors_configuration_lists_the_configured_origins(body: dict[str, Any]) -> None:
    cors = declared_cors(body)

    assert cors["AllowOrigins"] == ["https://a.example", "https://b.example"]
    assert cors["AllowCredentials"] is True
    assert "PATCH" in cors["AllowMethods"]


def test_any_method_and_the_default_route_keep_their_names() -> None:
    integration = {"x-amazon-apigateway-integration": {"uri": {"Fn::Sub": "x/${Some.Arn}/y"}}}
    document = {
        "paths": {
            "/a/{id}": {"x-amazon-apigateway-any-method": integration, "delete": integration},
            "$default": {"x-amazon-apigateway-any-method": integration},
        }
    }

    assert set(declared_routes(document)) == {
        Route("ANY /a/{id}", "Some"),
        Route("DELETE /a/{id}", "Some"),
        Route("$default", "Some"),
    }


def test_an_integration_without_a_function_is_an_error() -> None:
    integration = {"x-amazon-apigateway-integration": {"uri": {"Fn::Sub": "http://other.example"}}}

    with pytest.raises(ValueError, match="no function"):
        list(declared_routes({"paths": {"/a": {"get": integration}}}))


def _key(event: dict[str, Any]) -> str:
    return f"{event['Method'].upper()} {event['Path']}" if "Path" in event else "$default"
