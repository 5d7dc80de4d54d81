"""Another email address, and the notices of changes that only the owner should make."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from auth.model import MAX_MAILS, UNDO_PERIOD, AddressBook, Purpose, SavedAddress, User
from conftest import FrozenClock
from supermarket.contracts import (
    AccountChanged,
    EmailChanged,
    EmailChangeRequested,
    PasswordResetRequested,
)
from supermarket.errors import Conflict, DomainError, Invalid, TooMany, Unauthenticated
from support.auth import PASSWORD, SENDER, InMemoryAuth, a_registration, signed_in

NEW = "new@example.com"
THIEFS = "thief@example.com"
NEW_PASSWORD = "a brand new password"

type Auth = InMemoryAuth


@pytest.fixture
def auth(clock: FrozenClock) -> Auth:
    return InMemoryAuth(clock)


@pytest.fixture
def user(auth: Auth) -> User:
    """A person whose address is verified."""
    registered = auth.registration_service.register(a_registration())
    auth.recovery.verify_email(token_for(auth, registered, Purpose.EMAIL_VERIFICATION), None)
    return auth.account_service.user(registered.id)


def token_for(auth: Auth, user: User, purpose: Purpose, email: str | None = None) -> str:
    token = auth.token_links.create(purpose, user.id, email)
    assert token is not None
    return token


def request(auth: Auth, user: User, email: str = NEW, password: str = PASSWORD) -> None:
    session = auth.sign_ins.open(user, "").session_id
    auth.email_changes.request(auth.caller(session, user), email, password, SENDER)


def change(auth: Auth, user: User, email: str = NEW) -> None:
    auth.email_changes.confirm(token_for(auth, user, Purpose.EMAIL_CHANGE, email), None)


def undo(auth: Auth, user: User) -> None:
    auth.email_changes.undo(token_for(auth, user, Purpose.EMAIL_UNDO, user.email))


def email_of(auth: Auth, user: User) -> str:
    return auth.account_service.user(user.id).email


# --- requests ---------------------------------------------------------------------------------


def test_a_requested_address_is_sent_a_mail_without_words_of_the_account(
    auth: Auth, user: User
) -> None:
    request(auth, user)
    (event,) = auth.outbox.of(EmailChangeRequested)
    assert event.model_dump() == {"userId": user.id, "email": NEW}
    assert email_of(auth, user) == user.email


def test_an_address_of_another_account_is_sent_nothing_with_the_same_answer(
    auth: Auth, user: User
) -> None:
    other = auth.registration_service.register(a_registration())
    request(auth, user, other.email)
    assert auth.outbox.of(EmailChangeRequested) == []


def test_a_change_needs_the_password_and_another_address(auth: Auth, user: User) -> None:
    with pytest.raises(Invalid, match="password"):
        request(auth, user, password="wrong password")
    with pytest.raises(Invalid, match="already"):
        request(auth, user, user.email)
    assert auth.outbox.of(EmailChangeRequested) == []


def test_requests_of_a_person_are_limited(auth: Auth, user: User) -> None:
    at_most = MAX_MAILS[timedelta(hours=1)]
    for number in range(at_most):
        request(auth, user, f"new{number}@example.com")
    with pytest.raises(TooMany):
        request(auth, user)
    assert len(auth.outbox.of(EmailChangeRequested)) == at_most


# --- proofs -----------------------------------------------------------------------------------


def test_a_proven_address_replaces_the_one_before_which_gets_a_notice(
    auth: Auth, user: User
) -> None:
    token = token_for(auth, user, Purpose.EMAIL_CHANGE, NEW)
    auth.email_changes.confirm(token, None)
    changed = auth.account_service.user(user.id)
    assert (changed.email, changed.email_verified) == (NEW, True)
    (notice,) = auth.outbox.of(EmailChanged)
    expected = {"userId": user.id, "email": user.email, "firstName": "Asha"}
    assert notice.model_dump() == expected
    assert signed_in(auth.service.log_in(NEW, None, PASSWORD, SENDER))[0] == changed
    with pytest.raises(Unauthenticated):
        auth.service.log_in(user.email, None, PASSWORD, SENDER)
    with pytest.raises(Invalid):
        auth.email_changes.confirm(token, None)


def test_an_address_that_was_never_verified_gets_no_notice_and_no_undo(auth: Auth) -> None:
    user = auth.registration_service.register(a_registration())
    change(auth, user)
    assert auth.outbox.of(EmailChanged) == []
    assert auth.token_links.create(Purpose.EMAIL_UNDO, user.id, user.email) is None


@pytest.mark.parametrize("is_own", [True, False])
def test_the_first_proof_deletes_what_was_saved_unless_the_person_is_signed_in(
    auth: Auth, is_own: bool
) -> None:
    user = auth.registration_service.register(a_registration())
    home = SavedAddress("1 Attacker Road", "Pune", "Maharashtra", "411001", "IN", id="a1")
    auth.account_service.add_address(user.id, home, make_default=True)
    follower = auth.caller("s1", user) if is_own else None
    token = token_for(auth, user, Purpose.EMAIL_CHANGE, NEW)
    auth.email_changes.confirm(token, follower)
    kept = auth.account_service.address_book(user.id)
    assert (kept == AddressBook(user.id)) is not is_own


def test_two_accounts_cannot_get_one_address(auth: Auth, user: User) -> None:
    other = auth.registration_service.register(a_registration())
    token = token_for(auth, user, Purpose.EMAIL_CHANGE, NEW)
    change(auth, other)
    with pytest.raises(Conflict):
        auth.email_changes.confirm(token, None)
    assert email_of(auth, user) == user.email


def a_new_password(auth: Auth, user: User) -> None:
    token = token_for(auth, user, Purpose.PASSWORD_RESET)
    auth.recovery.reset_password(token, NEW_PASSWORD)


def two_days(auth: Auth, _: User) -> None:
    auth.clock.advance(timedelta(hours=48))  # type: ignore[attr-defined] # a FrozenClock


@pytest.mark.parametrize("event", [a_new_password, two_days, change])
def test_a_link_is_invalid_after(
    auth: Auth, user: User, event: Callable[[Auth, User], None]
) -> None:
    token = token_for(auth, user, Purpose.EMAIL_CHANGE, "other@example.com")
    event(auth, user)
    before = email_of(auth, user)
    with pytest.raises(Invalid):
        auth.email_changes.confirm(token, None)
    assert email_of(auth, user) == before


@pytest.mark.parametrize("purpose", [Purpose.EMAIL_VERIFICATION, Purpose.PASSWORD_RESET])
def test_a_mail_to_a_former_address_has_no_link(auth: Auth, user: User, purpose: Purpose) -> None:
    change(auth, user)
    assert auth.token_links.create(purpose, user.id, user.email) is None


# --- undoing ----------------------------------------------------------------------------------


def test_the_owner_of_the_former_address_takes_the_account_back(auth: Auth, user: User) -> None:
    change(auth, user, THIEFS)
    session = signed_in(auth.service.log_in(THIEFS, None, PASSWORD, SENDER))[1].session_id
    token = token_for(auth, user, Purpose.EMAIL_UNDO, user.email)

    auth.email_changes.undo(token)

    restored = auth.account_service.user(user.id)
    assert (restored.email, restored.email_verified) == (user.email, True)
    assert not auth.sessions.is_open(session, user.id)
    for name in (user.email, THIEFS):
        with pytest.raises(Unauthenticated):
            auth.service.log_in(name, None, PASSWORD, SENDER)
    (event,) = auth.outbox.of(PasswordResetRequested)
    assert event.model_dump()["email"] == user.email
    a_new_password(auth, user)
    assert auth.service.log_in(user.email, None, NEW_PASSWORD, SENDER)
    with pytest.raises(Invalid):
        auth.email_changes.undo(token)


def test_a_second_change_does_not_prevent_the_undo_and_gives_none_to_the_thief(
    auth: Auth, user: User
) -> None:
    change(auth, user, THIEFS)
    token = token_for(auth, user, Purpose.EMAIL_UNDO, user.email)
    change(auth, user, "thief2@example.com")
    a_new_password(auth, user)
    assert len(auth.outbox.of(EmailChanged)) == 1
    assert auth.token_links.create(Purpose.EMAIL_UNDO, user.id, THIEFS) is None
    auth.email_changes.undo(token)
    assert email_of(auth, user) == user.email


def test_a_change_can_be_undone_for_three_days(auth: Auth, user: User, clock: FrozenClock) -> None:
    change(auth, user)
    token = token_for(auth, user, Purpose.EMAIL_UNDO, user.email)
    clock.advance(UNDO_PERIOD)
    with pytest.raises(Invalid):
        auth.email_changes.undo(token)
    change(auth, user, "newer@example.com")
    assert [event.model_dump()["email"] for event in auth.outbox.of(EmailChanged)] == [
        user.email,
        NEW,
    ]


def test_a_former_address_is_kept_for_the_account(auth: Auth, user: User) -> None:
    change(auth, user)
    other = auth.registration_service.register(a_registration())
    with pytest.raises(Conflict):
        change(auth, other, user.email)
    change(auth, user, user.email)  # the person returns without the link
    assert auth.token_links.create(Purpose.EMAIL_UNDO, user.id, user.email) is None
    change(auth, other)


# --- notices ----------------------------------------------------------------------------------


def changes(auth: Auth) -> list[str]:
    return [event.model_dump()["change"] for event in auth.outbox.of(AccountChanged)]


def test_a_new_password_is_mailed_to_the_owner(auth: Auth, user: User) -> None:
    session = auth.sign_ins.open(user, "").session_id
    caller = auth.caller(session, user)
    auth.service.change_password(caller, PASSWORD, NEW_PASSWORD, SENDER)
    assert changes(auth) == ["password"]
    a_new_password(auth, user)
    assert changes(auth) == ["password", "password"]


def test_a_sign_in_of_an_unknown_device_is_mailed_to_the_owner(auth: Auth, user: User) -> None:
    _, _, device = signed_in(auth.service.log_in(user.email, None, PASSWORD, SENDER))
    assert changes(auth) == ["new-device"]
    auth.service.log_in(user.email, None, PASSWORD, replace(SENDER, device=device))
    assert changes(auth) == ["new-device"]
    with pytest.raises(DomainError):
        auth.service.log_in(user.email, None, "wrong password", SENDER)
    assert changes(auth) == ["new-device"]


def test_an_address_that_is_not_verified_gets_no_notices(auth: Auth) -> None:
    user = auth.registration_service.register(a_registration())
    session = signed_in(auth.service.log_in(user.email, None, PASSWORD, SENDER))[1].session_id
    caller = auth.caller(session, user)
    auth.service.change_password(caller, PASSWORD, NEW_PASSWORD, SENDER)
    assert changes(auth) == []
