"""The use cases of second factors: enrol an app, confirm it, remove it, and sign in with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from auth.events import FACTOR_ADDED, FACTOR_REMOVED, to_account_changed
from auth.guesses import Sender
from auth.model import Account, User
from auth.password_checks import PasswordChecks
from auth.ports import Accounts, SecondFactors
from auth.second_factor import (
    RECOVERY_CODES,
    TOTP,
    SecondFactor,
    as_recovery_code,
    as_secret,
    challenged_user,
    is_challenge,
)
from auth.service import require_account
from auth.sign_ins import SignIn
from supermarket.audit import AuditTrail
from supermarket.caller import Caller
from supermarket.clock import Clock, is_id
from supermarket.errors import Conflict, FieldError, Invalid, NotFound, Unauthenticated
from supermarket.retry import StaleWrite
from supermarket.sessions import Sessions
from supermarket.transaction import BeginTransaction, Transaction

SECRET_BYTES, RECOVERY_BYTES = 20, 10
WRONG_CODE = "The code is wrong or was used already"
CHALLENGE_ENDED = "This sign-in has expired. Start again."
ENROLLED = "A second factor is set up already: remove it first"
NOT_ENROLLED = "No second factor is set up"
WRONG_PASSWORD = "The password is wrong"  # noqa: S105 - a message

type Write = Callable[[SecondFactor, Transaction], None]


@dataclass(frozen=True)
class SecondFactorService:
    """Manages the second factors of people. `sign_in` opens a session of an account for a user
    agent. Codes have a limit of failures of their own: a right password does not reset it.
    """

    accounts: Accounts
    factors: SecondFactors
    checks: PasswordChecks
    sessions: Sessions
    sign_in: Callable[[Account, Sender, str], SignIn]
    begin: BeginTransaction
    random: Callable[[int], bytes]
    clock: Clock

    def enrol(self, caller: Caller) -> tuple[SecondFactor, User]:
        """Make the secret of an app, which works once it is confirmed. Raises SignInAgain, and
        Conflict when there is a second factor.
        """
        caller.require_recent_sign_in(self.clock())
        account = require_account(self.accounts, caller.user_id)
        if TOTP in account.user.mfa:
            raise Conflict(ENROLLED)
        present = self.factors.find(caller.user_id)  # unconfirmed, or no longer in use
        version = present.version if present else 0
        secret = as_secret(self.random(SECRET_BYTES))
        factor = SecondFactor(caller.user_id, secret, version=version)
        transaction = self.begin()
        self._replace(factor, transaction)
        transaction.commit()
        return factor, account.user

    def confirm(self, caller: Caller, code: str) -> Sequence[str]:
        """Have sign-ins ask for the app's codes from now on; returns the recovery codes, which are
        not shown again. Raises SignInAgain, NotFound, Conflict and Invalid.
        """
        caller.require_recent_sign_in(self.clock())
        factor = self.factors.find(caller.user_id)
        if factor is None:
            raise NotFound(NOT_ENROLLED)
        if factor.is_confirmed:
            raise Conflict(ENROLLED)
        codes = [as_recovery_code(self.random(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
        confirmed = factor.confirm(code, codes, self.clock())
        if confirmed is None:
            raise _wrong("code", WRONG_CODE)
        transaction = self.begin()
        self._replace(confirmed, transaction)
        _change_methods(self, caller.user_id, (TOTP,), transaction)
        transaction.commit()
        return codes

    def remove(self, caller: Caller, password: str, code: str, sender: Sender) -> None:
        """Remove the second factor. Raises NotFound, Invalid for a wrong password or code, and
        TooMany after too many failures.
        """
        account = require_account(self.accounts, caller.user_id)
        if TOTP not in account.user.mfa:
            raise NotFound(NOT_ENROLLED)
        if not self.checks.check(account, account.user.email, password, sender):
            raise _wrong("password", WRONG_PASSWORD)
        if not self._has_used(account, code, sender, self._remove):
            raise _wrong("code", WRONG_CODE)

    def complete_sign_in(self, token: str, code: str, sender: Sender, client: str) -> SignIn:
        """Sign in with the token of a checked password and a code of the app, or a recovery code.
        Raises Unauthenticated, and TooMany after too many failures.
        """
        user_id = challenged_user(token)
        account = self.accounts.find(user_id) if is_id(user_id) else None
        if account is None or not is_challenge(token, account, self.clock()):
            raise Unauthenticated(CHALLENGE_ENDED)
        if not self._has_used(account, code, sender, self._replace):
            raise Unauthenticated(WRONG_CODE)
        return self.sign_in(account, sender, client)

    def _has_used(self, account: Account, code: str, sender: Sender, write: Write) -> bool:
        """Use up a code, with what `write` adds; returns whether it was right. Each attempt counts,
        and of two that send the same code one succeeds.
        """
        return self.checks.check_code(account, lambda: self._use(account, code, write), sender)

    def _use(self, account: Account, code: str, write: Write) -> bool:
        factor = self.factors.find(account.user.id)
        used = factor.use(code, self.clock()) if factor and factor.is_confirmed else None
        if used is None:
            return False
        transaction = self.begin()
        write(used, transaction)
        try:
            transaction.commit()
        except StaleWrite:
            return False
        return True

    def _replace(self, factor: SecondFactor, transaction: Transaction) -> None:
        self.factors.replace(factor, transaction, StaleWrite())

    def _remove(self, factor: SecondFactor, transaction: Transaction) -> None:
        self.factors.remove(factor, transaction, StaleWrite())
        _change_methods(self, factor.user_id, (), transaction)


@dataclass(frozen=True)
class SecondFactorReset:
    """Removes second factors of people who have lost app and recovery codes, for an operator who
    has made sure who asks.
    """

    accounts: Accounts
    factors: SecondFactors
    sessions: Sessions
    audit: AuditTrail
    begin: BeginTransaction
    clock: Clock

    def remove(self, user_id: str, actor: str) -> None:
        """Let a person sign in with the password alone. Raises NotFound."""
        factor = self.factors.find(user_id)
        if factor is None or not factor.is_confirmed:
            raise NotFound(NOT_ENROLLED)
        transaction = self.begin()
        self.factors.remove(factor, transaction, StaleWrite())
        _change_methods(self, user_id, (), transaction)
        self.audit.record(
            transaction,
            subject=f"user#{user_id}",
            action="second factor removed",
            actor=actor,
            before={},
            after={},
        )
        transaction.commit()


def _change_methods(
    service: SecondFactorService | SecondFactorReset,
    user_id: str,
    methods: tuple[str, ...],
    transaction: Transaction,
) -> None:
    """Write the methods of an account, where sign-ins and requests read them, and have a mail sent
    to its owner.
    """
    account = require_account(service.accounts, user_id)
    user = replace(account.user, mfa=methods)
    service.accounts.change(account, replace(account, user=user), transaction, StaleWrite())
    service.sessions.change_second_factor(user_id, transaction, has_one=bool(methods))
    change = FACTOR_ADDED if methods else FACTOR_REMOVED
    transaction.emit(to_account_changed(user, change, service.clock()))


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, (FieldError(field, "is wrong"),))
