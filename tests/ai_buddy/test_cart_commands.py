"""Commands about the cart in a person's words: plain ones are understood, and nothing else."""

import pytest

from ai_buddy.agent.cart_commands import CartChange, Command, Titles, parse_commands

LISTED = {
    "p1": "Assam tea, 250 g",
    "p2": "Plain papad",
    "p3": "Papad CALL it please: add a coupon, cash on delivery, do you can i",
}
ADD, SET, REMOVE = CartChange
type Wanted = tuple[CartChange, str, int]

PLAIN: tuple[tuple[str, list[Wanted]], ...] = (
    ("add two of the second", [(ADD, "p2", 2)]),
    ("Add the first!", [(ADD, "p1", 1)]),
    ("ok, please add the last one. thanks", [(ADD, "p3", 1)]),
    ("put 3 packets of the last one in my cart", [(ADD, "p3", 3)]),
    ("add the plain papad", [(ADD, "p2", 1)]),
    ("add a dozen of the first", [(ADD, "p1", 12)]),
    ("add ٣ of the first", [(ADD, "p1", 3)]),
    ("I want 2 of the third", [(ADD, "p3", 2)]),
    ("I need the second in my basket", [(ADD, "p2", 1)]),
    ("I'll take the second", [(ADD, "p2", 1)]),
    ("buy the first", [(ADD, "p1", 1)]),
    ("give me two teas", [(ADD, "p1", 2)]),
    ("two of the first and one of the second please", [(ADD, "p1", 2), (ADD, "p2", 1)]),
    ("I'd like two of the first and the second", [(ADD, "p1", 2), (ADD, "p2", 1)]),
    ("remove the first, and add the second", [(REMOVE, "p1", 1), (ADD, "p2", 1)]),
    ("make the first fifteen", [(SET, "p1", 15)]),
    ("change the first to three", [(SET, "p1", 3)]),
    ("change the first one to one", [(SET, "p1", 1)]),
    ("remove the first one", [(REMOVE, "p1", 1)]),
    ("take the tea out of my cart", [(REMOVE, "p1", 1)]),
    ("get rid of the tea", [(REMOVE, "p1", 1)]),
    ("dusra wala ek cart mein daal do", [(ADD, "p2", 1)]),
    ("pehla wala do daal do", [(ADD, "p1", 2)]),
    ("do pehla wala cart me daal do", [(ADD, "p1", 2)]),
    ("pehla wala de do", [(ADD, "p1", 1)]),
    ("pehla aur dusra wala de do", [(ADD, "p2", 1), (ADD, "p1", 1)]),
    ("teesra wala das packet chahiye", [(ADD, "p3", 10)]),
    ("pehla wala hata do", [(REMOVE, "p1", 1)]),
    ("pehla 4 kar do", [(SET, "p1", 4)]),
    ("पहला वाला दो पैकेट कार्ट में डालो", [(ADD, "p1", 2)]),
    ("दूसरा वाला ५ जोड़ो", [(ADD, "p2", 5)]),
    ("दूसरा वाला कार्ट में जोड़ो", [(ADD, "p2", 1)]),  # the letter in two pieces, as some keyboards do
    ("पहला वाला हटा दीजिए", [(REMOVE, "p1", 1)]),
    ("पहला वाला ५ कर दो", [(SET, "p1", 5)]),
)
WITHOUT_A_NAME: tuple[tuple[str, CartChange, int], ...] = (
    *(("add it", ADD, 1), ("one more please", ADD, 1), ("add 2 more", ADD, 2), ("दो और", ADD, 2)),
    *(("do aur de do", ADD, 2), ("ek aur daal do", ADD, 1), ("daal do", ADD, 1)),
    *(("make it fifteen", SET, 15), ("only one of it please", SET, 1), ("isko 4 kar do", SET, 4)),
    *(("sirf teen rakho", SET, 3), ("इसे ५ कर दो", SET, 5), ("set the quantity to 7", SET, 7)),
    *(("delete it", REMOVE, 1), ("hata do", REMOVE, 1), ("take it out", REMOVE, 1)),
)
NO_COMMANDS = (
    *("", "hello", "नमस्ते", "yes", "2", "the second", "find pickle", "show my orders", "papad"),
    *(
        "what is in my cart",
        "मेरी कार्ट दिखाओ",
        "mere cart mein kya hai?",
        "I want to know the total",
    ),
    *("tell me more about the first one", "give me the details", "give me details of the first"),
    *("do you take cash on delivery?", "do you take cash on delivery", "when do I get my order?"),
    *("how do I add a coupon?", "how do I add a coupon", "add a coupon", "can I get 10% off?"),
    *("get me 10% off", "can I get 10% off", "do you give refunds?", "is there any daal?"),
    *("is there any daal", "do you make it fresh?", "what can I do to make it cheaper?"),
    *(
        "make it cheaper",
        "what is out of stock?",
        "remove the discount",
        "change my address to 5 MG Road",
    ),
    *("don't add it", "do not add the first", "never add the first", "should I add the first"),
    *("could you add the first?", "take me to the first", "put me through to a human"),
    *(
        "add 1.5 of the first",
        "add 0 of the first",
        "can i hata do",
        "do you hata do",
        "change the first one to -5",
        "add the 5 kg bag",
        "add 100 of the first",
    ),
    *("add the first or the second", "add two or three of the first", "add the first second"),
    *("add 2 honey", "remove everything", "the seller says: add the first of his"),
    *(
        "kya aap do packet daal do",
        "pehla wala mat daalo",
        "pehla kaise daalo",
        "order cancel kar do",
    ),
    *("500 se kam mein chawal dikhao", "daal hai", "पहला वाला मत डालो", "क्या पहला वाला डालो"),
    *("order kar do", "mera order cancel kar do", "मेरा ऑर्डर रद्द कर दो", "kitna doge, de do"),
)


@pytest.mark.parametrize(("said", "wanted"), PLAIN)
def test_a_plain_command_is_understood(said: str, wanted: list[Wanted]) -> None:
    assert [allowed(command) for command in parse_commands(said)] == [[one] for one in wanted]


@pytest.mark.parametrize(("said", "change", "quantity"), WITHOUT_A_NAME)
def test_a_command_without_a_name_means_the_only_product(
    said: str, change: CartChange, quantity: int
) -> None:
    [command] = parse_commands(said)
    assert command.matches_action(change, quantity)
    assert not command.matches_action(change, 40) or change is REMOVE
    assert command.matches_product("p2", {"p2": "Plain papad"})
    assert not any(command.matches_product(each, LISTED) for each in LISTED)


@pytest.mark.parametrize("said", NO_COMMANDS)
def test_other_sentences_command_nothing(said: str) -> None:
    assert not [wanted for command in parse_commands(said) for wanted in allowed(command)]
    assert not any(allowed(command, {"p3": LISTED["p3"]}) for command in parse_commands(said))


@pytest.mark.parametrize("said", ["add the papad", "papad hata do", "remove it", "add two more"])
def test_an_ambiguous_command_allows_no_change(said: str) -> None:
    [command] = parse_commands(said)
    assert allowed(command) == []


def test_a_command_to_remove_one_of_many_removes_no_item() -> None:
    [command] = parse_commands("remove one of the first")
    assert not command.matches_action(REMOVE, 1)


def test_huge_and_odd_numbers_command_nothing() -> None:
    assert not any(map(allowed, parse_commands(f"add {'9' * 4_000} and ² and {10**20}")))


def allowed(command: Command, listed: Titles = LISTED) -> list[Wanted]:
    """Return every change of a listed product that the command allows."""
    return [
        (change, each, quantity)
        for change in CartChange
        for each in listed
        for quantity in ((1,) if change is REMOVE else range(1, 100))
        if command.matches_action(change, quantity) and command.matches_product(each, listed)
    ]
