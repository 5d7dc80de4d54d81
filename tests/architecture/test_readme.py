"""README's "Add an endpoint", performed literally in a copy of the checkout."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.domains import ROOT

PATCH = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = (".git", ".venv", ".local", ".aws-sam", ".hypothesis", ".pytest_cache")
UNFINISHED_BYTECODE = "*.pyc.*"  # other test processes write and rename such files
LINKED = (".venv", ".local/sam", ".local/emulator", ".local/tools")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project with its environments and caches, without this test."""
    copy = tmp_path / "super-market"
    left_out = shutil.ignore_patterns(*LEFT_OUT, UNFINISHED_BYTECODE)
    shutil.copytree(ROOT, copy, ignore=left_out, symlinks=True)
    (copy / "tests/architecture" / Path(__file__).name).unlink()
    (copy / ".local").mkdir()
    for name in LINKED:
        if (ROOT / name).exists():
            (copy / name).symlink_to((ROOT / name).resolve())
    run(copy, "git", "init", "--quiet")
    run(copy, "git", "add", "--all")
    return copy


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(  # noqa: S603 - commands of the README
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"


@pytest.mark.e2e
@pytest.mark.long
def test_the_steps_of_add_an_endpoint_pass_the_checks(checkout: Path) -> None:
    [patch] = PATCH.findall((checkout / "README.md").read_text())
    (checkout / "example.patch").write_text(patch)

    run(checkout, "git", "apply", "example.patch")
    (checkout / "example.patch").unlink()
    run(checkout, "make", "documents")
    assert "GET /api/notifications/unread" in (checkout / "docs/round-trips.md").read_text()
    run(checkout, "make", "check")
