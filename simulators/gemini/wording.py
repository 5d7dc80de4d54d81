"""The simulator's sentences, in the language in which it was asked."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulators.gemini.words import Language

SENTENCES: Mapping[str, tuple[str, str, str]] = {
    # English, Hindi, Hinglish
    "hello": (
        "Hello! I can find products, fill your cart and look after your orders. What do you need?",
        "नमस्ते! मैं सामान खोज सकता हूँ, कार्ट भर सकता हूँ और ऑर्डर देख सकता हूँ। क्या चाहिए?",
        (
            "Namaste! Main saman dhoondh sakta hoon, cart bhar sakta hoon aur"
            " orders dekh sakta hoon."
            " Kya chahiye?"
        ),
    ),
    "welcome": ("You are welcome!", "आपका स्वागत है!", "Koi baat nahi!"),
    "press": (
        "Nothing happens by words alone: please use the button that is shown with my proposal.",
        "सिर्फ़ कहने से कुछ नहीं होता: कृपया मेरे प्रस्ताव के साथ दिख रहा बटन दबाइए।",
        "Sirf bolne se kuch nahi hota: mere proposal ke saath dikh raha button dabaiye.",
    ),
    "only_yours": (
        "I can only look at what is yours, never at anybody else's.",
        "मैं सिर्फ़ आपकी चीज़ें देख सकता हूँ, किसी और की नहीं।",
        "Main sirf aapki cheezein dekh sakta hoon, kisi aur ki nahi.",
    ),
    "not_mine": (
        "That is not something I can do with your account.",
        "आपके खाते से मैं यह नहीं कर सकता।",
        "Aapke account se main yeh nahi kar sakta.",
    ),
    "off_topic": (
        "I can only help with shopping here: products, your cart, your orders and our rules.",
        "मैं यहाँ सिर्फ़ खरीदारी में मदद कर सकता हूँ: सामान, कार्ट, ऑर्डर और नियम।",
        "Main yahan sirf shopping mein madad kar sakta hoon: saman, cart, orders aur niyam.",
    ),
    "refused": (
        "That did not work: {reason}",
        "यह नहीं हो सका: {reason}",
        "Yeh nahi ho saka: {reason}",
    ),
    "nothing": (
        "I found nothing like that. Shall I look for something else?",
        "ऐसा कुछ नहीं मिला। क्या कुछ और खोजूँ?",
        "Aisa kuch nahi mila. Kuch aur khoju?",
    ),
    "which_product": (
        "Which product do you mean?",
        "आप कौन सा सामान चाहते हैं?",
        "Aap kaun sa saman chahte hain?",
    ),
    "which_address": (
        "What is the new address? Write it as street, city, state and pincode.",
        "नया पता क्या है? गली, शहर, राज्य और पिनकोड लिखिए।",
        "Naya address kya hai? Street, city, state aur pincode likhiye.",
    ),
    "not_in_cart": (
        "I do not see that in your cart.",
        "वह आपके कार्ट में नहीं है।",
        "Woh aapke cart mein nahi hai.",
    ),
    "nothing_to_ship": (
        "No order waits to be shipped.",
        "भेजने के लिए कोई ऑर्डर नहीं है।",
        "Bhejne ke liye koi order nahi hai.",
    ),
    "found": ("I found these:", "मुझे ये मिले:", "Mujhe ye mile:"),
    "cart": ("Your cart:", "आपका कार्ट:", "Aapka cart:"),
    "cart_is_empty": ("Your cart is empty.", "आपका कार्ट खाली है।", "Aapka cart khaali hai."),
    "changed": ("Done.", "हो गया।", "Ho gaya."),
    "total": ("Total: {total}", "कुल: {total}", "Total: {total}"),
    "orders": ("Your newest orders:", "आपके नए ऑर्डर:", "Aapke naye orders:"),
    "no_orders": (
        "You have no orders like that.",
        "ऐसा कोई ऑर्डर नहीं है।",
        "Aisa koi order nahi hai.",
    ),
    "order": (
        "Your order {id} is {status}, payment {payment}, {total} in all: {items}.",
        "आपका ऑर्डर {id} {status} है, भुगतान {payment}, कुल {total}: {items}।",
        "Aapka order {id} {status} hai, payment {payment}, kul {total}: {items}.",
    ),
    "tracking": (
        "Your order {id} is {status} since {since}.{number}",
        "आपका ऑर्डर {id} {since} से {status} है।{number}",
        "Aapka order {id} {since} se {status} hai.{number}",
    ),
    "tracking_number": (
        " Tracking number: {number}.",
        " ट्रैकिंग नंबर: {number}।",
        " Tracking number: {number}.",
    ),
    "proposed": (
        "{text} Please confirm with the button.",
        "{text} कृपया बटन से पुष्टि कीजिए।",
        "{text} Button se confirm kijiye.",
    ),
    "cheapest": (
        "The cheapest is {title}.",
        "सबसे सस्ता {title} है।",
        "Sabse sasta {title} hai.",
    ),
    "no_policy": (
        "Our rules say nothing on that.",
        "हमारे नियमों में इस पर कुछ नहीं है।",
        "Hamare niyamon mein is par kuch nahi hai.",
    ),
    "figures": (
        (
            "From {period}: {units_sold} units in {orders} orders, revenue {revenue},"
            " {average_order}"
            " per order."
        ),
        ("{period}: {orders} ऑर्डर में {units_sold} नग बिके, कमाई {revenue}, हर ऑर्डर {average_order}।"),
        (
            "{period}: {orders} orders mein {units_sold} units bike, kamai {revenue}, har order"
            " {average_order}."
        ),
    ),
    "ranking": ("Here they are:", "ये रहे:", "Ye rahe:"),
    "sold": (
        "{number}. {title}: {units_sold} sold, {revenue}",
        "{number}. {title}: {units_sold} बिके, {revenue}",
        "{number}. {title}: {units_sold} bike, {revenue}",
    ),
    "to_ship": (
        "These orders wait to be shipped:",
        "ये ऑर्डर भेजने हैं:",
        "Ye orders bhejne hain:",
    ),
}
COLUMN: Mapping[Language, int] = {"english": 0, "hindi": 1, "hinglish": 2}
MARKS = re.compile("[\u27e6\u27e7]")


def say(name: str, language: Language, **values: object) -> str:
    """One of the sentences."""
    return SENTENCES[name][COLUMN[language]].format(**values)


def plain_text(text: str) -> str:
    """Without the marks around other people's words."""
    return MARKS.sub("", text)


def answer(name: str, result: Mapping[str, Any], language: Language) -> str:
    """What a function answered, in words."""
    if "proposed" in result:
        return say("proposed", language, text=plain_text(str(result["proposed"])))
    return WORDED.get(name, _products)(result, language)


def _products(result: Mapping[str, Any], language: Language) -> str:
    products = result.get("products") or ()
    if not products:
        return say("nothing", language)
    return "\n".join((say("found", language), *map(_product, products)))


def _product(product: Mapping[str, Any]) -> str:
    stock = product.get("stock")
    left = " (sold out)" if stock == 0 else ""
    return f"{product['number']}. {plain_text(product['title'])}: {product['price']}{left}"


def _details(result: Mapping[str, Any], _: Language) -> str:
    product = result["product"]
    title, description = plain_text(product["title"]), plain_text(product["description"])
    return f"{title}, {product['price']}. {description}"


def _comparison(result: Mapping[str, Any], language: Language) -> str:
    cheapest = next(one for one in result["products"] if one["id"] == result["cheapest"])
    verdict = say("cheapest", language, title=plain_text(cheapest["title"]))
    return f"{_products(result, language)}\n{verdict}"


def _cart(result: Mapping[str, Any], language: Language) -> str:
    cart = result["cart"]
    done = f"{say('changed', language)} " if "done" in result else ""
    if not cart["items"]:
        return done + say("cart_is_empty", language)
    lines = [
        f"{item['number']}. {item['quantity']} x {plain_text(item['title'])}: {item['line_total']}"
        + (f" ({item['notice']})" if item.get("notice") else "")
        for item in cart["items"]
    ]
    total = say("total", language, total=cart["total"])
    return "\n".join((done + say("cart", language), *lines, total))


def _orders(result: Mapping[str, Any], language: Language) -> str:
    if not result["orders"]:
        return say("no_orders", language)
    lines = [
        f"{order['number']}. {_short(order['id'])}, {order['ordered_on']}: {order['status']},"
        f" {order['total']}"
        for order in result["orders"]
    ]
    return "\n".join((say("orders", language), *lines))


def _order(result: Mapping[str, Any], language: Language) -> str:
    order = result["order"]
    return say("order", language, **{**order, "id": _short(order["id"]), "items": _items(order)})


def _tracking(result: Mapping[str, Any], language: Language) -> str:
    tracking = result["tracking"]
    number = tracking.get("tracking_number")
    told = say("tracking_number", language, number=plain_text(number)) if number else ""
    return say(
        "tracking",
        language,
        id=_short(tracking["id"]),
        status=tracking["status"],
        since=tracking["timeline"][-1]["at"][:10],
        number=told,
    )


def _policy(result: Mapping[str, Any], language: Language) -> str:
    passages = result["passages"]
    return passages[0]["text"] if passages else say("no_policy", language)


def _figures(result: Mapping[str, Any], language: Language) -> str:
    return say("figures", language, **result["figures"])


def _ranking(result: Mapping[str, Any], language: Language) -> str:
    ranked: Sequence[Mapping[str, Any]] = next(
        (value for value in result.values() if isinstance(value, list)), ()
    )
    if not ranked:
        return say("nothing", language)
    lines = [say("sold", language, **{**one, "title": plain_text(one["title"])}) for one in ranked]
    return "\n".join((say("ranking", language), *lines))


def _to_ship(result: Mapping[str, Any], language: Language) -> str:
    waiting = result["orders_to_ship"]
    if not waiting:
        return say("nothing_to_ship", language)
    lines = [
        f"{order['number']}. {_short(order['id'])}, {order['ordered_on']}: {_items(order)}"
        for order in waiting
    ]
    return "\n".join((say("to_ship", language), *lines))


def _items(order: Mapping[str, Any]) -> str:
    return ", ".join(f"{item['quantity']} x {plain_text(item['title'])}" for item in order["items"])


def _short(order_id: str) -> str:
    return f"…{order_id[-6:]}"


WORDED: Mapping[str, Callable[[Mapping[str, Any], Language], str]] = {
    "search_products": _products,
    "my_products": _products,
    "low_stock": _products,
    "shown_before": _products,
    "product_details": _details,
    "compare_products": _comparison,
    "show_cart": _cart,
    "add_to_cart": _cart,
    "change_cart_quantity": _cart,
    "remove_from_cart": _cart,
    "list_my_orders": _orders,
    "order_status": _order,
    "track_order": _tracking,
    "shop_policy": _policy,
    "sales_figures": _figures,
    "top_products": _ranking,
    "slow_products": _ranking,
    "orders_to_ship": _to_ship,
}
