"""What each layer holds, and who has it."""

import json
import os
import re
import subprocess
import sys
from functools import cache

import pytest

from support.domains import ROOT, domains
from support.template import functions, template

LAYERS = ROOT / "layers"
IMPORTED = "import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
PIN = re.compile(r"^([\w.-]+)==([\w.+!-]+)", re.MULTILINE)


def pins(file: str) -> dict[str, str]:
    return dict(PIN.findall((LAYERS / file).read_text()))


def test_the_language_models_packages_are_the_workers_alone() -> None:
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


@pytest.mark.parametrize("module", ["ai_buddy.sockets", "ai_buddy.endpoints", "ai_buddy.streams"])
def test_what_opens_and_ends_connections_starts_with_no_more_than_an_http_function(
    module: str,
) -> None:
    own, http = started_with(module), started_with("cart.endpoints")

    assert libraries(own) == libraries(http)
    assert len(own) < len(http) + 10


@cache
def started_with(module: str) -> set[str]:
    """The modules that a function has imported before its first event, where any can be had."""
    program = [sys.executable, "-P", "-c", IMPORTED.format(module=module)]
    path = str(ROOT / "functions")
    done = subprocess.run(  # noqa: S603 - our own program
        program, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=True
    )
    return set(json.loads(done.stdout))


def libraries(modules: set[str]) -> set[str]:
    packages = {name.partition(".")[0] for name in modules}
    return packages - sys.stdlib_module_names - set(domains())
