"""What a person's own words command of the cart, as far as code can tell.

A title that the model read may talk it into anything. So a change of the cart happens at once only
if the person commanded it. Only plain commands are understood, and only if every word is: the
change, the quantity, and the product by its number in a list that the person saw, by words of its
title, or as the only one there. Everything else is only proposed.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, groupby
from pathlib import Path

type Titles = Mapping[str, str]  # of a list that the person saw, in its order, by product id
type Words = Sequence[str]
type SplitVerb = Callable[[Words], tuple[CartChange | None, Words]]

SENTENCE_ENDS = re.compile(r"[.!;:।\n]+(?=\s|$)")
SEPARATORS = re.compile(r"[\s()\[\]\"“”…/+]+")
APOSTROPHES_AND_COMMAS = str.maketrans({"'": "", "\u2019": "", ",": " , "})
DIGITS = re.compile(r"\d{1,2}")


class CartChange(Enum):
    """A change of the cart."""

    ADD = auto()
    SET = auto()
    REMOVE = auto()


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(APOSTROPHES_AND_COMMAS)


def _words(text: str) -> frozenset[str]:
    return frozenset(_normalise(text).split())


def _phrases(verbs: Mapping[str, str]) -> Mapping[CartChange, Sequence[tuple[str, ...]]]:
    """The phrases of each change; the longest first, since it may begin with a shorter one."""
    return {
        CartChange[change]: sorted(
            map(tuple, map(str.split, _normalise(phrases).split("|"))), key=len
        )[::-1]
        for change, phrases in verbs.items()
    }


def _numbers(words: Mapping[str, str]) -> Mapping[str, int]:
    return {word: int(number) for number, said in words.items() for word in _words(said)}


VOCABULARY = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
POLITE, JOINING, BESIDES, AWAY, ASKING, NUMBER_FOLLOWS, NEVER = (
    _words(VOCABULARY[name])
    for name in ("polite", "joining", "besides", "away", "asking", "number_follows", "never")
)
STARTING, ENDING = _phrases(VOCABULARY["starting"]), _phrases(VOCABULARY["ending"])
PLACES = _numbers(VOCABULARY["places"])


@dataclass(frozen=True)
class Language:
    """The numbers of a language, and the words of a command that say nothing more."""

    numbers: Mapping[str, int]
    fillers: frozenset[str]

    def number(self, word: str) -> int | None:
        return int(word) if DIGITS.fullmatch(word) else self.numbers.get(word)


ENGLISH = Language(_numbers(VOCABULARY["numbers"]), _words(VOCABULARY["fillers"]["english"]))
HINDI = Language(  # in both scripts
    {**ENGLISH.numbers, **_numbers(VOCABULARY["hindi_numbers"])},
    ENGLISH.fillers | _words(VOCABULARY["fillers"]["hindi"]),
)


@dataclass(frozen=True)
class Command:
    """One change of one product. Without a number, a place or names where none was said; places
    are counted from 1, and -1 is the last.
    """

    change: CartChange
    number: int | None
    place: int | None
    names: frozenset[str]
    is_more: bool

    def matches_action(self, change: CartChange, quantity: int) -> bool:
        """Return whether this change with this quantity is what is commanded."""
        if change is CartChange.REMOVE:  # the whole item: one of three is not that
            return self.change is change and self.number is None
        number = 1 if change is CartChange.ADD and self.number is None else self.number
        return self.change is change and quantity == number

    def matches_product(self, product_id: str, titles: Titles) -> bool:
        """Return whether this product, and no other of the list, fits the words."""
        places = {self.place, self.place and self.place + len(titles) + 1}
        fitting = [
            each
            for place, (each, title) in enumerate(titles.items(), 1)
            if (self.place is None or place in places) and self.names <= _names(title)
        ]
        return fitting == [product_id]


def parse_commands(text: str) -> list[Command]:
    """Return the commands in a text; none when it contains a question."""
    normalised = _normalise(text)
    if "?" in normalised:
        return []
    sentences = (SEPARATORS.sub(" ", each).split() for each in SENTENCE_ENDS.split(normalised))
    return list(chain.from_iterable(map(_parse_sentence, sentences)))


def _parse_sentence(sentence: list[str]) -> Sequence[Command]:
    while sentence and sentence[0] in POLITE:
        sentence = sentence[1:]
    if not NEVER.isdisjoint(sentence) or not ASKING.isdisjoint(sentence[:1]):
        return ()
    if sentence[1:] and sentence[1] in BESIDES and HINDI.number(sentence[0]):
        sentence = [sentence[0], "more", *sentence[2:]]
    clauses = [list(words) for joins, words in groupby(sentence, JOINING.__contains__) if not joins]
    found = [*_parse_clauses(reversed(clauses), _split_ending_verb, HINDI)]
    found = found or [*_parse_clauses(clauses, _split_starting_verb, ENGLISH)]
    understood = [command for command in found if command]
    return understood if len(understood) == len(found) else ()


def _parse_clauses(
    clauses: Iterable[Words], split_verb: SplitVerb, language: Language
) -> Iterator[Command | None]:
    """A verb holds for its clause and for those joined to it."""
    change = None
    for words in clauses:
        own, thing = split_verb(words)
        change = own or change
        if change is None:
            return
        yield _command(change, thing, language)


def _split_starting_verb(words: Words) -> tuple[CartChange | None, Words]:
    for change, verbs in STARTING.items():
        for verb in verbs:
            if tuple(words[: len(verb)]) == verb and words[len(verb) :]:
                thing = words[len(verb) :]
                if words[0] in {"take", "throw"} and not AWAY.isdisjoint(thing):
                    return CartChange.REMOVE, [word for word in thing if word not in AWAY]
                return change, thing
    is_quantity = len(words) > 1 and words[1] in {"of", "more"} and HINDI.number(words[0])
    return (CartChange.ADD if is_quantity else None), words


def _split_ending_verb(words: Words) -> tuple[CartChange | None, Words]:
    for change, verbs in ENDING.items():
        for verb in verbs:
            if tuple(words[-len(verb) :]) == verb:
                return change, words[: -len(verb)]
    return None, words


def _command(change: CartChange, thing: Words, language: Language) -> Command | None:
    """None where the words name more than one quantity or place."""
    numbers, places, names = [], [], []
    for before, word in zip(["to", *thing], thing, strict=False):
        number = language.number(word)
        if number is not None and (word != "one" or before in NUMBER_FOLLOWS):
            numbers.append(number)
        elif word in PLACES:
            places.append(PLACES[word])
        elif word not in language.fillers:
            names.append(word)
    if len(numbers) > 1 or len(places) > 1:
        return None
    number, place = next(iter(numbers), None), next(iter(places), None)
    return Command(change, number, place, _names(" ".join(names)), "more" in thing)


def _names(text: str) -> frozenset[str]:
    words = SEPARATORS.sub(" ", _normalise(text)).split()
    return frozenset(word.removesuffix("s") for word in words)
