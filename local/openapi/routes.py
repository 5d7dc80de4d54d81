"""The routes of every domain, read from the endpoint modules."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from supermarket.http import DEFAULT_ROUTE, Endpoint

FUNCTIONS = Path(__file__).parents[2] / "functions"


@dataclass(frozen=True)
class Route:
    """One method and path, the endpoint behind it, and its domain."""

    method: str
    path: str
    endpoint: Endpoint
    domain: str

    @property
    def function_id(self) -> str:
        """The Lambda's id in the template: `create_order` is `CreateOrder`."""
        words = self.endpoint.function.__name__.split("_")
        return "".join(word.capitalize() for word in words)

    @property
    def is_default(self) -> bool:
        return self.path == DEFAULT_ROUTE

    @property
    def is_alias(self) -> bool:
        """Whether the endpoint's decorator names this route only as a further one."""
        return self.path != self.endpoint.path or self.method != self.endpoint.method


def endpoints() -> list[Route]:
    """Return all routes, sorted by path and method."""
    return sorted(_routes(), key=lambda route: (route.path, route.method))


def _routes() -> Iterator[Route]:
    for module in sorted(FUNCTIONS.glob("*/endpoints.py")):
        domain = module.parent.name
        for value in vars(import_module(f"{domain}.endpoints")).values():
            if isinstance(value, Endpoint) and value.function.__module__ == f"{domain}.endpoints":
                for key in value.routes:
                    method, path = key.split(" ")
                    yield Route(method, path, value, domain)
