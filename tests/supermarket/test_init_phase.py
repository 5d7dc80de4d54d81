"""Clients and services that a Lambda makes before its first invocation."""

import gc
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from supermarket import init_phase
from supermarket.http import Endpoint, get
from supermarket.schemas import Message

made: list[str] = []


@cache
def basket() -> str:
    made.append("basket")
    return "basket"


@cache
def till() -> str:
    made.append("till")
    return "till"


wiring = SimpleNamespace(till=till)


def helper() -> str:
    return str(wiring.till())


def plain(event: object, context: object) -> str:
    return basket() + helper()


@get("/api/baskets")
def list_baskets() -> Message:
    return Message(message=basket())


@get("/api/nothing")
def do_nothing() -> Message:
    return Message(message="nothing")


@get("/api/broken")
def break_down() -> Message:
    return Message(message=broken())


@cache
def broken() -> str:
    raise RuntimeError("not configured")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    made.clear()
    basket.cache_clear()
    till.cache_clear()
    yield
    gc.unfreeze()


def prepare(monkeypatch: pytest.MonkeyPatch, handler: str, module: str = __name__) -> list[str]:
    """Run the init phase for a handler and return what it made."""
    monkeypatch.setenv("_HANDLER", f"{__name__}.{handler}")
    monkeypatch.setitem(sys.modules, __name__, _this_module())
    init_phase.prepare(module)
    return sorted(made)


def _this_module() -> ModuleType:
    module = ModuleType(__name__)
    vars(module).update(globals())
    return module


def test_the_factories_of_a_handler_and_of_its_helpers_are_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert prepare(monkeypatch, "plain") == ["basket", "till"]


def test_only_the_factories_that_an_endpoint_uses_are_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert prepare(monkeypatch, "list_baskets") == ["basket"]


def test_no_factory_is_called_for_other_modules_or_outside_lambda(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert prepare(monkeypatch, "plain", module="other") == []
    monkeypatch.delenv("_HANDLER")
    init_phase.prepare(__name__)
    assert made == []


def test_an_endpoint_without_services_makes_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("a client was made")

    monkeypatch.setattr(init_phase, "make_database_client", fail)
    assert prepare(monkeypatch, "do_nothing") == []


def test_a_failure_in_the_init_phase_is_logged_and_not_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(monkeypatch, "break_down")

    assert "init phase failed" in caplog.text
    assert isinstance(break_down, Endpoint)


def test_garbage_collection_is_enabled_after_the_init_phase(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gc.disable()
    prepare(monkeypatch, "plain")
    assert gc.isenabled()
