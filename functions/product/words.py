"""Text as the words by which it is found: without accents and case, in any script, stemmed."""

import re
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Self

PREFIX_LENGTH = 2
LONGEST_WORD = 60

# apostrophes belong to their word (haldiram's), and so do the vowel signs of Indian scripts, which
# Python does not count among the letters
APOSTROPHES = re.compile(r"['\u2019\u02bc]")
ACCENTS = re.compile(r"[\u0300-\u036f]")

STOP_WORDS = frozenset(
    """
    a an and are as at be by for from in into is it its of on or our that the their these this to
    was we will with you your
    """.split()  # noqa: SIM905 - a sentence is easier to read than a list of strings
)


def words_of(text: str) -> list[str]:
    """The words in the order they stand in."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = unicodedata.normalize("NFC", ACCENTS.sub("", APOSTROPHES.sub("", folded)))
    spaced = "".join(mark if _is_part_of_word(mark) else " " for mark in plain)
    return [word[:LONGEST_WORD] for word in spaced.split()]


def findable(text: str) -> frozenset[str]:
    """What a text is found by: each word as it is, for prefixes, and its stem."""
    words = {word for word in words_of(text) if word not in STOP_WORDS}
    return frozenset(words | {stem(word) for word in words})


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """`chocolates` and `chocolate` are both `chocol`; words of other scripts stay as they are."""
    return str(_stemmer().stemWord(word))


@dataclass(frozen=True)
class Wanted:
    """A word that is searched for; with `may_go_on` it may be the beginning of a longer one."""

    word: str
    may_go_on: bool = False

    def is_in(self, words: Set[str]) -> bool:
        if stem(self.word) in words:
            return True
        return self.may_go_on and any(word.startswith(self.word) for word in words)

    @property
    def reach(self) -> "Reach":
        """The narrowest stretch of the index that holds every match."""
        root = stem(self.word)
        if not self.may_go_on:
            return Reach(root, exact=True)
        shared = _common_beginning(self.word, root)
        # of a few irregular words (dying, die) only the stem is looked up
        return Reach(shared) if len(shared) >= PREFIX_LENGTH else Reach(root, exact=True)


@dataclass(frozen=True)
class Reach:
    """The entries of the index that begin with a text, or whose word is exactly it."""

    text: str
    exact: bool = False

    def covers(self, word: str) -> bool:
        return word == self.text if self.exact else word.startswith(self.text)


@dataclass(frozen=True)
class Wish:
    """What somebody typed: all of its words must match, the last one may be unfinished."""

    words: tuple[Wanted, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        typed = words_of(text)
        # a word such as `the` says nothing, unless it is the beginning of the only one
        telling = [word for word in typed if word not in STOP_WORDS] or typed[-1:]
        *whole, last = telling or [""]
        finished = [Wanted(word) for word in whole]
        unfinished = [Wanted(last, may_go_on=len(last) >= PREFIX_LENGTH)] if last else []
        return cls((*finished, *unfinished))

    def is_in(self, words: Set[str]) -> bool:
        return all(wanted.is_in(words) for wanted in self.words)

    def matches_in(self, words: Set[str]) -> int:
        return sum(wanted.is_in(words) for wanted in self.words)

    @property
    def reach(self) -> Reach:
        """Where to look: the longest word is likely the rarest."""
        return max((wanted.reach for wanted in self.words), key=lambda reach: len(reach.text))


def _is_part_of_word(mark: str) -> bool:
    return unicodedata.category(mark)[0] in "LNM"


def _common_beginning(one: str, other: str) -> str:
    length = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return one[:length]


@cache
def _stemmer() -> Any:
    # the package imports all its languages, which only a search needs to wait for
    import snowballstemmer

    return snowballstemmer.stemmer("english")
