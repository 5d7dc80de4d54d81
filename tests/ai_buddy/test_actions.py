"""Confirmed actions happen once, as they were shown, with the shop's own checks."""

from collections.abc import Mapping
from typing import Any

import pytest

from ai_buddy.model import Proposal
from conftest import FrozenClock
from supermarket.caller import Role
from supermarket.clock import new_id
from supermarket.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from supermarket.money import Currency, Money
from support.api import a_caller
from support.assistant import AssistedShop, Visitor

KEY = "message-1"


@pytest.fixture
def shop(clock: FrozenClock) -> AssistedShop:
    return AssistedShop(clock)


@pytest.fixture
def asha(shop: AssistedShop) -> Visitor:
    return shop.customer()


@pytest.fixture
def ravi(shop: AssistedShop) -> Visitor:
    return shop.seller()


def proposal(visitor: Visitor, tool: str, **arguments: Any) -> Proposal:
    proposed = visitor.uses(tool, **arguments).proposal
    assert proposed
    return proposed


def confirm(visitor: Visitor, wanted: Proposal, key: str = KEY) -> str:
    return visitor.shop.executor.execute(visitor.caller, wanted, key)


def orders_of(visitor: Visitor) -> list[str]:
    return [order["id"] for order in visitor.uses("list_my_orders").result["orders"]]


def test_a_confirmed_order_is_placed(shop: AssistedShop, asha: Visitor) -> None:
    asha.takes(shop.sells("Tea", price=Money(10000, Currency.INR)), 2)
    asha.lives_at()

    sentence = confirm(asha, proposal(asha, "propose_order"))

    [order_id] = orders_of(asha)
    assert sentence.startswith(f"Order {order_id} is placed: 250.00 INR in all.")
    assert asha.units_in_cart() == 0


def test_an_order_confirmed_twice_is_placed_once(shop: AssistedShop, asha: Visitor) -> None:
    tea = shop.sells("Tea", stock=9)
    asha.takes(tea)
    asha.lives_at()
    wanted = proposal(asha, "propose_order")

    first = confirm(asha, wanted)
    asha.takes(tea)

    assert confirm(asha, wanted) == first
    assert len(orders_of(asha)) == 1
    assert asha.units_in_cart() == 1


def test_a_changed_cart_is_not_ordered(shop: AssistedShop, asha: Visitor) -> None:
    tea = shop.sells("Tea", stock=9)
    asha.takes(tea)
    asha.lives_at()
    wanted = proposal(asha, "propose_order")
    asha.takes(tea)

    with pytest.raises(Conflict, match="not what it was"):
        confirm(asha, wanted)
    assert orders_of(asha) == []


def test_a_cart_that_changes_during_the_confirmation_is_not_ordered(
    shop: AssistedShop, asha: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another window may fill it after the confirmation and before the order is written."""
    tea, saffron = shop.sells("Tea"), shop.sells("Saffron", price=Money(900_000, Currency.INR))
    asha.takes(tea)
    asha.lives_at()
    wanted = proposal(asha, "propose_order")
    place = shop.orders.place

    def take_saffron_and_place(_: object, *args: Any) -> Any:
        asha.takes(saffron)
        return place(*args)

    monkeypatch.setattr(type(shop.orders), "place", take_saffron_and_place)

    with pytest.raises(Conflict, match="not what it was"):
        confirm(asha, wanted)
    assert orders_of(asha) == []
    assert asha.units_in_cart() == 2


def test_an_order_whose_price_rose_is_not_placed(shop: AssistedShop, asha: Visitor) -> None:
    from decimal import Decimal

    from product.model import Changes

    ravi = shop.seller()
    tea = shop.sells("Tea", seller=ravi)
    asha.takes(tea)
    asha.lives_at()
    wanted = proposal(asha, "propose_order")
    changes = Changes(price_amount=Decimal(900))
    shop.catalogue.service.update(tea.id, changes, (), ravi.caller)

    with pytest.raises(Conflict):
        confirm(asha, wanted)
    assert orders_of(asha) == []


def test_a_cancellation_confirmed_twice_cancels_once(shop: AssistedShop, asha: Visitor) -> None:
    order = asha.orders(shop.sells("Tea"), paid=True)
    wanted = proposal(asha, "propose_cancellation")

    sentence = confirm(asha, wanted)

    assert sentence == f"Order {order.id} is cancelled. Your money is on its way back to you."
    assert confirm(asha, wanted) == sentence
    assert asha.status_of(order) == "CANCELLED"


def test_a_shipped_order_is_not_cancelled(shop: AssistedShop, asha: Visitor, ravi: Visitor) -> None:
    order = asha.orders(shop.sells("Tea", seller=ravi), paid=True)
    wanted = proposal(asha, "propose_cancellation")
    shop.orders.ship(order.id, None, ravi.caller)
    with pytest.raises(Conflict):
        confirm(asha, wanted)


def test_a_confirmed_address_is_changed(shop: AssistedShop, asha: Visitor) -> None:
    order = asha.orders(shop.sells("Tea"))
    wanted = proposal(asha, "propose_address_change", city="Pune", zip="411001")
    assert "Pune, Karnataka 411001" in confirm(asha, wanted)
    confirm(asha, wanted)
    assert shop.orders.get_order(order.id, asha.caller).shipping_address.city == "Pune"


def test_the_shop_refuses_an_invalid_address(shop: AssistedShop, asha: Visitor) -> None:
    asha.orders(shop.sells("Tea"))
    with pytest.raises(Invalid):
        confirm(asha, proposal(asha, "propose_address_change", zip="not a zip"))


def test_a_confirmed_stock_is_set(shop: AssistedShop, ravi: Visitor) -> None:
    tea = shop.sells("Tea", seller=ravi, stock=5)
    wanted = proposal(ravi, "propose_stock", product_id=tea.id, stock=77)
    assert confirm(ravi, wanted) == "The stock on hand is now 77."
    confirm(ravi, wanted)
    assert shop.catalogue.service.get_product(tea.id).stock == 77


def test_a_stock_confirmed_again_does_not_undo_shipments(
    shop: AssistedShop, asha: Visitor, ravi: Visitor
) -> None:
    tea = shop.sells("Tea", seller=ravi, stock=5)
    wanted = proposal(ravi, "propose_stock", product_id=tea.id, stock=9)
    confirm(ravi, wanted)
    shop.orders.ship(asha.orders(tea, 3, paid=True).id, None, ravi.caller)

    assert confirm(ravi, wanted) == "The stock on hand is now 6."
    assert shop.catalogue.service.get_product(tea.id).stock == 6
    assert confirm(ravi, wanted, "another message") == "The stock on hand is now 9."


def test_a_count_includes_what_is_reserved_for_orders(
    shop: AssistedShop, asha: Visitor, ravi: Visitor
) -> None:
    tea = shop.sells("Tea", seller=ravi, stock=5)
    wanted = proposal(ravi, "propose_stock", product_id=tea.id, stock=9)
    asha.orders(tea, 3)

    assert confirm(ravi, wanted) == "The stock on hand is now 9. Reserved for orders: 3."
    counted = shop.catalogue.service.get_product(tea.id)
    assert (counted.on_hand, counted.reserved, counted.stock) == (9, 3, 6)


def test_a_shipment_confirmed_twice_is_marked_and_audited_once(
    shop: AssistedShop, asha: Visitor, ravi: Visitor
) -> None:
    order = asha.orders(shop.sells("Tea", seller=ravi), paid=True)
    wanted = proposal(ravi, "propose_shipped", order_id=order.id, tracking_number="BD1")

    assert confirm(ravi, wanted) == f"Order {order.id} is marked as shipped."
    confirm(ravi, wanted)

    assert shop.orders.get_order(order.id, asha.caller).tracking_number == "BD1"
    assert len(shop.audit.entries) == 1


# --- forged proposals ---


def foreign(shop: AssistedShop) -> Mapping[str, tuple[str, dict[str, Any], Role]]:
    """Return forged proposals about a stranger's order and product."""
    seller, victim = shop.seller(), shop.customer()
    product = shop.sells("Tea", seller=seller, stock=5)
    order = victim.orders(product, paid=True)
    return {
        "cancel_order": ("cancel_order", {"order_id": order.id}, Role.USER),
        "redirect_order": ("redirect_order", {"order_id": order.id, "city": "Pune"}, Role.USER),
        "mark_shipped": ("mark_shipped", {"order_id": order.id}, Role.SELLER),
        "set_stock": ("set_stock", {"product_id": product.id, "stock": 0}, Role.SELLER),
    }


@pytest.mark.parametrize("name", ["cancel_order", "redirect_order", "mark_shipped", "set_stock"])
def test_a_forged_proposal_about_a_stranger_is_refused(shop: AssistedShop, name: str) -> None:
    action, arguments, role = foreign(shop)[name]
    with pytest.raises((NotFound, Forbidden)):
        shop.executor.execute(a_caller(role), Proposal(action, arguments, ""), KEY)


@pytest.mark.parametrize("name", ["cancel_order", "redirect_order", "mark_shipped", "set_stock"])
def test_the_wrong_role_cannot_confirm(shop: AssistedShop, name: str) -> None:
    action, arguments, role = foreign(shop)[name]
    other = Role.SELLER if role is Role.USER else Role.USER
    with pytest.raises(Forbidden):
        shop.executor.execute(a_caller(other), Proposal(action, arguments, ""), KEY)


def test_no_order_goes_to_a_strangers_address(shop: AssistedShop, asha: Visitor) -> None:
    stranger = shop.customer()
    stranger.lives_at("13 Secret Lane")
    foreign_id = shop.auth.account_service.address_book(stranger.caller.user_id).default_id
    asha.takes(shop.sells("Tea"))
    asha.lives_at()
    honest = proposal(asha, "propose_order")
    forged = Proposal(honest.action, {**honest.arguments, "address_id": foreign_id}, "")
    with pytest.raises(NotFound):
        confirm(asha, forged)


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("refund", {}),
        ("", {}),
        ("cancel_order", {}),
        ("cancel_order", {"order_id": "x"}),
        ("cancel_order", {"order_id": new_id, "user_id": "another"}),
        ("set_stock", {"product_id": new_id, "stock": -1}),
        ("set_stock", {"product_id": new_id, "stock": "7"}),
        ("place_order", {"address_id": "a", "fingerprint": "short"}),
        ("mark_shipped", {"order_id": new_id, "tracking_number": "x" * 61}),
        ("mark_shipped", {"order_id": new_id, "tracking_number": "BD1\r\nBcc: all"}),
        ("redirect_order", {"order_id": new_id, "street": "1 Road\nTo: another"}),
    ],
)
def test_a_malformed_proposal_does_nothing(
    shop: AssistedShop, action: str, arguments: Mapping[str, Any]
) -> None:
    made = {name: value() if callable(value) else value for name, value in arguments.items()}
    for role in (Role.USER, Role.SELLER):
        with pytest.raises(DomainError):
            shop.executor.execute(a_caller(role), Proposal(action, made, ""), KEY)


def test_proposals_can_be_stored_as_json_and_name_no_person(
    shop: AssistedShop, asha: Visitor
) -> None:
    import json

    asha.takes(shop.sells("Tea"))
    asha.lives_at()
    wanted = proposal(asha, "propose_order")
    kept = json.loads(json.dumps(dict(wanted.arguments)))
    assert kept == wanted.arguments
    assert asha.caller.user_id not in json.dumps(kept)
    assert confirm(asha, Proposal(wanted.action, kept, wanted.text))
