"""The functions' code as it is deployed: one folder for all of them, with bytecode.

`python -m deployment.artefact FOLDER` adds bytecode to the output of `sam build` in FOLDER.
"""

import subprocess
import sys
from pathlib import Path

import yaml

TASK_ROOT = "/var/task"  # where Lambda mounts the code

# SAM features: build functions with the same code into one folder, and upload each folder once
SAM_SWITCHES = {
    "SAM_CLI_BETA_BUILD_PERFORMANCE": "1",
    "SAM_CLI_BETA_PACKAGE_PERFORMANCE": "1",
}


def code_folders(build: Path) -> set[Path]:
    """The folders that the functions of a build are deployed from."""
    resources = yaml.safe_load((build / "template.yaml").read_text())["Resources"].values()
    return {
        build / resource["Properties"]["CodeUri"]
        for resource in resources
        if resource["Type"] == "AWS::Serverless::Function"
    }


def compile_code(build: Path) -> None:
    """Write bytecode: the code is read-only in Lambda, so each cold start would compile it again.

    The bytecode does not depend on where or when it is compiled: it contains the source's path in
    Lambda, and the source's hash instead of its modification time.
    """
    for folder in code_folders(build):
        command = [sys.executable, "-m", "compileall", "-q", "-j", "0"]
        paths = ["-s", str(folder), "-p", TASK_ROOT]
        options = ["--invalidation-mode", "unchecked-hash", *paths, str(folder)]
        subprocess.run([*command, *options], check=True)  # noqa: S603 - our own folder


if __name__ == "__main__":
    compile_code(Path(sys.argv[1]))
