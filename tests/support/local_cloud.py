"""One local cloud for a whole test session. It starts while the first tests run that need none."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from local.locks import locked
from supermarket.clock import new_id
from support.template import TEMPLATE

HOME = "SUPERMARKET_TEST_CLOUD"  # set by the controlling process, inherited by xdist's workers
TIMEOUT_SECONDS = 300
FOLDER = TEMPLATE.parent / ".local" / "test"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _delete_earlier_sessions()
        os.environ[HOME] = str(FOLDER / str(os.getpid()))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let all parallel workers start with tests that take long, those without a cloud first.

    The list is split into one part for each worker; idle workers later steal from the others' ends.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=_priority)  # stable
        workers = config.workerinput["workercount"]
        items[:] = [item for worker in range(workers) for item in items[worker::workers]]


def _priority(item: pytest.Item) -> int:
    is_long = item.get_closest_marker("long") is not None
    return (0 if is_long else 3) if not _needs_cloud(item) else (1 if is_long else 2)


def _needs_cloud(item: pytest.Item) -> bool:
    return "endpoints" in getattr(item, "fixturenames", ())


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the cloud if a selected test needs it."""
    if not session.config.option.collectonly and any(map(_needs_cloud, session.items)):
        _start_session_cloud()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the session's cloud; if this process is killed, `--stop-with` does it."""
    home = Path(os.environ[HOME])
    if not hasattr(config, "workerinput") and (home / "process").exists():
        _stop(home)


@pytest.fixture(scope="session")
def endpoints() -> dict[str, Any]:
    """The endpoints of the session's local cloud, as in `.local/endpoints.json`."""
    home = _start_session_cloud()
    _wait_until_started(home)
    return _read_endpoints(home)


def _start_session_cloud() -> Path:
    """Start the cloud of the session, unless another worker has; returns its folder."""
    home = Path(os.environ[HOME])
    with locked(home / "starting"):
        if not (home / "process").exists():
            _start(home, evidence=FOLDER / "permissions.json")
    return home


@pytest.fixture(scope="module")
def own_endpoints(endpoints: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The endpoints of a local cloud for one module only, whose tests disturb others.

    It starts from the snapshot of the session's cloud.
    """
    home = Path(os.environ[HOME]) / f"own-{new_id()}"
    home.mkdir(parents=True)
    _start(home, evidence=home / "permissions.json")
    _wait_until_started(home)
    try:
        yield _read_endpoints(home)
    finally:
        _stop(home)


def _read_endpoints(home: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((home / "cloud" / "endpoints.json").read_text())
    return known


def _start(home: Path, evidence: Path) -> None:
    log = home / "cloud.log"
    with log.open("wb") as output:
        options = {
            "--port": 0,
            "--home": home / "cloud",
            "--bcrypt-rounds": 4,
            "--evidence": evidence,
            "--stop-with": Path(os.environ[HOME]).name,
        }
        given = [str(word) for option in options.items() for word in option]
        cloud = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "local", "run", "--empty", *given],
            cwd=TEMPLATE.parent,
            env={name: value for name, value in os.environ.items() if name != "GOOGLE_API_KEY"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (home / "process").write_text(str(cloud.pid))
    cloud.returncode = 0  # the controlling process stops it
    threading.Thread(target=_collect, args=(cloud.pid,), daemon=True).start()


def _collect(process: int) -> None:
    """Wait for the end of a child, so that other processes see that it has ended."""
    with suppress(ChildProcessError):
        os.waitpid(process, 0)


def _wait_until_started(home: Path) -> None:
    process, log = int((home / "process").read_text()), home / "cloud.log"
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (home / "cloud" / "endpoints.json").exists():
        assert _is_alive(process), f"the local cloud did not start:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the cloud did not start in time:\n{log.read_text()}"
        time.sleep(0.2)


def _stop(home: Path) -> None:
    cloud = int((home / "process").read_text())
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with suppress(ProcessLookupError):
        os.kill(cloud, signal.SIGTERM)
        while time.monotonic() < deadline:
            _wait_for(cloud)
            time.sleep(0.1)


def _delete_earlier_sessions() -> None:
    """Delete the logs and data of sessions that have ended."""
    for home in FOLDER.glob("[0-9]*"):
        session = int(home.name)
        if session == os.getpid() or not _is_alive(session):
            shutil.rmtree(home, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for(process: int) -> None:
    """Raise `ProcessLookupError` if the process has ended, after collecting it as a child."""
    with suppress(ChildProcessError):
        os.waitpid(process, os.WNOHANG)
    os.kill(process, 0)
