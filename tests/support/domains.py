"""The domains in `functions/`, for tests of all of them."""

from importlib import import_module
from pathlib import Path

from supermarket.events import EventHandlers
from supermarket.http import Endpoint

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
KERNEL = FUNCTIONS / "supermarket"


def domains() -> list[str]:
    """Return the names of the domains."""
    return sorted(
        path.parent.name for path in FUNCTIONS.glob("*/__init__.py") if path.parent != KERNEL
    )


def with_room(room: str) -> list[str]:
    """Return the domains that have a module of this name, such as `listeners`."""
    return [domain for domain in domains() if (FUNCTIONS / domain / f"{room}.py").exists()]


def listeners() -> dict[str, EventHandlers]:
    """Return the event handlers of every consumer by its name."""
    return {known.consumer: known for known in listener_lambdas().values()}


def listener_lambdas() -> dict[str, EventHandlers]:
    """Return the event handlers by their Lambda handler, `order.listeners.event_handlers`."""
    return {
        f"{domain}.listeners.{name}": value
        for domain in with_room("listeners")
        for name, value in vars(import_module(f"{domain}.listeners")).items()
        if isinstance(value, EventHandlers)
    }


def endpoints() -> dict[str, Endpoint]:
    """Every endpoint by its handler, such as `cart.endpoints.get_cart`."""
    return {
        f"{domain}.endpoints.{name}": value
        for domain in with_room("endpoints")
        for name, value in vars(import_module(f"{domain}.endpoints")).items()
        if isinstance(value, Endpoint)
    }
