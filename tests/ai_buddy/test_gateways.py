"""API Gateway's connections and Lambda's workers through stubbed SDK clients."""

import json
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber

from ai_buddy.model import Task, TurnKey
from ai_buddy.realtime.gateways import (
    ApiGatewaySender,
    LambdaWorkers,
    connections_client,
    from_event,
    workers_client,
)
from ai_buddy.realtime.ports import ConnectionGone
from supermarket.clock import new_id
from support.api import a_caller

URL = "https://abc.execute-api.ap-south-1.amazonaws.com/live"


@pytest.fixture
def gateway() -> Any:
    return connections_client(URL)


def test_a_frame_is_posted_to_its_connection(gateway: Any) -> None:
    with Stubber(gateway) as stub:
        stub.add_response("post_to_connection", {}, {"ConnectionId": "c=", "Data": b'{"a":1}'})
        assert ApiGatewaySender(gateway).send("c=", '{"a":1}')
        stub.assert_no_pending_responses()


def test_half_a_character_is_replaced_and_the_frame_is_sent(gateway: Any) -> None:
    with Stubber(gateway) as stub:
        stub.add_response("post_to_connection", {}, {"ConnectionId": "c=", "Data": b'{"a":"?"}'})
        assert ApiGatewaySender(gateway).send("c=", '{"a":"\ud83c"}')


def test_a_closed_connection_raises_and_a_throttled_one_does_not(gateway: Any) -> None:
    with Stubber(gateway) as stub:
        stub.add_client_error("post_to_connection", "GoneException", http_status_code=410)
        with pytest.raises(ConnectionGone):
            ApiGatewaySender(gateway).send("c", "{}")
        stub.add_client_error("post_to_connection", "LimitExceededException", http_status_code=429)
        assert not ApiGatewaySender(gateway).send("c", "{}")


def test_a_gateway_that_does_not_answer_raises_nothing(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(**_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url=URL)

    monkeypatch.setattr(gateway, "post_to_connection", time_out)

    assert not ApiGatewaySender(gateway).send("c", "{}")


def test_closing_a_closed_connection_is_no_error(gateway: Any) -> None:
    with Stubber(gateway) as stub:
        stub.add_client_error("delete_connection", "GoneException", http_status_code=410)
        ApiGatewaySender(gateway).close("c")
        stub.add_client_error("delete_connection", "ForbiddenException", http_status_code=403)
        with pytest.raises(ClientError):
            ApiGatewaySender(gateway).close("c")


def test_a_task_arrives_as_it_was_sent_and_holds_no_text_of_the_conversation() -> None:
    caller = a_caller()
    task = Task(TurnKey.of(caller.user_id, f"{new_id()}-{new_id()}"), caller)
    client = workers_client()
    sent: dict[str, Any] = {}
    client.meta.events.register(
        "before-parameter-build.lambda", lambda params, **_: sent.update(params)
    )
    with Stubber(client) as stub:
        stub.add_response("invoke", {"StatusCode": 202, "Payload": BytesIO()})
        LambdaWorkers(client, "worker").start(task)

    assert (sent["FunctionName"], sent["InvocationType"]) == ("worker", "Event")
    assert from_event(json.loads(sent["Payload"])) == task
