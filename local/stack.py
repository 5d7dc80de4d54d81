"""Builds `template.yaml` and deploys it to the emulator with the SAM CLI, as it would be to AWS."""

import fcntl
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.emulator import REGION, ROOT, Emulator

SAM = ROOT / ".local" / "sam" / "bin" / "sam"
BUILD = ROOT / ".local" / "build"
STAGE = "local"
STACK = f"supermarket-{STAGE}"
ARTIFACTS = "supermarket-artifacts"


class SamFailed(RuntimeError):
    """The SAM CLI refused; the message ends with what it said."""


def build(log: Path) -> None:
    """`sam build` for this very machine: the emulator runs the functions as its own processes."""
    with _alone():
        _sam("build", {"Stage": STAGE, "Architecture": _architecture()}, log)


def deploy(emulator: Emulator, parameters: Mapping[str, str], log: Path) -> dict[str, str]:
    """`sam deploy` of what was built; the stack's outputs."""
    emulator.client("s3").create_bucket(Bucket=ARTIFACTS)
    chosen = {"Stage": STAGE, "Architecture": _architecture(), **parameters}
    with _alone():
        _sam("deploy", chosen, log, AWS_ENDPOINT_URL=emulator.endpoint)
    return outputs(emulator)


def outputs(emulator: Emulator) -> dict[str, str]:
    stack = emulator.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def http_api(emulator: Emulator) -> str:
    """The address at which the emulator serves the stack's HTTP API."""
    resource = emulator.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId="Api"
    )
    api = resource["StackResourceDetail"]["PhysicalResourceId"]
    return f"{emulator.endpoint}/_aws/execute-api/{api}/$default"


def _architecture() -> str:
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


@contextmanager
def _alone() -> Iterator[None]:
    """One build or deploy at a time: a running shop and the tests share the build folder."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sam(command: str, parameters: Mapping[str, str], log: Path, **environment: str) -> None:
    """Run the SAM CLI with what `samconfig.toml` says of the local stage."""
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+b") as output:
        began = output.tell()
        finished = subprocess.run(
            [SAM, command, "--config-env", STAGE, "--parameter-overrides", *overrides],
            cwd=ROOT,
            env={
                **os.environ,
                "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "ARCHITECTURE": "native",
                "SAM_CLI_TELEMETRY": "0",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": REGION,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if finished.returncode:
            output.seek(began)
            said = output.read().decode(errors="replace").strip().splitlines()
            raise SamFailed(
                f"sam {command} failed (all of it: {log})\n" + "\n".join(said[-25:])
            )
