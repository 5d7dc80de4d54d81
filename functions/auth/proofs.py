"""What mailed links prove: finds the account of a link, and takes an address as proven."""

from dataclasses import replace
from datetime import datetime

from auth.model import Account, Link, Purpose, digest
from auth.ports import Accounts, AddressBooks, Links
from supermarket.errors import Invalid
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

INVALID_LINK = "This link is not valid. Request a new one."


def find_link(
    links: Links, accounts: Accounts, purpose: Purpose, token: str, now: datetime
) -> tuple[Link, Account]:
    """Return the link of a token and its account. Raises Invalid unless the link is valid."""
    link = links.find(purpose, digest(token))
    account = accounts.find(link.user_id) if link else None
    if link is None or account is None or not link.is_valid_for(account, now):
        raise Invalid(INVALID_LINK)
    return link, account


def prove(
    account: Account, books: AddressBooks, transaction: Transaction, *, keeps_data: bool
) -> Account:
    """Return the account with a verified address. What was saved in it before is deleted unless the
    owner of the address is known to have saved it: a stranger may have registered the account, and
    left an address or a second factor of their own in it. Commit raises StaleWrite when the address
    book changed.
    """
    user = account.user
    if not (user.email_verified or keeps_data):
        books.empty(user.id, transaction, StaleWrite())
        user = replace(user, phone=None, mfa=())
    return replace(account, user=replace(user, email_verified=True))
