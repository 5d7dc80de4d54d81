"""What mailed links are for: proving an address, and replacing a forgotten password."""

from dataclasses import dataclass, replace
from typing import Protocol

from auth.links import Links
from auth.model import Account, Link, Purpose, digest
from auth.service import Accounts, Passwords
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.contracts import EmailVerificationRequested, PasswordResetRequested
from supermarket.errors import Conflict, DomainError, Invalid, TooMany, Unauthenticated
from supermarket.sessions import Sessions
from supermarket.transaction import BeginTransaction, Transaction

VOID = "This link is not valid any more, or never was. Ask for a new one."
VERIFIED_ALREADY = "Your email address is confirmed already"
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
        """Ask for a mail to the owner of this address.

        Nothing tells whether there is one: strangers are looked up, counted and limited alike.
        """
        account = self.accounts.find_by_email(email)
        transaction = self.begin()
        self.limits.count(Purpose.PASSWORD_RESET, email, transaction, TooMany(ENOUGH_MAILS))
        if account:
            transaction.emit(_reset_requested(account))
        try:
            transaction.commit()
        except TooMany:
            telemetry.logger.info("no mail: enough were sent to this address")

    def request_verification(self, user_id: str) -> None:
        """Ask for another mail; Conflict when the address is verified, TooMany when it got enough
        mails.
        """
        account = self.accounts.find(user_id)
        if account is None:
            raise Unauthenticated("This account is not there any more")
        user = account.user
        if user.email_verified:
            raise Conflict(VERIFIED_ALREADY)
        transaction = self.begin()
        enough = TooMany(ENOUGH_MAILS)
        self.limits.count(Purpose.EMAIL_VERIFICATION, user.email, transaction, enough)
        transaction.emit(_verification_requested(account))
        transaction.commit()

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
