"""Rate limits in DynamoDB, and the digest of a client's address."""

from datetime import timedelta

import pytest

from conftest import FrozenClock
from supermarket.dynamo.rate_limits import DynamoRateLimits
from supermarket.rate_limits import Rate, client_digest

THREE = Rate(3, timedelta(minutes=10))


@pytest.fixture
def limits(aws: None, clock: FrozenClock) -> DynamoRateLimits:
    return DynamoRateLimits(clock)


def test_so_many_are_counted_in_a_period(limits: DynamoRateLimits, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=4))
    assert [limits.count("orders", "a", THREE) for _ in range(5)] == [None, None, None, 360, 360]
    clock.advance(timedelta(seconds=359))
    assert limits.count("orders", "a", THREE) == 1
    clock.advance(timedelta(seconds=1))
    assert limits.count("orders", "a", THREE) is None


def test_subjects_and_names_are_counted_apart(limits: DynamoRateLimits) -> None:
    for name, subject in (("orders", "a"), ("orders", "b"), ("tickets", "a")):
        assert [limits.count(name, subject, THREE) for _ in range(3)] == [None] * 3


def test_a_limit_of_zero_is_none(limits: DynamoRateLimits) -> None:
    unlimited = Rate(0, timedelta(minutes=1))
    assert [limits.count("orders", "a", unlimited) for _ in range(5)] == [None] * 5


def test_an_ipv6_client_is_its_network() -> None:
    same = {client_digest(f"2001:db8:1:2::{n:x}") for n in range(1, 20)}
    assert len(same) == 1
    assert client_digest("2001:db8:1:3::1") not in same


def test_each_ipv4_client_has_its_own_digest() -> None:
    digests = {client_digest(f"192.0.2.{n}") for n in range(20)}
    assert len(digests) == 20
    assert not any("192" in digest[:3] for digest in digests)
    assert client_digest("") == client_digest("")
