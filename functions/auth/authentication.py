"""The use cases of registration and of sign-ins."""

from dataclasses import dataclass, field, replace

from auth.events import NEW_DEVICE, PASSWORD_CHANGE, to_account_changed, to_user_registered
from auth.guesses import Sender, device_cookie, known_device
from auth.model import Account, FullName, User
from auth.password_checks import PasswordChecks
from auth.password_rules import check_new_password
from auth.ports import Accounts, Passwords
from auth.second_factor import challenge
from auth.service import require_account
from auth.sign_ins import SignIn, SignIns
from supermarket.audit import AuditTrail
from supermarket.caller import Caller, Role, Status
from supermarket.clock import Clock, NewId
from supermarket.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    Unauthenticated,
)
from supermarket.sessions import Sessions
from supermarket.transaction import BeginTransaction

OPERATOR = "operator"

INVALID_CREDENTIALS = "Invalid credentials"
SUSPENDED = "This account is suspended"
WRONG_PASSWORD = "The current password is wrong"  # noqa: S105 - a message
ACCOUNT_CHANGED = "Your account was changed at the same time. Try again."


@dataclass(frozen=True)
class Registration:
    """The data of a new account."""

    username: str
    email: str
    password: str = field(repr=False)
    full_name: FullName
    role: Role


@dataclass(frozen=True)
class RegistrationService:
    """Creates accounts."""

    accounts: Accounts
    passwords: Passwords
    audit: AuditTrail
    begin: BeginTransaction
    clock: Clock
    new_id: NewId
    sellers_need_approval: bool = False

    def register(self, registration: Registration) -> User:
        """Create an account as `open_account` does, and return its user."""
        return self.open_account(registration).user

    def open_account(self, registration: Registration) -> Account:
        """Create an account. Raises Conflict with the fields that are taken, and Invalid for a
        password that is easy to guess.
        """
        user = User(
            id=self.new_id(),
            username=registration.username,
            email=registration.email,
            full_name=registration.full_name,
            role=registration.role,
            created_at=self.clock(),
            status=self._first_status(registration.role),
        )
        check_new_password(registration.password, user, self.passwords)
        account = Account(user, self.passwords.hash(registration.password))
        transaction = self.begin()
        self.accounts.add(account, transaction)
        if user.role is Role.ADMIN:
            # only an operator's command creates admins; Lambdas may not write to the audit trail
            self.audit.record(
                transaction,
                subject=f"user#{user.id}",
                action="admin created",
                actor=OPERATOR,
                before={},
                after={"username": user.username, "role": user.role.value},
            )
        transaction.emit(to_user_registered(user))
        transaction.commit()
        return account

    def _first_status(self, role: Role) -> Status:
        waits = role is Role.SELLER and self.sellers_need_approval
        return Status.PENDING if waits else Status.ACTIVE


@dataclass(frozen=True)
class Challenge:
    """A sign-in that lacks its second step, for which these methods can be used."""

    token: str = field(repr=False)
    methods: tuple[str, ...]


@dataclass(frozen=True)
class AuthService:
    """Signs people in and out."""

    accounts: Accounts
    passwords: Passwords
    checks: PasswordChecks
    sessions: Sessions
    sign_ins: SignIns
    begin: BeginTransaction

    def log_in(
        self,
        email: str | None,
        username: str | None,
        password: str,
        sender: Sender,
        client: str = "",
    ) -> SignIn | Challenge:
        """Sign in with an email, or else a username, and the password; returns the user, the tokens
        and the cookie of a known device. `client` is the user agent. An account with a second
        factor is asked for it: a challenge is returned instead.

        Raises Unauthenticated with the same message for every fault, and after the same time for an
        unknown name as for a wrong password; Forbidden when the account is suspended; TooMany after
        too many failures.
        """
        account = self._find(email, username)
        is_valid = self.checks.check(account, email or username or "", password, sender)
        if account is None or not is_valid:
            raise Unauthenticated(INVALID_CREDENTIALS)
        if account.user.status is Status.SUSPENDED:
            raise Forbidden(SUSPENDED)
        if account.user.mfa:
            return Challenge(challenge(account, self.sign_ins.clock()), account.user.mfa)
        return self.sign_in(account, sender, client)

    def sign_in(self, account: Account, sender: Sender, client: str) -> SignIn:
        """Open a session of an account whose owner has proven to be there."""
        tokens = self.sign_ins.open(account.user, client)
        if not self._has_password(account.password_hash, account.user.id):
            # the password was replaced during the check, which ended all sessions before this one
            self.sessions.end(tokens.session_id, account.user.id)
            raise Unauthenticated(INVALID_CREDENTIALS)
        self._notify_of_new_device(account, sender)
        return account.user, tokens, device_cookie(account, tokens.session_id)

    def sign_out(self, session_id: str, user_id: str) -> None:
        """End a session."""
        self.sessions.end(session_id, user_id)

    def sign_out_everywhere(self, user_id: str) -> None:
        """End all sessions of a user."""
        transaction = self.begin()
        self.sessions.end_all(user_id, transaction)
        transaction.commit()

    def change_password(
        self, caller: Caller, current: str, new: str, sender: Sender, client: str = ""
    ) -> SignIn:
        """Replace the password and all sessions; returns the user, the tokens of the new session
        and the cookie of a known device. Raises Invalid when `current` is wrong or `new` is easy to
        guess, and TooMany after too many failures.
        """
        account = require_account(self.accounts, caller.user_id)
        check_new_password(new, account.user, self.passwords, "newPassword")
        if not self.checks.check(account, account.user.email, current, sender):
            raise Invalid(WRONG_PASSWORD, (FieldError("currentPassword", "is wrong"),))
        changed = replace(account, password_hash=self.passwords.hash(new))
        transaction = self.begin()
        self.accounts.change(account, changed, transaction, Conflict(ACCOUNT_CHANGED))
        tokens = self.sign_ins.open_instead(caller.session_id, account.user, client, transaction)
        if account.user.email_verified:
            now = self.sign_ins.clock()
            transaction.emit(to_account_changed(account.user, PASSWORD_CHANGE, now))
        transaction.commit()
        return account.user, tokens, device_cookie(changed, tokens.session_id)

    def _notify_of_new_device(self, account: Account, sender: Sender) -> None:
        """Have a mail sent to the person whose account an unknown device has signed in to. An
        address that is not proven gets none: it may be another person's.
        """
        now = self.sign_ins.clock()
        if account.user.email_verified and known_device(sender.device, account, now) is None:
            transaction = self.begin()
            transaction.emit(to_account_changed(account.user, NEW_DEVICE, now))
            transaction.commit()

    def _has_password(self, password_hash: str, user_id: str) -> bool:
        account = self.accounts.find(user_id)
        return account is not None and account.password_hash == password_hash

    def _find(self, email: str | None, username: str | None) -> Account | None:
        if email is not None:
            return self.accounts.find_by_email(email)
        return self.accounts.find_by_username(username) if username is not None else None
