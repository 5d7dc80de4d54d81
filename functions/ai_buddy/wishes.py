"""What a person's own words ask of the cart, as far as code can tell.

A model may be talked into anything by a title that it read. So what it wants to do to the cart at
once must be what the person asked for: the kind of change, and how many. Where the words leave that
open, and there are many ways to say it, the change is only proposed.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

MARKS = re.compile(r"[\s,.;:!?()\[\]\"'“”।…/+-]+")
DIGITS = re.compile(r"\d+")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _words(text: str) -> frozenset[str]:
    return frozenset(_plain(text).split())


CART = _words("cart basket trolley tokri jhola कार्ट टोकरी थैले थैला")
ADDING = _words(
    """
    add put daal daalo daaldo dalo daldo daliye daaliye dalna jodo jod rakho
    डाल डालो डालिए डालिये डालें डालना जोड़ो जोड़ जोड़ें जोड़िए रखो रख
    """
)
WANTING = _words(  # only together with how many, or where to
    """
    want need take get give buy purchase dal chahiye chaiye lena lelo lo dedo mangwao mangao kharido
    चाहिए चाहिये लेना लो मंगवाओ मँगवाओ मंगाओ खरीदो ख़रीदो
    """
)
REMOVING = _words(
    """
    remove delete drop discard clear hata hatao hatado hataiye hatana nikal nikaal nikalo nikaldo
    nikaliye हटा हटाओ हटाइए हटाइये हटाना निकाल निकालो निकालिए
    """
)
TAKING, AWAY = _words("take throw leave get"), _words("out off away rid")
CHANGING = _words(
    """
    change make set update increase decrease reduce raise lower only just instead quantity kar karo
    kardo karna rakh badal badlo badaliye sirf कर करो करना बदल बदलो बदलिए सिर्फ मात्रा
    """
)
NUMBERS: Mapping[str, int] = {
    word: number
    for number, said in {
        1: "one ek एक",
        2: "two couple pair do दो",
        3: "three teen तीन",
        4: "four char chaar चार",
        5: "five paanch panch पांच पाँच",
        6: "six chhe chhah chah छह छः छे",
        7: "seven saat सात",
        8: "eight aath आठ",
        9: "nine nau नौ",
        10: "ten das दस",
        11: "eleven gyarah ग्यारह",
        12: "twelve dozen barah darjan बारह दर्जन",
    }.items()
    for word in _words(said)
}


@dataclass(frozen=True)
class Wishes:
    """Read from the words of one question."""

    said: str

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(MARKS.split(_plain(self.said)))

    @cached_property
    def _numbers(self) -> frozenset[int]:
        digits = {int(digits) for digits in DIGITS.findall(_plain(self.said)) if len(digits) < 3}
        return frozenset(digits | {NUMBERS[word] for word in self._words & NUMBERS.keys()})

    def add(self, quantity: int) -> bool:
        """Whether so many more of something are asked for; one, when no number is said."""
        wants = self._has(WANTING) and (self._has(CART) or max(self._numbers, default=1) > 1)
        return (self._has(ADDING) or wants) and (quantity == 1 or quantity in self._numbers)

    def change(self, quantity: int) -> bool:
        """Whether so many of something there shall be."""
        return self._has(CHANGING | ADDING | WANTING | REMOVING) and quantity in self._numbers

    def remove(self) -> bool:
        """Whether something is to go."""
        return self._has(REMOVING) or (self._has(TAKING) and self._has(AWAY))

    def _has(self, words: frozenset[str]) -> bool:
        return not words.isdisjoint(self._words)
