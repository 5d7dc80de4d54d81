"""Runs the emulator so that it journals roles' calls, spares the machine, ends with its parent.

Started by `local.emulator` with the emulator's own Python, so it imports nothing of the project.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
import zipfile
from contextvars import ContextVar
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id

ENVIRONMENTS_PER_FUNCTION = max(4, 2 * (os.cpu_count() or 1))
PATIENCE_FOR_AN_ENVIRONMENT = 25.0  # seconds; API Gateway itself gives up after 30

_authorise = iam_evaluator.enforce
_acquire = lambda_runtime.acquire_worker
_unpacking = threading.Lock()
_unpacked: dict[str, Path] = {}


def record_authorised_calls(journal: Path) -> None:
    """Append one JSON line per call of a role: who, what, on what, and whether it was allowed."""
    lines = journal.open("a", buffering=1)

    def enforce(access_key_id: str, iam_action: str, *args: Any, **kwargs: Any) -> Any:
        denied = _authorise(access_key_id, iam_action, *args, **kwargs)
        caller = getattr(
            iam_evaluator.resolve_principal(access_key_id, get_account_id()), "arn", ""
        )
        if ":assumed-role/" in caller:
            resource = kwargs.get("resource_arn") or (args[2] if len(args) > 2 else "*")
            call = {"role": caller.split("/")[1], "action": iam_action, "resource": resource}
            lines.write(json.dumps({**call, "allowed": denied is None}) + "\n")
        return denied

    iam_evaluator.enforce = enforce


def acquire_in_turn(*args: Any, **kwargs: Any) -> Any:
    """A burst waits for a free environment of its function: forty at once would choke two cores."""
    deadline = time.monotonic() + PATIENCE_FOR_AN_ENVIRONMENT
    while True:
        leased = _acquire(*args, **kwargs, max_concurrency=ENVIRONMENTS_PER_FUNCTION)
        if leased[0] is not None or time.monotonic() > deadline:
            return leased
        time.sleep(0.01)


class Environment(lambda_runtime.Worker):  # type: ignore[misc]
    """An execution environment whose layers are unpacked once for all, not once for each."""

    layers: Path  # the folder of all that was ever unpacked

    def __init__(self, name: str, config: dict[str, Any], code: bytes) -> None:
        folders = [str(unpacked(layer)) for layer in config.get("Layers", [])]
        variables = dict(config.get("Environment", {}).get("Variables", {}))
        if not variables.get("AWS_ENDPOINT_URL"):
            variables.pop("AWS_ENDPOINT_URL", None)  # empty means AWS itself, which is here
        variables["_LAMBDA_LAYERS_DIRS"] = os.pathsep.join(folders)
        environment = {"Variables": variables}
        super().__init__(name, {**config, "Layers": [], "Environment": environment}, code)


def unpacked(layer: dict[str, Any]) -> Path:
    """The folder of a layer version, named by its content: a later emulator finds it there."""
    from ministack.services.lambda_svc import _resolve_layer_zip

    arn = str(layer["Arn"])
    with _unpacking:
        if arn not in _unpacked:
            content = _resolve_layer_zip(layer)
            folder = Environment.layers / sha256(content).hexdigest()
            if not folder.exists():
                _unpack(content, folder)
            _unpacked[arn] = folder
    return _unpacked[arn]


def _unpack(content: bytes, folder: Path) -> None:
    """Another emulator may do the same at the same time: the first one's is taken."""
    partial = folder.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(BytesIO(content)) as archive:
        archive.extractall(partial)
    try:
        partial.rename(folder)
    except OSError:
        shutil.rmtree(partial)


def refuse_handshakes_as_functions_say(gateway: Any) -> None:
    """API Gateway passes on the status of the function behind `$connect`, the emulator says 403."""
    handle, invoke = gateway.handle_websocket, gateway._invoke_ws_lambda  # noqa: SLF001
    said: ContextVar[int] = ContextVar("said", default=200)

    async def invoke_and_listen(*args: Any, **kwargs: Any) -> Any:
        answer = await invoke(*args, **kwargs)
        if "CONNECT" in args:
            said.set(int((answer or {}).get("statusCode", 200)))
        return answer

    async def handle_and_tell(scope: Any, receive: Any, send: Any, *args: Any, **kw: Any) -> None:
        async def tell(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.close" and said.get() >= 300:
                start = {"type": "websocket.http.response.start", "status": said.get()}
                await send({**start, "headers": [(b"content-length", b"0")]})
                await send({"type": "websocket.http.response.body", "body": b""})
            else:
                await send(message)

        await handle(scope, receive, tell, *args, **kw)

    gateway._invoke_ws_lambda = invoke_and_listen  # noqa: SLF001
    gateway.handle_websocket = handle_and_tell


def stop_with_parent() -> None:
    """The parent holds the other end of standard input: it closes however the parent ends."""

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    Environment.layers = Path(sys.argv.pop())
    record_authorised_calls(Path(sys.argv.pop()))
    lambda_runtime.acquire_worker = acquire_in_turn
    lambda_runtime.Worker = Environment
    from ministack import app  # only now: these take the functions above by name
    from ministack.services import apigateway, lambda_svc

    refuse_handshakes_as_functions_say(apigateway)
    # How far a stream was read is saved, its records are not: new ones would seem read already.
    lambda_svc._restore_esm_positions = lambda *_: None  # noqa: SLF001
    stop_with_parent()
    app.main()
