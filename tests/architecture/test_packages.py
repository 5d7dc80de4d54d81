"""Which third-party packages each Lambda loads before its first invocation."""

import json
import os
import re
import shutil
import sys
from collections import defaultdict
from dataclasses import astuple

import pytest

from local.fingerprint import fingerprint
from support.domains import ROOT
from support.loaded_packages import Loaded, loaded_by
from support.template import functions

DOCUMENT = ROOT / "docs" / "packages.md"
PIN = re.compile(r"^([\w.-]+)==", re.MULTILINE)
CODE = ("functions", "layers", "requirements", "template.yaml", "tests/support")
WORKER = "RunTurn"  # the only one with the layer of the language model


def loaded() -> dict[str, Loaded]:
    """What each Lambda loads, by its id in the template. The result is kept for the same code,
    because the processes need a third of a minute.
    """
    code = fingerprint(*(ROOT / name for name in CODE), salt=sys.version)
    kept = ROOT / ".local" / "loaded-packages" / f"{code}.json"
    if not kept.exists():
        shutil.rmtree(kept.parent, ignore_errors=True)
        kept.parent.mkdir(parents=True)
        kept.write_text(json.dumps({name: astuple(those) for name, those in load().items()}))
    stored = json.loads(kept.read_text())
    return {name: Loaded(tuple(packages), modules) for name, (packages, modules) in stored.items()}


def load() -> dict[str, Loaded]:
    handlers = {properties["Handler"]: name for name, properties in functions().items()}
    worker = functions()[WORKER]["Handler"]
    found = loaded_by(handlers.keys() - {worker}, distributions("dependencies"))
    found |= loaded_by([worker], distributions("dependencies") + distributions("ai"))
    return {handlers[handler]: those for handler, those in found.items()}


def distributions(layer: str) -> list[str]:
    return PIN.findall((ROOT / "layers" / layer / "requirements.txt").read_text())


def rows(found: dict[str, Loaded]) -> set[str]:
    """The rows of the table, one for each set of packages."""
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, those in found.items():
        together[those.packages].append(name)
    return {
        f"| {', '.join(packages)} | {', '.join(sorted(names))} |"
        for packages, names in together.items()
    }


@pytest.mark.long
def test_each_lambda_loads_the_packages_that_the_docs_list() -> None:
    found = loaded()
    for name in ("ConnectSocket", "DisconnectSocket", "CloseConnections"):
        own, http = found[name], found["GetCart"]
        assert set(own.packages) <= set(http.packages), name
        assert own.modules < http.modules + 10, name

    head = DOCUMENT.read_text().partition("|---|---|\n")[0]
    text = f"{head}|---|---|\n" + "".join(f"{row}\n" for row in sorted(rows(found)))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        DOCUMENT.write_text(text)
    assert DOCUMENT.read_text() == text, "write docs/packages.md: make documents"


def test_every_module_with_handlers_calls_prepare() -> None:
    for handler in {one["Handler"].rpartition(".")[0] for one in functions().values()}:
        text = (ROOT / "functions" / f"{handler.replace('.', '/')}.py").read_text()
        assert text.endswith("\n\nprepare(__name__)\n"), handler
