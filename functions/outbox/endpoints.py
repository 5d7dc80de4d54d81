"""HTTP Lambdas for the platform as a whole: health, readiness, and unknown routes."""

from http import HTTPStatus
from urllib.parse import quote

from outbox import wiring
from outbox.schemas import HealthResponse, ReadinessResponse
from supermarket import telemetry
from supermarket.errors import NotFound
from supermarket.http import MethodNotAllowed, Response, catch_all, get
from supermarket.init_phase import prepare
from supermarket.request import Request
from supermarket.schemas import Message


@get("/healthz")
def check_health() -> HealthResponse:
    return HealthResponse()


@get("/readyz", other_statuses=(HTTPStatus.SERVICE_UNAVAILABLE,))
def check_readiness() -> Response[ReadinessResponse]:
    dependencies = wiring.readiness().check()
    for down in (found for found in dependencies if not found.ok):
        details = {"dependency": down.name, "fault": down.fault}
        telemetry.logger.error("dependency down", extra=details)
    view = ReadinessResponse.of(dependencies)
    return Response(view, status=None if view.status == "ready" else HTTPStatus.SERVICE_UNAVAILABLE)


@catch_all()
def refuse_unknown_route(request: Request) -> Response[Message]:
    """Refuses what no route matches, and redirects a path with a slash at its end."""
    routes = wiring.route_map()
    path = request.path.removesuffix("/")
    if path != request.path and request.method in routes.methods_of(path):
        return _redirect(path, request.raw_query)
    if methods := routes.methods_of(request.path):
        raise MethodNotAllowed(methods)
    raise NotFound("Route not found")


def _redirect(path: str, query: str) -> Response[Message]:
    target = quote(path) + (f"?{query}" if query else "")
    view = Message(message="This path has no slash at its end")
    return Response(view, headers={"location": target}, status=HTTPStatus.PERMANENT_REDIRECT)


prepare(__name__)
