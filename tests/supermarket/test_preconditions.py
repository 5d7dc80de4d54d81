"""The precondition of a change: the header, its check, and the responses to it."""

from dataclasses import replace

import pytest

from supermarket.errors import Busy, Invalid, PreconditionFailed
from supermarket.http import patch
from supermarket.preconditions import IfMatch
from supermarket.request import Request
from supermarket.schemas import Message
from support.api import call

pytestmark = pytest.mark.usefixtures("aws")

REQUEST = Request("r", "PATCH", "/", {}, {}, {}, {}, b"")
VERSION = 3


@patch("/api/things/{thingId}")
def change_thing(thingId: str, if_match: IfMatch | None) -> Message:  # noqa: N803
    if thingId == "busy":
        raise Busy("Try again")
    if if_match is not None:
        if_match.check(VERSION)
    return Message(message="changed")


def read(header: str) -> IfMatch | None:
    return IfMatch.from_request(replace(REQUEST, headers={"if-match": header}), "use case", "u1")


def test_a_request_without_the_header_has_no_precondition() -> None:
    assert IfMatch.from_request(REQUEST, "use case", "u1") is None


@pytest.mark.parametrize(
    ("header", "version"), [('"3"', 3), (' "12" ', 12), ('"0"', 0), ('"03"', 3)]
)
def test_the_header_names_a_version(header: str, version: int) -> None:
    assert read(header) == IfMatch(version)


@pytest.mark.parametrize(
    "header",
    ["", "3", "*", 'W/"3"', '"3", "4"', '"-3"', '"3.0"', '"abc"', '""', f'"{10**15}"', '"\n3"'],
)
def test_a_malformed_header_is_invalid(header: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(header)
    assert [fault.field for fault in refused.value.errors] == ["If-Match"]


def test_only_the_present_version_passes() -> None:
    IfMatch(3).check(3)
    for other in (2, 4):
        with pytest.raises(PreconditionFailed, match="Read it again"):
            IfMatch(other).check(3)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 200, None),
        ({"if-match": '"3"'}, 200, None),
        ({"if-match": '"2"'}, 412, "PRECONDITION_FAILED"),
        ({"if-match": "2"}, 400, "INVALID"),
    ],
)
def test_another_version_is_412_and_a_malformed_one_400(
    headers: dict[str, str], status: int, code: str | None
) -> None:
    reply = call(change_thing, path={"thingId": "t1"}, headers=headers)
    assert (reply.status, reply.body.get("code")) == (status, code)


def test_busy_is_503_and_asks_to_try_again() -> None:
    reply = call(change_thing, path={"thingId": "busy"})
    assert (reply.status, reply.body["code"]) == (503, "BUSY")
    assert reply.headers["retry-after"] == "1"
