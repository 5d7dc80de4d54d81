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

from auth.signing import SigningKey
from conftest import FrozenClock
from supermarket.caller import Caller, Role
from supermarket.clock import new_id
from supermarket.errors import Unauthenticated
from supermarket.signatures import ALGORITHM, Ed25519
from supermarket.tokens import AUDIENCE, LIFETIME, AccessTokens

ISSUER = "supermarket-test"
# a constant, since every worker must collect the same tests
AN_ID = "01M83K9VF68985Q06XKS3Y0MER"
KEY, OTHER_KEY = SigningKey("k1", "a seed"), SigningKey("k1", "another seed")
KEYS = {"k1": KEY.public.key}
SELLER = Caller(new_id(), new_id(), Role.SELLER, "asha@example.com", "Asha")
SIGNED_FOR = {"alg": ALGORITHM, "typ": "JWT", "kid": "k1"}

type Claims = dict[str, Any]


@pytest.fixture
def tokens(clock: FrozenClock) -> AccessTokens:
    return AccessTokens(KEYS.get, ISSUER, clock)


def claims_at(clock: FrozenClock, **changes: Any) -> Claims:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(clock().timestamp()),
        "exp": int((clock() + LIFETIME).timestamp()),
        "sub": SELLER.user_id,
        "sid": SELLER.session_id,
        "role": "seller",
        "email": "asha@example.com",
        "given_name": "Asha",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def part(value: object) -> str:
    return encoded(json.dumps(value).encode())


def forged(claims: object, key: SigningKey = KEY, **header: Any) -> str:
    """Return a token that is signed with Ed25519, whatever its header says."""
    unsigned = f"{part({**SIGNED_FOR, **header})}.{part(claims)}"
    return f"{unsigned}.{encoded(Ed25519().sign(unsigned.encode(), key.private))}"


def refuses(tokens: AccessTokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token)
    with pytest.raises(Unauthenticated):
        tokens.verify_allowing_expired(token)


def test_a_token_contains_its_caller(tokens: AccessTokens, clock: FrozenClock) -> None:
    # also proves that the helper builds valid tokens, so that others are refused for their reason
    assert tokens.verify(forged(claims_at(clock))) == SELLER
    assert tokens.claimed(forged(claims_at(clock), OTHER_KEY)) == SELLER


def test_a_token_is_valid_until_it_expires(tokens: AccessTokens, clock: FrozenClock) -> None:
    token = forged(claims_at(clock))
    clock.advance(LIFETIME - timedelta(milliseconds=1))
    assert tokens.verify(token) == SELLER
    clock.advance(timedelta(milliseconds=1))
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_the_caller_of_an_expired_token_can_be_read(
    tokens: AccessTokens, clock: FrozenClock
) -> None:
    token = forged(claims_at(clock))
    clock.advance(timedelta(days=20))
    assert tokens.verify_allowing_expired(token) == SELLER


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_token_with_any_one_character_changed_is_refused(
    tokens: AccessTokens, clock: FrozenClock, data: st.DataObject
) -> None:
    token = forged(claims_at(clock))
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


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("encoding", [bytes, encoded], ids=["bytes", "text"])
def test_a_public_key_is_no_secret_of_an_hmac(
    tokens: AccessTokens, clock: FrozenClock, alg: str, encoding: Callable[[bytes], Any]
) -> None:
    key = encoding(KEYS["k1"])
    refuses(tokens, jwt.encode(claims_at(clock), key * 2, alg, headers={"kid": "k1"}))
    unsigned = f"{part({**SIGNED_FOR, 'alg': alg})}.{part(claims_at(clock))}"
    secret = key if isinstance(key, bytes) else key.encode()
    signature = jwt.get_algorithm_by_name(alg).sign(unsigned.encode(), secret)
    refuses(tokens, f"{unsigned}.{encoded(signature)}")


@pytest.mark.parametrize("alg", ["Ed25519", "eddsa", "ES256", "RS256", "HS256", "none", "", None])
def test_another_algorithm_is_refused_even_with_the_right_signature(
    tokens: AccessTokens, clock: FrozenClock, alg: object
) -> None:
    refuses(tokens, forged(claims_at(clock), alg=alg))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": OTHER_KEY.public.x}},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/x.pem"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_another_key_is_refused(
    tokens: AccessTokens, clock: FrozenClock, header: dict[str, Any]
) -> None:
    refuses(tokens, forged(claims_at(clock), OTHER_KEY))
    refuses(tokens, forged(claims_at(clock), OTHER_KEY, **header))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}])
def test_extensions_are_refused(
    tokens: AccessTokens, clock: FrozenClock, header: dict[str, Any]
) -> None:
    refuses(tokens, forged(claims_at(clock), **header))


@pytest.mark.parametrize("kid", [None, "", "k9", "active", "../k1", "K1", 1, True, ["k1"], {}])
def test_an_unknown_key_is_refused(tokens: AccessTokens, clock: FrozenClock, kid: object) -> None:
    refuses(tokens, forged(claims_at(clock), kid=kid))


@pytest.mark.parametrize("claims", [[], "text", None, 1, {}])
def test_claims_that_are_no_object_are_refused(tokens: AccessTokens, claims: object) -> None:
    refuses(tokens, forged(claims))


@pytest.mark.parametrize("place", ["header", "payload"])
def test_deep_nesting_is_refused(tokens: AccessTokens, place: str) -> None:
    deep = encoded(b"[" * 100_000)
    parts = {"header": part(SIGNED_FOR), "payload": part({})} | {place: deep}
    refuses(tokens, f"{parts['header']}.{parts['payload']}.{encoded(bytes(64))}")


@pytest.mark.parametrize("size", [0, 31, 33, 63, 65, 128])
def test_keys_and_signatures_of_another_size_are_refused(clock: FrozenClock, size: int) -> None:
    unsigned, signature = forged(claims_at(clock)).rsplit(".", 1)
    refuses(AccessTokens(KEYS.get, ISSUER, clock), f"{unsigned}.{encoded(bytes(size))}")
    refuses(AccessTokens(lambda _: bytes(size), ISSUER, clock), f"{unsigned}.{signature}")


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
    refuses(tokens, forged({**claims_at(clock), claim: value}))


@pytest.mark.parametrize("claim", ["sub", "sid"])
@pytest.mark.parametrize("value", ["", "u1", "x" * 3000, f"{AN_ID}\n", AN_ID.lower()])
def test_ids_name_rows_that_can_exist(
    tokens: AccessTokens, clock: FrozenClock, claim: str, value: str
) -> None:
    token = forged(claims_at(clock, **{claim: value}))
    refuses(tokens, token)
    with pytest.raises(Unauthenticated):
        tokens.claimed(token)


@given(issued=st.integers(-(10**12), 10**12), lives=st.integers(-(10**12), 10**12))
def test_a_token_is_accepted_only_if_it_was_issued_and_does_not_outlive_any_other(
    issued: int, lives: int
) -> None:
    clock = FrozenClock()
    now, tokens = int(clock().timestamp()), AccessTokens(KEYS.get, ISSUER, clock)
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
