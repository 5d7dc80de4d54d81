"""The modules that each Lambda has loaded before its first invocation, one process for each.

As a program it takes handlers and, as JSON, the distributions that their layers have; others cannot
be imported. It prints `[handler, third-party packages, number of modules]` for each. A process is
forked for each module, which imports it, and from that one for each of its handlers. The program
fails when an init phase fails or opens a connection.
"""

import json
import os
import re
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

NO_PACKAGES = {"cython_runtime", "sitecustomize"}
FUNCTIONS = Path(__file__).parents[2] / "functions"


@dataclass(frozen=True)
class Loaded:
    """The third-party packages of a Lambda, and how many modules it has in all."""

    packages: tuple[str, ...]
    modules: int


def loaded_by(handlers: Iterable[str], distributions: Iterable[str]) -> dict[str, Loaded]:
    """What Lambdas with these handlers load, by handler."""
    program = [sys.executable, "-P", __file__, json.dumps(list(distributions)), *handlers]
    environment = {**os.environ, "PYTHONPATH": str(FUNCTIONS)}
    done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603
    lines = map(json.loads, done.stdout.splitlines())
    return {handler: Loaded(tuple(names), number) for handler, names, number in lines}


class _OtherLayers(MetaPathFinder):
    """Refuses packages of other distributions than those of the layers."""

    def __init__(self, distributions: Iterable[str]) -> None:
        allowed = set(distributions)
        self._refused = {
            name
            for name, owners in packages_distributions().items()
            if allowed.isdisjoint(map(_normalized, owners))
        }

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname in self._refused:
            raise ModuleNotFoundError(f"no layer of this Lambda has {fullname}", name=fullname)


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def main(distributions: str, *handlers: str) -> None:
    sys.meta_path.insert(0, _OtherLayers(json.loads(distributions)))
    by_module = groupby(sorted(handlers), lambda handler: handler.rpartition(".")[0])
    for module, of_module in by_module:
        names = list(of_module)
        _in_a_fork(_list_module, module, names)


def _list_module(module: str, handlers: list[str]) -> None:
    import_module(module)
    for handler in handlers:
        _in_a_fork(_list_handler, module, handler)


def _list_handler(module: str, handler: str) -> None:
    from supermarket import init_phase, telemetry

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError(f"{handler} makes a call in its init phase, or fails in it")

    socket.socket.connect = fail  # type: ignore[method-assign]
    telemetry.logger.exception = fail  # type: ignore[method-assign]
    os.environ["_HANDLER"] = handler
    init_phase.prepare(module)
    sys.stdout.write(json.dumps([handler, sorted(_packages()), len(sys.modules)]) + "\n")


def _packages() -> set[str]:
    own = {path.stem for path in FUNCTIONS.iterdir()}
    loaded = {name.partition(".")[0] for name in sys.modules}
    known = {name for name in loaded if not name.startswith("_")}
    return known - sys.stdlib_module_names - own - NO_PACKAGES


def _in_a_fork[**P](work: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> None:
    """Do the work in a copy of this process; this one ends, too, when it fails."""
    sys.stdout.flush()
    if child := os.fork():
        if os.waitpid(child, 0)[1]:
            sys.exit(1)
        return
    try:
        work(*arguments, **named)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
