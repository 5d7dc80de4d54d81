"""The front door's WebSocket: frames to and from the emulator, within API Gateway's limits."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

PATH = "/ws"
FRAME_LIMIT = 32 * 1024  # of one frame, and clients send a message as one
PATIENCE = 60.0  # a function's first call starts a process
PASSED_ON = ("cookie", "origin", "authorization", "user-agent", "x-forwarded-for")

UNSUPPORTED_DATA = 1003  # what API Gateway closes with at a binary frame
GOING_AWAY = 1001


class SocketGateway:
    """Passes connections on to the emulator's WebSocket API, one for one."""

    def __init__(self, api: str) -> None:
        self._api = api

    async def answer(self, client: WebSocket) -> None:
        query = f"?{client.url.query}" if client.url.query else ""
        headers = [(name, client.headers[name]) for name in PASSED_ON if name in client.headers]
        try:
            api = await connect(
                self._api + query,
                additional_headers=headers,
                user_agent_header=None,
                open_timeout=PATIENCE,
                ping_interval=None,
                compression=None,
                proxy=None,
            )
        except InvalidHandshake as refusal:
            answer = getattr(refusal, "response", None)
            status = answer.status_code if answer else 502
            await client.send_denial_response(Response(status_code=status))
            return
        except (OSError, TimeoutError):
            await client.send_denial_response(Response(status_code=503))
            return
        async with api:
            await client.accept()
            await _until_one_ends(_send(client, api), _receive(client, api))


async def _until_one_ends(*directions: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(each) for each in directions]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError, ConnectionClosed, WebSocketDisconnect):
            await task


async def _send(client: WebSocket, api: ClientConnection) -> None:
    """What the client says, until it goes or sends what API Gateway does not take."""
    while (message := await client.receive())["type"] != "websocket.disconnect":
        if message.get("text") is None:
            await client.close(UNSUPPORTED_DATA, "Frames are text")
            return
        await api.send(message["text"])


async def _receive(client: WebSocket, api: ClientConnection) -> None:
    """What the client is told, until the connection is closed behind the door."""
    with suppress(ConnectionClosed):
        while True:
            frame = await api.recv()
            await client.send_text(frame if isinstance(frame, str) else frame.decode())
    await client.close(api.close_code or GOING_AWAY, api.close_reason or "")
