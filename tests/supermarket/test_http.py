"""HTTP endpoints, called with the events of API Gateway."""

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError
from pydantic import Field
from pynamodb.exceptions import GetError

from auth.wiring import token_issuing
from supermarket.caller import Caller, Role, Standing, Status
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict, FieldError
from supermarket.http import Endpoint, get, post
from supermarket.request import Request
from supermarket.schemas import Body, Message, Page
from supermarket.wiring import sessions
from support.api import Reply, a_caller, api_event, bearer, call
from support.domains import endpoints

pytestmark = pytest.mark.usefixtures("aws")


class Wish(Body):
    wished_for: str = Field(min_length=2)
    count: int = 1


@post("/api/wishes", status=201, roles={Role.USER})
def make_wish(body: Wish, caller: Caller) -> Message:
    if body.wished_for == "conflict":
        raise Conflict("Taken", (FieldError("wishedFor", "already wished for"),))
    if body.wished_for == "crash":
        raise ZeroDivisionError("secret detail")
    return Message(message=f"{caller.first_name}: {body.count} {body.wished_for}")


@get("/api/wishes/{wishId}")
def get_wish(wishId: str, page: Page) -> Message:  # noqa: N803
    return Message(message=f"{wishId} {page.limit}")


def test_a_typed_function_answers_with_its_view() -> None:
    reply = call(make_wish, body={"wishedFor": "tea"}, caller=a_caller())
    assert (reply.status, reply.body) == (201, {"message": "Asha: 1 tea"})


def test_every_response_carries_the_request_id_and_the_security_headers() -> None:
    reply = call(get_wish, path={"wishId": "w"}, headers={"x-request-id": "my-own-id-1"})
    assert reply.headers["x-request-id"] == "my-own-id-1"
    assert "max-age" in reply.headers["strict-transport-security"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("request_id", ["x", "a b c d e f g", "<script>alert</script>", "i" * 129])
def test_an_invalid_request_id_is_replaced(request_id: str) -> None:
    reply = call(get_wish, path={"wishId": "w"}, headers={"x-request-id": request_id})
    assert reply.headers["x-request-id"].startswith("request-")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"wishedFor": "t"}, "wishedFor"),
        ({"wishedFor": "tea", "count": "1"}, "count"),
        ({"wishedFor": "tea", "count": True}, "count"),
        ({"wishedFor": "tea", "count": None}, "count"),
        ({"wishedFor": "tea", "price": 1}, "price"),
        ({"wishedFor": "tea", "wished_for": "tea"}, "wished_for"),
        ({}, "wishedFor"),
        ([], "body"),
        (None, "body"),
    ],
)
def test_invalid_bodies_are_400_with_the_invalid_field(body: Any, field: str) -> None:
    reply = call(make_wish, raw=json.dumps(body).encode(), caller=a_caller())
    assert reply.status == 400
    assert [error["field"] for error in reply.body["errors"]] == [field]
    assert reply.body["requestId"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b'{"wishedFor": "\\ud800"}', b"nul", b"NaN"]
)
def test_malformed_json_is_400(raw: bytes) -> None:
    assert call(make_wish, raw=raw, caller=a_caller()).status == 400


def test_submitted_values_are_not_in_the_response() -> None:
    reply = call(make_wish, body={"wishedFor": 12345678, "count": "s3cret"}, caller=a_caller())
    assert "12345678" not in json.dumps(reply.body)
    assert "s3cret" not in json.dumps(reply.body)


def test_a_body_over_the_limit_is_413_and_another_media_type_is_415() -> None:
    caller = a_caller()
    assert call(make_wish, raw=b" " * 70_000, caller=caller).status == 413
    reply = call(make_wish, raw=b"<a/>", headers={"content-type": "text/xml"}, caller=caller)
    assert reply.status == 415


def test_a_domain_error_has_the_status_of_the_table_and_its_fields() -> None:
    reply = call(make_wish, body={"wishedFor": "conflict"}, caller=a_caller())
    assert reply.status == 409
    assert reply.body["code"] == "CONFLICT"
    assert reply.body["errors"] == [
        {"field": "wishedFor", "message": "already wished for", "code": "INVALID"}
    ]


def test_an_unexpected_error_is_500_without_details() -> None:
    reply = call(make_wish, body={"wishedFor": "crash"}, caller=a_caller())
    assert reply.status == 500
    assert "secret" not in json.dumps(reply.body)


def test_a_database_timeout_is_503_with_retry_after() -> None:
    @get("/api/slow")
    def slow() -> Message:
        raise GetError("no answer", ReadTimeoutError(endpoint_url="http://database"))

    reply = call(slow)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert "database" not in json.dumps(reply.body)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ThrottlingException", 400, 503),
        ("InternalServerError", 500, 503),
        ("SomethingNew", 503, 503),
        ("ValidationException", 400, 500),
        ("AccessDeniedException", 400, 500),
        ("ResourceNotFoundException", 400, 500),
    ],
)
def test_only_a_failure_that_may_pass_asks_the_client_to_try_again(
    code: str, status: int, expected: int
) -> None:
    response: Any = {
        "Error": {"Code": code, "Message": "secret"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    failure = ClientError(response, "GetItem")

    @get("/api/failing")
    def fails() -> Message:
        raise failure

    @get("/api/failing")
    def fails_in_pynamodb() -> Message:
        raise GetError("failed", failure)

    for endpoint in (fails, fails_in_pynamodb):
        reply = call(endpoint)
        assert reply.status == expected
        assert ("retry-after" in reply.headers) == (expected == 503)
        assert "secret" not in json.dumps(reply.body)


def test_a_call_that_botocore_refuses_to_send_is_500() -> None:
    @get("/api/failing")
    def fails() -> Message:
        raise ParamValidationError(report="a mistake")

    assert call(fails).status == 500


def test_anonymous_requests_get_401_before_the_body_is_parsed() -> None:
    assert call(make_wish, raw=b"{").status == 401


def test_another_role_gets_403() -> None:
    assert call(make_wish, body={"wishedFor": "tea"}, caller=a_caller(Role.SELLER)).status == 403


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("claimed", Role)
def test_the_role_of_the_token_has_no_effect(role: Role, claimed: Role) -> None:
    caller = a_caller(role)
    bearer(caller)
    token = token_issuing().issue(replace(caller, role=claimed))
    reply = call(make_wish, body={"wishedFor": "tea"}, headers={"authorization": f"Bearer {token}"})
    assert reply.status == (201 if role is Role.USER else 403)


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Standing(Role.USER), 201),
        (Standing(Role.SELLER), 403),
        (Standing(Role.USER, Status.PENDING), 403),
        (Standing(Role.USER, Status.SUSPENDED), 401),
    ],
)
def test_a_change_of_role_or_status_is_felt_at_the_next_request(
    standing: Standing, status: int
) -> None:
    caller = a_caller()
    headers = bearer(caller)
    assert call(make_wish, body={"wishedFor": "tea"}, headers=headers).status == 201
    transaction = DynamoTransaction()
    sessions().change_standing(caller.user_id, standing, transaction)
    transaction.commit()
    assert call(make_wish, body={"wishedFor": "tea"}, headers=headers).status == status


def test_an_ended_session_is_refused_at_once() -> None:
    caller = a_caller()
    headers = bearer(caller)
    assert call(make_wish, body={"wishedFor": "tea"}, headers=headers).status == 201
    sessions().end(caller.session_id, caller.user_id)
    assert call(make_wish, body={"wishedFor": "tea"}, headers=headers).status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"origin": "https://shop.example"}, 201),
        ({"origin": "https://api.example"}, 201),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://api.example"}, 403),
        ({"origin": "ftp://api.example"}, 403),
        ({"origin": "http://api.example", "x-forwarded-proto": "http"}, 201),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 201),
    ],
)
def test_a_write_with_a_cookie_from_another_site_is_403(
    headers: dict[str, str], status: int
) -> None:
    token = bearer(a_caller())["authorization"].removeprefix("Bearer ")
    reply = call(make_wish, body={"wishedFor": "tea"}, headers=headers, cookies=[f"token={token}"])
    assert reply.status == status


def test_cookies_are_read_from_the_list_or_the_header_and_other_cookies_are_ignored() -> None:
    token = bearer(a_caller())["authorization"].removeprefix("Bearer ")
    wish = {"wishedFor": "tea"}
    for cookies in (["broken[=1", f"token={token}"], [f"token={token}", "a=b"]):
        assert call(make_wish, body=wish, cookies=cookies).status == 201
        assert call(make_wish, body=wish, headers={"cookie": "; ".join(cookies)}).status == 201


def test_an_endpoint_without_a_caller_does_not_verify_the_token() -> None:
    stale = {"authorization": "Bearer nonsense"}
    assert call(get_wish, path={"wishId": "w"}).body["message"] == "w 20"
    assert call(get_wish, path={"wishId": "w"}, headers=stale).body["message"] == "w 20"
    assert call(get_wish, path={"wishId": "w"}, query={"limit": "5"}).body["message"] == "w 5"


@pytest.mark.parametrize("limit", ["0", "-1", "101", "x", "1.5", "1_0"])
def test_a_limit_out_of_bounds_is_400(limit: str) -> None:
    assert call(get_wish, path={"wishId": "w"}, query={"limit": limit}).status == 400


def query_reply(query: str, endpoint: Endpoint = get_wish) -> Reply:
    event = api_event(endpoint, path={"wishId": "w"} if endpoint is get_wish else {})
    event["rawQueryString"] = query
    answer = endpoint(event, None)
    return Reply(answer["statusCode"], answer["headers"], [], json.loads(answer["body"]))


@pytest.mark.parametrize(
    "query", ["limit=", "limit=%20", "cursor=&limit", "other=", "limit=&limit="]
)
def test_a_blank_parameter_is_absent(query: str) -> None:
    assert query_reply(query).body["message"] == "w 20"


@pytest.mark.parametrize("query", ["limits=5", "LIMIT=5", "%F0%9F%8D%8E=1", "limit[]=5", "&x=1"])
def test_an_unknown_parameter_is_400_and_named(query: str) -> None:
    [name] = parse_qs(query)
    for endpoint in (get_wish, without_query):
        reply = query_reply(query, endpoint)
        assert reply.status == 400
        error = {"field": name, "message": "is unknown", "code": "EXTRA_FORBIDDEN"}
        assert reply.body["errors"] == [error]


@pytest.mark.parametrize("query", ["limit=5&limit=5", "limit=5&limit=6", "limit=1&li%6Dit=2"])
def test_a_repeated_parameter_is_400_and_named(query: str) -> None:
    reply = query_reply(query)
    assert reply.status == 400
    error = {"field": "limit", "message": "must be sent once", "code": "REPEATED"}
    assert reply.body["errors"] == [error]


@get("/api/without-query")
def without_query() -> Message:
    return Message(message="done")


def test_head_is_answered_like_get_without_a_body() -> None:
    event = api_event(get_wish, path={"wishId": "w"})
    got = get_wish(event, None)
    event["requestContext"]["http"]["method"] = "HEAD"
    headed = get_wish(event, None)
    assert headed["body"] == ""
    assert {**headed, "body": got["body"], "headers": got["headers"]} == got


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json; charset=iso-8859-1"},
        {"content-type": 'application/json;x=1; Charset="UTF-16"'},
        {"content-type": "application/json; charset=utf-8; charset=latin1"},
        {"content-encoding": "gzip"},
        {"content-encoding": "identity, br"},
    ],
)
def test_another_charset_or_a_content_encoding_is_415(headers: dict[str, str]) -> None:
    reply = call(make_wish, body={"wishedFor": "tea"}, headers=headers, caller=a_caller())
    assert (reply.status, reply.body["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": 'application/json; charset="UTF-8"'},
        {"content-encoding": "identity"},
    ],
)
def test_utf_8_without_an_encoding_is_accepted(headers: dict[str, str]) -> None:
    reply = call(make_wish, body={"wishedFor": "tea"}, headers=headers, caller=a_caller())
    assert reply.status == 201


@pytest.mark.parametrize("depth", [150, 1_000, 30_000])
def test_a_deep_body_is_400(depth: int) -> None:
    raw = b'{"wishedFor": ' + b"[" * depth + b"]" * depth + b"}"
    assert call(make_wish, raw=raw, caller=a_caller()).status == 400


def test_a_body_that_is_not_base64_is_read_as_text() -> None:
    event = api_event(make_wish, headers={**bearer(a_caller()), "content-type": "application/json"})
    event |= {"body": '{"wishedFor": "चाय"}', "isBase64Encoded": False}
    assert "चाय" in json.loads(make_wish(event, None)["body"])["message"]


def test_an_endpoint_can_take_the_request_itself() -> None:
    @post("/api/echo", accepts=("text/plain",))
    def echo(request: Request) -> Message:
        return Message(message=request.body.decode())

    reply = call(echo, raw=b"raw text", headers={"content-type": "text/plain; charset=utf-8"})
    assert reply.body["message"] == "raw text"


def test_a_path_parameter_over_128_characters_is_404() -> None:
    assert call(get_wish, path={"wishId": "w" * 128}).status == 200
    assert call(get_wish, path={"wishId": "w" * 129}).status == 404


WITH_IDS = {name: one for name, one in endpoints().items() if "{" in one.path}


@pytest.mark.parametrize("endpoint", WITH_IDS.values(), ids=WITH_IDS)
def test_no_route_sends_a_key_over_the_limit_to_dynamodb(endpoint: Endpoint) -> None:
    name = re.findall(r"{(\w+)}", endpoint.path)[0]
    caller = a_caller(max(endpoint.roles or {Role.USER}))
    requests: list[str] = []

    def record(params: Any, **_: Any) -> None:
        requests.append(str(params))

    bus = database().client.meta.events
    bus.register("before-parameter-build.dynamodb", record)
    try:
        reply = call(endpoint, caller=caller, path={name: "w" * 3000})
    finally:
        bus.unregister("before-parameter-build.dynamodb", record)
    assert reply.status in {400, 404}
    assert requests
    assert "w" * 3000 not in "".join(requests)
