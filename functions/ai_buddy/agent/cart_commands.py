"""What a person's own words command of the cart, as far as code can tell.

A model may be talked into anything by a title that it read. So what it wants to do to the cart at
once must be what the person commanded. Only plain commands are understood, and every word of them:
what is to be done, how many, and with what: by its number in a list that the person saw, by words
of its title, or as the only one there. Whatever else is said, and however, is only proposed.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, groupby

type Titles = Mapping[str, str]  # of a list that the person saw, in its order, by product id
type Words = Sequence[str]

ENDS = re.compile(r"[.!;:।\n]+(?=\s|$)")
BETWEEN = re.compile(r"[\s()\[\]\"“”…/+]+")
QUIET = str.maketrans({"'": "", "\u2019": "", ",": " , "})  # I'll is one word, a comma another
DIGITS = re.compile(r"\d{1,2}")


class Change(Enum):
    """What may be done to the cart."""

    ADD = auto()
    SET = auto()
    REMOVE = auto()


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(QUIET)


def _words(text: str) -> frozenset[str]:
    return frozenset(_plain(text).split())


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    """Separated by bars; the longest first, of which shorter ones may be the beginning."""
    return tuple(sorted((tuple(one.split()) for one in _plain(text).split("|")), key=len)[::-1])


def _numbered(said: Mapping[int, str]) -> Mapping[str, int]:
    return {word: number for number, words in said.items() for word in _words(words)}


POLITE = _words(
    "please ok okay now then so and also just yes yeah no great hi hello thanks kindly ,"
)
JOINING = _words("and aur & , और")
BESIDES = _words("aur और")
# asking, forbidding, measures, and affairs that are no product's, whatever a title calls itself
NEVER = _words(
    """
    you what which who whose when where why how if not dont never without
    kg g gm gram grams ml l litre
    kya kyun kyon kab kahan kaise kaun kitna kitne kitni mat nahi nahin agar
    क्या क्यों कब कहाँ कहां कैसे कौन कितना कितने कितनी मत नहीं अगर
    coupon coupons discount discounts offer offers code voucher cash address card upi order orders
    refund refunds delivery account password note gift fee charge charges tax
    """
)
ASKING = _words("does did is are am can could will would shall should may has have")
STARTING: Mapping[Change, Sequence[Words]] = {
    Change.REMOVE: _phrases(
        "remove|delete|drop|discard|take out|throw out|throw away|get rid of|throw"
    ),
    Change.SET: _phrases("change|set|make|reduce|increase|decrease|lower|raise|keep|only"),
    Change.ADD: _phrases(
        """
        add|put|buy|take|get|get me|give me|i want|i need|i would like|id like|i will take|ill take
        |i will have|ill have|i want to add|i want to buy|i would like to add|id like to add
        """
    ),
}
ENDING: Mapping[Change, Sequence[Words]] = {
    Change.REMOVE: _phrases(
        """
        remove kar do|remove karo|hata do|hatao|hatado|hataiye|hata dijiye
        |nikal do|nikaal do|nikalo|nikaldo|nikal dijiye
        |हटा दो|हटाओ|हटाइए|हटाइये|हटा दीजिए|निकाल दो|निकालो|निकालिए|निकाल दीजिए
        """
    ),
    Change.ADD: _phrases(
        """
        add kar do|add karo|daal do|dal do|daalo|dalo|daaldo|daldo|daal dijiye|daaliye|jod do|jodo
        |de do|dedo|de dijiye|chahiye|chaiye|le lo|lelo
        |डाल दो|डालो|डालिए|डालिये|डाल दीजिए|जोड़ दो|जोड़ो|जोड़िए|दे दो|दे दीजिए
        |चाहिए|चाहिये|ले लो
        """
    ),
    Change.SET: _phrases(
        "kar do|kardo|karo|kar dijiye|rakho|rakh do|कर दो|करो|कर दीजिए|रखो|रख दो|रखिए"
    ),
}
AWAY = _words("out away")
TO_A_NUMBER = _words("to it only")  # before `one`, which means just a thing elsewhere
PLACES = _numbered(
    {
        1: "first 1st pehla pehli pehle pahla पहला पहली पहले",
        2: "second 2nd dusra doosra dusri dusre दूसरा दूसरी दूसरे",
        3: "third 3rd teesra tisra teesri tisri तीसरा तीसरी तीसरे",
        4: "fourth 4th chautha chauthi चौथा चौथी चौथे",
        5: "fifth 5th paanchva panchva पांचवां पाँचवाँ पांचवा",
        6: "sixth 6th",
        7: "seventh 7th",
        8: "eighth 8th",
        -1: "last aakhri akhri आखिरी आख़िरी",
    }
)
NUMBERS = _numbered(
    {
        1: "one ek एक",
        2: "two couple pair दो",
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
        13: "thirteen terah तेरह",
        14: "fourteen chaudah चौदह",
        15: "fifteen pandrah पंद्रह पन्द्रह",
        16: "sixteen solah सोलह",
        17: "seventeen satrah सत्रह",
        18: "eighteen atharah अठारह",
        19: "nineteen unnis उन्नीस",
        20: "twenty bees बीस",
    }
)
UNITS = "packet packets pack packs piece pieces bottle bottles पैकेट"
CARTS = "cart basket trolley कार्ट टोकरी"
FILLERS = _words(
    f"""
    {UNITS} {CARTS} the a an of to in into from it this that them my more quantity only one ones
    please now too also thanks
    """
)


@dataclass(frozen=True)
class Tongue:
    """A language: how it counts, and the words of a command that say nothing more."""

    numbers: Mapping[str, int]
    fillers: frozenset[str]


ENGLISH = Tongue(NUMBERS, FILLERS)
HINDI = Tongue(  # in both scripts; before its thing `do` is a number, and in English a question
    {**NUMBERS, "do": 2},
    FILLERS
    | _words(
        """
        wala wali wale ko ka ki ke mein me main se mera meri mere isko ise isse yeh ye usko use woh
        sirf bas zara
        वाला वाली वाले को का की के में से मेरा मेरी मेरे इसे इसको यह ये उसे उसको सिर्फ बस ज़रा
        """
    ),
)


@dataclass(frozen=True)
class Command:
    """One change of one thing; without a number, a place or names where none was said."""

    change: Change
    number: int | None
    place: int | None  # in a list, from 1; -1 is the last
    names: frozenset[str]
    is_more: bool

    def asks(self, change: Change, quantity: int) -> bool:
        """Whether this change, with so many, is what is to be done."""
        if change is Change.REMOVE:  # the whole item: one of three is not that
            return self.change is change and self.number is None
        so_many = 1 if change is Change.ADD and self.number is None else self.number
        return self.change is change and quantity == so_many

    def means(self, product_id: str, listed: Titles) -> bool:
        """Whether this, and nothing else of the list, fits the words."""
        places = {self.place, self.place and self.place + len(listed) + 1}
        fitting = [
            each
            for place, (each, title) in enumerate(listed.items(), 1)
            if (self.place is None or place in places) and self.names <= _names(title)
        ]
        return fitting == [product_id]


def commands(said: str) -> list[Command]:
    """All that is commanded; nothing, where a question is among it."""
    text = _plain(said)
    if "?" in text:
        return []
    sentences = (BETWEEN.sub(" ", one).split() for one in ENDS.split(text))
    return list(chain.from_iterable(map(_read, sentences)))


def _read(sentence: list[str]) -> Sequence[Command]:
    while sentence and sentence[0] in POLITE:
        sentence = sentence[1:]
    if not NEVER.isdisjoint(sentence) or not ASKING.isdisjoint(sentence[:1]):
        return ()
    if sentence[1:] and sentence[1] in BESIDES and _number(sentence[0], HINDI):
        sentence = [sentence[0], "more", *sentence[2:]]
    clauses = [list(words) for joins, words in groupby(sentence, JOINING.__contains__) if not joins]
    found = [*_in_hindi(clauses)] or [*_in_english(clauses)]
    understood = [command for command in found if command]
    return understood if len(understood) == len(found) else ()


def _in_english(clauses: Sequence[Words]) -> Iterator[Command | None]:
    """The verb comes first, and holds for what is joined to it."""
    change = None
    for words in clauses:
        own, thing = _started(words)
        change = own or change
        if change is None:
            return
        yield _command(change, thing, ENGLISH)


def _in_hindi(clauses: Sequence[Words]) -> Iterator[Command | None]:
    """The verb comes last, and holds for what was joined to it."""
    change = None
    for words in reversed(clauses):
        own, thing = _ended(words)
        change = own or change
        if change is None:
            return
        yield _command(change, thing, HINDI)


def _started(words: Words) -> tuple[Change | None, Words]:
    for change, verbs in STARTING.items():
        for verb in verbs:
            if tuple(words[: len(verb)]) == verb and words[len(verb) :]:
                thing = words[len(verb) :]
                if words[0] in {"take", "throw"} and not AWAY.isdisjoint(thing):
                    return Change.REMOVE, [word for word in thing if word not in AWAY]
                return change, thing
    is_so_many = len(words) > 1 and words[1] in {"of", "more"} and _number(words[0], HINDI)
    return (Change.ADD if is_so_many else None), words


def _ended(words: Words) -> tuple[Change | None, Words]:
    for change, verbs in ENDING.items():
        for verb in verbs:
            if tuple(words[-len(verb) :]) == verb:
                return change, words[: -len(verb)]
    return None, words


def _command(change: Change, thing: Words, tongue: Tongue) -> Command | None:
    """None where one thing is not told from others, or how many of it."""
    numbers, places, names = [], [], []
    for before, word in zip(["to", *thing], thing, strict=False):
        number = _number(word, tongue)
        if number is not None and (word != "one" or before in TO_A_NUMBER):
            numbers.append(number)
        elif word in PLACES:
            places.append(PLACES[word])
        elif word not in tongue.fillers:
            names.append(word)
    if len(numbers) > 1 or len(places) > 1:
        return None
    number, place = next(iter(numbers), None), next(iter(places), None)
    return Command(change, number, place, _names(" ".join(names)), "more" in thing)


def _number(word: str, tongue: Tongue) -> int | None:
    return int(word) if DIGITS.fullmatch(word) else tongue.numbers.get(word)


def _names(text: str) -> frozenset[str]:
    return frozenset(word.removesuffix("s") for word in BETWEEN.sub(" ", _plain(text)).split())
