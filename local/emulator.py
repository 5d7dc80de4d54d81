"""Runs the AWS emulator as a child process, with its own port and enforced IAM policies."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
import httpx
from botocore.config import Config

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".local" / "emulator" / "bin" / "python"
PROGRAM = Path(__file__).with_name("emulator_process.py")
LAYERS = ROOT / ".local" / "layers"
REGION = "us-east-1"


class EmulatorFailed(RuntimeError):
    """The emulator did not start, or stopped by itself."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is not in use."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _is_taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def root_client(endpoint: str, service: str) -> Any:
    """Create an SDK client of the emulator at an address, as the root of its account."""
    session: Any = botocore.session.get_session()
    return session.create_client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator's fixed root key
        config=Config(retries={"mode": "standard"}, max_pool_connections=20),
    )


@dataclass
class Emulator:
    """An emulator with its state, its log and its temporary files below `home`."""

    home: Path
    port: int = 0
    host: str = "127.0.0.1"
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.port = self.port or free_port(self.host)

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def state(self) -> Path:
        """The folder of the state that survives a clean stop."""
        return self.home / "state"

    @property
    def log(self) -> Path:
        return self.home / "emulator.log"

    @property
    def journal(self) -> Path:
        """The file with all calls of roles, one JSON object per line."""
        return self.home / "calls.jsonl"

    def start(self, timeout: float = 30) -> None:
        """Start the emulator with its stored state, and wait until it responds."""
        if _is_taken(self.host, self.port):
            raise EmulatorFailed(f"port {self.port} is in use; choose another one for the emulator")
        for folder in (self.state, self.home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [PYTHON, PROGRAM, self.journal, LAYERS],
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C goes to the parent only, which stops it cleanly
            )
        self._wait_until_ready(timeout)

    def stop(self, timeout: float = 30) -> None:
        """Terminate the emulator, which saves its state, and delete its temporary files."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdin:
            process.stdin.close()
        shutil.rmtree(self.home / "tmp", ignore_errors=True)

    def client(self, service: str) -> Any:
        """Create an SDK client of this emulator, as the root of its account."""
        return root_client(self.endpoint, service)

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # functions share the bytecode they write
        return {
            **inherited,
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": self.host,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.state / "s3"),
            "TMPDIR": str(self.home / "tmp"),
            "LAMBDA_WARM_TTL_SECONDS": "60",
            "LAMBDA_ACCOUNT_CONCURRENCY": "1000",
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "60",  # as on AWS; the emulator's default is one
            "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "120",
            "PYTHONUNBUFFERED": "1",
        }

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        with httpx.Client() as client:
            while time.monotonic() < deadline:
                if self._process is None or self._process.poll() is not None:
                    raise EmulatorFailed(f"the emulator stopped while it started; see {self.log}")
                with suppress(httpx.TransportError):
                    if client.get(f"{self.endpoint}/_ministack/health").is_success:
                        return
                time.sleep(0.05)
        raise EmulatorFailed(f"the emulator did not respond within {timeout} s; see {self.log}")


@contextmanager
def running(emulator: Emulator) -> Iterator[Emulator]:
    """Start the emulator, and stop it at the end."""
    try:
        emulator.start()
        yield emulator
    finally:
        emulator.stop()
