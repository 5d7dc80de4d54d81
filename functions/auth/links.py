"""Tokens of mailed links. The holder of a token has read the mail, which proves the address."""

from collections.abc import Callable
from dataclasses import dataclass

from auth.model import Account, Link, Purpose
from auth.ports import Accounts, Links
from supermarket.clock import Clock

type NewToken = Callable[[], str]


@dataclass(frozen=True)
class TokenLinks:
    """Creates the tokens of links.

    A new link does not invalidate earlier ones: mails overtake each other, and a mail that is sent
    again carries another link. Links expire, and resets end with the password.
    """

    accounts: Accounts
    links: Links
    new_token: NewToken
    clock: Clock

    def email_verification(self, user_id: str) -> str | None:
        """Return a token that verifies the user's address; None without an account, or when the
        address is verified already.
        """
        account = self.accounts.find(user_id)
        if account is None or account.user.email_verified:
            return None
        return self._create(account, Purpose.EMAIL_VERIFICATION)

    def password_reset(self, user_id: str) -> str | None:
        """Return a token that resets the user's password; None without an account."""
        account = self.accounts.find(user_id)
        return self._create(account, Purpose.PASSWORD_RESET) if account else None

    def _create(self, account: Account, purpose: Purpose) -> str:
        token = self.new_token()
        self.links.add(Link.to(account, purpose, token, self.clock()))
        return token
