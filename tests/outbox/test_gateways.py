"""EventBridge through botocore's client, probes against real sockets, and the routes."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import botocore.session
import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber

from outbox.gateways import EventBridge, described_routes, web_probe
from outbox.model import SendFailure
from outbox.ports import BatchRejected, BusUnavailable
from support.outbox import an_event
from support.template import routes_of_functions


@pytest.fixture
def stubbed() -> Iterator[tuple[EventBridge, Stubber]]:
    client = botocore.session.get_session().create_client("events", region_name="ap-south-1")
    with Stubber(client) as stub:
        yield EventBridge(client, "supermarket-test"), stub


def test_an_event_is_sent_with_its_source_type_and_time(
    stubbed: tuple[EventBridge, Stubber],
) -> None:
    bus, stub = stubbed
    entry = {
        "EventBusName": "supermarket-test",
        "Source": "supermarket.order",
        "DetailType": "OrderPlaced",
        "Detail": '{"a": 1}',
        "Time": "2026-11-22T09:30:00.000Z",
    }
    answer = {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}
    stub.add_response("put_events", answer, {"Entries": [entry]})
    assert bus.put([an_event("a", '{"a": 1}')]) == {}


def test_the_result_of_each_entry_is_checked(stubbed: tuple[EventBridge, Stubber]) -> None:
    bus, stub = stubbed
    results = [
        {"EventId": "1"},
        {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"},
        {"EventId": "3"},
        {"ErrorCode": "MalformedDetail", "ErrorMessage": "no JSON"},
    ]
    stub.add_response("put_events", {"FailedEntryCount": 2, "Entries": results}, {"Entries": ANY})
    assert bus.put([an_event(event_id) for event_id in "abcd"]) == {
        "b": SendFailure("ThrottlingException: slow down"),
        "d": SendFailure("MalformedDetail: no JSON", is_final=True),
    }


@pytest.mark.parametrize(
    ("code", "status"),
    [("ValidationException", 400), ("RequestEntityTooLarge", 413), ("413", 413)],
)
def test_a_call_with_invalid_content_is_rejected(
    stubbed: tuple[EventBridge, Stubber], code: str, status: int
) -> None:
    bus, stub = stubbed
    stub.add_client_error("put_events", code, http_status_code=status)
    with pytest.raises(BatchRejected, match=code):
        bus.put([an_event("a"), an_event("b")])


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ThrottlingException", "InternalFailure"]
)
def test_a_call_that_fails_for_another_reason_means_that_the_bus_is_unavailable(
    stubbed: tuple[EventBridge, Stubber], code: str
) -> None:
    bus, stub = stubbed
    stub.add_client_error("put_events", code)
    with pytest.raises(BusUnavailable, match=code):
        bus.put([an_event("a"), an_event("b")])


def test_a_bus_that_does_not_respond_is_unavailable() -> None:
    client = botocore.session.get_session().create_client(
        "events",
        region_name="ap-south-1",
        endpoint_url="http://127.0.0.1:9",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(BusUnavailable):
        EventBridge(client, "supermarket-test").put([an_event("a")])


class StatusServer(BaseHTTPRequestHandler):
    """Responds to `HEAD /<status>/` with that status, and without the last slash with 500."""

    def do_HEAD(self) -> None:
        status = self.path.removeprefix("/").removesuffix("/")
        self.send_response(int(status) if self.path.endswith("/") else 500)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), StatusServer) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 302, 401, 404, 405])
def test_a_third_party_that_responds_is_up(server: str, status: int) -> None:
    web_probe(f"{server}/{status}")()
    web_probe(f"{server}/{status}/")()


@pytest.mark.parametrize("status", [500, 503])
def test_a_third_party_with_server_errors_is_down(server: str, status: int) -> None:
    with pytest.raises(ConnectionError, match=str(status)):
        web_probe(f"{server}/{status}")()


def test_a_third_party_that_refuses_connections_is_down() -> None:
    with pytest.raises(Exception, match="refused"):
        web_probe("http://127.0.0.1:9/")()


def test_every_route_of_the_template_is_known() -> None:
    in_template = {route for found in routes_of_functions().values() for route in found}
    assert {*described_routes(), "ANY $default"} == in_template
