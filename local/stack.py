"""Builds `template.yaml` and deploys it to the emulator with the SAM CLI."""

import os
import platform
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

from deployment.artefact import SAM_SWITCHES, compile_code
from local.emulator import REGION, ROOT, Emulator

SAM = ROOT / ".local" / "sam" / "bin" / "sam"
BUILD = ROOT / ".local" / "build"
STAGE = "local"
STACK = f"supermarket-{STAGE}"
ARTIFACTS = "supermarket-artifacts"


class SamFailed(RuntimeError):
    """The SAM CLI failed; the message ends with its output."""


def build(log: Path, section: str = STAGE, machine: str = "native") -> None:
    """Run `sam build` with a section of `samconfig.toml`.

    `machine` is the processor to build for: Lambda's name, or native, since the emulator runs the
    functions as processes of this machine.
    """
    chosen = {"Stage": STAGE, "Architecture": architecture()}
    _sam("build", chosen, log, section, ARCHITECTURE=machine)
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())
    compile_code(ROOT / settings[section]["build"]["parameters"]["build_dir"])


def deploy(emulator: Emulator, parameters: Mapping[str, str], log: Path) -> None:
    """Run `sam deploy`."""
    emulator.client("s3").create_bucket(Bucket=ARTIFACTS)
    defaults = {"Stage": STAGE, "Architecture": architecture(), "DeletionProtection": "false"}
    _sam("deploy", {**defaults, **parameters}, log, STAGE, AWS_ENDPOINT_URL=emulator.endpoint)


def outputs(emulator: Emulator) -> dict[str, str]:
    stack = emulator.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def http_api(emulator: Emulator) -> str:
    """Return the address at which the emulator serves the stack's HTTP API."""
    return f"{gateway(emulator)}/{_physical_id(emulator, 'Api')}/$default"


def socket_api(emulator: Emulator) -> str:
    """Return the address at which the emulator serves the stack's WebSocket API."""
    address = f"{gateway(emulator)}/{_physical_id(emulator, 'SocketApi')}/live"
    return address.replace("http", "ws", 1)


def gateway(emulator: Emulator) -> str:
    """Return the address below which the emulator serves each API by its id."""
    return f"{emulator.endpoint}/_aws/execute-api"


def architecture() -> str:
    """Return Lambda's name for this machine's processor."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


def sam_environment() -> dict[str, str]:
    """Return the SAM CLI's environment: Python 3.13 for builds, and the emulator's account."""
    return {
        **os.environ,
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        **SAM_SWITCHES,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


def _physical_id(emulator: Emulator, name: str) -> str:
    resource = emulator.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId=name
    )
    return str(resource["StackResourceDetail"]["PhysicalResourceId"])


def _sam(
    command: str, parameters: Mapping[str, str], log: Path, section: str, **environment: str
) -> None:
    """Run the SAM CLI with a section of `samconfig.toml`."""
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+b") as output:
        began = output.tell()
        finished = subprocess.run(
            [SAM, command, "--config-env", section, "--parameter-overrides", *overrides],
            cwd=ROOT,
            env={**sam_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if finished.returncode:
            output.seek(began)
            said = output.read().decode(errors="replace").strip().splitlines()
            raise SamFailed(f"sam {command} failed (whole output: {log})\n" + "\n".join(said[-25:]))
