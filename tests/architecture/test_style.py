"""Rules for the style of every file. A test of a rule lists all files that break it."""

import ast
import re
from functools import cache
from pathlib import Path

from support.domains import ROOT
from support.sources import files

TEXT = {
    *("", ".css", ".html", ".in", ".js", ".json", ".md", ".py", ".sh", ".svg", ".toml", ".txt"),
    *(".yaml", ".yml", ".j2", ".ini", ".cfg"),
}
# folders in which people and machines keep their checkouts
MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:work|root|home/\w+|Users/\w+|tmp/lab)/")
DOWNLOAD_ADDRESS = re.compile(r"--(?:extra-)?index-url|/simple/?\b|uv\.lock\b.*=")
GENERIC_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}
GENERIC_CLASS_NAMES = re.compile(r"(?:Manager|Helper|Utils?|Impl)$")
STATEMENTS_OF_AN_ENDPOINT = 8

FILES = sorted(files())
PYTHON = [path for path in FILES if path.suffix == ".py"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_every_module_has_a_docstring() -> None:
    assert [relative(path) for path in PYTHON if not ast.get_docstring(tree(path))] == []


def test_no_file_contains_a_path_of_a_machine() -> None:
    found = {
        relative(path): MACHINE_PATH.findall(path.read_text(errors="replace"))
        for path in FILES
        if path.suffix in TEXT
    }
    assert {path: paths for path, paths in found.items() if paths} == {}


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


def test_no_module_or_package_has_a_generic_name() -> None:
    assert [
        relative(path) for path in PYTHON if {path.stem, path.parent.name} & GENERIC_NAMES
    ] == []


def test_no_class_has_a_generic_name() -> None:
    found = [
        f"{relative(path)}: {node.name}"
        for path in PYTHON
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and GENERIC_CLASS_NAMES.search(node.name)
    ]
    assert found == []


def test_an_endpoint_parses_calls_one_use_case_and_answers() -> None:
    """Three to six lines are the aim; code beyond eight statements belongs to a use case."""
    endpoints = [
        (path, node)
        for path in (ROOT / "functions").glob("*/endpoints.py")
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
    assert endpoints
    too_long = [
        f"{relative(path)}: {node.name}"
        for path, node in endpoints
        if len([n for n in ast.walk(node) if isinstance(n, ast.stmt)]) - 1
        > STATEMENTS_OF_AN_ENDPOINT
    ]
    assert too_long == []


def test_parametrized_values_are_the_same_in_every_process() -> None:
    """Parallel workers must collect the same tests in the same order."""
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in PYTHON
        if path.name.startswith("test_")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("parametrize")
        and any(_varies(values) for values in node.args[1:2])
    ]
    assert found == []


def _varies(values: ast.expr) -> bool:
    """Whether the values are a set, whose order varies, or contain a new id or the time."""
    is_set = isinstance(values, ast.Set | ast.SetComp | ast.BinOp) or (
        isinstance(values, ast.Call) and ast.unparse(values.func) in {"set", "frozenset"}
    )
    return is_set or any(
        isinstance(node, ast.Call) and ast.unparse(node.func) in {"new_id", "utc_now"}
        for node in ast.walk(values)
    )
