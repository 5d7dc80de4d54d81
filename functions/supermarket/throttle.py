"""Counts requests by person and by client address, and refuses those over a limit."""

from supermarket import telemetry
from supermarket.aws import is_transient
from supermarket.caller import Caller
from supermarket.errors import TooMany
from supermarket.rate_limits import Rate, RateLimits, RequestLimit, client_digest
from supermarket.request import Request

SOURCES = {"person": "by you", "client": "from your network"}


class Throttle:
    """Counts requests. A counter that does not answer refuses none: it must not close the shop."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits

    def count(
        self, name: str, limit: RequestLimit, request: Request, caller: Caller | None
    ) -> None:
        """Count a request of the route `name`. Raises TooMany when it exceeds a limit.

        throttle.count("order.create_order", ORDERS, request, caller)
        """
        subjects = {"client": client_digest(request.client_address)}
        if caller:
            subjects["person"] = caller.user_id
        waits: dict[str, int] = {}
        for per, subject in subjects.items():
            seconds = self._count(f"{name}#{per}", subject, limit.rate(per))
            if seconds:
                waits[per] = seconds
        if waits:
            per = max(waits, key=waits.__getitem__)
            telemetry.count("RequestsThrottled", endpoint=name, per=per)
            raise TooMany(
                f"Too many {limit.what} {SOURCES[per]}. Try again in {waits[per]} seconds.",
                waits[per],
            )

    def _count(self, name: str, subject: str, rate: Rate) -> int | None:
        try:
            return self._limits.count(name, subject, rate)
        except Exception as failure:
            if not is_transient(failure):
                raise
            telemetry.logger.warning("request not counted", extra={"limit": name})
            telemetry.count("RequestsNotCounted")
            return None
