"""The Lambda that reads the sessions' stream: a session that ends closes its connections."""

from collections.abc import Collection, Sequence

from ai_buddy import wiring
from supermarket import telemetry
from supermarket.init_phase import prepare
from supermarket.streams import Change, StreamHandler, failures


@StreamHandler
def close_connections(changes: Sequence[Change]) -> Collection[Change]:
    """Close the connections of sessions that ended; returns the changes to retry.

    A change only names the person; which connections are open is read now, so that a late change
    does no harm.
    """
    return failures([change for change in changes if change.before], _close)


def _close(change: Change) -> None:
    user_id = (change.before or {})["userId"]["S"]
    telemetry.count("ConnectionsClosed", wiring.connections().close_signed_out(user_id))


prepare(__name__)
