"""Responses about the state of the platform."""

from collections.abc import Iterable
from typing import Literal, Self

from outbox.model import Dependency
from supermarket.schemas import View


class HealthResponse(View):
    """The function runs; nothing else is checked."""

    status: Literal["ok"] = "ok"


class DependencyView(View):
    """One dependency; why it is down is in the logs, not in a public response."""

    name: str
    ok: bool
    milliseconds: float


class ReadinessResponse(View):
    """`ready` if every dependency responded."""

    status: Literal["ready", "unavailable"]
    dependencies: list[DependencyView]

    @classmethod
    def of(cls, dependencies: Iterable[Dependency]) -> Self:
        views = [DependencyView.model_validate(found) for found in dependencies]
        ready = all(view.ok for view in views)
        return cls(status="ready" if ready else "unavailable", dependencies=views)
