"""The pace of calls to Razorpay, with its slots in DynamoDB and in memory."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from payment.pacing import SharedPace, Slots
from payment.ports import ProviderThrottled
from payment.reconciliation.repository import DynamoSlots
from support.pacing import InMemorySlots

INTERVAL, LONGEST = timedelta(milliseconds=100), timedelta(seconds=3)


@pytest.fixture(params=["memory", "dynamodb"])
def slots(request: pytest.FixtureRequest) -> Slots:
    if request.param == "memory":
        return InMemorySlots()
    request.getfixturevalue("aws")
    return DynamoSlots()


def a_pace(slots: Slots, clock: FrozenClock) -> SharedPace:
    return SharedPace(slots, 10, LONGEST, clock, lambda seconds: wait(clock, seconds))


def wait(clock: FrozenClock, seconds: float) -> None:
    clock.advance(timedelta(seconds=seconds))


def test_slots_follow_each_other_at_the_interval(slots: Slots) -> None:
    begins = [slots.reserve(NOON, INTERVAL, LONGEST) for _ in range(4)]
    assert begins == [NOON + n * INTERVAL for n in range(4)]


def test_a_slot_after_a_pause_begins_at_once(slots: Slots) -> None:
    slots.reserve(NOON, INTERVAL, LONGEST)
    later = NOON + timedelta(hours=1)
    assert slots.reserve(later, INTERVAL, LONGEST) == later
    assert slots.reserve(later, INTERVAL, LONGEST) == later + INTERVAL


def test_a_slot_that_is_too_late_is_not_reserved(slots: Slots) -> None:
    while slots.reserve(NOON, INTERVAL, LONGEST):
        pass
    last = NOON + LONGEST + INTERVAL
    for _ in range(3):
        assert slots.reserve(NOON, INTERVAL, LONGEST) is None
    assert slots.reserve(last, INTERVAL, LONGEST) == last


def test_no_slot_begins_before_the_time_that_razorpay_demands(slots: Slots) -> None:
    slots.reserve(NOON, INTERVAL, LONGEST)
    slots.postpone(NOON + timedelta(seconds=2))
    slots.postpone(NOON + timedelta(seconds=1))
    assert slots.reserve(NOON, INTERVAL, LONGEST) == NOON + timedelta(seconds=2)
    slots.postpone(NOON + timedelta(minutes=1))
    assert slots.reserve(NOON, INTERVAL, LONGEST) is None


def test_a_pause_is_kept_when_there_was_no_call_before(slots: Slots) -> None:
    slots.postpone(NOON + timedelta(seconds=2))
    assert slots.reserve(NOON, INTERVAL, LONGEST) == NOON + timedelta(seconds=2)


def test_calls_wait_for_their_slot_and_for_each_other(slots: Slots, clock: FrozenClock) -> None:
    first, second = a_pace(slots, clock), a_pace(slots, clock)
    times = []
    for pace in (first, first, second, first, second):
        pace.wait()
        times.append(clock.now)
    assert times == [NOON + n * INTERVAL for n in range(5)]
    second.pause(timedelta(seconds=2))
    first.wait()
    assert clock.now == times[-1] + timedelta(seconds=2)
    second.pause(timedelta(minutes=1))
    with pytest.raises(ProviderThrottled):
        first.wait()


@given(st.lists(st.integers(0, 400), max_size=60))
def test_calls_at_any_times_are_never_closer_than_the_interval(pauses: list[int]) -> None:
    slots, now, begins = InMemorySlots(), NOON, []
    for milliseconds in pauses:
        now += timedelta(milliseconds=milliseconds)
        if at := slots.reserve(now, INTERVAL, LONGEST):
            assert now <= at <= now + LONGEST
            begins.append(at)
    assert all(later - earlier >= INTERVAL for earlier, later in pairwise(begins))


def test_many_callers_at_once_get_different_slots() -> None:
    slots = InMemorySlots()
    with ThreadPoolExecutor(16) as pool:
        begins = list(pool.map(lambda _: slots.reserve(NOON, INTERVAL, 9 * LONGEST), range(200)))
    assert sorted(filter(None, begins)) == [NOON + n * INTERVAL for n in range(200)]
