"""The front door's WebSocket with a fake emulator behind it."""

import socket as socket_module
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from local import front_door
from local.cloud import serving
from local.emulator import free_port
from local.sockets import FRAME_LIMIT


async def gateway(socket: WebSocket) -> None:
    """Refuse, echo, send the headers of the handshake, or close the connection."""
    if status := socket.query_params.get("refuse"):
        await socket.send_denial_response(Response(status_code=int(status)))
        return
    await socket.accept()
    async for text in socket.iter_text():
        if text == "who":
            await socket.send_text(
                "|".join(socket.headers.get(n, "") for n in ("cookie", "origin"))
            )
        elif text == "end":
            await socket.close(1008, "enough")
            return
        else:
            await socket.send_text(text)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    behind, front = free_port(), free_port()
    app = front_door.create_app("http://127.0.0.1:9", {}, {}, f"ws://127.0.0.1:{behind}/stage")
    api = Starlette(routes=[WebSocketRoute("/stage", gateway)])
    with serving(api, "127.0.0.1", behind), serving(app, "127.0.0.1", front):
        yield f"ws://127.0.0.1:{front}/ws"


@pytest.fixture
def socket(address: str) -> Iterator[ClientConnection]:
    with connect(address, proxy=None) as socket:
        yield socket


def closed_with(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as ending:
        socket.recv(timeout=5)
    received = ending.value.rcvd
    return received.code if received else None


def test_frames_are_forwarded_in_both_directions_in_order(socket: ClientConnection) -> None:
    sent = [str(number) for number in range(200)]
    for text in sent:
        socket.send(text)

    assert [socket.recv(timeout=5) for _ in sent] == sent


def test_cookie_and_origin_are_forwarded(address: str) -> None:
    headers = {"Cookie": "token=abc"}
    site = Origin("http://x.example")
    with connect(address, additional_headers=headers, origin=site, proxy=None) as own:
        own.send("who")
        assert own.recv(timeout=5) == "token=abc|http://x.example"


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_refused_handshake_has_the_status_of_the_function(address: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"{address}?refuse={status}", proxy=None):
        pass
    assert refused.value.response.status_code == status


def test_a_binary_frame_ends_the_connection(socket: ClientConnection) -> None:
    socket.send(b"\x00\x01")

    assert closed_with(socket) == 1003


def test_a_frame_that_is_too_large_ends_the_connection(socket: ClientConnection) -> None:
    socket.send("x" * (FRAME_LIMIT + 1))

    assert closed_with(socket) == 1009


def test_a_connection_closed_by_the_emulator_is_closed_for_the_client(
    socket: ClientConnection,
) -> None:
    socket.send("end")

    assert closed_with(socket) == 1008


def test_without_an_emulator_a_handshake_is_refused_with_503() -> None:
    front = free_port()
    app = front_door.create_app("http://127.0.0.1:9", {}, {}, "ws://127.0.0.1:9/stage")
    with (
        serving(app, "127.0.0.1", front),
        pytest.raises(InvalidStatus) as refused,
        connect(f"ws://127.0.0.1:{front}/ws", proxy=None),
    ):
        pass
    assert refused.value.response.status_code == 503


def test_a_connection_is_closed_when_the_emulator_reads_no_more() -> None:
    front = free_port()
    with socket_module.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        behind = f"ws://127.0.0.1:{server.getsockname()[1]}/stage"
        app = front_door.create_app("http://127.0.0.1:9", {}, {}, behind)
        emulator = pool.submit(send_a_close_frame_only, server)
        with (
            serving(app, "127.0.0.1", front),
            connect(f"ws://127.0.0.1:{front}/ws", proxy=None) as client,
        ):
            assert closed_with(client) == 1008
        emulator.result().close()


def send_a_close_frame_only(server: socket_module.socket) -> socket_module.socket:
    """Accept a WebSocket and send a close frame; return the TCP connection, which stays open."""
    connection, _ = server.accept()
    protocol = ServerProtocol()
    protocol.receive_data(connection.recv(2**16))
    [request] = protocol.events_received()
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    protocol.send_close(1008, "enough")
    for data in protocol.data_to_send():
        connection.sendall(data)
    return connection
