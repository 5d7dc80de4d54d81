"""Links that are mailed: who gets one, and what ends it."""

from datetime import timedelta

import pytest

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
    ],
)
def test_a_link_is_good_until_its_time_is_up(purpose: Purpose, lifetime: timedelta) -> None:
    account = an_account()
    link = Link.to(account, purpose, "token", NOON)
    assert link.is_good_for(account, NOON + lifetime + JUST_BEFORE)
    assert not link.is_good_for(account, NOON + lifetime)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_link_proves_the_address_that_it_was_sent_to_only(purpose: Purpose) -> None:
    link = Link.to(an_account(), purpose, "token", NOON)
    assert not link.is_good_for(an_account(email="new@example.com"), NOON)


def test_a_new_password_ends_every_reset_and_no_verification() -> None:
    changed = an_account(hashed="another hash")
    reset, verification = (
        Link.to(an_account(), purpose, "token", NOON)
        for purpose in (Purpose.PASSWORD_RESET, Purpose.EMAIL_VERIFICATION)
    )
    assert not reset.is_good_for(changed, NOON)
    assert verification.is_good_for(changed, NOON)


def test_who_has_no_account_gets_no_link(auth: InMemoryAuth) -> None:
    assert auth.minter.email_verification("nobody") is None
    assert auth.minter.password_reset("nobody") is None
    assert auth.links.links == {}


def test_a_new_link_leaves_the_earlier_ones_good(auth: InMemoryAuth) -> None:
    user = auth.registrar.register(a_registration())
    tokens = [auth.minter.email_verification(user.id) for _ in range(3)]
    account = auth.accounts.find(user.id)
    assert account is not None
    for token in tokens:
        assert token is not None
        link = auth.links.find(Purpose.EMAIL_VERIFICATION, digest(token))
        assert link is not None
        assert link.is_good_for(account, auth.clock())


@pytest.mark.usefixtures("aws")
def test_tokens_are_long_random_and_fit_into_an_address() -> None:
    user_id = register_somebody()["id"]
    minter = wiring.link_minter()
    tokens = [minter.email_verification(user_id) for _ in range(3)]
    tokens += [minter.password_reset(user_id) for _ in range(3)]
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
    UserRow(f"user#{user_id}").update(actions=[UserRow.email_verified.set(True)])
    assert wiring.link_minter().email_verification(user_id) is None
    assert wiring.link_minter().password_reset(user_id) is not None
