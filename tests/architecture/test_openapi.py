"""The endpoints, the published description and API Gateway's definition agree."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from local import openapi
from local.openapi.routes import endpoints
from support.domains import ROOT
from support.template import functions, transformed

DESCRIPTION: dict[str, Any] = json.loads(openapi.DESCRIPTION.read_text())
GATEWAY: dict[str, Any] = json.loads(openapi.GATEWAY.read_text())
MOST_RESOURCES = 450
CLOUDFORMATION_TAKES = 500
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}


def test_both_documents_are_current() -> None:
    names = [str(path.relative_to(ROOT)) for path in openapi.outdated()]
    assert names == [], "write them: make openapi"


def test_the_description_is_linked_in_docs() -> None:
    assert (ROOT / "docs" / "openapi.json").read_text() == openapi.DESCRIPTION.read_text()


def test_the_description_is_valid_openapi_3_1() -> None:
    assert DESCRIPTION["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(DESCRIPTION).iter_errors()) == []


def test_the_gateway_definition_is_valid_openapi_3_0() -> None:
    """API Gateway answers 3.1 with `Unable to determine OAS version`."""
    assert GATEWAY["openapi"] == "3.0.1"
    valid = {name: value for name, value in GATEWAY.items() if name != "paths"}
    valid["paths"] = {path: ops for path, ops in GATEWAY["paths"].items() if path != "$default"}
    valid["info"] = {"title": "", "version": ""}  # the title is a reference for CloudFormation
    assert list(OpenAPIV30SpecValidator(valid).iter_errors()) == []


def test_both_documents_have_the_same_routes() -> None:
    gateway = {
        f"{method.upper()} {path}"
        for path, methods in GATEWAY["paths"].items()
        for method in methods
        if path != "$default"
    }
    heads = {key.replace("GET", "HEAD", 1) for key in OPERATIONS if key.startswith("GET ")}
    assert gateway == OPERATIONS.keys() | heads
    assert OPERATIONS.keys() == {
        f"{route.method} {route.path}" for route in endpoints() if not route.is_default
    }


def test_every_route_has_a_function_in_the_template() -> None:
    assert {route.function_id for route in endpoints()} <= functions().keys()


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("route", OPERATIONS)
def test_a_route_describes_body_view_errors_and_security(route: str) -> None:
    operation = OPERATIONS[route]
    assert operation["security"] is not None
    success = [status for status in operation["responses"] if status < "400"]
    errors = [status for status in operation["responses"] if status >= "400"]
    assert success, "no answer is described"
    assert {"500", "503"} <= set(errors)
    if operation["security"]:
        assert {"401", "403"} <= set(errors)
    for status in success:
        [content] = operation["responses"][status]["content"].values()
        assert content["schema"]
    for status in errors:
        [content] = operation["responses"][status]["content"].values()
        assert content["schema"]["properties"]["code"]["enum"]


def test_examples_are_valid() -> None:
    invalid = []
    for route, operation in OPERATIONS.items():
        for schema, value in _examples(operation):
            document = {**schema, "components": DESCRIPTION["components"]}
            invalid += [
                f"{route}: {error.json_path}: {error.message}"
                for error in Draft202012Validator(document).iter_errors(value)
            ]
    assert invalid == []


def test_the_stack_has_room_for_more_endpoints() -> None:
    """An endpoint is two resources: a function and its role."""
    count = len(transformed()["Resources"])
    print(f"{count} resources of at most {MOST_RESOURCES}: room for {MOST_RESOURCES - count}")
    assert count <= MOST_RESOURCES < CLOUDFORMATION_TAKES
    kinds = [resource["Type"] for resource in transformed()["Resources"].values()]
    assert kinds.count("AWS::Lambda::Permission") < 15, "routes need no permission of their own"


def _examples(operation: dict[str, Any]) -> list[tuple[dict[str, Any], Any]]:
    contents = list(operation.get("requestBody", {}).get("content", {}).values())
    for response in operation["responses"].values():
        contents += response["content"].values()
    return [(one["schema"], one["example"]) for one in contents if "example" in one]


# what these routes do happens once by itself, and a repetition answers the same
WITHOUT_IDEMPOTENCY_KEY = {
    "/api/admin/users/{userId}/approve": "a change of state",
    "/api/admin/users/{userId}/reinstate": "a change of state",
    "/api/admin/users/{userId}/revoke-sessions": "adds nothing",
    "/api/admin/users/{userId}/role": "a change of state",
    "/api/admin/users/{userId}/suspend": "a change of state",
    "/api/ai/ticket": "a ticket is a secret that is not stored, valid once and for a minute",
    "/api/auth/email/change": "the mails of a person and to an address are limited",
    "/api/auth/email/change/confirm": "a link is valid once",
    "/api/auth/email/change/undo": "a link is valid once",
    "/api/auth/email/resend": "the mails to an address are limited",
    "/api/auth/email/verify": "a link is valid once",
    "/api/auth/login": "a session of its own for each sign-in",
    "/api/auth/login/totp": "a code is valid once",
    "/api/auth/logout": "adds nothing",
    "/api/auth/logout-all": "adds nothing",
    "/api/auth/password/change": "the second one has the wrong password",
    "/api/auth/password/forgot": "the mails to an address are limited",
    "/api/auth/password/reset": "a link is valid once",
    "/api/auth/refresh": "the token itself: repeated within seconds it yields the same",
    "/api/auth/register": "names are unique, and a digest of a password must not be stored",
    "/api/auth/totp": "replaces the secret, until one is confirmed",
    "/api/auth/totp/confirm": "a change of state",
    "/api/notifications/read-all": "adds nothing",
    "/api/notifications/{notificationId}/read": "adds nothing",
    "/api/orders/{orderId}/cancel": "a change of state",
    "/api/orders/{orderId}/deliver": "a change of state",
    "/api/orders/{orderId}/ship": "a change of state",
    "/api/payments/verify": "a payment is verified once",
    "/api/payments/webhook": "Razorpay's own event id",
}


def test_every_post_that_creates_or_adds_takes_an_idempotency_key() -> None:
    posts = {path: item["post"] for path, item in DESCRIPTION["paths"].items() if "post" in item}
    with_key = {
        path
        for path, operation in posts.items()
        if any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ()))
    }
    assert posts.keys() - with_key == WITHOUT_IDEMPOTENCY_KEY.keys()
    for path in with_key:
        assert {"409", "422"} <= posts[path]["responses"].keys(), path
