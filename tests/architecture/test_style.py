"""What holds for every file, whoever wrote it."""

import ast
import re
from pathlib import Path

import pytest

from support.domains import ROOT
from support.sources import files

TEXT = {
    *("", ".css", ".html", ".in", ".js", ".json", ".md", ".py", ".sh", ".svg", ".toml", ".txt"),
    *(".yaml", ".yml", ".j2", ".ini", ".cfg"),
}
# folders in which people and machines keep their checkouts
MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:work|root|home/\w+|Users/\w+|tmp/lab)/")
DOWNLOAD_ADDRESS = re.compile(r"--(?:extra-)?index-url|/simple/?\b|uv\.lock\b.*=")
DRAWERS = {"utils", "util", "helpers", "helper", "misc", "common"}
EMPTY_NAMES = re.compile(r"(?:Manager|Helper|Utils?|Impl)$")

FILES = sorted(files())
PYTHON = [path for path in FILES if path.suffix == ".py"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix in TEXT], ids=relative)
def test_a_file_knows_no_machine(path: Path) -> None:
    assert MACHINE_PATH.findall(path.read_text(errors="replace")) == []


def test_requirements_are_pinned_with_hashes_and_name_no_index() -> None:
    compiled = [path for path in FILES if path.suffix == ".txt" and "requirements" in str(path)]
    compiled = [path for path in compiled if path.with_suffix(".in").exists()]
    assert compiled
    for path in compiled:
        text = path.read_text()
        assert DOWNLOAD_ADDRESS.findall(text) == [], path
        pins = re.findall(r"^[\w.\[\]-]+==.*\\$", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[\w]", text, re.MULTILINE)), path


def test_no_lock_file_with_addresses_is_kept() -> None:
    assert not [path for path in FILES if path.name in {"uv.lock", "poetry.lock", "Pipfile.lock"}]


def test_no_drawer_holds_what_has_no_name() -> None:
    assert not [path for path in PYTHON if {path.stem, path.parent.name} & DRAWERS]


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_classes_are_named_for_what_they_are(path: Path) -> None:
    names = [n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef)]
    assert not [name for name in names if EMPTY_NAMES.search(name)]


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/endpoints.py")), ids=relative)
def test_an_endpoint_parses_calls_one_use_case_and_answers(path: Path) -> None:
    """Three to six lines are the aim; more than eight statements are somebody's use case."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            statements = [n for n in ast.walk(node) if isinstance(n, ast.stmt)][1:]
            assert len(statements) <= 8, node.name
