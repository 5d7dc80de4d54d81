"""Runs a handler as Lambda does: a new process with the runtime interface client."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

from benchmarks.processor import raise_priority

INVOCATION = "/2018-06-01/runtime/invocation/"
TIMEOUT_SECONDS = 60
# not the virtual environment, which has more packages than a Lambda
PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"


class InvocationFailed(RuntimeError):
    """The process ended, failed or gave a wrong response; the message has the end of its log."""


@dataclass(frozen=True)
class Times:
    """Seconds of a new process: its init phase, and its first two invocations."""

    init: float
    first: float
    second: float

    @property
    def total(self) -> float:
        """Seconds from process start to the first response."""
        return self.init + self.first


@dataclass(frozen=True)
class Program:
    """A program to start: a handler, the folders of its code and packages, and its environment."""

    handler: str
    code: Path
    packages: tuple[Path, ...]
    environment: Mapping[str, str]


def run(
    program: Program,
    event: Mapping[str, Any],
    log: Path,
    *,
    limit: Callable[[int], None] | None = None,
    check: Callable[[Any], bool],
) -> Times:
    """Start the program and invoke it twice.

    `limit` is called with the process's id after its init phase. Raises `InvocationFailed` when
    the process ends, times out, or gives a response that `check` rejects.
    """
    api = _RuntimeApi(("127.0.0.1", 0), _Handler)
    api.event = json.dumps(event).encode()
    Thread(target=api.serve_forever, daemon=True).start()
    environment = {
        **program.environment,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "LAMBDA_TASK_ROOT": str(program.code),
        "_HANDLER": program.handler,
        "PYTHONPATH": ":".join(map(str, (program.code, *program.packages))),
        "PYTHONDONTWRITEBYTECODE": "1",  # the folders are read-only in Lambda
    }
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [PYTHON, "-m", "awslambdaric", program.handler],
            cwd=program.code,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        raise_priority(process.pid)
        try:
            return _measure(api, process, began, limit, check, log)
        finally:
            process.kill()
            process.wait()
            api.shutdown()
            api.server_close()


def _measure(
    api: "_RuntimeApi",
    process: "subprocess.Popen[bytes]",
    began: float,
    limit: Callable[[int], None] | None,
    check: Callable[[Any], bool],
    log: Path,
) -> Times:
    def report_end() -> None:
        process.wait()
        api.received.put(("ended", b""))

    def wait_for(expected: str) -> tuple[float, bytes]:
        with suppress(Exception):
            kind, body = api.received.get(timeout=TIMEOUT_SECONDS)
            if kind == expected:
                return time.perf_counter(), body
        raise InvocationFailed(log.read_text(errors="replace")[-3000:])

    Thread(target=report_end, daemon=True).start()
    ready, _ = wait_for("next")
    if limit:
        limit(process.pid)
    invoked = time.perf_counter()
    api.released.put(None)
    answered, body = wait_for("response")
    if not check(json.loads(body)):
        raise InvocationFailed(body.decode() + log.read_text(errors="replace")[-3000:])
    wait_for("next")
    invoked_again = time.perf_counter()
    api.released.put(None)
    answered_again, _ = wait_for("response")
    return Times(ready - began, answered - invoked, answered_again - invoked_again)


class _RuntimeApi(ThreadingHTTPServer):
    """Queues the requests of the process, and holds each `next` until it is released."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.event = b""
        self.received: Queue[tuple[str, bytes]] = Queue()
        self.released: Queue[None] = Queue()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: the process is killed while it waits for its third invocation."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _RuntimeApi

    def do_GET(self) -> None:
        self.server.received.put(("next", b""))
        self.server.released.get()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000000")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(round((time.time() + 30) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:::function:bench")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.event)))
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()
        self.server.received.put((self.path.rpartition("/")[2], body))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""
