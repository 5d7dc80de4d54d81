"""Makes clients and services in Lambda's init phase instead of in the first invocation.

The init phase has a whole processor; an invocation with 512 MB has 0.29 of one. A module of
handlers ends with `prepare(__name__)`, which makes the clients and services of the one handler that
this Lambda runs. Nothing is called and no secret is fetched: a snapshot may be taken afterwards.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from types import FunctionType
from typing import Any

from supermarket import telemetry

HANDLER = "_HANDLER"  # Lambda names the handler here, such as `cart.endpoints.get_cart`
WIRING = "wiring"


@dataclass(frozen=True)
class Handler[Function: Callable[..., Any]]:
    """The handler of a Lambda, around a function that does the work."""

    function: Function

    @property
    def name(self) -> str:
        """`<domain>.<function>`, for logs and metrics."""
        return f"{self.function.__module__.partition('.')[0]}.{self.function.__name__}"

    def prepare(self) -> None:
        """Make what an invocation needs, without a call."""
        make_services(self.function)


def prepare(module: str) -> None:
    """Make what this Lambda's handler uses, if the handler is in `module`.

    A failure is only logged: it occurs again in the first invocation, which answers with an error.
    """
    name, _, attribute = os.environ.get(HANDLER, "").rpartition(".")
    if name != module:
        return
    handler = vars(sys.modules[module])[attribute]
    try:
        if hasattr(handler, "prepare"):
            handler.prepare()
        else:
            make_services(handler)
    except Exception:
        telemetry.logger.exception("init phase failed")
    finally:
        gc.freeze()  # the objects of the init phase stay; later collections skip them
        gc.enable()


def make_services(*functions: Callable[..., Any]) -> None:
    """Call the composition roots' factories that the functions use, and make the database client
    if there are any.
    """
    factories = dict.fromkeys(chain.from_iterable(map(_factories, functions)))
    if factories:
        make_database_client()
    for factory in factories:
        factory()


def make_database_client() -> object:
    from supermarket.dynamo.rows import database

    return database().client


def _factories(function: Any, seen: set[Any] | None = None) -> Iterator[Callable[[], object]]:
    """Yield the cached factories that a function names, itself or through functions of its module:
    `wiring.cart_service`, or `cursors` if that is imported by name.
    """
    seen = set() if seen is None else seen
    if not isinstance(function, FunctionType) or function in seen:
        return
    seen.add(function)
    known = function.__globals__
    for name in function.__code__.co_names:
        for scope in (known, vars(known.get(WIRING, object))):
            found = scope.get(name)
            if callable(found) and hasattr(found, "cache_info"):
                yield found
            elif scope is known and getattr(found, "__module__", "") == function.__module__:
                yield from _factories(found, seen)
