"""Tokens of mailed links. The holder of a token has read the mail, which proves the address."""

from collections.abc import Callable
from dataclasses import dataclass

from auth.model import Link, Purpose
from auth.ports import Accounts, Links
from supermarket.clock import Clock


@dataclass(frozen=True)
class TokenLinks:
    """Creates the tokens of links.

    A new link does not invalidate earlier ones: mails overtake each other, and a mail that is sent
    again carries another link. Links expire, and resets end with the password.
    """

    accounts: Accounts
    links: Links
    new_token: Callable[[], str]
    clock: Clock

    def create(self, purpose: Purpose, user_id: str, email: str | None = None) -> str | None:
        """Return a token for a mail to `email`, by default the account's address; None without an
        account, or when the link would have no effect.
        """
        account = self.accounts.find(user_id)
        address = email or (account.user.email if account else "")
        if account is None or not account.needs_link(purpose, address):
            return None
        token = self.new_token()
        self.links.add(Link.to(account, purpose, token, self.clock(), address))
        return token
