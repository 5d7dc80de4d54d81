"""What a tool is: a name and typed arguments for the model, a use case bound to the caller, and
what comes of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from ai_buddy.agent.sanitise import fenced
from ai_buddy.model import DisplayedOrder, DisplayedProducts, Proposed, Utterance, View
from supermarket.caller import Caller
from supermarket.errors import DomainError

SHOWN_BEFORE = "shown_before"

type Display = DisplayedProducts | DisplayedOrder | Proposed


class Arguments(BaseModel):
    """What the model may say to a tool: these names and no others, no id of a person among them."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class NoArguments(Arguments):
    """The tool knows by itself all that it needs."""


@dataclass(frozen=True)
class Outcome:
    """`told` is what the model reads, `shown` what the person gets to see besides the words."""

    told: Mapping[str, Any]
    shown: tuple[Display, ...] = ()
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Tool:
    """One thing that the assistant can do for this caller, and for nobody else."""

    name: str
    description: str
    arguments: type[Arguments]
    run: Callable[[Any], Outcome] = field(repr=False)


@dataclass(frozen=True)
class Shown:
    """What the conversation has shown last: what "the second one" means."""

    products: tuple[View, ...] = ()
    order: View | None = None

    @classmethod
    def of(cls, history: Sequence[Utterance]) -> Self:
        newest_first = history[::-1]
        return cls(
            next((said.products for said in newest_first if said.products), ()),
            next((said.order for said in newest_first if said.order), None),
        )

    @property
    def ids(self) -> frozenset[str]:
        orders = [self.order] if self.order else []
        return frozenset(str(view["id"]) for view in (*self.products, *orders))

    def told(self) -> dict[str, Any]:
        """As the model is told of it."""
        products = [
            {
                "number": number,
                "id": view["id"],
                "title": fenced(str(view["title"])),
                "price": _amount_in_words(view["price"]),
            }
            for number, view in enumerate(self.products, 1)
        ]
        order = self.order and {"id": self.order["id"], "status": self.order["status"]}
        return {"products": products, **({"order": order} if order else {})}


def refusal(refused: DomainError) -> str:
    """Why not, in the shop's own words."""
    faults = "; ".join(f"{error.field} {error.message}" for error in refused.errors)
    return f"{refused.message} ({faults})" if faults else refused.message


def _amount_in_words(price: Mapping[str, Any]) -> str:
    return f"{float(price['amount']):.2f} {price['currency']}"


type MakeTools = Callable[[Caller, Shown, str], Sequence[Tool]]
