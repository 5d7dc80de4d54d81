"""Which tools a caller gets, by role."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ai_buddy.agent.cart_commands import parse_commands
from ai_buddy.agent.policies import Policies
from ai_buddy.agent.tool import SHOWN_BEFORE, Tool, ToolOutcome, bind_tools, to_result, tool
from ai_buddy.model import DisplayedItems
from ai_buddy.tools.customer import CustomerTools
from ai_buddy.tools.gateways import Checkout, SellerMetrics, Shop
from ai_buddy.tools.seller import SellerTools
from supermarket.caller import Caller, Role

type Question = Annotated[str, Field(min_length=1, max_length=300)]


class CommonTools:
    """The tools of every role."""

    def __init__(self, policies: Policies, displayed: DisplayedItems) -> None:
        self._policies = policies
        self._displayed = displayed

    @tool(
        "shop_policy",
        "The shop's rules on delivery, returns, refunds, cancelling, payment and privacy.",
    )
    def find_policies(
        self, question: Annotated[Question, "What the person wants to know, in English keywords"]
    ) -> ToolOutcome:
        found = self._policies.search(question)
        return ToolOutcome({"passages": [{"title": one.title, "text": one.text} for one in found]})

    @tool(
        SHOWN_BEFORE,
        "The products that were shown last, numbered as the person saw them, and the last order.",
    )
    def recall(self) -> ToolOutcome:
        return ToolOutcome(to_result(self._displayed), ids=self._displayed.ids)


@dataclass(frozen=True)
class Toolbox:
    """Makes the tools of a caller, for one question."""

    shop: Shop
    checkout: Checkout
    metrics: SellerMetrics
    policies: Policies

    def make(self, caller: Caller, displayed: DisplayedItems, text: str) -> Sequence[Tool]:
        """Return the tools for a question with this text, after these items were displayed."""
        own: Sequence[Tool] = ()
        if caller.role is Role.USER:
            seen = {str(view["id"]): str(view["title"]) for view in displayed.products or ()}
            commands = parse_commands(text)
            own = bind_tools(CustomerTools(caller, self.shop, self.checkout, seen, commands))
        elif caller.role is Role.SELLER:
            own = bind_tools(SellerTools(caller, self.shop, self.metrics))
        return (*own, *bind_tools(CommonTools(self.policies, displayed)))
