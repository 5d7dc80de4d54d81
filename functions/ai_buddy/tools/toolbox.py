"""Which tools a caller gets: by role, bound to that caller."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ai_buddy.agent.cart_commands import commands
from ai_buddy.agent.policies import Policies
from ai_buddy.agent.tool import Shown, Tool
from ai_buddy.tools.customer import CustomerTools
from ai_buddy.tools.ports import AddressBook, Books, Carts, Catalogue, Orders
from ai_buddy.tools.results import memory_tool, policy_tool
from ai_buddy.tools.seller import SellerTools
from supermarket.caller import Caller, Role
from supermarket.money import Money


@dataclass(frozen=True)
class Toolbox:
    """The shop's ports, from which tools are made anew for every question."""

    catalogue: Catalogue
    carts: Carts
    orders: Orders
    addresses: AddressBook
    books: Books
    policies: Policies
    charged: Callable[[Money], Money]

    def of(self, caller: Caller, shown: Shown, said: str) -> Sequence[Tool]:
        """The tools of this caller, for a question in these words."""
        return (*self._own(caller, shown, said), policy_tool(self.policies), memory_tool(shown))

    def _own(self, caller: Caller, shown: Shown, said: str) -> Sequence[Tool]:
        match caller.role:
            case Role.USER:
                customer = CustomerTools(
                    caller,
                    self.catalogue,
                    self.carts,
                    self.orders,
                    self.addresses,
                    self.charged,
                    seen={str(one["id"]): str(one["title"]) for one in shown.products},
                    commands=commands(said),
                )
                return customer.all()
            case Role.SELLER:
                return SellerTools(caller, self.books, self.orders).all()
            case _:
                return ()
