"""Words a function's result in the language of the question."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulators.gemini.language import Language

_SENTENCES = tomllib.loads(Path(__file__).with_name("sentences.toml").read_text())
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


def _list(
    header: str, empty: str, things: Sequence[Result], line: Callable[[Result], str], to: Language
) -> str:
    return "\n".join((say(header, to), *map(line, things))) if things else say(empty, to)


def _products(result: Result, language: Language) -> str:
    def line(product: Result) -> str:
        sold_out = " (sold out)" if product.get("stock") == 0 else ""
        return f"{product['number']}. {product['title']}: {product['price']}{sold_out}"

    return _list("found", "nothing", result.get("products") or (), line, language)


def _details(result: Result, _: Language) -> str:
    return "{title}, {price}. {description}".format(**result["product"])


def _comparison(result: Result, language: Language) -> str:
    cheapest = next(one for one in result["products"] if one["id"] == result["cheapest"])
    return f"{_products(result, language)}\n{say('cheapest', language, title=cheapest['title'])}"


def _cart(result: Result, language: Language) -> str:
    def line(item: Result) -> str:
        notice = f" ({item['notice']})" if item.get("notice") else ""
        return "{number}. {quantity} x {title}: {line_total}".format(**item) + notice

    cart = result["cart"]
    text = _list("cart", "cart_is_empty", cart["items"], line, language)
    done = f"{say('changed', language)} " if "done" in result else ""
    total = f"\n{say('total', language, total=cart['total'])}" if cart["items"] else ""
    return done + text + total


def _orders(result: Result, language: Language) -> str:
    def line(order: Result) -> str:
        return "{number}. {id}, {ordered_on}: {status}, {total}".format(**_shortened(order))

    return _list("orders", "no_orders", result["orders"], line, language)


def _order(result: Result, language: Language) -> str:
    return say("order", language, **_shortened(result["order"]))


def _tracking(result: Result, language: Language) -> str:
    tracking = _shortened(result["tracking"])
    number = tracking.get("tracking_number")
    tracking["number"] = say("tracking_number", language, number=number) if number else ""
    return say("tracking", language, since=tracking["timeline"][-1]["at"][:10], **tracking)


def _policy(result: Result, language: Language) -> str:
    passages = result["passages"]
    return str(passages[0]["text"]) if passages else say("no_policy", language)


def _figures(result: Result, language: Language) -> str:
    return say("figures", language, **result["figures"])


def _ranking(result: Result, language: Language) -> str:
    ranked = next((value for value in result.values() if isinstance(value, list)), ())
    return _list("ranking", "nothing", ranked, lambda one: say("sold", language, **one), language)


def _to_ship(result: Result, language: Language) -> str:
    def line(order: Result) -> str:
        return "{number}. {id}, {ordered_on}: {items}".format(**_shortened(order))

    return _list("to_ship", "nothing_to_ship", result["orders_to_ship"], line, language)


def _shortened(order: Result) -> dict[str, Any]:
    """Return an order with the end of its id, and its items as text."""
    items = (f"{item['quantity']} x {item['title']}" for item in order.get("items", ()))
    return {**order, "id": f"…{order['id'][-6:]}", "items": ", ".join(items)}


_WORDINGS: Mapping[str, Callable[[Result, Language], str]] = {
    "product_details": _details,
    "compare_products": _comparison,
    **dict.fromkeys(
        ("show_cart", "add_to_cart", "change_cart_quantity", "remove_from_cart"), _cart
    ),
    "list_my_orders": _orders,
    "order_status": _order,
    "track_order": _tracking,
    "shop_policy": _policy,
    "sales_figures": _figures,
    "top_products": _ranking,
    "slow_products": _ranking,
    "orders_to_ship": _to_ship,
}
