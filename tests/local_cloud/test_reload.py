"""`reload` deploys changed code to functions without a build."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import reload
from local.emulator import Emulator, running

HANDLER = """
from supermarket import NAME

def handle(event, context):
    return [NAME, {word!r}]
"""
TRUST = {"Version": "2012-10-17", "Statement": []}
FUNCTIONS = ("supermarket-local-One-0A1B", "supermarket-local-Two-2C3D", "another-stack")


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Path]]:
    """Two functions of the shop and one of another stack, deployed from sources in a folder."""
    write(tmp_path, kernel="old kernel", word="old code")
    monkeypatch.setattr(reload, "FUNCTIONS", tmp_path)
    with running(Emulator(tmp_path.parent / f"{tmp_path.name}-emulator")) as emulator:
        role = emulator.client("iam").create_role(
            RoleName="any", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        client = emulator.client("lambda")
        for name in FUNCTIONS:
            client.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Role=role["Role"]["Arn"],
                Handler="code.handle",
                Code={"ZipFile": zipped(sources("old kernel", "old code"))},
            )
        yield client, tmp_path


def test_functions_run_the_changed_code_and_kernel(functions: tuple[Any, Path]) -> None:
    client, folder = functions
    assert answers(client) == [["old kernel", "old code"]] * 3

    write(folder, kernel="new kernel", word="new code")
    assert reload.reload(client) == 2

    assert answers(client) == [["new kernel", "new code"]] * 2 + [["old kernel", "old code"]]
    assert reload.reload(client) == 0, "nothing has changed"

    write(folder, kernel="new kernel", word="newest code")
    assert reload.reload(client) == 2
    assert answers(client)[:2] == [["new kernel", "newest code"]] * 2


def answers(client: Any) -> list[Any]:
    return [json.load(client.invoke(FunctionName=name)["Payload"]) for name in FUNCTIONS]


def sources(kernel: str, word: str) -> dict[str, str]:
    return {
        "supermarket/__init__.py": f"NAME = {kernel!r}",
        "code.py": HANDLER.format(word=word),
    }


def write(folder: Path, kernel: str, word: str) -> None:
    for name, text in sources(kernel, word).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()
