"""Searches the shop's policies: BM25 over a few sections, in memory."""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).parent / "shop_policies"
SECTION = re.compile(r"^## +(.+)$", re.MULTILINE)
WORD = re.compile(r"[a-z0-9]+")
WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
STOP_WORDS = frozenset(WORDS["stop_words"].split())
SYNONYMS = {stem: same for same, stems in WORDS["synonyms"].items() for stem in stems.split()}
K1, B = 1.5, 0.75  # the usual parameters of BM25
HEADING_WEIGHT = 3  # a word of the heading counts as so many


@dataclass(frozen=True)
class Passage:
    """A section of a policy."""

    title: str
    text: str

    @property
    def words(self) -> Counter[str]:
        return Counter(words_of(self.title) * HEADING_WEIGHT + words_of(self.text))


class Policies:
    """All passages of the policies."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._passages = [(passage, passage.words) for passage in passages]
        self._frequencies = Counter(word for _, words in self._passages for word in words)
        lengths = [words.total() for _, words in self._passages]
        self._average_length = sum(lengths) / max(len(lengths), 1)

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """Read Markdown files; each `## heading` begins a passage."""
        return cls(
            Passage(title.strip(), " ".join(text.split()))
            for file in sorted(folder.glob("*.md"))
            for title, text in _sections(file.read_text(encoding="utf-8"))
        )

    def search(self, question: str, limit: int = 3) -> list[Passage]:
        """Return the best passages, best first; none when they have no word of the question."""
        terms = set(words_of(question))
        scored = [(self._score(terms, words), passage) for passage, words in self._passages]
        best = sorted(scored, key=lambda pair: -pair[0])[:limit]
        return [passage for score, passage in best if score > 0 and score > best[0][0] / 3]

    def _score(self, terms: set[str], words: Counter[str]) -> float:
        length = K1 * (1 - B + B * words.total() / self._average_length)
        return sum(
            self._idf(term) * words[term] * (K1 + 1) / (words[term] + length) for term in terms
        )

    def _idf(self, term: str) -> float:
        """Return the inverse document frequency."""
        frequency = self._frequencies[term]
        return math.log(1 + (len(self._passages) - frequency + 0.5) / (frequency + 0.5))


def words_of(text: str) -> list[str]:
    """Return the stems of a text without stop words."""
    stems = (_stem(word) for word in WORD.findall(text.casefold()) if word not in STOP_WORDS)
    return [SYNONYMS.get(stem, stem) for stem in stems]


def _sections(text: str) -> list[tuple[str, str]]:
    parts = SECTION.split(text)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")
