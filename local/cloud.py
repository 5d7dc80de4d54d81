"""The whole local cloud, from an empty folder to an open shop: kept, restored, or made anew."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

import sample
from local import (
    chat,
    front_door,
    mailbox,
    permissions,
    sockets,
    stack,
)
from local.archive import keep_every_event
from local.console import step
from local.emulator import REGION, ROOT, Emulator, free_port, running
from local.fingerprint import fingerprint
from local.locks import locked
from local.ports import move_ports
from local.routes import import_routes
from simulators import gemini, imagekit, razorpay

SNAPSHOTS = ROOT / ".local" / "snapshots"
INGREDIENTS = (
    *("template.yaml", "functions", "layers", "local", "simulators", "sample"),
    "requirements/emulator.txt",
)
SENDER = "shop@supermarket.example"
RAZORPAY = {
    "KeyId": "rzp_test_supermarket",
    "KeySecret": "local-razorpay-secret",
    "WebhookSecret": "local-webhook-secret",
}
IMAGEKIT = {"PublicKey": "public_supermarket", "PrivateKey": "private_supermarket"}
GEMINI_KEY = "local-gemini-key"


class CloudUnavailable(RuntimeError):
    """The local cloud cannot be started like this; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """How a local cloud is wanted. Port 0 means any free one."""

    home: Path
    port: int = 3000
    emulator_port: int = 0
    host: str = "127.0.0.1"
    keep: bool = False
    sample: bool = True
    bcrypt_rounds: int = 10
    gemini_key: str = field(default="", repr=False)  # Google's; without one a simulator answers
    evidence: Path | None = None  # where to keep what functions may do and what they did

    @property
    def made_of(self) -> str:
        """What a state must have been made of to be taken as it is."""
        key = sha256(self.gemini_key.encode()).hexdigest()
        choices = f"{self.sample} {self.bcrypt_rounds} {key}"
        return fingerprint(*(ROOT / name for name in INGREDIENTS), salt=choices)


@contextmanager
def local_cloud(plan: Plan) -> Iterator[dict[str, Any]]:
    """A running local cloud; its endpoints. Whatever was started here is stopped at the end."""
    with ExitStack() as stopping:
        stopping.enter_context(_alone(plan.home))
        cloud = _Cloud(plan, stopping)
        yield cloud.start()


class _Cloud:
    def __init__(self, plan: Plan, stopping: ExitStack) -> None:
        self.plan = plan
        self.stopping = stopping
        self.port = plan.port or free_port()
        self.emulator = Emulator(plan.home, plan.emulator_port, plan.host)
        self.address = f"http://127.0.0.1:{self.port}"
        self.simulators = plan.home / "simulators"
        self.log = plan.home / "sam.log"
        self.made_of = plan.made_of
        self.label = plan.home / "made-of.json"

    def start(self) -> dict[str, Any]:
        kept = self.plan.keep and self.label.exists()
        restored = not kept and self._restore()
        if kept or restored:
            self._readdress()
        current = (kept or restored) and self._label()["madeOf"] == self.made_of
        with ExitStack() as building:
            if not current:
                self._build(building)
            with step("Restarting the emulator" if kept or restored else "Starting the emulator"):
                self.stopping.enter_context(running(self.emulator))
            if not current:
                self._deploy()
        with step("Opening the front door"):
            self._open()
            self._wait_for_the_first_answer()
        if not (kept or restored):
            self._fill()
        self._relabel()
        if not (kept or restored):
            with step("Keeping a copy for the next start"):
                self._keep_snapshot()
        if self.plan.evidence:
            self.stopping.callback(self._keep_evidence, self.plan.evidence)
        return self._endpoints()

    def _build(self, building: ExitStack) -> None:
        """Whoever builds keeps others from building until it has deployed."""
        with step("Building the functions and their layers"):
            building.enter_context(locked(stack.BUILD / "lock"))
            self.made_of = self.plan.made_of
            stack.build(self.log)

    def _fill(self) -> None:
        if self.plan.sample:
            sample.load(self.address)
            with step("Waiting until the last event is handled"):
                self._wait_until_quiet()
                httpx.delete(f"{self.address}/mailbox/api/messages").raise_for_status()

    def _keep_evidence(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(permissions.collect(self.emulator).to_json())

    def _deploy(self) -> None:
        with step("Deploying template.yaml"):
            stack.deploy(self.emulator, self._parameters(), self.log)
        with step("Giving the HTTP API its routes"):
            import_routes(self.emulator, stack.STACK)
        keep_every_event(self.emulator, stack.outputs(self.emulator)["BusName"])
        self.emulator.client("sesv2").create_email_identity(EmailIdentity=SENDER)

    def _parameters(self) -> dict[str, str]:
        return {
            "StorefrontUrl": self.address,
            "AllowedOrigins": f"{self.address},http://localhost:{self.port}",
            "MailSender": SENDER,
            "RazorpayBaseUrl": f"{self.address}/razorpay",
            "ImageKitBaseUrl": f"{self.address}/imagekit",
            "ImageKitUrlEndpoint": f"{self.address}/imagekit",
            "ConnectionsBaseUrl": stack.gateway(self.emulator),
            "BcryptRounds": str(self.plan.bcrypt_rounds),
            "MailsPerRecipientPerHour": "1000",  # tests send one customer many
            **{f"Razorpay{name}": value for name, value in RAZORPAY.items()},
            **{f"ImageKit{name}": value for name, value in IMAGEKIT.items()},
            **self._gemini(),
        }

    def _gemini(self) -> dict[str, str]:
        """With a key of Google's all is as it is on AWS."""
        if self.plan.gemini_key:
            return {"GeminiApiKey": self.plan.gemini_key}
        return {"GeminiApiKey": GEMINI_KEY, "GeminiBaseUrl": f"{self.address}/gemini"}

    def _open(self) -> None:
        mounts = {
            "/razorpay": razorpay.create_app(
                self.simulators / "razorpay",
                key_id=RAZORPAY["KeyId"],
                key_secret=RAZORPAY["KeySecret"],
                webhook_url=f"{self.address}/api/payments/webhook",
                webhook_secret=RAZORPAY["WebhookSecret"],
            ),
            "/imagekit": imagekit.create_app(
                self.simulators / "imagekit",
                private_key=IMAGEKIT["PrivateKey"],
                public_url=f"{self.address}/imagekit",
            ),
            "/gemini": gemini.create_app(api_key=GEMINI_KEY),
            "/mailbox": mailbox.create_app(
                self.simulators / "mailbox",
                emulator_url=self.emulator.endpoint,
                configuration_set=f"supermarket-{stack.STAGE}",
            ),
        }
        links = {
            "Products": f"{self.address}/api/products",
            "Chat with AI-Buddy": f"{self.address}{chat.PATH}",
            "Mailbox": f"{self.address}/mailbox/",
            "Razorpay's simulator": f"{self.address}/razorpay/",
            "Health": f"{self.address}/readyz",
        }
        apis = stack.http_api(self.emulator), stack.socket_api(self.emulator)
        app = front_door.create_app(apis[0], mounts, links, sockets=apis[1])
        self.stopping.enter_context(serving(app, self.plan.host, self.port))

    def _wait_for_the_first_answer(self) -> None:
        answer = httpx.get(f"{self.address}/healthz", timeout=60)
        if not answer.is_success:
            raise CloudUnavailable(f"the shop answers {answer.status_code}: {self.emulator.log}")

    def _wait_until_quiet(self, calm: float = 2.0, patience: float = 120.0) -> None:
        """No function called anything for a while, so no event is on its way."""
        deadline = time.monotonic() + patience
        size, since = -1, time.monotonic()
        while time.monotonic() - since < calm and time.monotonic() < deadline:
            if (now := self.emulator.journal.stat().st_size) != size:
                size, since = now, time.monotonic()
            time.sleep(0.1)

    def _keep_snapshot(self) -> None:
        """The emulator saves its state when it stops, so it is stopped for a moment."""
        self.emulator.stop()
        with locked(SNAPSHOTS / "lock"):
            snapshot = SNAPSHOTS / self.made_of
            if not snapshot.exists():
                _forget_old(SNAPSHOTS, keep=3)
                partial = snapshot.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                for part in (self.emulator.state, self.simulators):
                    shutil.copytree(part, partial / part.name)
                shutil.copy2(self.label, partial)
                partial.rename(snapshot)
        self.emulator.start()
        self._wait_for_the_first_answer()

    def _restore(self) -> bool:
        """Put the copy of an earlier start in place, if it was made of the same; else clear."""
        for leftover in self.plan.home.glob("*"):
            if leftover.name != "lock":
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        with locked(SNAPSHOTS / "lock"):
            snapshot = SNAPSHOTS / self.made_of
            if snapshot.exists():
                snapshot.touch()
                shutil.copytree(snapshot, self.plan.home, dirs_exist_ok=True)
        return self.label.exists()

    def _label(self) -> dict[str, Any]:
        label: dict[str, Any] = json.loads(self.label.read_text())
        return label

    def _relabel(self) -> None:
        label = {"madeOf": self.made_of, "port": self.port, "emulatorPort": self.emulator.port}
        self.label.write_text(json.dumps(label))

    def _readdress(self) -> None:
        label = self._label()
        ports = {label["port"]: self.port, label["emulatorPort"]: self.emulator.port}
        move_ports((self.emulator.state, self.simulators), ports)

    def _endpoints(self) -> dict[str, Any]:
        endpoints = {
            "api": self.address,
            "websocket": f"ws://127.0.0.1:{self.port}{sockets.PATH}",
            "chat": f"{self.address}{chat.PATH}",
            "mailbox": f"{self.address}/mailbox",
            "aws": self.emulator.endpoint,
            "region": REGION,
            "stage": stack.STAGE,
            "razorpay": f"{self.address}/razorpay",
            "imagekit": f"{self.address}/imagekit",
            "gemini": f"{self.address}/gemini",
            "outputs": stack.outputs(self.emulator),
            "accounts": [
                {"role": account.role, "email": account.email, "password": account.password}
                for account in (sample.read().accounts if self.plan.sample else ())
            ],
            **{f"razorpay{name}": value for name, value in RAZORPAY.items()},
        }
        (self.plan.home / "endpoints.json").write_text(json.dumps(endpoints, indent=2) + "\n")
        return endpoints


def _forget_old(folder: Path, keep: int) -> None:
    copies = [path for path in folder.iterdir() if path.is_dir()]
    for old in sorted(copies, key=lambda path: path.stat().st_mtime)[:-keep]:
        shutil.rmtree(old)


@contextmanager
def serving(app: Starlette, host: str, port: int) -> Iterator[None]:
    """The application on a thread of its own until the end."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,  # longer than clients keep one, or both sides let go at once
        ws="websockets-sansio",
        ws_max_size=sockets.FRAME_LIMIT,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise CloudUnavailable(f"port {port} is taken; choose another: make run PORT=4000")
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One local cloud per folder."""
    try:
        with locked(home / "lock", wait=False):
            yield
    except BlockingIOError:
        raise CloudUnavailable("this checkout's local cloud is already running") from None
