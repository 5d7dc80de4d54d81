"""Allowed imports between modules, read from the sources."""

import ast
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

import pytest

from support.domains import domains
from support.sources import Source, kernel, lambdas, project, targets

MODULES = {source.name: source for source in lambdas()}
ALL = {**MODULES, **{source.name: source for source in kernel()}}

# entry points -> wiring -> service -> model; wiring uses repository and gateways, which implement
# the service's ports
ROOMS = {
    "model": {"model"},
    "service": {"model"},
    "rows": {"model"},
    "repository": {"model", "rows", "service"},
    "gateways": {"model", "service"},
    "schemas": {"model", "service"},
    "wiring": {"model", "service", "repository", "gateways"},
    "endpoints": {"model", "service", "schemas", "wiring"},
    "listeners": {"model", "service", "wiring"},
    "jobs": {"model", "service", "wiring"},
    "sockets": {"model", "service", "schemas", "wiring"},
    "worker": {"model", "service", "gateways", "wiring"},
    "streams": {"model", "service", "wiring"},
}

CHECKS = {"payment.checks"}
STORAGE = {"repository", "rows"}

IMPURE_STDLIB = {"os", "uuid", "subprocess", "socket", "urllib", "http", "asyncio", "logging"}
PURE_KERNEL = {
    f"supermarket.{name}"
    for name in (
        *("audit", "caller", "clock", "contracts", "day_lists", "errors", "idempotency", "money"),
        *(
            "people",
            "postal_codes",
            "preconditions",
            "public_keys",
            "retry",
            "sessions",
            "telemetry",
        ),
        "transaction",
    )
}
PURE_LIBRARIES = {"snowballstemmer"}  # reduces words to their stems
FETCHED = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"),
    *("utc_now", "new_id", "clock.utc_now", "clock.new_id"),
}


def pure_modules() -> list[Source]:
    """Models and services, with all modules of their domain that they import."""
    rooms = {"model", "service", "walker", "reminders", "purge", "expiry"}
    rooms |= {"projector", "metrics", "csv_exports", "weekly", "daily_totals"}
    found = {name for name, source in MODULES.items() if source.room in rooms}
    waiting = list(found)
    while waiting:
        for target in targets(MODULES[waiting.pop()], set(MODULES)):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return [MODULES[name] for name in sorted(found) if MODULES[name].room != "__init__"]


def named(source: Source) -> str:
    return source.name


@pytest.mark.parametrize("source", pure_modules(), ids=named)
def test_models_and_services_import_no_infrastructure(source: Source) -> None:
    allowed = (sys.stdlib_module_names - IMPURE_STDLIB) | PURE_LIBRARIES
    forbidden = {
        one.module
        for one in source.imports()
        if one.root not in allowed
        and one.root != source.domain
        and one.module not in PURE_KERNEL
        and f"{one.module}.{one.name}" not in PURE_KERNEL
    }
    assert forbidden == set()


@pytest.mark.parametrize("source", pure_modules(), ids=named)
def test_models_and_services_get_time_and_ids_as_arguments(source: Source) -> None:
    assert source.calls() & FETCHED == set()


@pytest.mark.parametrize("source", [s for s in lambdas() if s.room in ROOMS], ids=named)
def test_dependencies_inside_a_domain_point_towards_the_model(source: Source) -> None:
    own = {ALL[name].room for name in targets(source, set(MODULES)) if name in MODULES}
    foreign = {
        ALL[name].room
        for name in targets(source, set(MODULES))
        if ALL[name].domain != source.domain
    }
    assert (own - foreign) & ROOMS.keys() <= ROOMS[source.room]


@pytest.mark.parametrize("source", lambdas(), ids=named)
def test_a_domain_uses_another_domain_only_through_its_service(source: Source) -> None:
    met = {name for name in targets(source, set(MODULES)) if ALL[name].domain != source.domain}
    if source.room in {"gateways", "wiring"}:
        # `from auth import wiring` names the package, too
        open_rooms = {"service", "wiring", "model", "__init__"}
        met = {name for name in met if ALL[name].room not in open_rooms}
    assert met == set()


def test_no_module_is_imported_by_a_computed_name() -> None:
    dynamic = {s.name for s in ALL.values() if {"import_module", "__import__"} & s.calls()}
    assert dynamic == set()


@pytest.mark.parametrize("source", kernel(), ids=named)
def test_the_kernel_imports_no_domain(source: Source) -> None:
    assert {one.root for one in source.imports()} & set(domains()) == set()


@pytest.mark.parametrize("source", ALL.values(), ids=named)
def test_deployed_code_imports_no_commands_no_local_cloud_and_no_tests(source: Source) -> None:
    assert {one.root for one in source.imports()} & {
        "ops",
        "deployment",
        "local",
        "sample",
        "simulators",
        "tests",
        "support",
        "moto",
    } == set()


def test_commands_import_no_local_cloud_and_no_tests() -> None:
    imported = {
        one.root for name in ("ops", "deployment") for s in project(name) for one in s.imports()
    }
    assert imported & {"local", "sample", "simulators", "tests", "support", "moto"} == set()


def test_modules_have_no_import_cycles() -> None:
    graph = {name: targets(source, set(ALL)) for name, source in ALL.items()}
    # a package is imported with each of its modules
    packages = {name for name, source in ALL.items() if source.room == "__init__"}
    _assert_acyclic({name: found - packages for name, found in graph.items()})


def test_sub_packages_have_no_import_cycles() -> None:
    """Modules of a domain may import its sub-packages and be imported by them."""
    graph: dict[str, set[str]] = defaultdict(set)
    for source in lambdas():
        met = {ALL[target].package for target in targets(source, set(MODULES))}
        graph[source.package] |= met - {source.package}
    _assert_acyclic(
        {package: {m for m in met if "." in m} for package, met in graph.items() if "." in package}
    )


def test_domains_have_no_import_cycles() -> None:
    """The checks of a payment count as a domain of their own."""
    graph: dict[str, set[str]] = {domain: set() for domain in domains()}
    for source in lambdas():
        met = {ALL[target] for target in targets(source, set(MODULES))}
        graph[source.domain] |= {s.domain for s in met if s.package not in CHECKS}
    _assert_acyclic({domain: met - {domain} for domain, met in graph.items()})


def test_checks_of_a_payment_use_no_other_domain() -> None:
    """Orders are decided on the payment's own row, and payments use orders: neither direction may
    become a cycle of modules or of calls.
    """
    waiting = [name for name in MODULES if ALL[name].package in CHECKS]
    assert waiting
    found = set(waiting)
    while waiting:
        met = targets(MODULES[waiting.pop()], set(MODULES)) - found
        found |= met
        waiting += met
    assert {ALL[name].domain for name in found} == {"payment"}


def _assert_acyclic(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        pytest.fail(" -> ".join(cycle.args[1]))


@pytest.mark.parametrize("source", lambdas(), ids=named)
def test_only_repositories_import_pynamodb(source: Source) -> None:
    if source.room not in STORAGE:
        assert "pynamodb" not in {one.root for one in source.imports()}


def test_rows_are_defined_in_repositories() -> None:
    for source in lambdas():
        rows = {node.name for node in source.classes() if node.name.endswith("Row")}
        assert not rows or source.room in STORAGE, source.name
        imported = {one.module for one in source.imports() if (one.name or "").endswith("Row")}
        assert not imported or source.room in STORAGE, source.name


def test_rows_never_leave_their_repository() -> None:
    """Public methods of a repository neither take nor return rows."""
    for source in (s for s in lambdas() if s.room == "repository"):
        imported = _imported_from(source)
        for adapter in (node for node in source.classes() if node.name in imported):
            for method in (node for node in adapter.body if isinstance(node, ast.FunctionDef)):
                if not method.name.startswith("_"):
                    hints = [argument.annotation for argument in method.args.args]
                    written = [ast.unparse(hint) for hint in (*hints, method.returns) if hint]
                    assert not [h for h in written if "Row" in h], f"{source.name}.{method.name}"


def _imported_from(source: Source) -> set[str | None]:
    return {one.name for s in lambdas() for one in s.imports() if one.module == source.name}


def test_nothing_scans_a_table() -> None:
    assert not [s.name for s in ALL.values() if any(c.endswith(".scan") for c in s.calls())]
