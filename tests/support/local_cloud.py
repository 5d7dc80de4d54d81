"""One local cloud for a whole test session, started by the first test that needs it."""

import json
import os
import shutil
import signal
import subprocess
import sys
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
    """Let all parallel workers start with tests that take long or wait for a cloud.

    The list is split into one part for each worker; idle workers later steal from the others' ends.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=_priority)  # stable
        workers = config.workerinput["workercount"]
        items[:] = [item for worker in range(workers) for item in items[worker::workers]]


def _priority(item: pytest.Item) -> int:
    if item.get_closest_marker("long"):
        return 0
    return 1 if item.get_closest_marker("e2e") else 2


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the session's cloud; if this process is killed, `--stop-with` does it."""
    home = Path(os.environ[HOME])
    if not hasattr(config, "workerinput") and (home / "process").exists():
        _stop(home)


@pytest.fixture(scope="session")
def endpoints() -> dict[str, Any]:
    """The endpoints of the session's local cloud, as in `.local/endpoints.json`."""
    home = Path(os.environ[HOME])
    with locked(home / "starting"):
        if not (home / "process").exists():
            _start(home, evidence=FOLDER / "permissions.json")
    return _read_endpoints(home)


@pytest.fixture(scope="module")
def own_endpoints(endpoints: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The endpoints of a local cloud for one module only, whose tests disturb others.

    It starts from the snapshot of the session's cloud.
    """
    home = Path(os.environ[HOME]) / f"own-{new_id()}"
    home.mkdir(parents=True)
    _start(home, evidence=home / "permissions.json")
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
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (home / "cloud" / "endpoints.json").exists():
        assert cloud.poll() is None, f"the local cloud did not start:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the cloud did not start in time:\n{log.read_text()}"
        time.sleep(0.2)
    cloud.returncode = 0  # the controlling process stops it, so do not wait for it here


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
