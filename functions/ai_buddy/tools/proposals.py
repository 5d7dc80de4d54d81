"""What one answer asks the person to confirm. There is one button for all of it."""

from collections.abc import Sequence

from ai_buddy.agent.sanitise import fenced
from ai_buddy.agent.tool import Outcome
from ai_buddy.model import Proposal, Proposed
from ai_buddy.tools.actions import Action, CartChange, ChangeCart
from supermarket.errors import Conflict

LONGEST = 2_000
ONE_BUTTON = (
    "Something else waits for the person's word already, and there is one button: tell the person"
    " to confirm that first and to ask for this again"
)


class Proposals:
    """Changes of the cart are confirmed together; anything else alone. What is proposed anew of the
    same thing takes the place of what was proposed before.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Action, str]] = []

    def ask(self, action: Action, text: str) -> Outcome:
        """For the person's word; Conflict, and what was asked for before stays, when it does not go
        together with that.
        """
        others = [one for one in self._waiting if not _is_same(one[0], action)]
        if others and not all(isinstance(one, CartChange) for one in (*_actions(others), action)):
            raise Conflict(ONE_BUTTON)
        self._waiting = [*others, (action, text)]
        together = _proposal(self._waiting)
        return Outcome(
            {
                "proposed": fenced(together.text, LONGEST),  # of titles that sellers wrote
                "note": "Nothing has happened yet: a button to confirm is shown to the person.",
            },
            (Proposed(together),),
        )


def _proposal(waiting: Sequence[tuple[Action, str]]) -> Proposal:
    if len(waiting) == 1:
        [(action, text)] = waiting
    else:
        action = ChangeCart.of(_actions(waiting))
        text = " ".join(f"({place}) {said}" for place, (_, said) in enumerate(waiting, 1))
    return Proposal(action.name(), action.model_dump(exclude_none=True), text)


def _actions(waiting: Sequence[tuple[Action, str]]) -> list[Action]:
    return [action for action, _ in waiting]


def _is_same(one: Action, other: Action) -> bool:
    are_of_cart = isinstance(one, CartChange) and isinstance(other, CartChange)
    return one.about == other.about and (are_of_cart or type(one) is type(other))
