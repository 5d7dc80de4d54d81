"""One real server per session, on which each test mounts its own application."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

Serve = Callable[[Starlette, str], str]


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """Mount an application below a prefix, as the front door does, and return its address."""
    front = Starlette()
    server = uvicorn.Server(
        uvicorn.Config(
            front,
            port=0,
            lifespan="off",
            ws="none",
            log_level="error",
            timeout_graceful_shutdown=1,  # some tests leave requests that are never answered
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        numbers = itertools.count()

        def mount(app: Starlette, prefix: str) -> str:
            path = f"/{next(numbers)}{prefix}"
            front.router.routes.append(Mount(path, app))
            return f"http://127.0.0.1:{port}{path}"

        yield mount
    finally:
        server.should_exit = True
        thread.join()
