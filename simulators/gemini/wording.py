"""Words a function's result in the language of the question."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulators.gemini.language import Language

_SENTENCES = tomllib.loads(Path(__file__).with_name("sentences.toml").read_text())
DETAILS = "{title}, {price}. {description}"
_MARKS = dict.fromkeys(map(ord, "\u27e6\u27e7"))  # around text that users have written

type Result = Mapping[str, Any]


def say(name: str, language: Language, **values: object) -> str:
    """Return one of the sentences of `sentences.toml` with its values filled in."""
    return str(_SENTENCES[name][language]).format(**values)


def without_marks(value: Any) -> Any:
    """Return JSON without the marks around text that users have written."""
    if isinstance(value, str):
        return value.translate(_MARKS)
    if isinstance(value, Mapping):
        return {name: without_marks(inner) for name, inner in value.items()}
    return [without_marks(inner) for inner in value] if isinstance(value, list) else value


def answer(function: str, result: Result, language: Language) -> str:
    """Word what a function has returned."""
    result = without_marks(result)
    if "proposed" in result:
        return say("proposed", language, text=result["proposed"])
    return _WORDINGS.get(function, _products)(result, language)


def _list(header: str, empty: str, lines: Sequence[str], language: Language) -> str:
    return "\n".join((say(header, language), *lines)) if lines else say(empty, language)


def _products(result: Result, language: Language) -> str:
    def line(product: Result) -> str:
        sold_out = " (sold out)" if product.get("stock") == 0 else ""
        return f"{product['number']}. {product['title']}: {product['price']}{sold_out}"

    return _list("found", "nothing", [*map(line, result.get("products") or ())], language)


def _comparison(result: Result, language: Language) -> str:
    cheapest = next(one for one in result["products"] if one["id"] == result["cheapest"])
    return f"{_products(result, language)}\n{say('cheapest', language, title=cheapest['title'])}"


def _cart(result: Result, language: Language) -> str:
    def line(item: Result) -> str:
        notice = f" ({item['notice']})" if item.get("notice") else ""
        return "{number}. {quantity} x {title}: {line_total}".format(**item) + notice

    cart = result["cart"]
    text = _list("cart", "cart_is_empty", [*map(line, cart["items"])], language)
    done = f"{say('changed', language)} " if "done" in result else ""
    total = f"\n{say('total', language, total=cart['total'])}" if cart["items"] else ""
    return done + text + total


def _orders(result: Result, language: Language) -> str:
    line = "{number}. {id}, {ordered_on}: {status}, {total}"
    lines = [line.format(**_shortened(order)) for order in result["orders"]]
    return _list("orders", "no_orders", lines, language)


def _tracking(result: Result, language: Language) -> str:
    tracking = _shortened(result["tracking"])
    number = tracking.get("tracking_number")
    tracking["number"] = say("tracking_number", language, number=number) if number else ""
    return say("tracking", language, since=tracking["timeline"][-1]["at"][:10], **tracking)


def _policy(result: Result, language: Language) -> str:
    passages = result["passages"]
    return str(passages[0]["text"]) if passages else say("no_policy", language)


def _ranking(result: Result, language: Language) -> str:
    ranked = next((value for value in result.values() if isinstance(value, list)), ())
    lines = [say("sold", language, **one) for one in ranked]
    return _list("ranking", "nothing", lines, language)


def _to_ship(result: Result, language: Language) -> str:
    line = "{number}. {id}, {ordered_on}: {items}"
    lines = [line.format(**_shortened(order)) for order in result["orders_to_ship"]]
    return _list("to_ship", "nothing_to_ship", lines, language)


def _shortened(order: Result) -> dict[str, Any]:
    """Return an order with the end of its id, and its items as text."""
    items = (f"{item['quantity']} x {item['title']}" for item in order.get("items", ()))
    return {**order, "id": f"…{order['id'][-6:]}", "items": ", ".join(items)}


_WORDINGS: Mapping[str, Callable[[Result, Language], str]] = {
    "product_details": lambda result, _: DETAILS.format(**result["product"]),
    "compare_products": _comparison,
    "show_cart": _cart,
    "add_to_cart": _cart,
    "change_cart_quantity": _cart,
    "remove_from_cart": _cart,
    "list_my_orders": _orders,
    "order_status": lambda result, to: say("order", to, **_shortened(result["order"])),
    "track_order": _tracking,
    "shop_policy": _policy,
    "sales_figures": lambda result, to: say("figures", to, **result["figures"]),
    "top_products": _ranking,
    "slow_products": _ranking,
    "orders_to_ship": _to_ship,
}
