"""What a person can be asked to confirm, and how it is done then: in code, with all the checks
that the shop's own pages have.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ai_buddy.model import Proposal
from ai_buddy.tools.ports import Cart, Carts, Desk, Order, SavedAddress, fingerprint
from supermarket.caller import Caller, Role
from supermarket.clock import ID_PATTERN
from supermarket.errors import DomainError, Invalid, Unavailable
from supermarket.money import Money

MAX_STOCK = 1_000_000_000
CUSTOMERS = frozenset({Role.USER})
SELLERS = frozenset({Role.SELLER})


def _printable(text: str) -> str:
    """An address or a number must not break out of its line, in a mail or on a parcel."""
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


type Id = Annotated[str, Field(pattern=ID_PATTERN)]
type Line = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_printable)]
type Country = Annotated[str, Field(min_length=2, max_length=60), AfterValidator(_printable)]
type Zip = Annotated[str, Field(min_length=3, max_length=12), AfterValidator(_printable)]
type Tracking = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_printable)]


class Action(BaseModel):
    """A write that waits for its confirmation: JSON values, and no id of a person."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    roles: ClassVar[Set[Role]]

    @classmethod
    def name(cls) -> str:
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")

    @property
    def about(self) -> str | None:
        """The id of the order or product that it changes, if it is one."""
        return getattr(self, "order_id", None) or getattr(self, "product_id", None)


class PlaceOrder(Action):
    """Order the cart as it was shown; `fingerprint` tells whether it still is that."""

    roles = CUSTOMERS
    address_id: Annotated[str, Field(min_length=1, max_length=64)]
    fingerprint: Annotated[str, Field(min_length=64, max_length=64)]

    @classmethod
    def of(cls, cart: Cart, address: SavedAddress) -> Self:
        return cls(address_id=address.id, fingerprint=fingerprint(cart.lines))


class CancelOrder(Action):
    """Call an order off."""

    roles = CUSTOMERS
    order_id: Id


class RedirectOrder(Action):
    """Send an order elsewhere; what is None stays."""

    roles = CUSTOMERS
    order_id: Id
    street: Line | None = None
    city: Line | None = None
    state: Line | None = None
    zip: Zip | None = None
    country: Country | None = None

    def changes(self) -> Mapping[str, str]:
        return self.model_dump(exclude={"order_id"}, exclude_none=True)


class SetStock(Action):
    """What was counted."""

    roles = SELLERS
    product_id: Id
    stock: Annotated[int, Field(ge=0, le=MAX_STOCK)]


class MarkShipped(Action):
    """The order has left."""

    roles = SELLERS
    order_id: Id
    tracking_number: Tracking | None = None


class CartChange(Action):
    """Something happens to one item of the cart."""

    roles = CUSTOMERS
    product_id: Id


class PutInCart(CartChange):
    """So many of a product in the cart, however many there were."""

    quantity: Annotated[int, Field(ge=1, le=99)]


class TakeFromCart(CartChange):
    """None of a product in the cart."""


class ChangeCart(Action):
    """Several changes of the cart, each for itself: what one is refused keeps no other back."""

    roles = CUSTOMERS
    changes: Annotated[list[PutInCart | TakeFromCart], Field(min_length=2)]

    @classmethod
    def of(cls, changes: Iterable[Action]) -> Self:
        return cls.model_validate({"changes": list(changes)})


KINDS: Mapping[str, type[Action]] = {
    kind.name(): kind
    for kind in (
        *(PutInCart, TakeFromCart, ChangeCart, PlaceOrder, CancelOrder, RedirectOrder),
        *(SetStock, MarkShipped),
    )
}


class ConfirmedActions:
    """The service's `Actions`: each of them can be executed twice and has one effect."""

    def __init__(self, desk: Desk, carts: Carts) -> None:
        self._desk = desk
        self._carts = carts

    def execute(self, caller: Caller, proposal: Proposal, key: str) -> str:
        """A sentence on what was done; DomainError when the shop refuses."""
        action = _read(proposal)
        caller.require(action.roles)
        match action:
            case PlaceOrder():
                return self._place(caller, action, key)
            case CancelOrder():
                return self._cancel(caller, action)
            case RedirectOrder():
                return self._redirect(caller, action)
            case PutInCart() | TakeFromCart():
                return self._change_item(caller, action)
            case ChangeCart():
                return self._change_cart(caller, action)
            case SetStock():
                return self._set_stock(caller, action, key)
            case MarkShipped():
                return self._ship(caller, action)
        raise Invalid("There is nothing like this to confirm")

    def _place(self, caller: Caller, action: PlaceOrder, key: str) -> str:
        order = self._desk.place(caller, action.address_id, key, action.fingerprint)
        return (
            f"Order {order.id} is placed: {_in_words(order.total)} in all. It is yours once it is"
            " paid for."
        )

    def _cancel(self, caller: Caller, action: CancelOrder) -> str:
        order = self._order_in("CANCELLED", caller, action.order_id)
        order = order or self._desk.cancel(caller, action.order_id)
        refunded = order.payment_status in {"REFUND_PENDING", "REFUNDED"}
        money = " Your money is on its way back to you." if refunded else ""
        return f"Order {order.id} is cancelled.{money}"

    def _redirect(self, caller: Caller, action: RedirectOrder) -> str:
        order = self._desk.redirect(caller, action.order_id, action.changes())
        return f"Order {order.id} now goes to {order.address}."

    def _change_item(self, caller: Caller, action: PutInCart | TakeFromCart) -> str:
        cart = self._carts.look(caller)
        is_there = cart.line(action.product_id) is not None
        if isinstance(action, PutInCart):
            put = self._carts.change if is_there else self._carts.add
            cart = put(caller, action.product_id, action.quantity)
        elif is_there:
            cart = self._carts.remove(caller, action.product_id)
        return f"Done. Your cart comes to {_in_words(cart.total)}."

    def _change_cart(self, caller: Caller, action: ChangeCart) -> str:
        refused: dict[int, str] = {}
        for number, change in enumerate(action.changes, 1):
            try:
                self._change_item(caller, change)
            except Unavailable:  # the same is tried again, and nothing is put in twice
                raise
            except DomainError as refusal:
                refused[number] = refusal.message
        total = f"Your cart comes to {_in_words(self._carts.look(caller).total)}."
        if not refused:
            return f"Done. {total}"
        reasons = "; ".join(f"({number}) {message}" for number, message in refused.items())
        done = len(action.changes) - len(refused)
        return f"{done} of {len(action.changes)} are done. Not done: {reasons}. {total}"

    def _set_stock(self, caller: Caller, action: SetStock, key: str) -> str:
        product = self._desk.set_stock(caller, action.product_id, action.stock, key)
        return f"The stock is now {product.stock}."

    def _ship(self, caller: Caller, action: MarkShipped) -> str:
        order = self._order_in("SHIPPED", caller, action.order_id)
        order = order or self._desk.ship(caller, action.order_id, action.tracking_number)
        return f"Order {order.id} is marked as shipped."

    def _order_in(self, status: str, caller: Caller, order_id: str) -> Order | None:
        """The order, if this was done before: a confirmation that comes twice is no error."""
        order = self._desk.look_at(caller, order_id)
        return order if order.status == status else None


def _read(proposal: Proposal) -> Action:
    kind = KINDS.get(proposal.action)
    if kind is None:
        raise Invalid("There is nothing like this to confirm")
    try:
        return kind.model_validate(dict(proposal.arguments))
    except ValidationError as invalid:
        raise Invalid("What was to be confirmed is not valid any more") from invalid


def _in_words(money: Money) -> str:
    return f"{money.amount:.2f} {money.currency}"
