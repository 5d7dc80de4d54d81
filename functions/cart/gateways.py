"""The accounts of the auth domain, behind the cart's own port."""

from auth.service import AuthService
from supermarket.errors import Unauthenticated
from supermarket.people import Recipient


class AccountHolders:
    """`Customers` as the auth domain knows them."""

    def __init__(self, accounts: AuthService) -> None:
        self._accounts = accounts

    def find(self, user_id: str) -> Recipient | None:
        try:
            user = self._accounts.user(user_id)
        except Unauthenticated:  # what auth says of an account that is gone
            return None
        return Recipient(user.id, user.email, user.full_name.first)
