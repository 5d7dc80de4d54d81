"""The use cases of mailed links: verify an address, reset a password."""

from dataclasses import dataclass, replace

from auth.events import PASSWORD_CHANGE, to_account_changed, to_link_requested
from auth.guesses import Sender, device_cookie, known_device
from auth.model import (
    MAX_MAILS,
    MAX_MAILS_OF_STRANGERS,
    Account,
    Link,
    Purpose,
)
from auth.password_rules import check_new_password
from auth.ports import Accounts, AddressBooks, Links, MailLimits, Passwords
from auth.proofs import INVALID_LINK, find_link, prove
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId
from supermarket.errors import Invalid, TooMany
from supermarket.retry import retry_on_conflict
from supermarket.sessions import Sessions
from supermarket.transaction import BeginTransaction, Transaction

HOUR_SECONDS = 3600
TOO_MANY_MAILS = "Too many mails were sent to this address. Try again later."


@dataclass(frozen=True)
class Recovery:
    """Requests mails with links, and acts on links that are followed."""

    accounts: Accounts
    address_books: AddressBooks
    links: Links
    limits: MailLimits
    passwords: Passwords
    sessions: Sessions
    begin: BeginTransaction
    clock: Clock
    new_id: NewId

    def request(self, purpose: Purpose, email: str, sender: Sender) -> None:
        """Request a mail with a link, if the account of this address needs one. Unknown addresses
        take the same steps and count towards the same limits, so that callers cannot find out which
        addresses have accounts.
        """
        account = self.accounts.find_by_email(email)
        transaction = self.begin()
        self._count(purpose, email, account, sender, transaction)
        if account and account.needs_link(purpose, account.user.email):
            transaction.emit(to_link_requested(purpose, account.user))
        try:
            transaction.commit()
        except TooMany:
            telemetry.logger.info("mail limit of the address exceeded")

    def verify_email(self, token: str, follower: Caller | None) -> None:
        """Mark the address as verified; the link works once. Raises Invalid.

        A `follower` who is signed in to this account registered it, and keeps what is saved in it.
        """
        retry_on_conflict(lambda: self._verify_email(token, follower))

    def _verify_email(self, token: str, follower: Caller | None) -> None:
        link, account = self._find(Purpose.EMAIL_VERIFICATION, token)
        is_own = follower is not None and follower.user_id == account.user.id
        transaction = self.begin()
        verified = prove(account, self.address_books, transaction, keeps_data=is_own)
        self.links.consume(link, transaction, Invalid(INVALID_LINK))
        if verified != account:
            self.accounts.change(account, verified, transaction, Invalid(INVALID_LINK))
        transaction.commit()

    def reset_password(self, token: str, password: str) -> str:
        """Replace the password, end all sessions and verify the address, which the link proves.
        Returns the cookie of a known device. Raises Invalid.
        """
        link, account = self._find(Purpose.PASSWORD_RESET, token)
        check_new_password(password, account.user, self.passwords)
        password_hash = self.passwords.hash(password)
        return retry_on_conflict(lambda: self._reset_password(link, account, password_hash))

    def _reset_password(self, link: Link, account: Account, password_hash: str) -> str:
        transaction = self.begin()
        proven = prove(account, self.address_books, transaction, keeps_data=False)
        changed = replace(proven, password_hash=password_hash)
        self.links.consume(link, transaction, Invalid(INVALID_LINK))
        self.accounts.change(account, changed, transaction, Invalid(INVALID_LINK))
        self.sessions.end_all(account.user.id, transaction)
        transaction.emit(to_account_changed(changed.user, PASSWORD_CHANGE, self.clock()))
        transaction.commit()
        return device_cookie(changed, self.new_id())

    def _count(
        self,
        purpose: Purpose,
        email: str,
        account: Account | None,
        sender: Sender,
        transaction: Transaction,
    ) -> None:
        """Count a mail for its asker and, unless the account knows the device, for its address:
        strangers cannot use up the mails of the owner.
        """
        refusal = TooMany(TOO_MANY_MAILS, HOUR_SECONDS)
        device = known_device(sender.device, account, self.clock())
        asker = f"{email}\n{device or sender.client}"
        self.limits.count(purpose, asker, MAX_MAILS, transaction, refusal)
        if device is None:
            self.limits.count(purpose, email, MAX_MAILS_OF_STRANGERS, transaction, refusal)

    def _find(self, purpose: Purpose, token: str) -> tuple[Link, Account]:
        return find_link(self.links, self.accounts, purpose, token, self.clock())
