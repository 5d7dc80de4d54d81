"""Passwords under bcrypt."""

from time import process_time

import pytest

from auth.gateways import BcryptPasswords

ROUNDS = 4


@pytest.fixture
def passwords() -> BcryptPasswords:
    return BcryptPasswords(ROUNDS)


@pytest.mark.parametrize(
    "password",
    ["correct horse", " blanks around ", "nul\0inside", "पासवर्ड है यह", "x" * 128, "🔑" * 128],
)
def test_a_password_matches_its_own_hash(passwords: BcryptPasswords, password: str) -> None:
    assert passwords.verify(password, passwords.hash(password))


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("🔑" * 32 + "a", "🔑" * 32 + "b"),
        ("nul\0inside", "nul\0outside"),
        ("nul\0", "nul"),
        ("Case", "case"),
        ("blank", "blank "),
    ],
)
def test_every_character_counts(passwords: BcryptPasswords, password: str, other: str) -> None:
    assert not passwords.verify(other, passwords.hash(password))


def test_composed_and_decomposed_letters_are_the_same_password(passwords: BcryptPasswords) -> None:
    assert passwords.verify("cafe\u0301", passwords.hash("caf\u00e9"))


def test_equal_passwords_have_different_hashes_of_the_wanted_cost(
    passwords: BcryptPasswords,
) -> None:
    one, other = passwords.hash("same"), passwords.hash("same")
    assert one != other
    assert one.startswith(f"$2b$0{ROUNDS}$")


def test_without_a_hash_no_password_matches(passwords: BcryptPasswords) -> None:
    assert not passwords.verify("anything", None)


def test_without_a_hash_the_check_takes_as_long() -> None:
    passwords = BcryptPasswords(rounds=9)
    known = passwords.hash("known")

    def seconds(password_hash: str | None) -> float:
        began = process_time()
        passwords.verify("guess", password_hash)
        return process_time() - began

    unknown_account = min(seconds(None) for _ in range(5))
    known_account = min(seconds(known) for _ in range(5))
    assert unknown_account == pytest.approx(known_account, rel=0.5)
