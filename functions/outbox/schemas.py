"""What the platform tells about its own state."""

from collections.abc import Iterable
from typing import Literal, Self

from outbox.model import Dependency
from supermarket.schemas import View


class HealthView(View):
    """The function runs; no more is claimed."""

    status: Literal["ok"] = "ok"


class DependencyView(View):
    """One dependency; why it is down stands in the logs, not in a public answer."""

    name: str
    ok: bool
    milliseconds: float


class ReadinessView(View):
    """`ready` only when every dependency answered."""

    status: Literal["ready", "unavailable"]
    dependencies: list[DependencyView]

    @classmethod
    def of(cls, dependencies: Iterable[Dependency]) -> Self:
        views = [
            DependencyView(name=found.name, ok=found.ok, milliseconds=found.milliseconds)
            for found in dependencies
        ]
        ready = all(view.ok for view in views)
        return cls(status="ready" if ready else "unavailable", dependencies=views)
