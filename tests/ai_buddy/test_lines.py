"""API Gateway's connections and Lambda's workers, as their SDK clients answer."""

import json
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber

from ai_buddy.model import Task, TurnKey
from ai_buddy.realtime.connections import LineGone
from ai_buddy.realtime.gateways import (
    ApiGatewayLines,
    LambdaWorkers,
    lines_client,
    task,
    workers_client,
)
from supermarket.clock import new_id
from support.api import a_caller

URL = "https://abc.execute-api.ap-south-1.amazonaws.com/live"


@pytest.fixture
def gateway() -> Any:
    return lines_client(URL)


def test_a_frame_goes_to_its_connection(gateway: Any) -> None:
    with Stubber(gateway) as stub:
        stub.add_response("post_to_connection", {}, {"ConnectionId": "c=", "Data": b'{"a":1}'})
        assert ApiGatewayLines(gateway).send("c=", '{"a":1}')
        stub.assert_no_pending_responses()


def test_half_a_character_does_not_keep_a_frame_from_leaving(gateway: Any) -> None:
    with Stubber(gateway) as stub:
        stub.add_response("post_to_connection", {}, {"ConnectionId": "c=", "Data": b'{"a":"?"}'})
        assert ApiGatewayLines(gateway).send("c=", '{"a":"\ud83c"}')


def test_whoever_is_gone_is_told_apart_from_whoever_is_busy(gateway: Any) -> None:
    with Stubber(gateway) as stub:
        stub.add_client_error("post_to_connection", "GoneException", http_status_code=410)
        with pytest.raises(LineGone):
            ApiGatewayLines(gateway).send("c", "{}")
        stub.add_client_error("post_to_connection", "LimitExceededException", http_status_code=429)
        assert not ApiGatewayLines(gateway).send("c", "{}")


def test_a_gateway_that_does_not_answer_is_no_end(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(**_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url=URL)

    monkeypatch.setattr(gateway, "post_to_connection", too_slow)

    assert not ApiGatewayLines(gateway).send("c", "{}")


def test_hanging_up_on_somebody_who_is_gone_is_fine(gateway: Any) -> None:
    with Stubber(gateway) as stub:
        stub.add_client_error("delete_connection", "GoneException", http_status_code=410)
        ApiGatewayLines(gateway).hang_up("c")
        stub.add_client_error("delete_connection", "ForbiddenException", http_status_code=403)
        with pytest.raises(ClientError):
            ApiGatewayLines(gateway).hang_up("c")


def test_a_task_arrives_as_it_was_sent_and_holds_no_word_of_the_conversation() -> None:
    caller = a_caller()
    wanted = Task(TurnKey.of(caller.user_id, f"{new_id()}-{new_id()}"), caller)
    client = workers_client()
    sent: dict[str, Any] = {}
    client.meta.events.register(
        "before-parameter-build.lambda", lambda params, **_: sent.update(params)
    )
    with Stubber(client) as stub:
        stub.add_response("invoke", {"StatusCode": 202, "Payload": BytesIO()})
        LambdaWorkers(client, "worker").start(wanted)

    assert (sent["FunctionName"], sent["InvocationType"]) == ("worker", "Event")
    assert task(json.loads(sent["Payload"])) == wanted
