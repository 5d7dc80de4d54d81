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
PATIENCE_SECONDS = 300
FOLDER = TEMPLATE.parent / ".local" / "test"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _forget_sessions_of_the_past()
        os.environ[HOME] = str(FOLDER / str(os.getpid()))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, what waits for a cloud goes with what computes, and the longest goes first."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)  # which leaves the others in their order


def _turn(item: pytest.Item) -> int:
    if "own_endpoints" in getattr(item, "fixturenames", ()):
        return 0
    return 1 if item.get_closest_marker("e2e") else 2


def pytest_unconfigure(config: pytest.Config) -> None:
    """The session's cloud ends with it; should this process be killed, `--stop-with` sees to it."""
    home = Path(os.environ[HOME])
    if not hasattr(config, "workerinput") and (home / "process").exists():
        _stop(home)


@pytest.fixture(scope="session")
def endpoints() -> dict[str, Any]:
    """Where the session's local cloud is: like `.local/endpoints.json` of a running shop."""
    home = Path(os.environ[HOME])
    with locked(home / "starting"):
        if not (home / "process").exists():
            _start(home, evidence=FOLDER / "permissions.json")
    return _known(home)


@pytest.fixture(scope="module")
def own_endpoints(endpoints: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A local cloud that one module has to itself, because it turns things upside down there. It
    starts from the copy that the session's has left.
    """
    home = Path(os.environ[HOME]) / f"own-{new_id()}"
    home.mkdir(parents=True)
    _start(home, evidence=home / "permissions.json")
    try:
        yield _known(home)
    finally:
        _stop(home)


def _known(home: Path) -> dict[str, Any]:
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
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (home / "cloud" / "endpoints.json").exists():
        assert cloud.poll() is None, f"the local cloud did not start:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the local cloud takes too long:\n{log.read_text()}"
        time.sleep(0.2)
    cloud.returncode = 0  # nobody's child from here on: the controlling process ends it


def _stop(home: Path) -> None:
    cloud = int((home / "process").read_text())
    deadline = time.monotonic() + PATIENCE_SECONDS
    with suppress(ProcessLookupError):
        os.kill(cloud, signal.SIGTERM)
        while time.monotonic() < deadline:
            _wait_for(cloud)
            time.sleep(0.1)


def _forget_sessions_of_the_past() -> None:
    """What a session leaves (its logs, its data) stays until the next one begins."""
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
    """Raises `ProcessLookupError` when it is gone; a child has to be collected for that."""
    with suppress(ChildProcessError):
        os.waitpid(process, os.WNOHANG)
    os.kill(process, 0)
