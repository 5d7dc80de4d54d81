"""The template as data."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from local.emulator import PYTHON
from local.emulator_gaps import declared_routes, definition

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
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


class _Loader(yaml.CSafeLoader):
    """Reads `!Ref Api` as `{"Ref": "Api"}`, and the other short forms in the same way."""


def _short_form(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


@cache
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return loaded


@cache
def transformed() -> dict[str, Any]:
    """Return the CloudFormation template that SAM generates, with its implicit resources."""
    made = subprocess.run(  # noqa: S603 - our own program
        [PYTHON, "-c", TRANSFORM, str(TEMPLATE)],
        capture_output=True,
        check=True,
        env={"AWS_DEFAULT_REGION": "us-east-1"},
    )
    loaded: dict[str, Any] = json.loads(made.stdout)
    return loaded


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, by its id in the template."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template()["Resources"].items()
        if resource["Type"] == kind
    }


def functions() -> dict[str, dict[str, Any]]:
    """The properties of every Lambda, by its id."""
    return resources("AWS::Serverless::Function")


def routes_of_functions() -> dict[str, set[str]]:
    """Return the routes of every Lambda that has some, as `GET /api/cart` or `ANY $default`, from
    the definition that the template gives to API Gateway.
    """
    routes: dict[str, set[str]] = {}
    for route in declared_routes(definition()):
        key = "ANY $default" if route.key == "$default" else route.key
        routes.setdefault(route.function, set()).add(key)
    return routes
