"""The events of carts, made from the model."""

from collections.abc import Sequence

from cart.model import Cart, CartLine
from supermarket import contracts
from supermarket.contracts import Amount, CartAbandoned
from supermarket.money import Money
from supermarket.people import Recipient


def to_cart_abandoned(cart: Cart, lines: Sequence[CartLine], customer: Recipient) -> CartAbandoned:
    """Return the event for those lines of the cart that can be ordered."""
    totals = (line.price_when_added * line.quantity for line in lines)
    return CartAbandoned(
        user_id=cart.user_id,
        customer=customer,
        lines=[
            contracts.CartLine.model_validate(
                {**vars(line), "unit_price": Amount.of(line.price_when_added)}
            )
            for line in lines
        ],
        total=Amount.of(Money.total(totals, lines[0].price_when_added.currency)),
        idle_since=cart.updated_at,
    )
