"""Signing of access tokens, and rotation of the key under load."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import NoReturn

import jwt
import pytest
from botocore.exceptions import ReadTimeoutError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from auth.endpoints import list_public_keys, login
from auth.signing import (
    VALID_AFTER_ROTATION,
    KeyRotation,
    Secret,
    SigningKey,
    TokenIssuer,
    publish,
)
from conftest import FrozenClock
from supermarket.errors import Unauthenticated
from supermarket.public_keys import KeyRing, PublicKeys
from supermarket.secrets import REMEMBERED_FOR_SECONDS
from supermarket.signatures import Ed25519
from supermarket.tokens import LIFETIME, AccessTokens
from support.api import a_caller, call
from support.auth import PASSWORD, register_somebody
from support.cloud import SIGNING_KEY

ISSUER = "supermarket-test"


class InMemoryKeyRings:
    """`KeyRings` in memory."""

    def __init__(self) -> None:
        self.ring = KeyRing()

    def read(self) -> KeyRing:
        return self.ring

    def replace(self, ring: KeyRing) -> bool:
        if ring.version != self.ring.version:
            return False
        self.ring = replace(ring, version=ring.version + 1)
        return True


@dataclass
class Shop:
    """A shop with one clock, whose functions have read the secret and the keys at some time."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    rings: InMemoryKeyRings = field(default_factory=InMemoryKeyRings)
    secret: Secret = field(default_factory=lambda: SIGNING_KEY)

    def __post_init__(self) -> None:
        self.caller = a_caller()
        self.tokens: list[tuple[float, str]] = []
        self.verifiers = [self.a_verifier() for _ in range(3)]
        self.signers = [self.a_signer() for _ in range(2)]
        numbers = count(2)
        self.rotation = KeyRotation(
            rings=self.rings,
            save=self._save,
            wait=self.wait,
            new_seed=lambda: f"seed {next(numbers)}",
            new_id=lambda: f"k{next(numbers)}",
            clock=self.clock,
        )

    def a_signer(self) -> TokenIssuer:
        return TokenIssuer(
            _Remembered(self), self.rings, self.a_public_keys().is_known, ISSUER, self.clock
        )

    def a_verifier(self) -> AccessTokens:
        return AccessTokens(self.a_public_keys().find, ISSUER, self.clock)

    def a_public_keys(self) -> PublicKeys:
        return PublicKeys(self.rings.read, self.clock, self.seconds)

    def seconds(self) -> float:
        return self.clock().timestamp()

    def work(self) -> None:
        """Every signer signs, forged tokens arrive, and every living token verifies."""
        self.tokens += [(self.seconds(), each.issue(self.caller)) for each in self.signers]
        oldest = self.seconds() - LIFETIME.total_seconds() + 1  # times are whole seconds
        self.tokens = [(at, token) for at, token in self.tokens if at > oldest]
        forged = jwt.encode({}, "x" * 32, headers={"kid": "unknown"})
        for verifier in [*self.verifiers, self.a_verifier()]:
            with pytest.raises(Unauthenticated):
                verifier.verify(forged)
            for _, token in self.tokens[-6:] + self.tokens[:2]:
                assert verifier.verify(token) == self.caller

    def wait(self, seconds: float) -> None:
        for _ in range(4):
            self.clock.advance(timedelta(seconds=seconds / 4))
            self.work()

    def _save(self, secret: Secret) -> None:
        self.secret = secret


class _Remembered:
    """The secret as one signer fetched it, at most every five minutes."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._value: Secret = {}
        self._fetched = float("-inf")

    def __call__(self) -> Secret:
        if self._shop.seconds() - self._fetched >= REMEMBERED_FOR_SECONDS:
            self._value, self._fetched = self._shop.secret, self._shop.seconds()
        return self._value


@hypothesis_settings(max_examples=8)
@given(st.lists(st.sampled_from([0.1, 0.9, 1.1, 30, 299, 600]), max_size=4))
def test_no_request_fails_while_keys_rotate(pauses: list[float]) -> None:
    shop = Shop()
    shop.work()
    for pause in pauses:
        shop.rotation.rotate()
        shop.work()
        shop.wait(pause)


def test_a_key_that_was_replaced_expires(clock: FrozenClock) -> None:
    shop = Shop()
    shop.work()
    token = shop.signers[0].issue(shop.caller)
    assert shop.rotation.rotate() == 2
    shop.clock.advance(VALID_AFTER_ROTATION)
    assert [key.id for key in shop.a_public_keys().list_valid()] == [shop.secret["id"]]
    with pytest.raises(Unauthenticated):
        shop.a_verifier().verify_allowing_expired(token)
    shop.clock.advance(timedelta(days=30))
    shop.rotation.rotate()
    assert len(shop.rings.ring.keys) == 2, "the oldest key is deleted"


def test_a_revoked_key_verifies_nothing() -> None:
    shop = Shop()
    shop.work()
    token = shop.signers[0].issue(shop.caller)
    assert shop.rotation.rotate(revoke=True) == 1
    with pytest.raises(Unauthenticated):
        shop.a_verifier().verify(token)
    shop.clock.advance(timedelta(seconds=2))
    shop.signers[0].issue(shop.caller)  # does not know yet, and must not publish the key again
    shop.clock.advance(timedelta(seconds=REMEMBERED_FOR_SECONDS))
    for verifier in shop.verifiers:
        with pytest.raises(Unauthenticated):
            verifier.verify(token)
    shop.tokens.clear()
    shop.work()
    assert "k1" not in {key.id for key in shop.a_public_keys().list_valid()}


@pytest.mark.parametrize("step", ["save", "expire"])
def test_a_rotation_that_fails_leaves_a_key_that_works(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop()
    shop.work()

    def fail(*_: object, **__: object) -> NoReturn:
        raise ReadTimeoutError(endpoint_url="https://aws.example")

    broken = replace(shop.rotation, save=fail) if step == "save" else shop.rotation
    with monkeypatch.context() as patch:
        if step == "expire":
            patch.setattr(KeyRotation, "_expire_all_but", fail)
        with pytest.raises(ReadTimeoutError):
            broken.rotate()
    shop.clock.advance(2 * VALID_AFTER_ROTATION)
    shop.tokens.clear()
    shop.work()
    shop.rotation.rotate()
    shop.work()


def test_the_first_key_of_a_stage_is_published_once() -> None:
    shop = Shop()
    for _ in range(3):
        shop.work()
    assert [key.id for key in shop.rings.ring.keys] == ["k1"]
    publish(shop.rings, SigningKey.of(SIGNING_KEY).public)
    assert shop.rings.ring.version == 1


@pytest.mark.usefixtures("aws")
def test_the_published_keys_verify_tokens_with_another_library() -> None:
    user = register_somebody()
    token = call(login, body={"email": user["email"], "password": PASSWORD}).body["accessToken"]
    reply = call(list_public_keys)
    assert reply.headers["cache-control"] == "public, max-age=300"
    [key] = reply.body["keys"]
    assert key.keys() == {"kty", "crv", "alg", "use", "kid", "x"}
    read = jwt.PyJWK(key)
    assert isinstance(read.key, Ed25519PublicKey)
    claims = jwt.decode(token, read, ["EdDSA"], audience="supermarket-api", issuer=ISSUER)
    assert claims["sub"] == user["id"]
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "EdDSA", "typ": "JWT", "kid": key["kid"]}


def test_a_key_and_its_json_web_key_yield_each_other() -> None:
    key = SigningKey.of(SIGNING_KEY).public.key
    assert Ed25519.from_jwk(Ed25519.to_jwk(key)) == key
    as_dict = Ed25519.to_jwk(key, as_dict=True)
    assert Ed25519.from_jwk(as_dict) == key
    assert jwt.PyJWK(as_dict, "EdDSA").key.public_bytes_raw() == key
