"""Rate limits: how often something may happen in a period of time."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from supermarket.config import settings

IPV6_PREFIX = 64  # a customer of a provider has a whole network of this size


@dataclass(frozen=True)
class Rate:
    """At most `number` in each period; 0 is no limit."""

    number: int
    period: timedelta


@dataclass(frozen=True)
class RequestLimit:
    """How often one person, and one client address, may send a request in a period: the settings
    `<what>_per_person`, of a route for signed-in people, and `<what>_per_client`.
    """

    what: str
    period: timedelta

    def rate(self, per: str) -> Rate:
        """Return the rate per `person` or per `client`."""
        return Rate(getattr(settings(), f"{self.what}_per_{per}"), self.period)


class RateLimits(Protocol):
    """Counts what happens in fixed periods of time."""

    def count(self, name: str, subject: str, rate: Rate) -> int | None:
        """Count one more for the subject. Returns the seconds until the next period when `rate` is
        exceeded.
        """


def client_digest(address: str) -> str:
    """Return a digest of a client's IPv4 address, or of the network of an IPv6 address."""
    try:
        client = ip_address(address)
    except ValueError:
        network = address
    else:
        length = IPV6_PREFIX if isinstance(client, IPv6Address) else client.max_prefixlen
        network = str(ip_network(f"{client}/{length}", strict=False))
    return sha256(network.encode()).hexdigest()[:32]
