"""Tools: what the language model may call, with typed arguments, and what comes back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from ai_buddy.agent.sanitise import fenced
from ai_buddy.model import DisplayedItems, Proposal, Utterance
from supermarket.caller import Caller
from supermarket.errors import DomainError

SHOWN_BEFORE = "shown_before"
MARK = "_tool"  # the attribute of a method that is a tool


class Arguments(BaseModel):
    """The arguments of a tool: no unknown names, and no id of a person among them."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


@dataclass(frozen=True)
class ToolOutcome:
    """The outcome of a call: `result` goes to the model, `displayed` and `proposal` to the person.
    The answer may name `ids`.
    """

    result: Mapping[str, Any]
    displayed: DisplayedItems = field(default_factory=DisplayedItems)
    ids: frozenset[str] = frozenset()
    proposal: Proposal | None = None


@dataclass(frozen=True)
class Tool:
    """A use case, bound to its caller, under the name by which the model calls it."""

    name: str
    description: str
    arguments: type[Arguments]
    run: Callable[..., ToolOutcome] = field(repr=False)

    def __call__(self, **arguments: Any) -> ToolOutcome:
        """Run the tool; raises ValidationError for invalid arguments and the shop's errors."""
        return self.run(**dict(self.arguments.model_validate(arguments)))


def tool[Method: Callable[..., ToolOutcome]](
    name: str, description: str
) -> Callable[[Method], Method]:
    """Make a method a tool: its parameters are the model's arguments, and a text in a parameter's
    annotation describes it to the model.

        class CustomerTools:
            @tool("order_status", "State, payment and contents of an order.")
            def get_order(self, order_id: Annotated[str, "The id of an order"]) -> ToolOutcome: ...

        tools = bind_tools(CustomerTools())
    """

    def mark(method: Method) -> Method:
        setattr(method, MARK, Tool(name, description, _arguments(name, method), method))
        return method

    return mark


def bind_tools(owner: object) -> Sequence[Tool]:
    """Return the tools of an object, in the order of their definition."""
    marked = [getattr(method, MARK, None) for method in vars(type(owner)).values()]
    return [replace(each, run=partial(each.run, owner)) for each in marked if each]


type MakeTools = Callable[[Caller, DisplayedItems, str], Sequence[Tool]]


def last_displayed(history: Sequence[Utterance]) -> DisplayedItems:
    """Return the products and the order that were displayed last: what "the second one" means."""
    newest_first = [utterance.displayed for utterance in reversed(history)]
    return DisplayedItems(
        next((each.products for each in newest_first if each.products), None),
        next((each.order for each in newest_first if each.order), None),
    )


def to_result(displayed: DisplayedItems) -> dict[str, Any]:
    """Return displayed items as a tool's result."""
    products = [
        {
            "number": number,
            "id": view["id"],
            "title": fenced(str(view["title"])),
            "price": f"{float(view['price']['amount']):.2f} {view['price']['currency']}",
        }
        for number, view in enumerate(displayed.products or (), 1)
    ]
    order = displayed.order and {"id": displayed.order["id"], "status": displayed.order["status"]}
    return {"products": products, **({"order": order} if order else {})}


def refusal_text(refusal: DomainError) -> str:
    """Return the shop's message with the fields at fault."""
    faults = "; ".join(f"{error.field} {error.message}" for error in refusal.errors)
    return f"{refusal.message} ({faults})" if faults else refusal.message


def _arguments(name: str, method: Callable[..., ToolOutcome]) -> type[Arguments]:
    hints = get_type_hints(method, include_extras=True)
    _, *parameters = signature(method).parameters.values()  # the first is `self`
    fields: dict[str, Any] = {}
    for each in parameters:
        default = ... if each.default is each.empty else each.default
        fields[each.name] = (_described(hints[each.name]), default)
    return create_model(name, __base__=Arguments, **fields)


def _described(hint: Any) -> Any:
    """Make a text in an annotation the description of its field."""
    if get_origin(hint) is not Annotated:
        return hint
    kind, *details = get_args(hint)
    fields = [Field(description=each) if isinstance(each, str) else each for each in details]
    return Annotated[kind, *fields]
