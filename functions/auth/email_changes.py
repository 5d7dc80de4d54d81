"""The use cases of another email address: request the change, prove the address, undo it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from auth.events import to_email_change_requested, to_email_changed, to_link_requested
from auth.guesses import Sender
from auth.model import MAX_MAILS, MAX_MAILS_OF_STRANGERS, Purpose
from auth.password_checks import PasswordChecks
from auth.ports import Accounts, AddressBooks, Links, MailLimits, Passwords
from auth.proofs import INVALID_LINK, find_link, prove
from auth.recovery import HOUR_SECONDS, TOO_MANY_MAILS
from auth.service import require_account
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.errors import FieldError, Invalid, TooMany
from supermarket.retry import retry_on_conflict
from supermarket.sessions import Sessions
from supermarket.transaction import BeginTransaction


@dataclass(frozen=True)
class EmailChanges:
    """Replaces the address of an account by one that its owner proves."""

    accounts: Accounts
    address_books: AddressBooks
    links: Links
    limits: MailLimits
    passwords: Passwords
    checks: PasswordChecks
    sessions: Sessions
    begin: BeginTransaction
    new_secret: Callable[[], str]
    clock: Clock

    def request(self, caller: Caller, email: str, password: str, sender: Sender) -> None:
        """Request a mail with a link to the new address. An address that another account has is
        sent none, which the caller cannot find out. Raises Invalid when the password is wrong, and
        TooMany after too many failures or mails.
        """
        account = require_account(self.accounts, caller.user_id)
        if not self.checks.check(account, account.user.email, password, sender):
            fault = FieldError("password", "is wrong")
            raise Invalid("The password is wrong", (fault,))
        if email == account.user.email:
            fault = FieldError("email", "is your address already")
            raise Invalid("This is your address already", (fault,))
        transaction = self.begin()
        refusal = TooMany(TOO_MANY_MAILS, HOUR_SECONDS)
        purpose = Purpose.EMAIL_CHANGE
        self.limits.count(purpose, caller.user_id, MAX_MAILS, transaction, refusal)
        self.limits.count(purpose, email, MAX_MAILS_OF_STRANGERS, transaction, refusal)
        if self.accounts.find_by_email(email) is None:
            transaction.emit(to_email_change_requested(caller.user_id, email))
        transaction.commit()

    def confirm(self, token: str, follower: Caller | None) -> None:
        """Replace the address by the one that the link was mailed to. A verified address before it
        gets a notice. Raises Invalid, and Conflict when another account has the address by now.
        """
        retry_on_conflict(lambda: self._confirm(token, follower))

    def _confirm(self, token: str, follower: Caller | None) -> None:
        now = self.clock()
        link, account = find_link(self.links, self.accounts, Purpose.EMAIL_CHANGE, token, now)
        before = account.user
        is_own = follower is not None and follower.user_id == before.id
        transaction = self.begin()
        self.links.consume(link, transaction, Invalid(INVALID_LINK))
        changed = prove(account, self.address_books, transaction, keeps_data=is_own)
        # from the user before: an address is undone to only if it was verified itself
        user = replace(
            before.with_email(link.email, now), phone=changed.user.phone, mfa=changed.user.mfa
        )
        self.accounts.change(
            account, replace(account, user=user), transaction, Invalid(INVALID_LINK)
        )
        if user.email_undo and user.email_undo.email == before.email:
            transaction.emit(to_email_changed(before))
        transaction.commit()

    def undo(self, token: str) -> None:
        """Return to the address before the change, and lock out the one who changed it: all
        sessions end, a second factor is removed, and the password is replaced by one that nothing
        fits. The owner is sent a link to choose another. Raises Invalid.
        """
        now = self.clock()
        link, account = find_link(self.links, self.accounts, Purpose.EMAIL_UNDO, token, now)
        user = replace(account.user, email=link.email, email_verified=True, email_undo=None, mfa=())
        locked = replace(account, user=user, password_hash=self.passwords.hash(self.new_secret()))
        transaction = self.begin()
        self.links.consume(link, transaction, Invalid(INVALID_LINK))
        self.accounts.change(account, locked, transaction, Invalid(INVALID_LINK))
        self.sessions.end_all(user.id, transaction)
        transaction.emit(to_link_requested(Purpose.PASSWORD_RESET, user))
        transaction.commit()
