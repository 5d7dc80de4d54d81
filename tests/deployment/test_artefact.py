"""The deployed code: one folder for all functions, with reproducible bytecode."""

import hashlib
import json
import marshal
import os
import shutil
import subprocess
from pathlib import Path

from deployment.artefact import SAM_SWITCHES, code_folders, compile_code
from deployment.sam import SAM
from local.stack import sam_environment
from support.domains import FUNCTIONS, KERNEL, ROOT
from support.template import functions, template

SELECTED = ("GetCart", "CreateOrder", "RunTurn")
GROUPED_BY = ("CodeUri", "Runtime", "Architectures", "PackageType")  # SAM groups functions by these


def create_build(folder: Path, *names: str) -> Path:
    """Create a build of functions that contain the kernel, each in its own folder."""
    kind = "AWS::Serverless::Function"
    resources = {name: {"Type": kind, "Properties": {"CodeUri": name}} for name in names}
    for name in names:
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(KERNEL, folder / name / "supermarket", ignore=skipped)
    (folder / "template.yaml").write_text(json.dumps({"Resources": resources}))
    return folder


def checksum(folder: Path) -> str:
    """The checksum of a folder's file names and contents, as the SAM CLI compares uploads."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    parts = [f"{file.relative_to(folder)} {_digest(file)}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_equal_code_has_the_same_checksum_in_every_folder(tmp_path: Path) -> None:
    build = create_build(tmp_path, "First", "Second")
    os.utime(build / "Second" / "supermarket" / "errors.py", (0, 0))

    compile_code(build)

    assert len({checksum(folder) for folder in code_folders(build)}) == 1


def test_every_module_has_bytecode_with_its_path_in_lambda(tmp_path: Path) -> None:
    build = create_build(tmp_path, "First")
    compile_code(build)

    compiled = list(build.rglob("*.pyc"))
    assert len(compiled) == len(list(build.rglob("*.py")))
    for file in compiled:
        flags, code = file.read_bytes()[4:8], marshal.loads(file.read_bytes()[16:])  # noqa: S302
        assert flags == b"\1\0\0\0", "the bytecode's hash is compared with its source at each start"
        assert code.co_filename.startswith("/var/task/supermarket/")


def test_no_function_is_built_separately() -> None:
    separate = {
        name: own.keys() & set(GROUPED_BY)
        for name, own in functions().items()
        if own.keys() & set(GROUPED_BY)
    }
    assert not separate
    assert not {
        name: resource["Metadata"]
        for name, resource in template()["Resources"].items()
        if name in functions() and "Metadata" in resource
    }


def test_sam_builds_all_functions_into_one_folder(tmp_path: Path) -> None:
    whole = template()
    common = {key: part for key, part in whole["Globals"]["Function"].items() if key != "Layers"}
    plain = {
        "Transform": whole["Transform"],
        "Parameters": {"Architecture": whole["Parameters"]["Architecture"]},
        "Globals": {"Function": {**common, "CodeUri": str(FUNCTIONS), "Environment": {}}},
        "Resources": {
            name: {
                "Type": "AWS::Serverless::Function",
                "Properties": {"Handler": functions()[name]["Handler"]},
            }
            for name in SELECTED
        },
    }
    del plain["Globals"]["Function"]["LoggingConfig"]
    (tmp_path / "template.json").write_text(json.dumps(plain))
    command = [str(SAM), "build", "--template", "template.json", "--build-dir", "built"]
    subprocess.run(  # noqa: S603 - our own program
        command, cwd=tmp_path, env=sam_environment(), check=True, capture_output=True
    )

    [folder] = code_folders(tmp_path / "built")
    assert (folder / "cart" / "endpoints.py").is_file()


def test_make_and_the_local_cloud_build_with_the_same_switches() -> None:
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "SAM :=" in line)
    switch, value = next(iter(SAM_SWITCHES.items()))
    assert f"{switch}={value}" in line
    assert sam_environment().items() >= SAM_SWITCHES.items()
