"""Searches the shop's policies: BM25 over a few sections, in memory."""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import snowballstemmer

FOLDER = Path(__file__).parent / "shop_policies"
SECTION = re.compile(r"^## +(.+)$", re.MULTILINE)
WORD = re.compile(r"[a-z0-9]+")
WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
STOP_WORDS = frozenset(WORDS["stop_words"].split())
SYNONYMS = {stem: same for same, stems in WORDS["synonyms"].items() for stem in stems.split()}
STEMMER = snowballstemmer.stemmer("english")
K1, B = 1.5, 0.75  # the usual parameters of BM25
HEADING_WEIGHT = 3  # a word of the heading counts as so many
MAX_PASSAGES = 3


@dataclass(frozen=True)
class Passage:
    """A section of a policy."""

    title: str
    text: str


class Policies:
    """The passages of all policies: in their Markdown files, each `## heading` begins one."""

    def __init__(self) -> None:
        self._passages = [
            (passage, Counter(words_of(passage.title) * HEADING_WEIGHT + words_of(passage.text)))
            for passage in _read_passages()
        ]
        self._frequencies = Counter(word for _, words in self._passages for word in words)
        lengths = [words.total() for _, words in self._passages]
        self._average_length = sum(lengths) / len(lengths)

    def search(self, question: str) -> list[Passage]:
        """Return the best passages, best first; none when they have no word of the question."""
        terms = set(words_of(question))
        scored = [(self._score(terms, words), passage) for passage, words in self._passages]
        best = sorted(scored, key=lambda pair: -pair[0])[:MAX_PASSAGES]
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
    words = [word for word in WORD.findall(text.casefold()) if word not in STOP_WORDS]
    return [SYNONYMS.get(stem, stem) for stem in STEMMER.stemWords(words)]


def _read_passages() -> Iterator[Passage]:
    for file in sorted(FOLDER.glob("*.md")):
        _, *parts = SECTION.split(file.read_text(encoding="utf-8"))
        for title, text in zip(parts[::2], parts[1::2], strict=True):
            yield Passage(title.strip(), " ".join(text.split()))
