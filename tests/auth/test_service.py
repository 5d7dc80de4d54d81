"""Use cases of accounts, sign-ins and address books, with everything in memory."""

from itertools import count

import pytest

from auth.model import SavedAddress
from auth.service import ATTEMPTS
from conftest import FrozenClock
from supermarket.caller import Role, Standing, Status
from supermarket.contracts import UserRegistered, UserStandingChanged
from supermarket.errors import Conflict, Forbidden, NotFound, RuleViolated, Unauthenticated
from supermarket.idempotency import IdempotencyKey
from support.auth import PASSWORD, SENDER, InMemoryAuth, a_registration, signed_in

type Auth = InMemoryAuth


@pytest.fixture
def auth(clock: FrozenClock) -> Auth:
    return InMemoryAuth(clock)


def an_address(number: int) -> SavedAddress:
    street = f"{number} MG Road"
    return SavedAddress(street, "Bengaluru", "Karnataka", "560001", "IN", id=f"a{number}")


def test_a_registration_creates_a_user_with_an_unverified_email(
    auth: Auth, clock: FrozenClock
) -> None:
    user = auth.registration_service.register(a_registration(username="Asha", role=Role.SELLER))
    assert auth.account_service.user(user.id) == user
    assert (user.username, user.role, user.created_at) == ("Asha", Role.SELLER, clock.now)
    assert not user.email_verified


def test_a_registration_emits_an_event_without_secrets(auth: Auth) -> None:
    user = auth.registration_service.register(a_registration())
    (event,) = auth.outbox.of(UserRegistered)
    assert event.model_dump() == {
        "userId": user.id,
        "username": user.username,
        "email": user.email,
        "firstName": "Asha",
        "lastName": "Rao",
        "role": "user",
    }


@pytest.mark.parametrize(
    ("username", "email", "at_fault"),
    [
        ("ASHA", "other@example.com", ["username"]),
        ("other", "asha@example.com", ["email"]),
        ("asha", "asha@example.com", ["username", "email"]),
    ],
)
def test_a_taken_name_is_a_conflict_that_names_the_field(
    auth: Auth, username: str, email: str, at_fault: list[str]
) -> None:
    auth.registration_service.register(a_registration(username="Asha", email="asha@example.com"))
    with pytest.raises(Conflict) as conflict:
        auth.registration_service.register(a_registration(username=username, email=email))
    assert [error.field for error in conflict.value.errors] == at_fault
    assert len(auth.outbox.events) == 1


def test_a_person_can_log_in_by_email_or_username(auth: Auth) -> None:
    user = auth.registration_service.register(
        a_registration(username="Asha", email="asha@example.com")
    )
    assert signed_in(auth.service.log_in("asha@example.com", None, PASSWORD, SENDER))[0] == user
    assert signed_in(auth.service.log_in(None, "aSHA", PASSWORD, SENDER))[0] == user
    assert (
        signed_in(auth.service.log_in("asha@example.com", "unknown", PASSWORD, SENDER))[0] == user
    )


@pytest.mark.parametrize(
    ("email", "username", "password"),
    [
        ("asha@example.com", None, "wrong"),
        ("ravi@example.com", None, PASSWORD),
        (None, "ravi", PASSWORD),
        (None, "asha", ""),
        (None, None, PASSWORD),
    ],
)
def test_every_failed_login_has_the_same_answer(
    auth: Auth, email: str | None, username: str | None, password: str
) -> None:
    auth.registration_service.register(a_registration(username="Asha", email="asha@example.com"))
    with pytest.raises(Unauthenticated, match="Invalid credentials"):
        auth.service.log_in(email, username, password, SENDER)


def test_an_unknown_name_costs_a_password_check_too(auth: Auth) -> None:
    with pytest.raises(Unauthenticated):
        auth.service.log_in("unknown@example.com", None, PASSWORD, SENDER)
    assert auth.passwords.asked == [None]


def test_signing_in_opens_a_session_and_signing_out_ends_that_one_only(auth: Auth) -> None:
    user = auth.registration_service.register(a_registration())
    first, second = (auth.sign_ins.open(user, "").session_id for _ in range(2))
    assert auth.sessions.is_open(first, user.id)

    auth.service.sign_out(first, user.id)
    assert not auth.sessions.is_open(first, user.id)
    assert auth.sessions.is_open(second, user.id)


SUSPENDED_SELLER = Standing(Role.SELLER, Status.SUSPENDED)


def test_a_change_of_role_and_status_changes_the_account_its_sessions_and_the_audit_trail(
    auth: Auth,
) -> None:
    user = auth.registration_service.register(a_registration())
    session = auth.sign_ins.open(user, "").session_id
    for standing in (Standing(Role.SELLER, Status.PENDING), Standing(Role.SELLER)):
        changed = auth.standing_service.change(user.id, standing, "admin-1", "documents checked")
        assert auth.account_service.user(user.id) == changed
        assert changed.standing == auth.sessions.standing(session, user.id) == standing
    assert [(entry.before, entry.after) for entry in auth.audit.entries] == [
        (
            {"role": "user", "status": "active"},
            {"role": "seller", "status": "pending", "reason": "documents checked"},
        ),
        (
            {"role": "seller", "status": "pending"},
            {"role": "seller", "status": "active", "reason": "documents checked"},
        ),
    ]
    assert {(entry.subject, entry.actor) for entry in auth.audit.entries} == {
        (f"user#{user.id}", "admin-1")
    }
    auth.standing_service.change(user.id, changed.standing, "admin-1")  # nothing to change
    assert len(auth.audit.entries) == 2
    assert auth.outbox.of(UserStandingChanged) == [
        UserStandingChanged(user_id=user.id, role="seller", status=status, revision=revision)
        for revision, status in ((1, "pending"), (2, "active"))
    ]


def test_the_role_of_an_unknown_account_cannot_be_changed(auth: Auth) -> None:
    with pytest.raises(NotFound):
        auth.standing_service.change("gone", Standing(Role.ADMIN), "admin-1")
    assert auth.audit.entries == []


def test_a_suspended_account_is_refused_after_its_password_was_checked(auth: Auth) -> None:
    user = auth.registration_service.register(a_registration(role=Role.SELLER))
    session = auth.sign_ins.open(user, "").session_id
    auth.standing_service.change(user.id, SUSPENDED_SELLER, "admin-1")
    assert not auth.sessions.is_open(session, user.id)
    with pytest.raises(Forbidden, match="suspended"):
        auth.service.log_in(user.email, None, PASSWORD, SENDER)
    with pytest.raises(Unauthenticated, match="Invalid credentials"):
        auth.service.log_in(user.email, None, "wrong", SENDER)
    auth.standing_service.change(user.id, Standing(Role.SELLER), "admin-1")
    assert auth.service.log_in(user.email, None, PASSWORD, SENDER)


def test_a_login_during_which_the_account_is_suspended_opens_no_session(auth: Auth) -> None:
    user = auth.registration_service.register(a_registration(role=Role.SELLER))

    def an_admin_suspends() -> None:
        auth.standing_service.change(user.id, SUSPENDED_SELLER, "admin-1")

    auth.passwords.meanwhile = an_admin_suspends
    session = signed_in(auth.service.log_in(user.email, None, PASSWORD, SENDER))[1].session_id
    assert not auth.sessions.is_open(session, user.id)


def test_a_deleted_user_is_unauthenticated(auth: Auth) -> None:
    with pytest.raises(Unauthenticated):
        auth.account_service.user("gone")


def test_an_address_belongs_to_its_owner_only(auth: Auth) -> None:
    auth.account_service.add_address("u1", an_address(1), make_default=False)
    assert auth.account_service.address_of("u1", "a1") == an_address(1)
    with pytest.raises(NotFound):
        auth.account_service.address_of("u2", "a1")
    with pytest.raises(NotFound):
        auth.account_service.delete_address("u2", "a1")
    assert auth.account_service.address_book("u1").default_id == "a1"


def test_concurrent_changes_are_not_lost(auth: Auth) -> None:
    numbers = iter(range(10, 13))

    def somebody_else_adds() -> None:
        if (number := next(numbers, None)) is not None:
            auth.account_service.add_address("u1", an_address(number), make_default=False)

    auth.address_books.meanwhile = somebody_else_adds
    auth.account_service.add_address("u1", an_address(1), make_default=True)

    book = auth.account_service.address_book("u1")
    assert {address.id for address in book.addresses} == {"a1", "a10", "a11", "a12"}


def test_a_book_that_always_conflicts_is_a_conflict(auth: Auth) -> None:
    ours = auth.address_books
    reads = count()

    def somebody_else_changes() -> None:
        ours.meanwhile = lambda: None
        book = ours.of("u1")
        ours.replace(book)
        ours.meanwhile = somebody_else_changes
        next(reads)

    ours.meanwhile = somebody_else_changes
    with pytest.raises(Conflict):
        auth.account_service.add_address("u1", an_address(1), make_default=False)
    assert next(reads) == ATTEMPTS


KEY = IdempotencyKey.of("add_address", "u1", "key-1", b"{}")


def add(auth: Auth, number: int, key: IdempotencyKey | None = KEY) -> tuple[str, int]:
    """Add an address; returns its id and the number of addresses."""
    address, book = auth.account_service.add_address(
        "u1", an_address(number), make_default=False, key=key
    )
    return address.id, len(book.addresses)


def test_the_same_key_adds_an_address_once(auth: Auth) -> None:
    assert add(auth, 1) == ("a1", 1)
    assert add(auth, 2) == ("a1", 1)  # an id is made for each request
    assert add(auth, 3, None) == ("a3", 2)
    with pytest.raises(RuleViolated):
        add(auth, 4, IdempotencyKey(KEY.scope, "another body"))


def test_two_requests_with_one_key_at_the_same_time_add_one_address(auth: Auth) -> None:
    copies: list[tuple[str, int]] = []

    def another_copy_is_faster() -> None:
        auth.address_books.meanwhile = lambda: None
        copies.append(add(auth, 2))

    auth.address_books.meanwhile = another_copy_is_faster
    assert add(auth, 1) == ("a2", 1)
    assert copies == [("a2", 1)]


def test_an_address_that_was_removed_since_is_not_added_again_by_its_key(auth: Auth) -> None:
    add(auth, 1)
    auth.account_service.delete_address("u1", "a1")
    with pytest.raises(NotFound):
        add(auth, 2)
