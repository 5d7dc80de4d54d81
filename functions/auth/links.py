"""Mailed links: whoever holds the token has read the mail, so the address is theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from auth.model import Account, Link, Purpose
from auth.service import Accounts
from supermarket.clock import Clock
from supermarket.errors import DomainError
from supermarket.transaction import Transaction

type NewToken = Callable[[], str]


class Links(Protocol):
    """The links that were mailed and may still be followed."""

    def add(self, link: Link) -> None: ...

    def find(self, purpose: Purpose, token_digest: str) -> Link | None:
        """The link for this purpose with this token; it may have run out."""

    def use_up(self, link: Link, transaction: Transaction, refused: DomainError) -> None:
        """Remove it, so that it is followed once only, however many try at the same time."""


@dataclass(frozen=True)
class LinkMinter:
    """Makes the tokens of links.

    A new link does not end the earlier ones: mails overtake each other, and a mail that is sent
    again carries another link. They end with their time, and resets with the password.
    """

    accounts: Accounts
    links: Links
    new_token: NewToken
    clock: Clock

    def email_verification(self, user_id: str) -> str | None:
        """A token that proves the user's address; None when there is nobody, or no doubt."""
        account = self.accounts.find(user_id)
        if account is None or account.user.email_verified:
            return None
        return self._mint(account, Purpose.EMAIL_VERIFICATION)

    def password_reset(self, user_id: str) -> str | None:
        """A token that may replace the user's password; None when there is no such user."""
        account = self.accounts.find(user_id)
        return self._mint(account, Purpose.PASSWORD_RESET) if account else None

    def _mint(self, account: Account, purpose: Purpose) -> str:
        token = self.new_token()
        self.links.add(Link.to(account, purpose, token, self.clock()))
        return token
