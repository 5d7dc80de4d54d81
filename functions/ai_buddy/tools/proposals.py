"""The proposals of one answer, combined into the one that its button confirms."""

from ai_buddy.agent.sanitise import fenced
from ai_buddy.agent.tool import ToolOutcome
from ai_buddy.model import Proposal
from ai_buddy.tools.actions import Action, CartAction, ChangeCart
from supermarket.errors import Conflict

MAX_LENGTH = 2_000
ONE_BUTTON = (
    "Something else waits for the person's word already, and there is one button: tell the person"
    " to confirm that first and to ask for this again"
)


class Proposals:
    """Combines changes of the cart into one proposal; anything else is proposed alone. A second
    proposal about the same item or order replaces the first.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[Action, str]] = []

    def add(self, action: Action, text: str) -> ToolOutcome:
        """Propose an action besides the earlier ones.

        Raises Conflict when they cannot be confirmed together; the earlier ones stay.
        """
        others = [each for each in self._pending if not _is_same(each[0], action)]
        pending = [*others, (action, text)]
        if others and not all(isinstance(each, CartAction) for each, _ in pending):
            raise Conflict(ONE_BUTTON)
        self._pending = pending
        if others:
            action = ChangeCart.of(each for each, _ in pending)
            text = " ".join(f"({number}) {each}" for number, (_, each) in enumerate(pending, 1))
        result = {
            "proposed": fenced(text, MAX_LENGTH),  # it holds titles by sellers
            "note": "Nothing has happened yet: a button to confirm is shown to the person.",
        }
        arguments = action.model_dump(exclude_none=True)
        return ToolOutcome(result, proposal=Proposal(action.kind, arguments, text))


def _is_same(one: Action, other: Action) -> bool:
    are_of_cart = isinstance(one, CartAction) and isinstance(other, CartAction)
    return one.subject == other.subject and (are_of_cart or type(one) is type(other))
