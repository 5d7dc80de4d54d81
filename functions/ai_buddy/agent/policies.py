"""Finds the passages of the shop's policies that a question is about: BM25 over a handful of
sections, kept in memory.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).parent / "shop_policies"
SECTION = re.compile(r"^## +(.+)$", re.MULTILINE)
WORD = re.compile(r"[a-z0-9]+")
STOP_WORDS = frozenset(
    """
    a an and any are as at be by can could do does for from get got has have how i if in is it its
    me my of on or our should take than that the their there they this to was we what
    where which will with would you your
    """.split()  # noqa: SIM905 - a sentence is easier to read than a list of strings
)
# stems that mean the same here
SAME = {
    **dict.fromkeys(("deliv", "ship", "shipment", "arriv", "dispatch"), "deliveri"),
    **dict.fromkeys(("exchang", "replac"), "return"),
    **dict.fromkeys(("broken", "defect", "expir", "spoil", "rotten"), "damag"),
    **dict.fromkeys(("fee", "charg", "price", "much"), "cost"),
    **dict.fromkeys(("money", "reimburs"), "refund"),
    **dict.fromkeys(("long", "when", "day", "soon", "fast"), "time"),
}
SATURATION, LENGTH = 1.5, 0.75  # BM25's usual k1 and b
HEADING_COUNTS = 3


@dataclass(frozen=True)
class Passage:
    """A section of a policy."""

    title: str
    text: str

    @property
    def words(self) -> Counter[str]:
        return Counter(words_of(self.title) * HEADING_COUNTS + words_of(self.text))


class Policies:
    """All passages, weighed against a question."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._passages = [(passage, passage.words) for passage in passages]
        self._in_how_many = Counter(word for _, words in self._passages for word in words)
        lengths = [words.total() for _, words in self._passages]
        self._usual_length = sum(lengths) / max(len(lengths), 1)

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """From Markdown files: each `## heading` begins a passage."""
        return cls(
            Passage(title.strip(), " ".join(text.split()))
            for file in sorted(folder.glob("*.md"))
            for title, text in _sections(file.read_text(encoding="utf-8"))
        )

    def about(self, question: str, limit: int = 3) -> list[Passage]:
        """The best passages, best first; none when no word of the question is in any."""
        asked = set(words_of(question))
        weighed = [(self._weight(asked, words), passage) for passage, words in self._passages]
        best = sorted(weighed, key=lambda pair: -pair[0])[:limit]
        return [passage for weight, passage in best if weight > 0 and weight > best[0][0] / 3]

    def _weight(self, asked: set[str], words: Counter[str]) -> float:
        longer = 1 - LENGTH + LENGTH * words.total() / self._usual_length
        return sum(
            self._rarity(word)
            * words[word]
            * (SATURATION + 1)
            / (words[word] + SATURATION * longer)
            for word in asked
        )

    def _rarity(self, word: str) -> float:
        having = self._in_how_many[word]
        return math.log(1 + (len(self._passages) - having + 0.5) / (having + 0.5))


def words_of(text: str) -> list[str]:
    """Stems without the words that every question has."""
    stems = (_stem(word) for word in WORD.findall(text.casefold()) if word not in STOP_WORDS)
    return [SAME.get(stem, stem) for stem in stems]


def _sections(text: str) -> list[tuple[str, str]]:
    parts = SECTION.split(text)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")
