"""The use cases of accounts and address books, also for other domains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from auth.model import Account, AddressBook, FullName, SavedAddress, User
from auth.ports import Accounts, AddressBooks
from supermarket.errors import Unauthenticated
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, run_once
from supermarket.preconditions import IfMatch
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import AddWrites, BeginTransaction, Transaction, add_nothing

# an attempt fails only when another change of the book was written first; 20 concurrent additions
# to an empty book all succeed
ATTEMPTS = 25

BOOK_CHANGED = "Your address book was changed at the same time. Try again."


@dataclass(frozen=True)
class AccountService:
    """Finds users, and manages their address books. It reads no password."""

    accounts: Accounts
    address_books: AddressBooks
    idempotency_keys: IdempotencyKeys
    begin: BeginTransaction

    def user(self, user_id: str) -> User:
        """Return the user as stored. Raises Unauthenticated when the account was deleted."""
        return require_account(self.accounts, user_id).user

    def change_profile(self, user_id: str, name: FullName | None, phone: str | None) -> User:
        """Replace the full name and the phone number, unless they are None; a blank number is
        removed.
        """
        return retry_on_conflict(lambda: self._change_profile(user_id, name, phone))

    def _change_profile(self, user_id: str, name: FullName | None, phone: str | None) -> User:
        account = require_account(self.accounts, user_id)
        user = account.user
        new_phone = user.phone if phone is None else phone or None
        user = replace(user, full_name=name or user.full_name, phone=new_phone)
        if user != account.user:
            transaction = self.begin()
            self.accounts.change(account, replace(account, user=user), transaction, StaleWrite())
            transaction.commit()
        return user

    def address_book(self, user_id: str) -> AddressBook:
        return self.address_books.of(user_id)

    def address_of(self, user_id: str, address_id: str) -> SavedAddress:
        """Return an address of the user's own book. Raises NotFound."""
        return self.address_books.of(user_id).find(address_id)

    def add_address(
        self,
        user_id: str,
        added: SavedAddress,
        *,
        make_default: bool,
        key: IdempotencyKey | None = None,
    ) -> tuple[SavedAddress, AddressBook]:
        """Add an address to the book; returns both. The same key returns the address that it added
        first. Raises Conflict when the book is full.
        """

        def save_key(transaction: Transaction) -> None:
            if key:
                self.idempotency_keys.save_result(key, added.id, transaction)

        def add() -> tuple[SavedAddress, AddressBook]:
            change = partial(AddressBook.add, address=added, make_default=make_default)
            return added, self._change(user_id, change, save_key)

        def find(address_id: str) -> tuple[SavedAddress, AddressBook]:
            book = self.address_books.of(user_id)
            return book.find(address_id), book

        return run_once(self.idempotency_keys, key, add, find)

    def change_address(
        self,
        user_id: str,
        address_id: str,
        changes: Mapping[str, str],
        *,
        make_default: bool,
        if_match: IfMatch | None = None,
    ) -> AddressBook:
        """Replace fields of an address. Raises NotFound, Invalid when they do not fit together, and
        PreconditionFailed when the address has another version.
        """

        def change(book: AddressBook) -> AddressBook:
            if if_match:
                if_match.check(book.find(address_id).version)
            return book.change(address_id, changes, make_default=make_default)

        return self._change(user_id, change)

    def delete_address(self, user_id: str, address_id: str) -> AddressBook:
        """Remove an address from the book. Raises NotFound."""
        return self._change(user_id, lambda book: book.remove(address_id))

    def _change(
        self,
        user_id: str,
        change: Callable[[AddressBook], AddressBook],
        also: AddWrites = add_nothing,
    ) -> AddressBook:
        def attempt() -> AddressBook:
            changed = change(self.address_books.of(user_id))
            if not self.address_books.replace(changed, also):
                raise StaleWrite(BOOK_CHANGED)
            return changed

        return retry_on_conflict(attempt, attempts=ATTEMPTS)


def require_account(accounts: Accounts, user_id: str) -> Account:
    """Return an account. Raises Unauthenticated when it was deleted."""
    account = accounts.find(user_id)
    if account is None:
        raise Unauthenticated("This account does not exist any more")
    return account
