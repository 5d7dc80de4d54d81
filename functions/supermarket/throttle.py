"""Counts requests by person and by client address, and refuses those over a limit."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from supermarket import telemetry
from supermarket.aws import is_transient
from supermarket.caller import Caller
from supermarket.errors import TooMany
from supermarket.rate_limits import Rate, RateLimits, RequestLimit, client_digest
from supermarket.request import Request

SOURCES = {"person": "by you", "client": "from your network"}

type Count = Callable[[Request, Caller | None], None]


class Throttle:
    """Counts requests on threads of their own, while the caller of a request is authenticated.

    A counter that does not answer refuses no request: it must not close the shop.
    """

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits

    @contextmanager
    def counting(self, name: str, limit: RequestLimit) -> Iterator[Count]:
        """Count the request that is given inside the block. Raises TooMany at the end of the block
        when it exceeds a limit.

            with throttle.counting("order.create_order", ORDERS) as count:
                caller = authenticate(request, count)
        """
        counted: dict[str, Future[int | None]] = {}
        with ThreadPoolExecutor(len(SOURCES)) as pool:

            def count(request: Request, caller: Caller | None) -> None:
                subjects = {"client": client_digest(request.client_address)}
                if caller:
                    subjects["person"] = caller.user_id
                for per, subject in subjects.items():
                    key = f"{name}#{per}"
                    counted[per] = pool.submit(self._count, key, subject, limit.rate(per))

            yield count
        waits = {per: seconds for per in counted if (seconds := counted[per].result())}
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
