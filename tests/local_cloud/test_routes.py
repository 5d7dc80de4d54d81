"""The step that gives the emulator's HTTP API its routes, held against what SAM generates."""

import json
import subprocess
from typing import Any

import pytest

from local.emulator import PYTHON
from local.routes import Route, declared_cors, declared_routes
from support.template import TEMPLATE, resources

TRANSFORM = """
import json, sys
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
policies = ManagedPolicyLoader(None)
policies._policy_map = {"aws": {}}
template = yaml_parse(open(sys.argv[1]).read())
parameters = {"AllowedOrigins": "https://a.example,https://b.example", "Stage": "local"}
for name, resource in template["Resources"].items():
    for key in ("CodeUri", "ContentUri"):
        if key in resource.get("Properties", {}):
            resource["Properties"][key] = "s3://bucket/key"
template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
print(json.dumps(transform(template, parameters, policies)))
"""


@pytest.fixture(scope="module")
def body() -> dict[str, Any]:
    """The OpenAPI document that SAM makes of the template's HTTP API."""
    transformed = subprocess.run(  # noqa: S603 - our own program
        [PYTHON, "-c", TRANSFORM, str(TEMPLATE)],
        capture_output=True,
        check=True,
        env={"AWS_DEFAULT_REGION": "us-east-1"},
    )
    api: dict[str, Any] = json.loads(transformed.stdout)["Resources"]["Api"]
    document: dict[str, Any] = api["Properties"]["Body"]
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


def test_an_integration_without_a_function_is_an_error_not_a_gap() -> None:
    integration = {"x-amazon-apigateway-integration": {"uri": {"Fn::Sub": "http://elsewhere"}}}

    with pytest.raises(ValueError, match="no function"):
        list(declared_routes({"paths": {"/a": {"get": integration}}}))


def _key(event: dict[str, Any]) -> str:
    return f"{event['Method'].upper()} {event['Path']}" if "Path" in event else "$default"
