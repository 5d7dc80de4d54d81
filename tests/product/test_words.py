"""Text and the words it is found by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from product.words import Reach, Wanted, Wish, findable, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Basmati Rice, 5kg", ["basmati", "rice", "5kg"]),
        ("Crème brûlée", ["creme", "brulee"]),
        ("Cre\u0300me", ["creme"]),
        ("ﬁne Ⅻ ①", ["fine", "xii", "1"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("Haldiram's Haldiram\u2019s", ["haldirams", "haldirams"]),
        ("sugar-free/low_fat", ["sugar", "free", "low", "fat"]),
        ("चीनी और दाल", ["चीनी", "और", "दाल"]),
        ("தேநீர்", ["தேநீர்"]),
        ("김치", ["김치"]),
        ("café\u200b\x00", ["cafe"]),
        ("!!! ... #", []),
        ("", []),
    ],
)
def test_words_are_told_apart_in_any_script_and_lose_case_and_accents(
    text: str, words: list[str]
) -> None:
    assert words_of(text) == words


def test_a_text_is_found_by_its_words_and_their_stems_but_not_by_stop_words() -> None:
    assert findable("The Chocolates and the berries") == {
        "chocolates",
        "chocol",
        "berries",
        "berri",
    }


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("chocolate", "Milk chocolates"),
        ("CHOCOLATES", "Dark chocolate"),
        ("choc", "Dark chocolate"),
        ("chocolat", "Dark chocolate"),
        ("milk choc", "Chocolate with milk"),
        ("the rice", "Rice"),
        ("rice and", "Rice"),
        ("th", "Thermos"),
        ("the", "Thermos"),
        ("creme", "Crème fraîche"),
        ("crème", "Creme fraiche"),
        ("haldirams", "Haldiram's bhujia"),
        ("haldiram", "Haldiram's bhujia"),
        ("चीन", "चीनी 1kg"),
        ("c", "Vitamin C"),
        ("apples", "An apple"),
        ("dying", "To die for"),
    ],
)
def test_what_was_typed_finds_the_text(typed: str, text: str) -> None:
    assert Wish.of(typed).is_in(findable(text))


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("choc milk", "Chocolate with milk"),
        ("rice tea", "Rice"),
        ("ocolate", "Chocolate"),
        ("c", "Chocolate"),
        ("rice", "Price"),
    ],
)
def test_what_was_typed_does_not_find_the_text(typed: str, text: str) -> None:
    assert not Wish.of(typed).is_in(findable(text))


def test_nothing_is_wanted_by_a_text_without_words() -> None:
    assert Wish.of(" ?! ").words == ()


@pytest.mark.parametrize(
    ("typed", "reach"),
    [
        ("rice chocolates basm", Reach("chocol", exact=True)),
        ("rice chocolates", Reach("chocol")),
        ("cherry", Reach("cherr")),
        ("dying", Reach("die", exact=True)),
        ("c", Reach("c", exact=True)),
    ],
)
def test_the_longest_word_is_looked_up(typed: str, reach: Reach) -> None:
    assert Wish.of(typed).reach == reach


WORDS = st.text(st.characters(categories=("L", "N", "M")), min_size=1, max_size=12)
TEXTS = st.lists(WORDS | st.sampled_from(["apples", "dying", "skies", "the", "rice"]), max_size=6)


@given(TEXTS, st.data())
def test_each_word_and_each_beginning_of_it_finds_its_text_within_its_reach(
    texts: list[str], data: st.DataObject
) -> None:
    text = " ".join(texts)
    words = findable(text)
    for word in words_of(text):
        length = data.draw(st.integers(min(2, len(word)), len(word)))
        wish = Wish.of(word[:length])
        if word in words:
            assert wish.is_in(words) or length < len(word) == 1
            assert any(wish.reach.covers(each) for each in words)


@given(WORDS, st.booleans(), TEXTS)
def test_whatever_matches_lies_within_reach(typed: str, may_go_on: bool, texts: list[str]) -> None:
    words = findable(" ".join(texts))
    for word in words_of(typed):
        wanted = Wanted(word, may_go_on and len(word) >= 2)
        if wanted.is_in(words) and not wanted.reach.exact:
            assert any(wanted.reach.covers(each) for each in words)
