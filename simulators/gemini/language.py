"""Normalises English, Hindi and Hinglish to plain English words, and finds numbers in them."""

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Literal

type Language = Literal["english", "hindi", "hinglish"]

_VOCABULARY = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text())
_PLAIN_OF = {word: plain for plain, words in _VOCABULARY["words"].items() for word in words.split()}
_FILLERS = frozenset(_VOCABULARY["fillers"].split())
_HINGLISH = re.compile(rf"\b({'|'.join(_VOCABULARY['hinglish'].split())})\b")
_ORDINALS: dict[str, int] = _VOCABULARY["ordinals"]
_DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_MEASURES = r"(?:kg|g|gm|gram|grams|l|ltr|litre|litres|ml)"
_PRICE = r"(?:rupees\s+)?(\d+)"
_BETWEEN = re.compile(rf"\bbetween\s+{_PRICE}\s+and\s+{_PRICE}")
_POSITION = re.compile(r"(?:\bnumber|\bno|#)\s*(\d+)\b")


def language_of(text: str) -> Language:
    """Return the language in which an answer is expected."""
    if _DEVANAGARI.search(text):
        return "hindi"
    return "hinglish" if _HINGLISH.search(text.lower()) else "english"


def normalise(text: str) -> str:
    """Return `do packet chawal cart mein daal do` as `2 packet rice cart mein add`."""
    plain = unicodedata.normalize("NFC", text).lower()
    plain = "".join(str(unicodedata.digit(c, c)) if c.isdigit() else c for c in plain)
    is_english = language_of(plain) == "english"
    for pattern, replacement in _VOCABULARY["phrases"]:
        plain = re.sub(pattern, replacement, plain)
    words = re.findall(r"[^\s,.;:!?\"“”।()]+", re.sub(r"(?<=\d),(?=\d{3})", "", plain))
    if not is_english:
        words = ["2" if word == "do" else word for word in words]
    return " ".join(_PLAIN_OF.get(word, word) for word in words)


def product_words(said: str) -> str:
    """Return the words of a normalised sentence that can belong to a product's name."""
    said = re.sub(r"\b(under|over)\s+(rupees\s+)?\d+(\s+rupees)?", " ", said)
    said = _BETWEEN.sub(" ", said)
    said = re.sub(rf"(?<!\S)-?\d+\b(?!\s*{_MEASURES}\b)", " ", said)
    words = (word for word in said.split() if word not in _FILLERS)
    return " ".join(word for word in words if any(c.isalnum() for c in word))


def price_limits(said: str) -> dict[str, float]:
    """Return `min_price` and `max_price` as far as the sentence names them."""
    if between := _BETWEEN.search(said):
        return {"min_price": float(between[1]), "max_price": float(between[2])}
    found = {"max_price": "under", "min_price": "over"}
    prices = {name: re.search(rf"\b{word}\s+{_PRICE}", said) for name, word in found.items()}
    return {name: float(price[1]) for name, price in prices.items() if price}


def position(said: str) -> int | None:
    """Return which element of a list the sentence names: from 1, or -1 for the last."""
    if number := _POSITION.search(said):
        return int(number[1])
    return next((at for word, at in _ORDINALS.items() if re.search(rf"\b{word}\b", said)), None)


def positions(said: str) -> list[int]:
    """Return all elements that the sentence names, as in `compare the first and the third`."""
    named = re.findall(rf"\b({'|'.join(_ORDINALS)})\b", said)
    return [_ORDINALS[word] for word in named] or [int(n) for n in re.findall(r"\b([1-9])\b", said)]


def quantity(said: str) -> int | None:
    """Return the first number that is no price, no weight and no position."""
    said = _POSITION.sub(" ", said)
    said = re.sub(r"\b(under|over)\s+(rupees\s+)?\d+", " ", said)
    found = re.search(rf"(?<!\S)(-?\d+)\b(?!\s*{_MEASURES}\b)", said)
    return int(found[1]) if found else None
