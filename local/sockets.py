"""The front door's WebSocket: forwards frames to the emulator, within API Gateway's limits."""

import asyncio
from contextlib import suppress

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.protocol import State

PATH = "/ws"
FRAME_LIMIT = 32 * 1024  # clients send a message as one frame
OPEN_TIMEOUT = 60.0  # the first call of a function starts a process
CLOSE_TIMEOUT = 1.0
CHECK_SECONDS = 1.0
FORWARDED_HEADERS = ("cookie", "origin", "authorization", "user-agent", "x-forwarded-for")

UNSUPPORTED_DATA = 1003  # API Gateway's close code for binary frames
GOING_AWAY = 1001


class SocketGateway:
    """Opens a connection to the emulator's WebSocket API for each connection of a client."""

    def __init__(self, api: str) -> None:
        self._api = api

    async def answer(self, client: WebSocket) -> None:
        query = f"?{client.url.query}" if client.url.query else ""
        names = (name for name in FORWARDED_HEADERS if name in client.headers)
        try:
            api = await connect(
                self._api + query,
                additional_headers=[(name, client.headers[name]) for name in names],
                user_agent_header=None,
                open_timeout=OPEN_TIMEOUT,
                close_timeout=CLOSE_TIMEOUT,
                ping_interval=None,
                compression=None,
                proxy=None,
            )
        except InvalidHandshake as refusal:
            response = getattr(refusal, "response", None)
            status = response.status_code if response else 502
            await client.send_denial_response(Response(status_code=status))
            return
        except (OSError, TimeoutError):
            await client.send_denial_response(Response(status_code=503))
            return
        async with api:
            await client.accept()
            directions = [asyncio.create_task(_send(client, api))]
            directions.append(asyncio.create_task(_receive(client, api)))
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            for direction in directions:
                direction.cancel()
                with suppress(asyncio.CancelledError, ConnectionClosed, WebSocketDisconnect):
                    await direction


async def _send(client: WebSocket, api: ClientConnection) -> None:
    """Forward the client's frames until it disconnects or sends a binary frame."""
    while (message := await client.receive())["type"] != "websocket.disconnect":
        if message.get("text") is None:
            await client.close(UNSUPPORTED_DATA, "Frames are text")
            return
        await api.send(message["text"])


async def _receive(client: WebSocket, api: ClientConnection) -> None:
    """Forward frames to the client until the emulator closes the connection.

    `recv` waits for the end of the TCP connection, which never comes after a flood, because the
    emulator does not read the rest of it; so the state is checked, too.
    """
    with suppress(ConnectionClosed):
        while api.state is State.OPEN:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    frame = await api.recv()
                await client.send_text(frame if isinstance(frame, str) else frame.decode())
    closed = api.protocol.close_rcvd
    await client.close(closed.code if closed else GOING_AWAY, closed.reason if closed else "")
