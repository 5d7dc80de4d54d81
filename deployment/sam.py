"""The SAM CLI, which is told secrets by a file that nobody else can read."""

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
    """`sam deploy` as a section of `samconfig.toml` says; its exit code."""
    with written_down(parameters) as file:
        options = ["--config-env", stage, "--parameter-overrides", f"file://{file}"]
        variables = {**os.environ, "SAM_CLI_TELEMETRY": "0", **SAM_SWITCHES}
        command = [str(SAM), "deploy", *options]
        return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode  # noqa: S603


@contextmanager
def written_down(parameters: dict[str, str]) -> Iterator[Path]:
    """A file for `--parameter-overrides`, there for as long as it is used and for its owner alone:
    everybody can read the arguments of a process.
    """
    with NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        json.dump(parameters, file, ensure_ascii=False)  # which is YAML, too
        file.flush()
        yield Path(file.name)
