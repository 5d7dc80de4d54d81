"""The syntax trees of the project's modules, and their imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.domains import FUNCTIONS, KERNEL, ROOT

GENERATED = {"__pycache__", "node_modules"}


@dataclass(frozen=True)
class Import:
    """`from order.model import Order` has the module `order.model` and the name `Order`."""

    module: str
    name: str | None = None

    @property
    def root(self) -> str:
        return self.module.split(".")[0]


@dataclass(frozen=True)
class Source:
    """One module: its dotted name as Lambda imports it, its file and its tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def domain(self) -> str:
        return self.name.split(".")[0]

    @property
    def room(self) -> str:
        """`model`, `service`, … inside a domain or one of its sub-packages. A model can be a
        package.
        """
        if self.path.stem == "__init__":
            return "__init__"
        package, _, module = self.name.rpartition(".")
        return "model" if package.endswith(".model") else module

    @property
    def package(self) -> str:
        """The domain, or the sub-package of the domain, that holds this module."""
        return self.name if self.room == "__init__" else self.name.rpartition(".")[0]

    def imports(self) -> tuple[Import, ...]:
        """Return all imports, also those inside functions."""
        return _imports(self)

    def calls(self) -> frozenset[str]:
        """The called functions as they are written: `datetime.now`, `new_id`."""
        return _calls(self)

    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


@cache
def _imports(source: Source) -> tuple[Import, ...]:
    found: list[Import] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found += (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or not node.module:
                raise ValueError(f"{source.path}: a relative import")
            found += (Import(node.module, alias.name) for alias in node.names)
    return tuple(found)


@cache
def _calls(source: Source) -> frozenset[str]:
    return frozenset(ast.unparse(n.func) for n in ast.walk(source.tree) if isinstance(n, ast.Call))


@cache
def lambdas() -> list[Source]:
    """Every module of a domain."""
    return [source for source in _shipped() if source.domain != KERNEL.name]


@cache
def kernel() -> list[Source]:
    """Every module of the kernel."""
    return [source for source in _shipped() if source.domain == KERNEL.name]


@cache
def _shipped() -> list[Source]:
    """Everything under `functions/`."""
    return [_source(path, FUNCTIONS) for path in sorted(FUNCTIONS.rglob("*.py"))]


@cache
def project(folder: str) -> list[Source]:
    """Every module of a folder at the root, such as `simulators`."""
    return [_source(path, ROOT) for path in sorted((ROOT / folder).rglob("*.py"))]


def targets(source: Source, known: set[str]) -> set[str]:
    """The modules of the project that `source` imports."""
    found = set()
    for one in source.imports():
        module = f"{one.module}.{one.name}"
        found |= {name for name in (module, one.module) if name in known and name != source.name}
    return found


def files() -> Iterator[Path]:
    """Yield the files of the project, without generated ones."""
    for folder, folders, names in ROOT.walk():
        folders[:] = [name for name in folders if name == ".ci" or not _is_generated(name)]
        # a link to a folder is among the names, and so is the `.git` of a worktree
        yield from (path for name in names if (path := folder / name).is_file() and name != ".git")


def _is_generated(folder: str) -> bool:
    return folder.startswith(".") or folder in GENERATED


def _source(path: Path, base: Path) -> Source:
    name = ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
    return Source(name, path, ast.parse(path.read_text(), str(path)))
