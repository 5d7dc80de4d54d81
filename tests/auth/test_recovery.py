"""Proving an address and replacing a forgotten password, with everything in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from auth.model import MAX_MAILS, AddressBook, Purpose, SavedAddress, User
from conftest import FrozenClock
from supermarket.caller import Caller
from supermarket.contracts import EmailVerificationRequested, PasswordResetRequested
from supermarket.errors import Conflict, Invalid, Unauthenticated
from support.auth import PASSWORD, SENDER, InMemoryAuth, a_registration, signed_in

NEW_PASSWORD = "a brand new password"
AN_HOUR = timedelta(hours=1)
PER_HOUR = MAX_MAILS[AN_HOUR]
PER_DAY = MAX_MAILS[timedelta(days=1)]

type Auth = InMemoryAuth


@pytest.fixture
def auth(clock: FrozenClock) -> Auth:
    return InMemoryAuth(clock)


@pytest.fixture
def user(auth: Auth) -> User:
    return auth.registration_service.register(a_registration())


def reset_token(auth: Auth, user: User) -> str:
    token = auth.token_links.create(Purpose.PASSWORD_RESET, user.id)
    assert token is not None
    return token


def verification_token(auth: Auth, user: User) -> str:
    token = auth.token_links.create(Purpose.EMAIL_VERIFICATION, user.id)
    assert token is not None
    return token


def session_of(auth: Auth, user: User, password: str = PASSWORD) -> str:
    """The id of a new session."""
    return signed_in(auth.service.log_in(user.email, None, password, SENDER))[1].session_id


# --- asking for a reset -----------------------------------------------------------------------


def test_an_account_is_sent_a_mail_by_an_event_without_a_secret(auth: Auth, user: User) -> None:
    auth.recovery.request(Purpose.PASSWORD_RESET, user.email, SENDER)
    (event,) = auth.outbox.of(PasswordResetRequested)
    assert event.model_dump() == {"userId": user.id, "email": user.email, "firstName": ""}


def test_an_unknown_address_gets_the_same_answer_and_no_mail(auth: Auth) -> None:
    auth.recovery.request(Purpose.PASSWORD_RESET, "unknown@example.com", SENDER)
    assert auth.outbox.events == []


def test_mails_to_an_address_are_limited_by_hour_and_day(
    auth: Auth, user: User, clock: FrozenClock
) -> None:
    sent = []
    for _ in range(4):
        for _ in range(PER_HOUR + 2):
            auth.recovery.request(Purpose.PASSWORD_RESET, user.email, SENDER)
        sent.append(len(auth.outbox.of(PasswordResetRequested)))
        clock.advance(AN_HOUR)
    assert sent == [PER_HOUR, 2 * PER_HOUR, PER_DAY, PER_DAY]

    clock.advance(timedelta(days=1))
    auth.recovery.request(Purpose.PASSWORD_RESET, user.email, SENDER)
    assert len(auth.outbox.of(PasswordResetRequested)) == PER_DAY + 1


def test_mail_limits_of_addresses_are_independent(auth: Auth, user: User) -> None:
    for _ in range(PER_DAY):
        auth.recovery.request(Purpose.PASSWORD_RESET, "other@example.com", SENDER)
    auth.recovery.request(Purpose.PASSWORD_RESET, user.email, SENDER)
    assert len(auth.outbox.of(PasswordResetRequested)) == 1


# --- replacing the password -------------------------------------------------------------------


def test_a_reset_replaces_the_password_and_ends_every_session(auth: Auth, user: User) -> None:
    somebody_else = auth.registration_service.register(a_registration())
    sessions = [session_of(auth, user) for _ in range(3)]
    theirs = session_of(auth, somebody_else)

    auth.recovery.reset_password(reset_token(auth, user), NEW_PASSWORD)

    assert not any(auth.sessions.is_open(each, user.id) for each in sessions)
    assert auth.sessions.is_open(theirs, somebody_else.id)
    with pytest.raises(Unauthenticated):
        auth.service.log_in(user.email, None, PASSWORD, SENDER)
    assert auth.sessions.is_open(session_of(auth, user, NEW_PASSWORD), user.id)


def test_a_reset_verifies_the_address(auth: Auth, user: User) -> None:
    auth.recovery.reset_password(reset_token(auth, user), NEW_PASSWORD)
    assert auth.account_service.user(user.id).email_verified


def test_a_reset_works_once(auth: Auth, user: User) -> None:
    token = reset_token(auth, user)
    auth.recovery.reset_password(token, NEW_PASSWORD)
    with pytest.raises(Invalid):
        auth.recovery.reset_password(token, "yet another one")
    assert session_of(auth, user, NEW_PASSWORD)


def test_a_reset_invalidates_all_other_reset_links(auth: Auth, user: User) -> None:
    tokens = [reset_token(auth, user) for _ in range(3)]
    auth.recovery.reset_password(tokens[1], NEW_PASSWORD)
    for token in tokens:
        with pytest.raises(Invalid):
            auth.recovery.reset_password(token, "yet another one")


@pytest.mark.parametrize("same_link", [True, False])
def test_of_two_concurrent_resets_one_succeeds(auth: Auth, user: User, same_link: bool) -> None:
    mine = reset_token(auth, user)
    theirs = mine if same_link else reset_token(auth, user)

    def somebody_is_faster() -> None:
        auth.passwords.meanwhile = lambda: None
        auth.recovery.reset_password(theirs, "the faster password")

    auth.passwords.meanwhile = somebody_is_faster
    with pytest.raises(Invalid):
        auth.recovery.reset_password(mine, NEW_PASSWORD)
    assert session_of(auth, user, "the faster password")


def test_a_password_change_invalidates_reset_links(auth: Auth, user: User) -> None:
    token = reset_token(auth, user)
    signed_in = auth.caller(session_of(auth, user), user)
    auth.service.change_password(signed_in, PASSWORD, "changed by its owner", SENDER)
    with pytest.raises(Invalid):
        auth.recovery.reset_password(token, NEW_PASSWORD)


def test_an_invalid_link_costs_no_password_hash(auth: Auth) -> None:
    with pytest.raises(Invalid):
        auth.recovery.reset_password("made up", NEW_PASSWORD)
    assert auth.passwords.hashed == []


@pytest.mark.parametrize(
    ("purpose", "follow"),
    [
        (Purpose.EMAIL_VERIFICATION, lambda auth, token: auth.recovery.verify_email(token, None)),
        (
            Purpose.PASSWORD_RESET,
            lambda auth, token: auth.recovery.reset_password(token, NEW_PASSWORD),
        ),
    ],
)
def test_a_link_works_until_it_expires_and_for_its_purpose_only(
    auth: Auth,
    user: User,
    clock: FrozenClock,
    purpose: Purpose,
    follow: Callable[[Auth, str], None],
) -> None:
    other = verification_token if purpose is Purpose.PASSWORD_RESET else reset_token
    with pytest.raises(Invalid):
        follow(auth, other(auth, user))
    mine = reset_token if purpose is Purpose.PASSWORD_RESET else verification_token
    stale, fresh = mine(auth, user), mine(auth, user)
    clock.advance(purpose.lifetime)
    with pytest.raises(Invalid):
        follow(auth, stale)
    fresh = mine(auth, user)
    clock.advance(purpose.lifetime - timedelta(seconds=1))
    follow(auth, fresh)


# --- the race of a login and a reset ----------------------------------------------------------


def test_a_password_replaced_during_the_login_opens_no_session(auth: Auth, user: User) -> None:
    token = reset_token(auth, user)

    def the_owner_resets() -> None:
        auth.passwords.meanwhile = lambda: None
        auth.recovery.reset_password(token, NEW_PASSWORD)

    auth.passwords.meanwhile = the_owner_resets
    with pytest.raises(Unauthenticated, match="Invalid credentials"):
        auth.service.log_in(user.email, None, PASSWORD, SENDER)
    assert auth.sessions.count(user.id) == 0


# --- proving an address -----------------------------------------------------------------------


def test_a_link_verifies_the_address_once(auth: Auth, user: User) -> None:
    token, another = verification_token(auth, user), verification_token(auth, user)
    assert not auth.account_service.user(user.id).email_verified
    auth.recovery.verify_email(token, None)
    assert auth.account_service.user(user.id).email_verified
    with pytest.raises(Invalid):
        auth.recovery.verify_email(token, None)
    auth.recovery.verify_email(another, None)
    assert session_of(auth, user)


HOME = SavedAddress("1 Attacker Road", "Pune", "Maharashtra", "411001", "IN", id="a1")


def verify(auth: Auth, user: User, *, follower: Caller | None = None) -> None:
    auth.recovery.verify_email(verification_token(auth, user), follower)


def reset(auth: Auth, user: User) -> None:
    auth.recovery.reset_password(reset_token(auth, user), NEW_PASSWORD)


@pytest.mark.parametrize("prove", [verify, reset])
def test_the_first_proof_of_an_address_deletes_what_was_saved_before(
    auth: Auth, user: User, prove: Callable[[Auth, User], None]
) -> None:
    auth.account_service.add_address(user.id, HOME, make_default=True)
    auth.account_service.change_profile(user.id, None, "+919876543210")

    prove(auth, user)

    assert auth.account_service.address_book(user.id) == AddressBook(user.id)
    assert auth.account_service.user(user.id).phone is None


def test_the_person_who_registered_keeps_what_was_saved(auth: Auth, user: User) -> None:
    other = auth.registration_service.register(a_registration())
    for account in (user, other):
        auth.account_service.add_address(account.id, HOME, make_default=True)
    own = auth.caller(session_of(auth, user), user)
    verify(auth, user, follower=own)
    verify(auth, other, follower=own)
    assert auth.account_service.address_of(user.id, "a1") == HOME
    assert auth.account_service.address_book(other.id).addresses == ()


def test_a_later_proof_deletes_nothing(auth: Auth, user: User) -> None:
    links = [verification_token(auth, user) for _ in range(2)]
    auth.recovery.verify_email(links[0], None)
    auth.account_service.add_address(user.id, HOME, make_default=True)
    auth.recovery.verify_email(links[1], None)
    reset(auth, user)
    assert auth.account_service.address_of(user.id, "a1") == HOME


def test_an_address_that_is_saved_during_the_proof_is_deleted_too(auth: Auth, user: User) -> None:
    auth.account_service.add_address(user.id, HOME, make_default=True)

    def another_is_saved() -> None:
        auth.address_books.meanwhile = lambda: None
        auth.account_service.add_address(user.id, replace(HOME, id="a2"), make_default=True)

    auth.address_books.meanwhile = another_is_saved
    verify(auth, user)
    assert auth.account_service.address_book(user.id).addresses == ()


def test_a_mail_has_the_name_of_a_person_whose_address_is_verified_only(
    auth: Auth, user: User
) -> None:
    auth.recovery.request(Purpose.PASSWORD_RESET, user.email, SENDER)
    verify(auth, user)
    auth.recovery.request(Purpose.PASSWORD_RESET, user.email, SENDER)
    events = auth.outbox.of(PasswordResetRequested)
    assert [event.model_dump()["firstName"] for event in events] == ["", "Asha"]


def test_another_mail_can_be_requested_until_the_address_is_verified(
    auth: Auth, user: User
) -> None:
    auth.recovery.request(Purpose.EMAIL_VERIFICATION, user.email, SENDER)
    (event,) = auth.outbox.of(EmailVerificationRequested)
    assert event.model_dump() == {"userId": user.id, "email": user.email, "firstName": ""}

    verify(auth, user)
    auth.recovery.request(Purpose.EMAIL_VERIFICATION, user.email, SENDER)
    auth.recovery.request(Purpose.EMAIL_VERIFICATION, "unknown@example.com", SENDER)
    assert len(auth.outbox.of(EmailVerificationRequested)) == 1


def test_verification_mails_to_an_address_are_limited(auth: Auth, user: User) -> None:
    for _ in range(PER_HOUR + 1):
        auth.recovery.request(Purpose.EMAIL_VERIFICATION, user.email, SENDER)
    assert len(auth.outbox.of(EmailVerificationRequested)) == PER_HOUR


# --- changing the password --------------------------------------------------------------------


def test_a_changed_password_replaces_all_sessions_by_a_new_one(auth: Auth, user: User) -> None:
    mine, others = session_of(auth, user), [session_of(auth, user) for _ in range(2)]
    caller = auth.caller(mine, user)
    _, tokens, _ = auth.service.change_password(caller, PASSWORD, NEW_PASSWORD, SENDER)
    assert not any(auth.sessions.is_open(each, user.id) for each in (mine, *others))
    assert auth.sessions.is_open(tokens.session_id, user.id)
    assert auth.sign_ins.refresh(tokens.refresh)[0] == user
    assert session_of(auth, user, NEW_PASSWORD)
    assert not auth.account_service.user(user.id).email_verified


def test_a_wrong_current_password_changes_nothing(auth: Auth, user: User) -> None:
    mine, other = session_of(auth, user), session_of(auth, user)
    with pytest.raises(Invalid) as refusal:
        auth.service.change_password(auth.caller(mine, user), "guessed", NEW_PASSWORD, SENDER)
    assert [error.field for error in refusal.value.errors] == ["currentPassword"]
    assert auth.sessions.is_open(other, user.id)
    assert session_of(auth, user)


def test_a_password_change_after_a_concurrent_reset_is_refused(auth: Auth, user: User) -> None:
    mine = auth.caller(session_of(auth, user), user)
    token = reset_token(auth, user)

    def the_owner_resets() -> None:
        auth.passwords.meanwhile = lambda: None
        auth.recovery.reset_password(token, "the owner's password")

    auth.passwords.meanwhile = the_owner_resets
    with pytest.raises(Conflict):
        auth.service.change_password(mine, PASSWORD, NEW_PASSWORD, SENDER)
    assert session_of(auth, user, "the owner's password")


def test_signing_out_everywhere_ends_every_session(auth: Auth, user: User) -> None:
    sessions = [session_of(auth, user) for _ in range(3)]
    auth.service.sign_out_everywhere(user.id)
    assert not any(auth.sessions.is_open(each, user.id) for each in sessions)


# --- any order of all of it -------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Links are made, followed, replayed and run out in any order, for two people."""

    resets = Bundle("resets")
    verifications = Bundle("verifications")

    @initialize()
    def begin(self) -> None:
        self.clock = FrozenClock()
        self.auth = InMemoryAuth(self.clock)
        self.people = [self.auth.registration_service.register(a_registration()) for _ in range(2)]
        self.passwords = {user.id: PASSWORD for user in self.people}
        self.open: dict[str, set[str]] = {user.id: set() for user in self.people}
        self.closed: dict[str, set[str]] = {user.id: set() for user in self.people}
        self.proved: set[str] = set()
        self.good: dict[str, tuple[str, Purpose, datetime]] = {}
        self.sequence = 0

    @rule(target=resets, who=st.sampled_from([0, 1]))
    def mail_a_reset(self, who: int) -> tuple[str, str]:
        return self._mailed(reset_token(self.auth, self.people[who]), who, Purpose.PASSWORD_RESET)

    @rule(target=verifications, who=st.sampled_from([0, 1]))
    def mail_a_verification(self, who: int) -> tuple[str, str]:
        token = self.auth.token_links.create(Purpose.EMAIL_VERIFICATION, self.people[who].id)
        assert (token is None) == (self.people[who].id in self.proved)
        return self._mailed(token or "none", who, Purpose.EMAIL_VERIFICATION)

    def _mailed(self, token: str, who: int, purpose: Purpose) -> tuple[str, str]:
        user_id = self.people[who].id
        if token != "none":
            self.good[token] = (user_id, purpose, self.clock() + purpose.lifetime)
        return token, user_id

    @rule(link=resets)
    def follow_a_reset(self, link: tuple[str, str]) -> None:
        token, user_id = link
        self.sequence += 1
        wanted = f"password {self.sequence}"
        if not self._is_good(token):
            with pytest.raises(Invalid):
                self.auth.recovery.reset_password(token, wanted)
            return
        self.auth.recovery.reset_password(token, wanted)
        self._password_became(user_id, wanted)
        self.closed[user_id] |= self.open[user_id]
        self.open[user_id] = set()
        self.proved.add(user_id)

    @rule(link=verifications)
    def follow_a_verification(self, link: tuple[str, str]) -> None:
        token, user_id = link
        if not self._is_good(token):
            with pytest.raises(Invalid):
                self.auth.recovery.verify_email(token, None)
            return
        self.auth.recovery.verify_email(token, None)
        del self.good[token]
        self.proved.add(user_id)

    @rule(link=resets)
    def follow_a_reset_as_a_verification(self, link: tuple[str, str]) -> None:
        with pytest.raises(Invalid):
            self.auth.recovery.verify_email(link[0], None)

    @rule(link=verifications)
    def follow_a_verification_as_a_reset(self, link: tuple[str, str]) -> None:
        with pytest.raises(Invalid):
            self.auth.recovery.reset_password(link[0], "whatever it is")

    @rule(who=st.sampled_from([0, 1]))
    def sign_in(self, who: int) -> None:
        user = self.people[who]
        self.open[user.id].add(session_of(self.auth, user, self.passwords[user.id]))

    @rule(who=st.sampled_from([0, 1]))
    def change_the_password(self, who: int) -> None:
        user = self.people[who]
        if not self.open[user.id]:
            return
        kept = min(self.open[user.id])
        self.sequence += 1
        wanted = f"password {self.sequence}"
        caller = self.auth.caller(kept, user)
        _, tokens, _ = self.auth.service.change_password(
            caller, self.passwords[user.id], wanted, SENDER
        )
        self._password_became(user.id, wanted)
        self.closed[user.id] |= self.open[user.id]
        self.open[user.id] = {tokens.session_id}

    @rule(minutes=st.sampled_from([1, 29, 31, 60 * 47]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))

    def _is_good(self, token: str) -> bool:
        return token in self.good and self.clock() < self.good[token][2]

    def _password_became(self, user_id: str, password: str) -> None:
        self.passwords[user_id] = password
        self.good = {
            token: (owner, purpose, ends)
            for token, (owner, purpose, ends) in self.good.items()
            if owner != user_id or purpose is not Purpose.PASSWORD_RESET
        }

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        for user in self.people:
            account = self.auth.accounts.find(user.id)
            assert account is not None
            assert account.password_hash == f"hash of {self.passwords[user.id]}"
            assert account.user.email_verified == (user.id in self.proved)
            for session in self.closed[user.id]:
                assert not self.auth.sessions.is_open(session, user.id)


TestAnyOrder = AnyOrder.TestCase
