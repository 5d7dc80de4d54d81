"""Links that are mailed: who gets one, and what ends it."""

from datetime import timedelta

import pytest
from pynamodb.expressions.operand import Path

from auth import wiring
from auth.model import Account, FullName, Link, Purpose, User, digest
from auth.repository import LinkRow, UserRow
from conftest import NOON, FrozenClock
from supermarket.caller import Role
from support.auth import InMemoryAuth, a_registration, register_somebody

JUST_BEFORE = timedelta(seconds=-1)


@pytest.fixture
def auth(clock: FrozenClock) -> InMemoryAuth:
    return InMemoryAuth(clock)


def an_account(email: str = "asha@example.com", hashed: str = "hash") -> Account:
    user = User("u1", "asha", email, FullName("Asha", "Rao"), Role.USER, NOON)
    return Account(user, hashed)


@pytest.mark.parametrize(
    ("purpose", "lifetime"),
    [
        (Purpose.EMAIL_VERIFICATION, timedelta(hours=48)),
        (Purpose.PASSWORD_RESET, timedelta(minutes=30)),
        (Purpose.EMAIL_CHANGE, timedelta(hours=48)),
    ],
)
def test_a_link_is_valid_until_it_expires(purpose: Purpose, lifetime: timedelta) -> None:
    account = an_account()
    link = Link.to(account, purpose, "token", NOON)
    assert link.is_valid_for(account, NOON + lifetime + JUST_BEFORE)
    assert not link.is_valid_for(account, NOON + lifetime)


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.EMAIL_UNDO}))
def test_a_link_is_invalid_after_a_change_of_the_address(purpose: Purpose) -> None:
    link = Link.to(an_account(), purpose, "token", NOON)
    assert not link.is_valid_for(an_account(email="new@example.com"), NOON)


def test_a_new_password_invalidates_resets_and_no_verification() -> None:
    changed = an_account(hashed="another hash")
    reset, verification = (
        Link.to(an_account(), purpose, "token", NOON)
        for purpose in (Purpose.PASSWORD_RESET, Purpose.EMAIL_VERIFICATION)
    )
    assert not reset.is_valid_for(changed, NOON)
    assert verification.is_valid_for(changed, NOON)


def test_without_an_account_there_is_no_link(auth: InMemoryAuth) -> None:
    assert auth.token_links.create(Purpose.EMAIL_VERIFICATION, "unknown") is None
    assert auth.token_links.create(Purpose.PASSWORD_RESET, "unknown") is None
    assert auth.links.links == {}


def test_a_new_link_does_not_invalidate_earlier_ones(auth: InMemoryAuth) -> None:
    user = auth.registration_service.register(a_registration())
    tokens = [auth.token_links.create(Purpose.EMAIL_VERIFICATION, user.id) for _ in range(3)]
    account = auth.accounts.find(user.id)
    assert account is not None
    for token in tokens:
        assert token is not None
        link = auth.links.find(Purpose.EMAIL_VERIFICATION, digest(token))
        assert link is not None
        assert link.is_valid_for(account, auth.clock())


@pytest.mark.usefixtures("aws")
def test_tokens_are_long_random_and_url_safe() -> None:
    user_id = register_somebody()["id"]
    minter = wiring.token_links()
    tokens = [minter.create(Purpose.EMAIL_VERIFICATION, user_id) for _ in range(3)]
    tokens += [minter.create(Purpose.PASSWORD_RESET, user_id) for _ in range(3)]
    assert len(set(tokens)) == 6
    for token in tokens:
        assert token is not None
        assert len(token) == 43
        assert token.replace("-", "").replace("_", "").isalnum()
        assert token.isascii()
    assert len(list(LinkRow.scan(LinkRow.pk.startswith("link#")))) == 6


@pytest.mark.usefixtures("aws")
def test_a_verified_address_needs_no_link() -> None:
    user_id = register_somebody()["id"]
    UserRow(f"user#{user_id}").update(actions=[Path("user.email_verified").set(True)])
    assert wiring.token_links().create(Purpose.EMAIL_VERIFICATION, user_id) is None
    assert wiring.token_links().create(Purpose.PASSWORD_RESET, user_id) is not None
