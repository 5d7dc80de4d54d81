"""The routes and the CORS configuration that are created for the emulator."""

import pytest

from local.emulator_gaps import Route, declared_cors, declared_routes, definition


def test_the_cors_configuration_lists_the_configured_origins() -> None:
    cors = declared_cors(definition(), ["https://a.example", "https://b.example"])

    assert cors["AllowOrigins"] == ["https://a.example", "https://b.example"]
    assert cors["AllowCredentials"] is True
    assert {"HEAD", "PATCH"} <= set(cors["AllowMethods"])


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
