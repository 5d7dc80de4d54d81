"""The whole local cloud: restored from a snapshot, or built, deployed and filled."""

import json
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
from local import front_door, mailbox, pages, permissions, sockets, stack
from local.console import step
from local.emulator import REGION, ROOT, Emulator, free_port, running
from local.emulator_gaps import create_archive, import_routes
from local.fingerprint import fingerprint
from local.links import api_links, page_links
from local.locks import locked
from local.snapshots import Label, Snapshots, move_ports, read_label, write_label
from simulators import gemini, imagekit, razorpay

SNAPSHOTS = Snapshots(ROOT / ".local" / "snapshots")
INGREDIENTS = (
    *("template.yaml", "functions", "layers", "local", "simulators", "sample"),
    *("deployment", "requirements/emulator.txt"),
)
SENDER = "shop@supermarket.example"
RAZORPAY = {
    "KeyId": "rzp_test_supermarket",
    "KeySecret": "local-razorpay-secret",
    "WebhookSecret": "local-webhook-secret",
}
IMAGEKIT = {"PublicKey": "public_supermarket", "PrivateKey": "private_supermarket"}
GEMINI_KEY = "local-gemini-key"
OPEN_ORDERS, RESERVED_PIECES = 30, 1000  # of one customer: tests do not verify addresses
RAZORPAY_CALLS = 100  # a second: the simulator takes any number
MANY_MAILS = 1000  # tests send many
REQUEST_LIMITS = ("Products", "Orders", "Payments", "Tickets")
MANY_REQUESTS = 100_000
MAIL_LIMITS = ("MailsPerSecond", "SecurityMailsPerHour", "OrderMailsPerHour", "BulkMailsPerHour")


class CloudUnavailable(RuntimeError):
    """The local cloud cannot start or does not run; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """The options of a local cloud. Port 0 means any free one."""

    home: Path
    port: int = 3000
    emulator_port: int = 0
    host: str = "127.0.0.1"
    keep: bool = False  # continue with the data of the last run
    sample: bool = True  # load the sample shop
    bcrypt_rounds: int = 10
    gemini_key: str = field(default="", repr=False)  # Google's; without it the simulator answers
    evidence: Path | None = None  # file for the permissions and calls of all functions

    @property
    def made_of(self) -> str:
        """The fingerprint of everything that the state of the local cloud depends on."""
        key = sha256(self.gemini_key.encode()).hexdigest()
        options = f"{self.sample} {self.bcrypt_rounds} {key}"
        return fingerprint(*(ROOT / name for name in INGREDIENTS), salt=options)


@contextmanager
def local_cloud(plan: Plan) -> Iterator[dict[str, Any]]:
    """Run a local cloud and give its endpoints; stop everything at the end."""
    with ExitStack() as stopping:
        try:  # one local cloud per home folder
            stopping.enter_context(locked(plan.home / "lock", wait=False))
        except BlockingIOError:
            message = "the local cloud of this checkout is already running"
            raise CloudUnavailable(message) from None
        yield _Cloud(plan, stopping).start()


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
        self.label_file = plan.home / "made-of.json"

    def start(self) -> dict[str, Any]:
        if not (self.plan.keep and self.label_file.exists()):
            SNAPSHOTS.restore(self.plan.home, self.made_of)
        label = read_label(self.label_file)
        if label:
            ports = {label.port: self.port, label.emulator_port: self.emulator.port}
            move_ports((self.emulator.state, self.simulators), ports)
        is_current = label is not None and label.made_of == self.made_of
        with ExitStack() as building:
            if not is_current:
                self._build(building)
            with step("Restarting the emulator" if label else "Starting the emulator"):
                self.stopping.enter_context(running(self.emulator))
            if not is_current:
                self._deploy()
        with step("Opening the front door"):
            self._open()
            self._await_first_answer()
        if label is None and self.plan.sample:
            self._load_sample()
        write_label(self.label_file, Label(self.made_of, self.port, self.emulator.port))
        if label is None:
            with step("Saving a snapshot for the next start"):
                self._save_snapshot()
        if self.plan.evidence:
            self.stopping.callback(self._write_evidence, self.plan.evidence)
        return self._endpoints()

    def _build(self, building: ExitStack) -> None:
        """Build, and hold the lock of the build folder until the deployment is done."""
        with step("Building the functions and their layers"):
            building.enter_context(locked(stack.BUILD / "lock"))
            self.made_of = self.plan.made_of
            stack.build(self.log)

    def _deploy(self) -> None:
        with step("Deploying template.yaml"):
            parameters = self._parameters()
            stack.deploy(self.emulator, parameters, self.log)
            origins = parameters["AllowedOrigins"].split(",")
            import_routes(self.emulator, stack.STACK, origins)
            create_archive(self.emulator, stack.outputs(self.emulator)["BusName"])
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
            "RegistrationsPerClient": str(MANY_REQUESTS),
            "SellersNeedApproval": "false",
            "AdminsNeedSecondFactor": "false",
            "GuessesPerClient": "0",  # all of them come from this machine
            "MailLinksPerClient": "0",
            **{f"{what}PerPerson": str(MANY_REQUESTS) for what in REQUEST_LIMITS},
            **{f"{what}PerClient": "0" for what in REQUEST_LIMITS},  # they come from this machine
            "OpenOrdersUnverified": str(OPEN_ORDERS),
            "ReservedPiecesUnverified": str(RESERVED_PIECES),
            "RazorpayCallsPerSecond": str(RAZORPAY_CALLS),
            **dict.fromkeys(MAIL_LIMITS, str(MANY_MAILS)),
            "SellerDigestMinutes": "1",
            **{f"Razorpay{name}": value for name, value in RAZORPAY.items()},
            **{f"ImageKit{name}": value for name, value in IMAGEKIT.items()},
            "GeminiApiKey": self.plan.gemini_key or GEMINI_KEY,
            **({} if self.plan.gemini_key else {"GeminiBaseUrl": f"{self.address}/gemini"}),
        }

    def _open(self) -> None:
        """Serve the front door with the simulators and the mailbox behind it."""
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
        app = front_door.create_app(
            stack.http_api(self.emulator),
            mounts,
            {**page_links(self.address), **api_links(self.address)},
            sockets=stack.socket_api(self.emulator),
        )
        self.stopping.enter_context(serving(app, self.plan.host, self.port))

    def _await_first_answer(self) -> None:
        answer = httpx.get(f"{self.address}/healthz", timeout=60)
        if not answer.is_success:
            raise CloudUnavailable(f"the shop answers {answer.status_code}: {self.emulator.log}")

    def _load_sample(self) -> None:
        sample.load(self.address)
        with step("Waiting until all events are handled"):
            self._wait_until_quiet()
            httpx.delete(f"{self.address}/mailbox/api/messages").raise_for_status()

    def _wait_until_quiet(self, quiet: float = 2.0, timeout: float = 120.0) -> None:
        """Wait until no function has called anything for `quiet` seconds."""
        deadline = time.monotonic() + timeout
        size, since = -1, time.monotonic()
        while time.monotonic() - since < quiet and time.monotonic() < deadline:
            if (now := self.emulator.journal.stat().st_size) != size:
                size, since = now, time.monotonic()
            time.sleep(0.1)

    def _save_snapshot(self) -> None:
        """Restart the emulator, which saves its state when it stops, and copy the state."""
        self.emulator.stop()
        SNAPSHOTS.save(self.made_of, (self.emulator.state, self.simulators), self.label_file)
        self.emulator.start()
        self._await_first_answer()

    def _write_evidence(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(permissions.collect(self.emulator).to_json())

    def _endpoints(self) -> dict[str, Any]:
        accounts = sample.read().accounts if self.plan.sample else ()
        endpoints = {
            "api": self.address,
            "websocket": f"ws://127.0.0.1:{self.port}{sockets.PATH}",
            "chat": f"{self.address}{pages.CHAT}",
            "mailbox": f"{self.address}/mailbox",
            "aws": self.emulator.endpoint,
            "region": REGION,
            "stage": stack.STAGE,
            "razorpay": f"{self.address}/razorpay",
            "imagekit": f"{self.address}/imagekit",
            "gemini": f"{self.address}/gemini",
            "outputs": stack.outputs(self.emulator),
            "accounts": [a.model_dump(include={"role", "email", "password"}) for a in accounts],
            **{f"razorpay{name}": value for name, value in RAZORPAY.items()},
        }
        (self.plan.home / "endpoints.json").write_text(json.dumps(endpoints, indent=2) + "\n")
        return endpoints


@contextmanager
def serving(app: Starlette, host: str, port: int) -> Iterator[None]:
    """Serve the application on a thread of its own."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,  # longer than clients', so that only clients close idle connections
        ws="websockets-sansio",
        ws_max_size=sockets.FRAME_LIMIT,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise CloudUnavailable(f"port {port} is in use; choose another: make run PORT=4000")
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()
