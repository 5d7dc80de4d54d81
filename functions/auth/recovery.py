"""What mailed links are for: proving an address, and replacing a forgotten password."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from auth.links import Links
from auth.model import Account, Link, Purpose, digest
from auth.service import Accounts, Passwords
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.contracts import EmailVerificationRequested, Event, PasswordResetRequested
from supermarket.errors import DomainError, Invalid, TooMany
from supermarket.sessions import Sessions
from supermarket.transaction import BeginTransaction, Transaction

VOID = "This link is not valid any more, or never was. Ask for a new one."
AN_HOUR = 3600
ENOUGH_MAILS = "You were sent several mails already. Look for the newest, or try again later."


class MailLimits(Protocol):
    """How many mails an address was sent."""

    def count(
        self, purpose: Purpose, email: str, transaction: Transaction, refused: DomainError
    ) -> None:
        """One more, if the transaction commits; refused when it would be too many."""


@dataclass(frozen=True)
class Recovery:
    """Asks for mails with links, and does what the links are for."""

    accounts: Accounts
    links: Links
    limits: MailLimits
    passwords: Passwords
    sessions: Sessions
    begin: BeginTransaction
    clock: Clock

    def request_reset(self, email: str) -> None:
        """Ask for a mail with which the owner of this address can choose another password."""
        self._request(Purpose.PASSWORD_RESET, email, _reset_requested)

    def request_verification(self, email: str) -> None:
        """Ask for another mail that proves this address, unless it is proved already."""
        self._request(Purpose.EMAIL_VERIFICATION, email, _verification_requested)

    def _request(self, purpose: Purpose, email: str, fact: Callable[[Account], Event]) -> None:
        """Nothing tells whether there is an account: strangers are looked up, counted and limited
        alike.
        """
        account = self.accounts.find_by_email(email)
        transaction = self.begin()
        self.limits.count(purpose, email, transaction, TooMany(ENOUGH_MAILS, AN_HOUR))
        if account and not (purpose is Purpose.EMAIL_VERIFICATION and account.user.email_verified):
            transaction.emit(fact(account))
        try:
            transaction.commit()
        except TooMany:
            telemetry.logger.info("no mail: enough were sent to this address")

    def verify_email(self, token: str) -> None:
        """The address is its owner's, who has read the mail; Invalid when the link is no good.

        The link has no second effect, so whoever follows it twice need not be frightened.
        """
        _, account = self._followed(Purpose.EMAIL_VERIFICATION, token)
        if account.user.email_verified:
            return
        transaction = self.begin()
        self.accounts.change(account, _verified(account), transaction, Invalid(VOID))
        transaction.commit()

    def reset_password(self, token: str, password: str) -> None:
        """Replace the password and end all sessions; Invalid when the link is no good.

        Whoever can follow the link has read the mail, so the address is verified, too.
        """
        link, account = self._followed(Purpose.PASSWORD_RESET, token)
        password_hash = self.passwords.hash(password)
        changed = replace(_verified(account), password_hash=password_hash)
        transaction = self.begin()
        self.links.use_up(link, transaction, Invalid(VOID))
        self.accounts.change(account, changed, transaction, Invalid(VOID))
        self.sessions.end_all(account.user.id, transaction)
        transaction.commit()

    def _followed(self, purpose: Purpose, token: str) -> tuple[Link, Account]:
        """The link with this token and the account that it is for; Invalid unless it is good."""
        link = self.links.find(purpose, digest(token))
        account = self.accounts.find(link.user_id) if link else None
        if link is None or account is None or not link.is_good_for(account, self.clock()):
            raise Invalid(VOID)
        return link, account


def _verified(account: Account) -> Account:
    return replace(account, user=replace(account.user, email_verified=True))


def _reset_requested(account: Account) -> PasswordResetRequested:
    user = account.user
    return PasswordResetRequested(
        user_id=user.id, email=user.email, first_name=user.full_name.first
    )


def _verification_requested(account: Account) -> EmailVerificationRequested:
    user = account.user
    return EmailVerificationRequested(
        user_id=user.id, email=user.email, first_name=user.full_name.first
    )
