"""Words of a text for search: without accents and case, in any script, stemmed."""

import re
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from functools import cache, lru_cache
from posixpath import commonprefix
from typing import Any, Self

PREFIX_LENGTH = 2
LONGEST_WORD = 60
MAX_RANGES = 4  # of the index for one search

# apostrophes are part of a word (haldiram's), and so are the vowel signs of Indian scripts, which
# Python does not count as letters
APOSTROPHES = re.compile(r"['\u2019\u02bc]")
ACCENTS = re.compile(r"[\u0300-\u036f]")

STOP_WORDS = frozenset(
    """
    a an and are as at be by for from in into is it its of on or our that the their these this to
    was we will with you your
    """.split()  # noqa: SIM905 - a sentence is easier to read than a list of strings
)


def words_of(text: str) -> list[str]:
    """Return the words of a text in their order."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = unicodedata.normalize("NFC", ACCENTS.sub("", APOSTROPHES.sub("", folded)))
    spaced = "".join(mark if unicodedata.category(mark)[0] in "LNM" else " " for mark in plain)
    return [word[:LONGEST_WORD] for word in spaced.split()]


def index_terms(text: str) -> frozenset[str]:
    """Return the index terms of a text: each word, for prefixes, and its stem."""
    words = {word for word in words_of(text) if word not in STOP_WORDS}
    return frozenset(words | {stem(word) for word in words})


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return the stem of a word: `chocol` for `chocolates`. Other scripts stay unchanged."""
    return str(_stemmer().stemWord(word))


@dataclass(frozen=True)
class Term:
    """A word of a query; with `is_prefix` it also matches the beginning of longer words."""

    word: str
    is_prefix: bool = False

    def is_in(self, words: Set[str]) -> bool:
        if stem(self.word) in words:
            return True
        return self.is_prefix and any(word.startswith(self.word) for word in words)

    @property
    def key_range(self) -> "KeyRange":
        """The smallest range of the index that contains every match."""
        root = stem(self.word)
        if not self.is_prefix:
            return KeyRange(root, exact=True)
        shared = commonprefix([self.word, root])
        # for a few irregular words (dying, die) only the stem is searched
        return KeyRange(shared) if len(shared) >= PREFIX_LENGTH else KeyRange(root, exact=True)


@dataclass(frozen=True)
class KeyRange:
    """The entries of the index that begin with a text, or whose word equals it."""

    text: str
    exact: bool = False

    def contains(self, word: str) -> bool:
        return word == self.text if self.exact else word.startswith(self.text)


@dataclass(frozen=True)
class SearchQuery:
    """The words of a search, which must all match; the last one may be a prefix."""

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        typed = words_of(text)
        # stop words are ignored, unless there is no other word
        words = [word for word in typed if word not in STOP_WORDS] or typed[-1:]
        *complete, last = words or [""]
        terms = [Term(word) for word in complete]
        if last:
            terms.append(Term(last, is_prefix=len(last) >= PREFIX_LENGTH))
        return cls(tuple(terms))

    def is_in(self, words: Set[str]) -> bool:
        return all(term.is_in(words) for term in self.terms)

    def count_matches(self, words: Set[str]) -> int:
        return sum(term.is_in(words) for term in self.terms)

    @property
    def key_ranges(self) -> tuple[KeyRange, ...]:
        """The ranges to read: those of the longest words, which are likely the rarest."""
        ranges = dict.fromkeys(term.key_range for term in self.terms)
        longest = sorted(ranges, key=lambda key_range: len(key_range.text), reverse=True)
        return tuple(longest[:MAX_RANGES])


@cache
def _stemmer() -> Any:
    # the package imports all its languages, which only searches need
    import snowballstemmer

    return snowballstemmer.stemmer("english")
