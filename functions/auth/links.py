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

    def create(self, purpose: Purpose, user_id: str) -> str | None:
        """Return a token; None without an account, or when its address is verified already."""
        account = self.accounts.find(user_id)
        if account is None or not account.needs_link(purpose):
            return None
        token = self.new_token()
        self.links.add(Link.to(account, purpose, token, self.clock()))
        return token
