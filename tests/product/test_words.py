"""Text and the words it is found by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from product.words import MAX_RANGES, KeyRange, SearchQuery, Term, index_terms, words_of


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
def test_words_are_split_in_any_script_without_case_and_accents(
    text: str, words: list[str]
) -> None:
    assert words_of(text) == words


def test_index_terms_are_words_and_stems_without_stop_words() -> None:
    assert index_terms("The Chocolates and the berries") == {
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
def test_a_query_matches_the_text(typed: str, text: str) -> None:
    assert SearchQuery.of(typed).is_in(index_terms(text))


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
def test_a_query_does_not_match_the_text(typed: str, text: str) -> None:
    assert not SearchQuery.of(typed).is_in(index_terms(text))


def test_a_query_without_words_has_no_terms() -> None:
    assert SearchQuery.of(" ?! ").terms == ()


@pytest.mark.parametrize(
    ("typed", "key_ranges"),
    [
        ("rice basm", [KeyRange("rice", exact=True), KeyRange("basm")]),
        ("rice rices chocolates", [KeyRange("chocol"), KeyRange("rice", exact=True)]),
        ("aa bbb cc dddd ee", [KeyRange("dddd", exact=True), KeyRange("bbb", exact=True)]),
        ("cherry", [KeyRange("cherr")]),
        ("dying", [KeyRange("die", exact=True)]),
        ("c", [KeyRange("c", exact=True)]),
    ],
)
def test_the_ranges_are_those_of_the_longest_words(typed: str, key_ranges: list[KeyRange]) -> None:
    assert list(SearchQuery.of(typed).key_ranges[:2]) == key_ranges[:2]
    assert len(SearchQuery.of(typed).key_ranges) <= MAX_RANGES


WORDS = st.text(st.characters(categories=("L", "N", "M")), min_size=1, max_size=12)
TEXTS = st.lists(WORDS | st.sampled_from(["apples", "dying", "skies", "the", "rice"]), max_size=6)


@given(TEXTS, st.data())
def test_each_word_and_prefix_matches_its_text_within_its_key_range(
    texts: list[str], data: st.DataObject
) -> None:
    text = " ".join(texts)
    words = index_terms(text)
    for word in words_of(text):
        length = data.draw(st.integers(min(2, len(word)), len(word)))
        wish = SearchQuery.of(word[:length])
        if word in words:
            assert wish.is_in(words) or length < len(word) == 1
            for key_range in wish.key_ranges:
                assert any(key_range.contains(each) for each in words)


@given(WORDS, st.booleans(), TEXTS)
def test_matches_lie_within_the_key_range(typed: str, is_prefix: bool, texts: list[str]) -> None:
    words = index_terms(" ".join(texts))
    for word in words_of(typed):
        term = Term(word, is_prefix and len(word) >= 2)
        if term.is_in(words) and not term.key_range.exact:
            assert any(term.key_range.contains(each) for each in words)
