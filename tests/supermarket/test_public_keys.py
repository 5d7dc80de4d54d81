"""Public keys: when they are read, and which of them verify tokens."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import FrozenClock
from supermarket.public_keys import (
    REMEMBERED_FOR_SECONDS,
    SECONDS_BETWEEN_READS,
    KeyRing,
    PublicKey,
    PublicKeys,
)

K1, K2 = PublicKey.of("k1", b"1" * 32), PublicKey.of("k2", b"2" * 32)


@dataclass
class Store:
    """A table of keys, and the seconds that pass."""

    keys: tuple[PublicKey, ...] = (K1,)
    reads: int = 0
    seconds: float = 1000.0
    clock: FrozenClock = field(default_factory=FrozenClock)

    def read(self) -> KeyRing:
        self.reads += 1
        return KeyRing(self.keys)

    def public_keys(self) -> PublicKeys:
        return PublicKeys(self.read, self.clock, lambda: self.seconds)


@pytest.fixture
def store() -> Store:
    return Store()


def test_keys_are_read_every_five_minutes(store: Store) -> None:
    keys = store.public_keys()
    for _ in range(10):
        assert keys.find("k1") == K1.key
    assert store.reads == 1
    store.keys = ()
    store.seconds += REMEMBERED_FOR_SECONDS
    assert keys.find("k1") is None


def test_a_new_key_is_found_at_once(store: Store) -> None:
    keys = store.public_keys()
    assert keys.find("k1") == K1.key
    store.keys = (K1, K2)
    store.seconds += SECONDS_BETWEEN_READS
    assert keys.find("k2") == K2.key
    assert keys.is_known("k2")
    assert store.reads == 2


def test_unknown_keys_cause_few_reads(store: Store) -> None:
    keys = store.public_keys()
    for number in range(1000):  # ten seconds
        assert keys.find(f"forged-{number}") is None
        store.seconds += 0.01
    assert store.reads <= 11


def test_a_replaced_key_is_valid_until_it_expires(store: Store) -> None:
    now = store.clock()
    store.keys = (PublicKey("k1", K1.x, now + timedelta(minutes=1)), K2)
    keys = store.public_keys()
    assert keys.find("k1") == K1.key
    assert len(keys.list_valid()) == 2
    store.clock.advance(timedelta(minutes=1))
    assert keys.find("k1") is None
    assert keys.list_valid() == [K2]
    assert keys.is_known("k1"), "it is not published again"


@given(key=st.binary(min_size=32, max_size=32))
def test_a_key_has_the_text_of_a_jwk(key: bytes) -> None:
    found = PublicKey.of("k1", key)
    assert found.key == key
    assert len(found.x) == 43
    assert set(found.x).isdisjoint("+/=")
