"""The AWS emulator as a child process: on a port of its own, stopped cleanly, IAM enforced."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _is_taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def root_client(endpoint: str, service: str) -> Any:
    """An SDK client of the emulator at an address, as its account's root."""
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
    """One emulator, with its state, its log and its temporary files under `home`."""

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
        """What outlives a clean stop."""
        return self.home / "state"

    @property
    def log(self) -> Path:
        return self.home / "emulator.log"

    @property
    def journal(self) -> Path:
        """The authorised calls of every role, one JSON object a line."""
        return self.home / "calls.jsonl"

    def start(self, patience: float = 30) -> None:
        """Returns when it answers; what it knew when it stopped it knows again."""
        if _is_taken(self.host, self.port):
            raise EmulatorFailed(f"port {self.port} is taken; choose another one for the emulator")
        for folder in (self.state, self.home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [PYTHON, PROGRAM, self.journal, LAYERS],
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the parent, who stops it in order
            )
        self._wait_until_ready(patience)

    def stop(self, patience: float = 30) -> None:
        """Ask it to end, which saves its state, and remove its workers' temporary files."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdin:
            process.stdin.close()
        shutil.rmtree(self.home / "tmp", ignore_errors=True)

    def client(self, service: str) -> Any:
        """An SDK client of this emulator, as the account's root."""
        return root_client(self.endpoint, service)

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not _is_foreign(name)},
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
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "60",  # as on AWS; its own is one
            "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "120",
            "PYTHONUNBUFFERED": "1",
        }

    def _wait_until_ready(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise EmulatorFailed(f"the emulator stopped at its start; see {self.log}")
            try:
                if httpx.get(f"{self.endpoint}/_ministack/health").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise EmulatorFailed(f"the emulator did not answer within {patience} s; see {self.log}")


def _is_foreign(variable: str) -> bool:
    """Functions write the bytecode of their code once for all, whatever holds for this process."""
    return variable.startswith("AWS_") or variable == "PYTHONDONTWRITEBYTECODE"


@contextmanager
def running(emulator: Emulator) -> Iterator[Emulator]:
    """The emulator, started here and stopped at the end."""
    try:
        emulator.start()
        yield emulator
    finally:
        emulator.stop()
