"""A real server for one test: an application behind a prefix, as the front door mounts it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount


@contextmanager
def serve(app: Starlette, prefix: str) -> Iterator[str]:
    """Serve the application on a free port; gives its address, without a slash at the end."""
    mounted = Starlette(routes=[Mount(prefix, app)])
    server = uvicorn.Server(
        uvicorn.Config(mounted, port=0, lifespan="off", ws="none", log_level="error")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}{prefix}"
    finally:
        server.should_exit = True
        thread.join()
