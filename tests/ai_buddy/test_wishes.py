"""What a person's words ask of the cart: what everybody says is understood, and nothing else."""

import pytest

from ai_buddy.wishes import Wishes


@pytest.mark.parametrize(
    ("said", "quantity"),
    [
        ("add two of the second", 2),
        ("add the first", 1),
        ("Add it!", 1),
        ("put 3 packets of the last one in my cart", 3),
        ("please add a dozen", 12),
        ("I want 2 of the third", 2),
        ("I need the second in my basket", 1),
        ("dusra wala ek cart mein daal do", 1),
        ("teesra wala das packet chahiye", 10),
        ("पहला वाला दो पैकेट कार्ट में डालो", 2),
        ("दूसरा वाला ५ जोड़ो", 5),
        ("दूसरा वाला कार्ट में जोड़ो", 1),  # the letter in two pieces, as some keyboards write it
        ("add ٣ of it", 3),
    ],
)
def test_who_asks_for_so_many_gets_them(said: str, quantity: int) -> None:
    assert Wishes(said).add(quantity)
    assert not Wishes(said).add(40)
    assert not Wishes(said).remove()


@pytest.mark.parametrize(
    "said",
    [
        *("", "hello", "नमस्ते", "what is in my cart", "मेरी कार्ट दिखाओ", "mere cart mein kya hai?"),
        *("find pickle", "tell me more about the first one", "show my orders", "track my order"),
        *("what is the address of my order?", "do you have honey?", "give me the details", "yes"),
        *("what is out of stock?", "500 se kam mein chawal dikhao", "I want to know the total"),
    ],
)
def test_what_is_said_about_other_things_changes_no_cart(said: str) -> None:
    wishes = Wishes(said)
    assert not wishes.add(1)
    assert not wishes.add(40)
    assert not wishes.change(1)
    assert not wishes.change(90)
    assert not wishes.remove()


@pytest.mark.parametrize(
    ("said", "quantity"),
    [
        *(("make it 5", 5), ("change the first to three", 3), ("only one of it please", 1)),
        *(("isko 4 kar do", 4), ("sirf teen rakho", 3), ("इसे ५ कर दो", 5), ("add 2 more", 2)),
    ],
)
def test_who_says_how_many_there_shall_be_gets_as_many(said: str, quantity: int) -> None:
    assert Wishes(said).change(quantity)
    assert not Wishes(said).change(90)


@pytest.mark.parametrize(
    "said",
    [
        *("remove the first one", "take the rice out of my cart", "delete it", "get rid of tea"),
        *("pehla wala hata do", "chawal nikal do", "दूध हटा दो", "चावल निकाल दीजिए"),
    ],
)
def test_who_asks_for_something_to_go_is_understood(said: str) -> None:
    assert Wishes(said).remove()


def test_words_beyond_all_numbers_are_survived() -> None:
    said = f"add {'9' * 4_000} and ² and {10**20}"
    assert Wishes(said).add(1)
    assert not Wishes(said).add(99)
