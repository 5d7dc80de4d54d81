"""Accounts and address books, in memory and in DynamoDB alike."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from auth.model import (
    MAX_MAILS,
    UNDO_PERIOD,
    Account,
    AddressBook,
    FullName,
    Link,
    Purpose,
    SavedAddress,
    User,
    digest,
)
from auth.ports import Accounts, AddressBooks, Links, MailLimits
from auth.repository import (
    AddressBookRow,
    ClaimRow,
    CounterRow,
    DynamoAccounts,
    DynamoAddressBooks,
    DynamoLinks,
    DynamoMailLimits,
    LinkRow,
    UserRow,
)
from conftest import NOON, FrozenClock
from supermarket.caller import Role, Status
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict
from supermarket.transaction import Transaction
from support.auth import InMemoryAccounts, InMemoryAddressBooks, InMemoryLinks, InMemoryMailLimits
from support.in_memory import InMemoryOutbox
from support.lost_answers import losing_answers
from support.template import resources


@dataclass(frozen=True)
class Store:
    accounts: Accounts
    address_books: AddressBooks
    links: Links
    limits: MailLimits
    begin: Callable[[], Transaction]

    def add(self, account: Account) -> None:
        transaction = self.begin()
        self.accounts.add(account, transaction)
        transaction.commit()


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest, clock: FrozenClock) -> Store:
    if request.param == "in memory":
        return Store(
            InMemoryAccounts(),
            InMemoryAddressBooks(),
            InMemoryLinks(),
            InMemoryMailLimits(clock),
            InMemoryOutbox().begin,
        )
    request.getfixturevalue("aws")
    return Store(
        DynamoAccounts(),
        DynamoAddressBooks(),
        DynamoLinks(),
        DynamoMailLimits(clock),
        DynamoTransaction,
    )


def an_account(user_id: str, username: str, email: str) -> Account:
    born = datetime(2026, 11, 22, 12, 0, 0, 123000, tzinfo=UTC)
    return Account(
        User(user_id, username, email, FullName("Asha", "Rao"), Role.SELLER, born),
        password_hash="$2b$04$hash",
    )


def an_address(number: int, phone: str | None = None) -> SavedAddress:
    street = f"{number} MG Road"
    place = (street, "Bengaluru", "Karnataka", "560001", "IN")
    return SavedAddress(*place, id=f"a{number}", phone=phone)


def test_an_account_is_found_by_id_email_and_username_as_it_was_added(store: Store) -> None:
    account = an_account("u1", "Asha_Rao", "asha@example.com")
    store.add(account)
    assert store.accounts.find("u1") == account
    assert store.accounts.find_by_email("ASHA@example.com") == account
    assert store.accounts.find_by_username("aSHA_rao") == account


def test_an_unknown_account_is_not_found(store: Store) -> None:
    store.add(an_account("u1", "asha", "asha@example.com"))
    assert store.accounts.find("asha") is None
    assert store.accounts.find_by_email("asha") is None
    assert store.accounts.find_by_username("asha@example.com") is None


@pytest.mark.parametrize(
    ("username", "email", "at_fault"),
    [
        ("ASHA", "new@example.com", ["username"]),
        ("new", "asha@example.com", ["email"]),
        ("Asha", "asha@example.com", ["username", "email"]),
    ],
)
def test_a_taken_name_refuses_the_whole_account(
    store: Store, username: str, email: str, at_fault: list[str]
) -> None:
    store.add(an_account("u1", "asha", "asha@example.com"))
    with pytest.raises(Conflict) as conflict:
        store.add(an_account("u2", username, email))
    assert [error.field for error in conflict.value.errors] == at_fault
    assert store.accounts.find("u2") is None
    # a name that was free must stay free
    assert store.accounts.find_by_username("new") is None
    assert store.accounts.find_by_email("new@example.com") is None


def test_a_username_that_looks_like_an_email_conflicts_with_no_email(store: Store) -> None:
    store.add(an_account("u1", "a.example", "b@example.com"))
    store.add(an_account("u2", "b", "a.example@example.com"))
    assert store.accounts.find_by_username("b") != store.accounts.find_by_email("b@example.com")


def test_an_unsaved_book_is_empty(store: Store) -> None:
    assert store.address_books.of("u1") == AddressBook("u1")


def test_a_book_reads_as_it_was_written(store: Store) -> None:
    book = AddressBook("u1", (an_address(1, "+91 98765 43210"), an_address(2)), "a2")
    assert store.address_books.replace(book)
    read = store.address_books.of("u1")
    assert (read.addresses, read.default_id) == (book.addresses, "a2")
    assert store.address_books.of("u2").addresses == ()


def test_a_book_can_become_empty_again(store: Store) -> None:
    store.address_books.replace(AddressBook("u1").add(an_address(1), make_default=False))
    assert store.address_books.replace(store.address_books.of("u1").remove("a1"))
    book = store.address_books.of("u1")
    assert (book.addresses, book.default_id) == ((), None)


def test_of_two_changes_of_one_version_the_second_is_refused(store: Store) -> None:
    for _ in range(2):  # a book that is new, and one that is not
        mine = theirs = store.address_books.of("u1")
        assert store.address_books.replace(mine.add(an_address(1), make_default=False))
        assert not store.address_books.replace(theirs.add(an_address(2), make_default=False))
        assert "a2" not in {address.id for address in store.address_books.of("u1").addresses}


@pytest.mark.parametrize("purpose", Purpose)
def test_a_link_is_found_by_its_token_and_purpose_only(store: Store, purpose: Purpose) -> None:
    account = an_account("u1", "asha", "asha@example.com")
    link = Link.to(account, purpose, "the token", NOON)
    store.links.add(link)
    assert store.links.find(purpose, digest("the token")) == link
    assert store.links.find(purpose, digest("another token")) is None
    for other in set(Purpose) - {purpose}:
        assert store.links.find(other, digest("the token")) is None


def test_a_link_is_consumed_once(store: Store) -> None:
    link = Link.to(an_account("u1", "asha", "a@example.com"), Purpose.PASSWORD_RESET, "t", NOON)
    store.links.add(link)
    mine, theirs = store.begin(), store.begin()
    for transaction in (mine, theirs):
        store.links.consume(link, transaction, Conflict("used"))
    mine.commit()
    with pytest.raises(Conflict, match="used"):
        theirs.commit()
    assert store.links.find(Purpose.PASSWORD_RESET, digest("t")) is None


def test_a_change_of_an_account_keeps_the_other_fields(store: Store) -> None:
    account = an_account("u1", "asha", "asha@example.com")
    store.add(account)
    verified = replace(account, user=replace(account.user, email_verified=True))
    changed = replace(account, password_hash="another hash")
    for after in (verified, changed):  # both were read before either was written
        transaction = store.begin()
        store.accounts.change(account, after, transaction, Conflict("late"))
        transaction.commit()
    assert store.accounts.find("u1") == replace(verified, password_hash="another hash")


def test_of_two_changes_of_role_or_status_the_second_is_refused(store: Store) -> None:
    account = an_account("u1", "asha", "asha@example.com")
    store.add(account)
    promoted, suspended = (
        replace(account, user=replace(account.user, **change))
        for change in ({"role": Role.ADMIN}, {"status": Status.SUSPENDED})
    )
    mine, theirs = store.begin(), store.begin()
    store.accounts.change(account, suspended, mine, Conflict("late"))
    store.accounts.change(account, promoted, theirs, Conflict("late"))
    mine.commit()
    with pytest.raises(Conflict, match="late"):
        theirs.commit()
    assert store.accounts.find("u1") == suspended


@pytest.mark.parametrize("gone", [True, False])
def test_a_stale_change_is_refused(store: Store, gone: bool) -> None:
    account = an_account("u1", "asha", "asha@example.com")
    if not gone:
        store.add(replace(account, password_hash="changed before"))
    transaction = store.begin()
    changed = replace(account, password_hash="another hash")
    store.accounts.change(account, changed, transaction, Conflict("late"))
    with pytest.raises(Conflict, match="late"):
        transaction.commit()
    assert (store.accounts.find("u1") is None) == gone


def test_mails_are_counted_by_address_purpose_hour_and_day(
    store: Store, clock: FrozenClock
) -> None:
    def is_let_through(
        purpose: Purpose = Purpose.PASSWORD_RESET, email: str = "a@b.example"
    ) -> bool:
        transaction = store.begin()
        store.limits.count(purpose, email, MAX_MAILS, transaction, Conflict("enough"))
        try:
            transaction.commit()
        except Conflict:
            return False
        return True

    hour, day = MAX_MAILS
    asked = MAX_MAILS[hour] + 1
    assert [is_let_through() for _ in range(asked)] == [True] * (asked - 1) + [False]
    assert is_let_through(purpose=Purpose.EMAIL_VERIFICATION)
    assert is_let_through(email="c@d.example")
    clock.advance(hour)
    assert sum(is_let_through() for _ in range(asked)) == MAX_MAILS[day] - asked + 1
    clock.advance(hour)
    assert not is_let_through()
    clock.advance(day)
    assert is_let_through()


@pytest.mark.usefixtures("aws")
def test_a_mail_counter_stores_no_address_and_expires(clock: FrozenClock) -> None:
    transaction = DynamoTransaction()
    DynamoMailLimits(clock).count(
        Purpose.PASSWORD_RESET, "asha@example.com", MAX_MAILS, transaction, Conflict("enough")
    )
    transaction.commit()
    rows = list(CounterRow.scan())
    assert len(rows) == len(MAX_MAILS)
    for row in rows:
        assert "asha" not in row.pk
        assert clock().timestamp() < row.expires_at <= clock().timestamp() + 24 * 60 * 60


@pytest.mark.usefixtures("aws")
def test_a_link_stores_only_the_tokens_digest() -> None:
    account = an_account("u1", "asha", "asha@example.com")
    DynamoLinks().add(Link.to(account, Purpose.PASSWORD_RESET, "the token", NOON))
    (row,) = LinkRow.scan()
    kept = str(row.to_simple_dict())
    assert digest("the token") in kept
    assert "the token" not in kept
    assert account.password_hash not in kept


def test_permanent_rows_have_no_expiry() -> None:
    (user_table,) = (
        properties
        for name, properties in resources("AWS::DynamoDB::Table").items()
        if name == "UserTable"
    )
    forgets_by = user_table["TimeToLiveSpecification"]["AttributeName"]
    assert {LinkRow.expires_at.attr_name, CounterRow.expires_at.attr_name} == {forgets_by}
    for kind in (UserRow, AddressBookRow):
        assert forgets_by not in {each.attr_name for each in kind.get_attributes().values()}


def change_email(store: Store, account: Account, email: str) -> Account:
    changed = replace(account, user=account.user.with_email(email, NOON))
    transaction = store.begin()
    store.accounts.change(account, changed, transaction, Conflict("late"))
    transaction.commit()
    return changed


def test_an_account_changes_its_address_and_its_former_one_is_kept_for_it(store: Store) -> None:
    account = an_account("u1", "asha", "asha@example.com")
    account = replace(account, user=replace(account.user, email_verified=True))
    store.add(account)
    changed = change_email(store, account, "new@example.com")
    assert store.accounts.find("u1") == changed
    assert store.accounts.find_by_email("new@example.com") == changed
    assert store.accounts.find_by_email("asha@example.com") is None
    other = an_account("u2", "ravi", "ravi@example.com")
    store.add(other)
    for taken in ("asha@example.com", "new@example.com"):
        with pytest.raises(Conflict, match="taken"):
            change_email(store, other, taken)
        with pytest.raises(Conflict, match="taken"):
            store.add(an_account("u3", "usha", taken))
    again = change_email(store, changed, "newer@example.com")
    change_email(store, other, "new@example.com")
    assert change_email(store, again, "asha@example.com").user == account.user
    assert store.accounts.find_by_email("asha@example.com") == account


@pytest.mark.usefixtures("aws")
def test_the_claim_of_a_former_address_only_expires() -> None:
    store = Store(
        DynamoAccounts(),
        DynamoAddressBooks(),
        DynamoLinks(),
        DynamoMailLimits(lambda: NOON),
        DynamoTransaction,
    )
    account = an_account("u1", "asha", "asha@example.com")
    store.add(replace(account, user=replace(account.user, email_verified=True)))
    change_email(store, replace(account, user=replace(account.user, email_verified=True)), "b@c.in")
    ends = {row.pk: row.expires_at for row in ClaimRow.scan(ClaimRow.user_id == "u1")}
    until = int((NOON + UNDO_PERIOD).timestamp())
    assert ends == {"email#asha@example.com": until, "email#b@c.in": None, "username#asha": None}


@pytest.mark.usefixtures("aws")
def test_a_book_whose_answer_is_lost_is_written_once() -> None:
    books = DynamoAddressBooks()
    with losing_answers() as lost:
        assert books.replace(AddressBook("u1").add(an_address(1), make_default=False))
        assert books.replace(books.of("u1").add(an_address(2), make_default=False))
        assert books.replace(books.of("u1").remove("a1"))
    assert len(lost) == 3
    assert [address.id for address in books.of("u1").addresses] == ["a2"]
