"""The writes that a person can be asked to confirm, and their execution."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Set
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ai_buddy.model import Proposal
from ai_buddy.tools.gateways import Cart, OrderStatus, Product, Shop, WritableShop, fingerprint
from supermarket.caller import Caller, Role
from supermarket.clock import ID_PATTERN
from supermarket.errors import DomainError, Invalid, Unavailable

MAX_STOCK = 1_000_000_000
CUSTOMERS = frozenset({Role.USER})
SELLERS = frozenset({Role.SELLER})


def _require_printable(text: str) -> str:
    """An address or a number must not break out of its line, in a mail or on a parcel."""
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


PRINTABLE = AfterValidator(_require_printable)

type Id = Annotated[str, Field(pattern=ID_PATTERN)]
type Line = Annotated[str, Field(min_length=1, max_length=120), PRINTABLE]
type Country = Annotated[str, Field(min_length=2, max_length=60), PRINTABLE]
type Zip = Annotated[str, Field(min_length=3, max_length=12), PRINTABLE]
type TrackingNumber = Annotated[str, Field(min_length=1, max_length=60), PRINTABLE]


class Action(BaseModel):
    """A write that waits for its confirmation: JSON values, and no id of a person. `kind` is its
    stored name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kind: ClassVar[str]
    roles: ClassVar[Set[Role]] = CUSTOMERS

    @property
    def subject(self) -> str | None:
        """The id of the order or product that it changes, if there is one."""
        return getattr(self, "order_id", None) or getattr(self, "product_id", None)

    @abstractmethod
    def execute(self, shop: WritableShop, caller: Caller, key: str) -> str:
        """Do it and return a sentence about the result; a second execution under the same `key` has
        no further effect. Raises DomainError when the shop refuses.
        """


class PlaceOrder(Action):
    """Order the cart, if it still has the `fingerprint` of the one that was shown."""

    kind = "place_order"
    address_id: Annotated[str, Field(min_length=1, max_length=64)]
    fingerprint: Annotated[str, Field(min_length=64, max_length=64)]

    @classmethod
    def of(cls, cart: Cart, address_id: str) -> Self:
        lines = ((each.line.product_id, each.line.quantity, each.unit_price) for each in cart.lines)
        return cls(address_id=address_id, fingerprint=fingerprint(lines))

    def execute(self, shop: WritableShop, caller: Caller, key: str) -> str:
        order = shop.place_order(caller, self.address_id, key, self.fingerprint)
        total = order.pricing.total
        return f"Order {order.id} is placed: {total} in all. It is yours once it is paid for."


class CancelOrder(Action):
    """Cancel an order."""

    kind = "cancel_order"
    order_id: Id

    def execute(self, shop: WritableShop, caller: Caller, key: str) -> str:
        order = shop.get_order(caller, self.order_id)
        if order.status is not OrderStatus.CANCELLED:
            order = shop.cancel_order(caller, self.order_id)
        refunded = order.payment_status in {"REFUND_PENDING", "REFUNDED"}
        refund = " Your money is on its way back to you." if refunded else ""
        return f"Order {order.id} is cancelled.{refund}"


class RedirectOrder(Action):
    """Change the delivery address of an order; what is None stays."""

    kind = "redirect_order"
    order_id: Id
    street: Line | None = None
    city: Line | None = None
    state: Line | None = None
    zip: Zip | None = None
    country: Country | None = None

    def execute(self, shop: WritableShop, caller: Caller, key: str) -> str:
        changes = self.model_dump(exclude={"order_id"}, exclude_none=True)
        order = shop.change_address(caller, self.order_id, changes)
        return f"Order {order.id} now goes to {order.shipping_address}."


class SetStock(Action):
    """Set the counted stock of a product: what is on hand, with the reserved part."""

    kind = "set_stock"
    roles = SELLERS
    product_id: Id
    stock: Annotated[int, Field(ge=0, le=MAX_STOCK)]

    def execute(self, shop: WritableShop, caller: Caller, key: str) -> str:
        product = shop.set_stock(caller, self.product_id, self.stock, key)
        return f"The stock on hand is now {product.on_hand}.{reserved_text(product)}"


class MarkShipped(Action):
    """Mark an order as shipped."""

    kind = "mark_shipped"
    roles = SELLERS
    order_id: Id
    tracking_number: TrackingNumber | None = None

    def execute(self, shop: WritableShop, caller: Caller, key: str) -> str:
        order = shop.get_order(caller, self.order_id)
        if order.status is not OrderStatus.SHIPPED:
            order = shop.ship_order(caller, self.order_id, self.tracking_number)
        return f"Order {order.id} is marked as shipped."


class CartAction(Action):
    """A change of one item of the cart."""

    product_id: Id

    def execute(self, shop: WritableShop, caller: Caller, key: str) -> str:
        return f"Done. Your cart comes to {self.apply(shop, caller).price}."

    @abstractmethod
    def apply(self, shop: Shop, caller: Caller) -> Cart:
        """Change the cart."""


class PutInCart(CartAction):
    """Set the quantity of a product in the cart, whether it is in there or not."""

    kind = "put_in_cart"
    quantity: Annotated[int, Field(ge=1, le=99)]

    def apply(self, shop: Shop, caller: Caller) -> Cart:
        is_there = shop.get_cart(caller).cart.quantity_of(self.product_id) > 0
        put = shop.change_quantity if is_there else shop.add_item
        return put(caller, self.product_id, self.quantity)


class TakeFromCart(CartAction):
    """Remove a product from the cart."""

    kind = "take_from_cart"

    def apply(self, shop: Shop, caller: Caller) -> Cart:
        cart = shop.get_cart(caller)
        is_there = cart.cart.quantity_of(self.product_id) > 0
        return shop.remove_item(caller, self.product_id) if is_there else cart


class ChangeCart(Action):
    """Several changes of the cart; the refusal of one does not keep the others from happening."""

    kind = "change_cart"
    changes: Annotated[list[PutInCart | TakeFromCart], Field(min_length=2)]

    @classmethod
    def of(cls, changes: Iterable[Action]) -> Self:
        return cls.model_validate({"changes": list(changes)})

    def execute(self, shop: WritableShop, caller: Caller, key: str) -> str:
        refused: list[str] = []
        for number, change in enumerate(self.changes, 1):
            try:
                change.apply(shop, caller)
            except Unavailable:  # all changes are executed again, and nothing is put in twice
                raise
            except DomainError as refusal:
                refused.append(f"({number}) {refusal.message}")
        total = f"Your cart comes to {shop.get_cart(caller).price}."
        if not refused:
            return f"Done. {total}"
        done = f"{len(self.changes) - len(refused)} of {len(self.changes)} are done."
        return f"{done} Not done: {'; '.join(refused)}. {total}"


CART_ACTIONS = (PutInCart, TakeFromCart, ChangeCart)
ORDER_ACTIONS = (PlaceOrder, CancelOrder, RedirectOrder, MarkShipped)
ACTIONS: Mapping[str, type[Action]] = {
    action.kind: action for action in (*CART_ACTIONS, *ORDER_ACTIONS, SetStock)
}


class ActionExecutor:
    """`ProposalExecutor` for all actions."""

    def __init__(self, shop: WritableShop) -> None:
        self._shop = shop

    def execute(self, caller: Caller, proposal: Proposal, key: str) -> str:
        kind = ACTIONS.get(proposal.action)
        if kind is None:
            raise Invalid("There is nothing like this to confirm")
        try:
            action = kind.model_validate(dict(proposal.arguments))
        except ValidationError as invalid:
            raise Invalid("What was to be confirmed is not valid any more") from invalid
        caller.require(kind.roles)
        return action.execute(self._shop, caller, key)


def reserved_text(product: Product) -> str:
    """Return a sentence about the part of the stock on hand that orders hold; empty for none."""
    return f" Reserved for orders: {product.reserved}." if product.reserved else ""
