"""The packages of each layer, and the functions that use it."""

import re

from support.domains import ROOT
from support.template import functions, template

LAYERS = ROOT / "layers"
IMPORTED = "import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
PIN = re.compile(r"^([\w.-]+)==([\w.+!-]+)", re.MULTILINE)


def pins(file: str) -> dict[str, str]:
    return dict(PIN.findall((LAYERS / file).read_text()))


def test_only_the_worker_has_the_packages_of_the_language_model() -> None:
    attached = {
        name for name, own in functions().items() if {"Ref": "AiLayer"} in own.get("Layers", [])
    }
    assert attached == {"RunTurn"}
    assert {"Ref": "AiLayer"} not in template()["Globals"]["Function"]["Layers"]


def test_no_package_is_in_two_layers() -> None:
    core, assistant = pins("dependencies/requirements.txt"), pins("ai/requirements.txt")
    assert core
    assert "langchain" in assistant
    assert core.keys() & assistant.keys() == set()


def test_all_layers_come_from_one_resolved_set() -> None:
    resolved = pins("constraints.txt")
    together = pins("dependencies/requirements.txt") | pins("ai/requirements.txt")
    assert together.items() <= resolved.items()
