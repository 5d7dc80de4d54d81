"""Runs the emulator with changes: a journal of calls, forked functions, an end with its parent.

`local.emulator` starts it with the emulator's own Python, so it imports nothing of the project.
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
import zipfile
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id

ENVIRONMENTS_PER_FUNCTION = max(4, 2 * (os.cpu_count() or 1))
FORKERS = 6  # interpreters that fork functions: one for each set of layers, and for code of before
ENVIRONMENT_TIMEOUT = 25.0  # seconds; API Gateway itself times out after 30
FORKER = Path(__file__).with_name("emulator_forker.py")
EMPTY = b"PK\5\6" + bytes(18)  # an archive without files

_authorise = iam_evaluator.enforce
_acquire = lambda_runtime.acquire_worker
_unpacking = threading.Lock()
_unpacked: dict[str, Path] = {}


def record_authorised_calls(journal: Path) -> None:
    """Append a JSON line per call of a role: role, action, resource, and whether it is allowed."""
    lines = journal.open("a", buffering=1)

    def enforce(access_key_id: str, iam_action: str, *args: Any, **kwargs: Any) -> Any:
        denied = _authorise(access_key_id, iam_action, *args, **kwargs)
        credential = iam_evaluator.resolve_credential(access_key_id, get_account_id())
        caller = getattr(credential, "principal_arn", "")
        if ":assumed-role/" in caller:
            resource = kwargs.get("resource_arn") or (args[2] if len(args) > 2 else "*")
            call = {"role": caller.split("/")[1], "action": iam_action, "resource": resource}
            lines.write(json.dumps({**call, "allowed": denied is None}) + "\n")
        return denied

    iam_evaluator.enforce = enforce


def parse_each_policy_once() -> None:
    """Keep parsed policies: the emulator would parse those of the role for every call."""
    parse = iam_evaluator.parse_policy_document
    parse_text = cache(parse)
    iam_evaluator.parse_policy_document = lambda document: (
        parse_text(document) if isinstance(document, str) else parse(document)
    )


def acquire_with_limit(*args: Any, **kwargs: Any) -> Any:
    """Wait for a free environment of the function once it has as many as the machine can run."""
    deadline = time.monotonic() + ENVIRONMENT_TIMEOUT
    while True:
        leased = _acquire(*args, **kwargs, max_concurrency=ENVIRONMENTS_PER_FUNCTION)
        if leased[0] is not None or time.monotonic() > deadline:
            return leased
        time.sleep(0.01)


class Environment(lambda_runtime.Worker):  # type: ignore[misc]
    """An execution environment with shared code and layers.

    It is forked from an interpreter that has imported the libraries and the handler's module.
    """

    layers: Path  # the folder of all unpacked layers
    code = Path(tempfile.gettempdir()) / "code"

    def __init__(self, name: str, config: dict[str, Any], code: bytes) -> None:
        folders = [str(unpacked_layer(layer)) for layer in config.get("Layers", [])]
        variables = dict(config.get("Environment", {}).get("Variables", {}))
        if not variables.get("AWS_ENDPOINT_URL"):
            variables.pop("AWS_ENDPOINT_URL", None)  # the emulator sets its own address
        task = unpacked(code, self.code)
        variables["_LAMBDA_LAYERS_DIRS"] = os.pathsep.join((*folders, str(task)))
        variables["_HANDLER"] = config["Handler"]  # as Lambda sets it
        environment = {"Variables": variables}
        super().__init__(name, {**config, "Layers": [], "Environment": environment}, EMPTY)

    def _drain_stderr_bounded(self, *_: Any, **__: Any) -> str:
        """Read what is in the pipe: the function has written everything before its response."""
        process = self._proc
        if process is not None:
            while select.select([process.stderr], [], [], 0)[0] and process.poll() is None:
                time.sleep(0.001)
        time.sleep(0.002)  # for the thread that puts the lines it has read into the queue
        return str(self._drain_stderr())


def unpacked_layer(layer: dict[str, Any]) -> Path:
    """Return the folder of a layer version, and unpack it if necessary."""
    from ministack.services.lambda_svc import _resolve_layer_zip

    arn = str(layer["Arn"])
    if arn not in _unpacked:
        _unpacked[arn] = unpacked(_resolve_layer_zip(layer), Environment.layers)
    return _unpacked[arn]


def unpacked(content: bytes, parent: Path) -> Path:
    """Return the folder of an archive, named by its hash, and unpack it if necessary."""
    folder = parent / sha256(content).hexdigest()
    with _unpacking:
        if not folder.exists():
            partial = folder.with_suffix(f".{os.getpid()}")
            with zipfile.ZipFile(BytesIO(content)) as archive:
                archive.extractall(partial)
            try:
                partial.rename(folder)
            except OSError:  # another emulator was faster
                shutil.rmtree(partial)
    return folder


class Forker:
    """An interpreter that forks processes, and ends with this process."""

    def __init__(self, *folders: str) -> None:
        self._lock = threading.Lock()
        self._socket, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with remote:
            subprocess.Popen(
                [sys.executable, FORKER, str(remote.fileno()), *folders],
                stdin=subprocess.DEVNULL,
                pass_fds=[remote.fileno()],
            )

    def close(self) -> None:
        """End the interpreter; the functions that it has forked go on."""
        self._socket.close()

    def fork(self, program: dict[str, Any], streams: list[int]) -> int:
        """Run a program in a new process; return the process id."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(program).encode()], streams)
            return int(self._socket.recv(16))


_forkers: dict[tuple[str, ...], Forker] = {}
_starting = threading.Lock()


def forker(*folders: str) -> Forker:
    """Return the forker for functions with these layers and this code."""
    with _starting:
        if folders not in _forkers:
            _forkers[folders] = Forker(*folders)
            if len(_forkers) > FORKERS:  # the oldest has the code before a reload
                _forkers.pop(next(iter(_forkers))).close()
        return _forkers[folders]


class Forked:
    """The part of `subprocess.Popen` that the emulator uses, for a process of a forker."""

    returncode: int | None = None

    def __init__(self, command: list[str], *, env: dict[str, str], **_: Any) -> None:
        folders = env["_LAMBDA_LAYERS_DIRS"].split(os.pathsep)
        task = folders[-1]
        environment = {**env, "LAMBDA_TASK_ROOT": task}
        program = {"path": command[1], "folder": task, "environment": environment}
        (stdin, to_it), (from_it, stdout), (errors, stderr) = os.pipe(), os.pipe(), os.pipe()
        self.pid = forker(*folders).fork(program, [stdin, stdout, stderr])
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
        self.stdin = os.fdopen(to_it, "w", buffering=1)
        self.stdout, self.stderr = os.fdopen(from_it), os.fdopen(errors)
        self._process = os.pidfd_open(self.pid)
        weakref.finalize(self, os.close, self._process)

    def poll(self) -> int | None:
        """Return None while the process runs, and 0 after its end, whatever its exit code."""
        if self.returncode is None and select.select([self._process], [], [], 0)[0]:
            self.returncode = 0
        return self.returncode

    def wait(self, timeout: float) -> None:
        if not select.select([self._process], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(["function"], timeout)

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, signal_: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal_)


def fork_functions() -> None:
    """Fork functions on Linux; on other systems, the emulator starts them."""
    if sys.platform == "linux":
        lambda_runtime.subprocess = SimpleNamespace(Popen=Forked, PIPE=subprocess.PIPE)


def return_status_of_connect(gateway: Any) -> None:
    """Refuse a handshake with the status of the `$connect` function, as API Gateway does."""
    handle, invoke = gateway.handle_websocket, gateway._invoke_ws_lambda  # noqa: SLF001
    status: ContextVar[int] = ContextVar("status", default=200)

    async def invoke_and_record(*args: Any, **kwargs: Any) -> Any:
        answer = await invoke(*args, **kwargs)
        if "CONNECT" in args:
            status.set(int((answer or {}).get("statusCode", 200)))
        return answer

    async def handle_socket(scope: Any, receive: Any, send: Any, *args: Any, **kw: Any) -> None:
        async def send_status(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.close" and status.get() >= 300:
                start = {"type": "websocket.http.response.start", "status": status.get()}
                await send({**start, "headers": [(b"content-length", b"0")]})
                await send({"type": "websocket.http.response.body", "body": b""})
            else:
                await send(message)

        await handle(scope, receive, send_status, *args, **kw)

    gateway._invoke_ws_lambda = invoke_and_record  # noqa: SLF001
    gateway.handle_websocket = handle_socket


def serialise_sessions(sts: Any) -> None:
    """Register sessions one at a time, since functions that start together iterate over them."""
    register, lock = sts.register_session, threading.Lock()

    def register_one(*args: Any) -> None:
        with lock:
            register(*args)

    sts.register_session = register_one


def serve(app: Any) -> None:
    """Serve the emulator with a quicker server than its own, until a signal ends this process."""
    uvicorn.run(
        app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        http="httptools",
        ws="websockets-sansio",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )


def stop_with_parent() -> None:
    """End when standard input closes, which happens however the parent ends."""

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    Environment.layers = Path(sys.argv.pop())
    record_authorised_calls(Path(sys.argv.pop()))
    parse_each_policy_once()
    lambda_runtime.acquire_worker = acquire_with_limit
    lambda_runtime.Worker = Environment
    fork_functions()
    from ministack import app  # imports the functions that were replaced above
    from ministack.services import apigateway, lambda_svc, sts

    return_status_of_connect(apigateway)
    serialise_sessions(sts)
    # the emulator stores positions in streams but not their records, so new ones would be skipped
    lambda_svc._restore_esm_positions = lambda *_: None  # noqa: SLF001
    stop_with_parent()
    gc.freeze()  # collections skip what is imported
    gc.set_threshold(50_000)
    serve(app.app)
