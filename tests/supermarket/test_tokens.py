"""Access tokens: the caller that they contain, and the tokens that are refused."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import FrozenClock
from supermarket.caller import Caller, Role
from supermarket.errors import Unauthenticated
from supermarket.tokens import AUDIENCE, LIFETIME, AccessTokens

ISSUER = "supermarket-test"
KEY = "a key that is long enough for hs256, for these tests"
OTHER_KEY = "another key that is long enough for hs256 as well"
KEYS = {"active": "k1", "k1": KEY}
SELLER = Caller("u1", "s1", Role.SELLER, "asha@example.com", "Asha")

type Claims = dict[str, Any]


@pytest.fixture
def tokens(clock: FrozenClock) -> AccessTokens:
    return AccessTokens(lambda: KEYS, ISSUER, clock)


def claims_at(clock: FrozenClock, **changes: Any) -> Claims:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(clock().timestamp()),
        "exp": int((clock() + LIFETIME).timestamp()),
        "sub": "u1",
        "sid": "s1",
        "role": "seller",
        "email": "asha@example.com",
        "given_name": "Asha",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def forged(claims: Claims, key: str = KEY, alg: str = "HS256", **header: Any) -> str:
    return jwt.encode(claims, key, alg, headers={"kid": "k1", **header})


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def refuses(tokens: AccessTokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token)
    with pytest.raises(Unauthenticated):
        tokens.verify_allowing_expired(token)


def test_a_token_contains_its_caller(tokens: AccessTokens) -> None:
    assert tokens.verify(tokens.issue(SELLER)) == SELLER


def test_a_token_is_valid_until_it_expires(tokens: AccessTokens, clock: FrozenClock) -> None:
    token = tokens.issue(SELLER)
    clock.advance(LIFETIME - timedelta(milliseconds=1))
    assert tokens.verify(token) == SELLER
    clock.advance(timedelta(milliseconds=1))
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_the_caller_of_an_expired_token_can_be_read(
    tokens: AccessTokens, clock: FrozenClock
) -> None:
    token = tokens.issue(SELLER)
    clock.advance(timedelta(days=20))
    assert tokens.verify_allowing_expired(token) == SELLER


def test_a_token_built_with_the_right_key_and_claims_is_accepted(
    tokens: AccessTokens, clock: FrozenClock
) -> None:
    # proves that the helper builds valid tokens, so that the tests below refuse for their reason
    assert tokens.verify(forged(claims_at(clock))) == SELLER


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_token_with_any_one_character_changed_is_refused(
    tokens: AccessTokens, data: st.DataObject
) -> None:
    token = tokens.issue(SELLER)
    # the last character of a base64 text has unused bits
    place = data.draw(st.sampled_from([i for i in range(len(token) - 1) if token[i] != "."]))
    character = data.draw(st.sampled_from("ABCabc019-_.!é"))
    assume(character != token[place])
    refuses(tokens, token[:place] + character + token[place + 1 :])


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "x"])
def test_an_unsigned_token_is_refused(
    tokens: AccessTokens, clock: FrozenClock, alg: str, signature: str
) -> None:
    header = part({"alg": alg, "typ": "JWT", "kid": "k1"})
    refuses(tokens, f"{header}.{part(claims_at(clock))}.{signature}")


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_the_right_key(
    tokens: AccessTokens, clock: FrozenClock, alg: str
) -> None:
    refuses(tokens, forged(claims_at(clock), key=KEY + KEY, alg=alg))


def test_another_key_is_refused(tokens: AccessTokens, clock: FrozenClock) -> None:
    refuses(tokens, forged(claims_at(clock), key=OTHER_KEY))


@pytest.mark.parametrize("kid", [None, "", "k9", "active", "../k1", "K1"])
def test_a_key_that_is_not_in_the_ring_is_refused(
    tokens: AccessTokens, clock: FrozenClock, kid: str | None
) -> None:
    header = {"alg": "HS256", "typ": "JWT"} | ({} if kid is None else {"kid": kid})
    # signed with the value that a look-up of "active" would return
    unsigned = f"{part(header)}.{part(claims_at(clock))}"
    for key in (KEY, "k1"):
        signature = jwt.get_algorithm_by_name("HS256").sign(unsigned.encode(), key.encode())
        refuses(tokens, f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


@pytest.mark.parametrize("kid", [1, True, ["k1"], {"k": 1}, None])
def test_a_key_id_that_is_not_text_is_refused(
    tokens: AccessTokens, clock: FrozenClock, kid: object
) -> None:
    unsigned = f"{part({'alg': 'HS256', 'kid': kid})}.{part(claims_at(clock))}"
    signature = jwt.get_algorithm_by_name("HS256").sign(unsigned.encode(), KEY.encode())
    refuses(tokens, f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "supermarket-prod"},
        {"iss": "supermarket"},
        {"aud": "another-api"},
        {"role": "root"},
        *({claim: None} for claim in ("iss", "aud", "exp", "iat", "sub", "sid", "role", "email")),
    ],
)
def test_missing_or_foreign_claims_are_refused(
    tokens: AccessTokens, clock: FrozenClock, changes: Claims
) -> None:
    refuses(tokens, forged(claims_at(clock, **changes)))


@pytest.mark.parametrize("claim", ["exp", "iat"])
@pytest.mark.parametrize(
    "value",
    ["soon", "1800000000", [1], {"at": 1}, None, True, 1.5, float("inf"), float("nan")],
)
def test_a_time_of_another_type_is_refused(
    tokens: AccessTokens, clock: FrozenClock, claim: str, value: object
) -> None:
    refuses(tokens, forged({**claims_at(clock), claim: value}))


@pytest.mark.parametrize("claim", ["sub", "sid", "role", "email", "given_name", "iss", "aud"])
@pytest.mark.parametrize("value", [1, True, ["x"], {"x": "y"}, None])
def test_a_text_of_another_type_is_refused(
    tokens: AccessTokens, clock: FrozenClock, claim: str, value: object
) -> None:
    unsigned = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part({**claims_at(clock), claim: value})}"
    signature = jwt.get_algorithm_by_name("HS256").sign(unsigned.encode(), KEY.encode())
    refuses(tokens, f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


@given(issued=st.integers(-(10**12), 10**12), lives=st.integers(-(10**12), 10**12))
def test_a_token_is_accepted_only_if_it_was_issued_and_does_not_outlive_any_other(
    issued: int, lives: int
) -> None:
    clock = FrozenClock()
    now, tokens = int(clock().timestamp()), AccessTokens(lambda: KEYS, ISSUER, clock)
    token = forged(claims_at(clock, iat=now + issued, exp=now + issued + lives))
    try:
        tokens.verify(token)
    except Unauthenticated:
        assert issued > 10 or lives > LIFETIME.total_seconds() or issued + lives <= 0
    else:
        assert issued <= 10
        assert lives <= LIFETIME.total_seconds()
        assert issued + lives > 0


@pytest.mark.parametrize(
    ("issued", "lives", "accepted"),
    [
        (10, 900, True),
        (11, 900, False),
        (86_400, 900, False),
        (0, 901, False),
        (0, 10 * 365 * 86_400, False),
        (-890, 900, True),
        (-890, 901, False),
        (10**400, 900, False),
        (-(10**400), 10**400 + 900, False),
    ],
    ids=lambda value: str(value)[:8],
)
def test_a_token_of_the_future_or_with_a_long_life_is_refused(
    tokens: AccessTokens, clock: FrozenClock, issued: int, lives: int, accepted: bool
) -> None:
    now = int(clock().timestamp())
    token = forged(claims_at(clock, iat=now + issued, exp=now + issued + lives))
    if accepted:
        assert tokens.verify(token) == SELLER
    else:
        refuses(tokens, token)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "nonsense", "💥", "a" * 10_000, "\0"])
def test_text_that_is_not_a_token_is_refused(tokens: AccessTokens, token: str) -> None:
    refuses(tokens, token)


def test_after_a_rotation_the_new_key_signs_and_the_old_key_still_verifies(
    clock: FrozenClock,
) -> None:
    ring = dict(KEYS)
    tokens = AccessTokens(lambda: ring, ISSUER, clock)
    before = tokens.issue(SELLER)

    ring.update(active="k2", k2=OTHER_KEY)
    after = tokens.issue(SELLER)
    assert jwt.get_unverified_header(after)["kid"] == "k2"
    assert tokens.verify(before) == tokens.verify(after) == SELLER

    del ring["k1"]
    refuses(tokens, before)
    assert tokens.verify(after) == SELLER


@pytest.mark.parametrize("method", ["verify", "verify_allowing_expired"])
def test_all_refused_tokens_get_the_same_message(
    tokens: AccessTokens, clock: FrozenClock, method: str
) -> None:
    verify: Callable[[str], Caller] = getattr(tokens, method)
    messages = set()
    for token in ("x", forged(claims_at(clock, iss="x")), forged(claims_at(clock), OTHER_KEY)):
        with pytest.raises(Unauthenticated) as refused:
            verify(token)
        messages.add(refused.value.message)
    assert len(messages) == 1
