"""The assistant's tools on the shop's real services, which store everything in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ai_buddy.agent.policies import Policies
from ai_buddy.agent.tool import Tool, ToolOutcome
from ai_buddy.model import DisplayedItems
from ai_buddy.tools.actions import ActionExecutor
from ai_buddy.tools.gateways import Checkout, SellerMetrics, WritableShop
from ai_buddy.tools.gateways import Shop as ReadableShop
from ai_buddy.tools.toolbox import Toolbox
from auth.model import SavedAddress
from cart.gateways import ShopCatalogue as CartCatalogue
from cart.service import CartService
from order import gateways as order_gateways
from order.model import Charges, Order, OrderStatus
from order.service import OrderService
from product.model import Availability, Product
from seller_dashboard.projections.model import ProductDetails, ProductFacts, Sale
from supermarket.caller import Caller, Role
from supermarket.clock import Clock, new_id
from supermarket.money import Currency
from supermarket.people import Recipient
from support.api import a_caller
from support.auth import InMemoryAuth
from support.cart import InMemoryCarts
from support.in_memory import InMemoryAuditTrail, InMemoryIdempotencyKeys, InMemoryOutbox
from support.order import InMemoryOrders, InMemoryPaymentStates, terms
from support.product import Shop, a_product
from support.seller_dashboard import Projections, a_sale

POLICIES = Policies()
COMMANDS = {
    "add_to_cart": "add {} of it",
    "change_cart_quantity": "make it {}",
    "remove_from_cart": "remove it",
}
CHARGES = Charges(Decimal(5), {Currency.INR: 4000, Currency.USD: 50})


class AssistedShop:
    """A shop with an assistant: its tools and the executor of confirmed actions."""

    def __init__(self, clock: Clock) -> None:
        self.catalogue = Shop(clock)
        products = self.catalogue.service
        keys = InMemoryIdempotencyKeys(clock)
        self.carts = CartService(InMemoryCarts(clock), CartCatalogue(products), clock, keys)
        self.auth = InMemoryAuth(clock)
        self.audit = InMemoryAuditTrail()
        self.outbox, orders = InMemoryOutbox(), InMemoryOrders()
        self.orders = OrderService(
            orders=orders,
            stock=order_gateways.ShopStock(self.catalogue.inventory.service),
            carts=order_gateways.ShopCarts(lambda: self.carts),
            address_book=order_gateways.ShopAccounts(lambda: self.auth.account_service),
            customers=order_gateways.ShopAccounts(lambda: self.auth.account_service),
            payments=InMemoryPaymentStates(orders),
            idempotency_keys=keys,
            audit=self.audit,
            begin=self.outbox.begin,
            terms=lambda: terms(CHARGES),
            clock=clock,
            new_id=new_id,
        )
        self.projections = Projections()
        self.toolbox = Toolbox(
            ReadableShop(products, self.carts, self.orders),
            Checkout(self.auth.account_service, CHARGES),
            SellerMetrics(self.projections.dashboard, products, clock),
            POLICIES,
        )
        self.executor = ActionExecutor(WritableShop(products, self.carts, self.orders, keys))

    def customer(self) -> "Visitor":
        return Visitor(self, a_caller(Role.USER))

    def seller(self) -> "Visitor":
        return Visitor(self, a_caller(Role.SELLER))

    def sells(self, title: str, **values: Any) -> Product:
        """Put a product on sale; `seller` may be a visitor."""
        seller = values.pop("seller", None)
        if seller is not None:
            person = seller.caller
            values["seller"] = Recipient(person.user_id, person.email, person.first_name)
        product = a_product(title=title, **values)
        product = replace(product, shown=Availability(in_stock=product.stock > 0))
        transaction = self.catalogue.outbox.begin()
        self.catalogue.entries.add(_words(product), product, transaction)
        self.catalogue.products.add(product, transaction)
        self.catalogue.service.stock.open(product, transaction)
        transaction.commit()
        details = ProductDetails(
            1, title, product.price, product.category, product.low_stock_threshold
        )
        self.projections.projector.apply_product(
            ProductFacts(product.seller.user_id, product.id, details)
        )
        return product

    def sold(self, seller: "Visitor", **values: Any) -> Sale:
        """Record a sale in the seller's dashboard."""
        sale = a_sale(order_id=new_id(), seller_id=seller.caller.user_id, **values)
        self.projections.record(sale)
        return sale


@dataclass(frozen=True)
class Visitor:
    """A signed-in person and the tools that the assistant has for them."""

    shop: AssistedShop
    caller: Caller

    @property
    def tools(self) -> Mapping[str, Tool]:
        return self.tools_after(DisplayedItems())

    def tools_after(self, displayed: DisplayedItems, text: str = "") -> Mapping[str, Tool]:
        return {tool.name: tool for tool in self.shop.toolbox.make(self.caller, displayed, text)}

    def uses(self, name: str, *, after: str | None = None, **arguments: Any) -> ToolOutcome:
        """Run a tool with the model's arguments, about a product that was displayed before, `after`
        words of the person, which by default command just that.
        """
        named = arguments.get("product_id")
        displayed = DisplayedItems(products=({"id": named, "title": "It"},) if named else None)
        commanded = COMMANDS.get(name, "").format(arguments.get("quantity", 1))
        tool = self.tools_after(displayed, commanded if after is None else after)[name]
        return tool(**arguments)

    def takes(self, product: Product, quantity: int = 1) -> None:
        self.shop.carts.add(self.caller.user_id, product.id, quantity)

    def lives_at(self, street: str = "12 MG Road") -> None:
        home = SavedAddress(street, "Bengaluru", "Karnataka", "560001", "IN", id=new_id())
        self.shop.auth.account_service.add_address(self.caller.user_id, home, make_default=False)

    def orders(self, product: Product, quantity: int = 1, *, paid: bool = False) -> Order:
        self.takes(product, quantity)
        self.lives_at()
        home = self.shop.auth.account_service.address_book(self.caller.user_id).default_id
        assert home is not None
        order = self.shop.orders.place(self.caller, home)
        if paid:
            self.shop.orders.confirm(order.id)
        return self.shop.orders.get_order(order.id, self.caller)

    def status_of(self, order: Order) -> OrderStatus:
        return self.shop.orders.get_order(order.id, self.caller).status

    def units_in_cart(self) -> int:
        return self.shop.carts.get_cart(self.caller.user_id).total_quantity


def _words(product: Product) -> frozenset[str]:
    from product.words import index_terms

    return index_terms(f"{product.title} {product.description}")
