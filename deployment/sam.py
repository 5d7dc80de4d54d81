"""Runs the SAM CLI, and passes secrets in a file that only the owner can read."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from deployment.artefact import SAM_SWITCHES

ROOT = Path(__file__).parents[1]
SAM = ROOT / ".local" / "sam" / "bin" / "sam"


def deploy(stage: str, parameters: dict[str, str]) -> int:
    """Run `sam deploy` with the stage's section of `samconfig.toml`; returns its exit code."""
    with parameter_file(parameters) as file:
        options = ["--config-env", stage, "--parameter-overrides", f"file://{file}"]
        variables = {**os.environ, "SAM_CLI_TELEMETRY": "0", **SAM_SWITCHES}
        command = [str(SAM), "deploy", *options]
        return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode  # noqa: S603


@contextmanager
def parameter_file(parameters: dict[str, str]) -> Iterator[Path]:
    """Write a file for `--parameter-overrides` that only the owner can read; deleted at the end.

    Parameters are not passed as arguments, because every user can read a process's arguments.
    """
    with NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        json.dump(parameters, file, ensure_ascii=False)  # JSON is valid YAML
        file.flush()
        yield Path(file.name)
