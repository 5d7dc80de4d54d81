"""What the simulator makes of a conversation: the next function to call, or that it is time to
answer. Rules, no model: it understands the shop's everyday questions and says so of the rest.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from simulators.gemini import words
from simulators.gemini.requests import Answered, Call, Prompt
from simulators.gemini.wording import answer, plain_text, say

ORDER_ID = re.compile(r"\b[0-7][0-9a-hjkmnp-tv-z]{25}\b", re.IGNORECASE)
SHORT_ID = re.compile(r"(?:…|\.\.\.)([0-9a-z]{6})\b", re.IGNORECASE)
TODAY = re.compile(r"Today is \w+, (\d{1,2} \w+ \d{4})")

type Step = Call | str
type Rule = Callable[["Situation"], Step | None]


@dataclass(frozen=True)
class Situation:
    """A conversation, and what can be read from it."""

    prompt: Prompt

    @cached_property
    def language(self) -> words.Language:
        return words.language_of(self.prompt.asked)

    @cached_property
    def said(self) -> str:
        return words.plain(self.prompt.asked)

    @cached_property
    def products(self) -> Sequence[Mapping[str, Any]]:
        """The list that was shown last, in this turn or before."""
        return _last_list(self.prompt.answered_ever, "products")

    @cached_property
    def today(self) -> date:
        found = TODAY.search(self.prompt.instruction)
        return _date(found[1]) if found else date(2026, 1, 1)

    def has(self, *patterns: str) -> bool:
        return any(re.search(rf"(?<!\S)(?:{pattern})(?!\S)", self.said) for pattern in patterns)

    def can(self, name: str) -> bool:
        return name in self.prompt.functions

    def result_of(self, name: str) -> Mapping[str, Any] | None:
        """What the function answered in this turn."""
        return next((a.response for a in reversed(self.prompt.answered) if a.name == name), None)

    def once(self, name: str, **args: Any) -> Step:
        """Call the function, and word its answer when it is there."""
        if not self.can(name):
            return say("not_mine", self.language)
        result = self.result_of(name)
        return Call(name, args) if result is None else answer(name, result, self.language)

    @property
    def order_id(self) -> dict[str, str]:
        found = ORDER_ID.search(self.prompt.asked)
        return {"order_id": found[0].upper()} if found else {}


def next_step(prompt: Prompt) -> Step:
    """A call of a function that was declared, or the words of the answer."""
    here = Situation(prompt)
    if prompt.answered and (fault := _fault(prompt.answered[-1].response, here.language)):
        return fault
    step = next((step for rule in RULES if (step := rule(here)) is not None), None)
    return step if step is not None else say("off_topic", here.language)


def _fault(response: Mapping[str, Any], language: words.Language) -> str | None:
    """What the function says is wrong; what only its caller could mend is not repeated."""
    if "error" in response:
        return say("refused", language, reason=plain_text(str(response["error"])))
    return say("off_topic", language) if "output" in response else None


# --- who is spoken to, and small talk ---


def _greeting(here: Situation) -> Step | None:
    if re.fullmatch(r"(hello|thanks|ok|okay|bye|good (morning|evening)|\s)+(you)?", here.said):
        return say("welcome" if here.has("thanks") else "hello", here.language)
    return None


def _confirmation(here: Situation) -> Step | None:
    if re.fullmatch(r"(yes|ok|okay|sure|do it|go ahead|please|kar|karo|\s)+", here.said):
        return say("press", here.language)
    return None


def _others(here: Situation) -> Step | None:
    """Other people's affairs, and attempts to be somebody else."""
    somebody = r"(somebody|someone|another|other|every|all|next) ?(else|one|body)?'?s?"
    kin = r"(user|users|customer|customers|person|people|seller|sellers|account|accounts)"
    if here.has(f"{somebody} {kin}(s|'s)?", r"(user|customer|account) ?(id)? [#0-9a-z@.-]*\d\S*"):
        return say("only_yours", here.language)
    if here.has(
        r"system prompt|ignore (all|your|previous) .*|instructions|jailbreak|developer mode"
    ):
        return say("off_topic", here.language)
    return None


# --- customers: looking around and the cart ---


def _policy(here: Situation) -> Step | None:
    topics = (
        r"return|refund|policy|delivery|payment|cash|cod|upi|privacy|damaged|broken|expired|spoiled"
    )
    asks = r"what|how|when|howmuch|policy|can|is|long|refund|return|do|milega|hoga|cost|time|tell"
    if here.has(topics) and here.has(asks) and not here.has("address .*change|change .*address"):
        if here.has("order") and here.has("where|track|status"):
            return None
        return here.once("shop_policy", question=_english(here.said))
    return None


def _place_order(here: Situation) -> Step | None:
    if here.can("propose_order") and here.has(
        r"checkout|place (my |the |an )?order|order (it|everything|all|now|cart)|buy (it|now|all)",
        r"order (the|my) cart|place .*order|order (what is|everything) in my cart",
    ):
        return here.once("propose_order")
    return None


def _cancel(here: Situation) -> Step | None:
    if here.has("cancel") and not here.has("policy"):
        return here.once("propose_cancellation", **here.order_id)
    return None


def _redirect(here: Situation) -> Step | None:
    if not here.can("propose_address_change") or not here.has("address"):
        return None
    if not here.has("change|deliver|send|ship|new"):
        return None
    changes = _address(here.prompt.asked)
    if not changes:
        return say("which_address", here.language)
    return here.once("propose_address_change", **here.order_id, **changes)


def _orders(here: Situation) -> Step | None:
    if not here.has("order|orders|parcel") or not here.can("list_my_orders"):
        return None
    if here.has("where|track|tracking|reach|arrive|kab|when|parcel"):
        return here.once("track_order", **here.order_id)
    if here.has("orders|list|history"):
        return here.once("list_my_orders")
    if here.has("status|details|last|latest|show|tell|what|my|stav"):
        return here.once("order_status", **here.order_id)
    return None


def _compare(here: Situation) -> Step | None:
    if not here.has("compare|better|difference|vs|versus"):
        return None
    chosen = [one for at in words.positions(here.said) if (one := _at(here.products, at))]
    chosen = chosen if len(chosen) > 1 else list(here.products[:2])
    if len(chosen) < 2:
        return _searched(here) or say("which_product", here.language)
    return here.once("compare_products", product_ids=[one["id"] for one in chosen])


def _add(here: Situation) -> Step | None:
    if not here.has("add|put|buy|place|want .*cart|take") or not here.can("add_to_cart"):
        return None
    if here.result_of("add_to_cart") is not None:
        return here.once("add_to_cart")
    product = _meant(here)
    if product is None:
        if not words.product_words(here.said):
            return say("which_product", here.language)
        found = _searched(here)
        if isinstance(found, Call):
            return found
        product = _at(here.products, 1) if here.result_of("search_products") else None
    if product is None:
        return say("nothing", here.language)
    return here.once(
        "add_to_cart", product_id=product["id"], quantity=words.quantity(here.said) or 1
    )


def _remove(here: Situation) -> Step | None:
    if not here.has("remove|take out|out of my cart") or not here.can("remove_from_cart"):
        return None
    return _with_item(here, "remove_from_cart")


def _change(here: Situation) -> Step | None:
    quantity = words.quantity(here.said)
    if not here.can("change_cart_quantity") or quantity is None:
        return None
    if not here.has("change|make|set|instead|quantity|only"):
        return None
    return _with_item(here, "change_cart_quantity", quantity=quantity)


def _cart(here: Situation) -> Step | None:
    if here.has("cart|total|bill") and here.can("show_cart"):
        return here.once("show_cart")
    return None


def _details(here: Situation) -> Step | None:
    if here.has("details|more about|tell|describe|what is") and here.can("product_details"):
        product = _meant(here)
        if product:
            return here.once("product_details", product_id=product["id"])
    return None


def _search(here: Situation) -> Step | None:
    """Whatever else has words in it that could be a product's."""
    return _searched(here) if here.can("search_products") else None


def _searched(here: Situation) -> Step | None:
    text = words.product_words(here.said)
    limits = words.price_limits(here.said)
    wants = here.has("show|find|want|need|have|looking|buy|cheap|add|put|compare|get|any") or limits
    if not text and not limits:
        return None
    if not wants and len(text.split()) > 3:
        return None
    more: dict[str, Any] = {"cheapest_first": True} if here.has("cheap") else {}
    return here.once("search_products", text=text, **limits, **more)


def _with_item(here: Situation, name: str, **more: Any) -> Step:
    """Do something with an item of the cart, which is looked at first."""
    if here.result_of(name) is not None:
        return here.once(name)
    cart = here.result_of("show_cart")
    if cart is None:
        return Call("show_cart", {})
    items = cart.get("cart", {}).get("items", [])
    text = words.product_words(here.said)
    item = _named(items, text) if text else _at(items, words.position(here.said) or 1)
    if item is None:
        return say("not_in_cart", here.language)
    return here.once(name, product_id=item["product_id"], **more)


def _meant(here: Situation) -> Mapping[str, Any] | None:
    """The product of the last list that the words are about."""
    text = words.product_words(here.said)
    if text:
        return _named(here.products, text)
    at = words.position(here.said)
    return _at(here.products, at if at is not None else 1)


# --- sellers ---


def _set_stock(here: Situation) -> Step | None:
    if not here.can("propose_stock") or not here.has("stock"):
        return None
    count = words.quantity(here.said)
    if count is None or here.has("low|under"):
        return None
    product = (
        _meant(here) if not words.product_words(here.said).replace("stock", "").strip() else None
    )
    if here.result_of("propose_stock") is not None:
        return here.once("propose_stock")
    if product is None:
        text = words.product_words(here.said)
        if here.result_of("my_products") is None:
            return Call("my_products", {"text": text})
        product = _at(here.products, 1)
    if product is None:
        return say("nothing", here.language)
    return here.once("propose_stock", product_id=product["id"], stock=count)


def _mark_shipped(here: Situation) -> Step | None:
    if not here.can("propose_shipped") or not here.has("mark .*|.*shipped|ship"):
        return None
    if here.has("to ship|orders|ready|waiting|pending"):
        return None
    tracking = re.search(
        r"tracking\s*(?:number|no|id|#|is|:|\s)*\s*([A-Za-z0-9-]{4,})", here.prompt.asked
    )
    number = {"tracking_number": tracking[1]} if tracking else {}
    if here.order_id:
        return here.once("propose_shipped", **here.order_id, **number)
    waiting = here.result_of("orders_to_ship")
    if waiting is None:
        return Call("orders_to_ship", {})
    listed = waiting.get("orders_to_ship", [])
    short = SHORT_ID.search(here.prompt.asked)
    order = next(
        (one for one in listed if short and one["id"].lower().endswith(short[1].lower())),
        _at(listed, words.position(here.said) or 1),
    )
    if order is None:
        return say("nothing_to_ship", here.language)
    return here.once("propose_shipped", order_id=order["id"], **number)


def _books(here: Situation) -> Step | None:
    if not here.can("sales_figures"):
        return None
    if here.has("slow|worst|not selling|slowest|hardly|least"):
        return here.once("slow_products")
    if here.has("low|running out|left|almost out|out of stock|restock"):
        at_most = re.search(r"\bunder (\d+)", here.said)
        return here.once("low_stock", **({"at_most": int(at_most[1])} if at_most else {}))
    if here.has("ship|pending|dispatch|waiting|to send|shipped"):
        return here.once("orders_to_ship")
    if here.has("top|best|popular|most"):
        return here.once("top_products", **_period(here))
    if here.has("sales|sold|sell|figures|numbers|orders|average|performance|business"):
        return here.once("sales_figures", **_period(here))
    if here.has("products|catalogue|stock|show|my"):
        return here.once("my_products", text=words.product_words(here.said))
    return None


def _period(here: Situation) -> dict[str, str]:
    """The days that were named, as `first` and `last`."""
    today, first, last = here.today, None, None
    if days := re.search(r"last (\d{1,3}) days?|(\d{1,3}) days?", here.said):
        first, last = today - timedelta(days=int(days[1] or days[2]) - 1), today
    elif here.has("today"):
        first = last = today
    elif here.has("yesterday"):
        first = last = today - timedelta(days=1)
    elif here.has("last week"):
        monday = today - timedelta(days=today.weekday() + 7)
        first, last = monday, monday + timedelta(days=6)
    elif here.has("week"):
        first, last = today - timedelta(days=today.weekday()), today
    elif here.has("last month"):
        last = today.replace(day=1) - timedelta(days=1)
        first = last.replace(day=1)
    elif here.has("month"):
        first, last = today.replace(day=1), today
    return {"first": first.isoformat(), "last": last.isoformat()} if first and last else {}


# the first that has something to say decides
RULES: Sequence[Rule] = (
    _greeting,
    _confirmation,
    _others,
    _set_stock,
    _mark_shipped,
    _books,
    _cancel,
    _redirect,
    _policy,
    _compare,
    _place_order,
    _remove,
    _change,
    _add,
    _cart,
    _orders,
    _details,
    _search,
)


def _last_list(answered: Sequence[Answered], name: str) -> Sequence[Mapping[str, Any]]:
    lists = (one.response[name] for one in reversed(answered) if one.response.get(name))
    return next(lists, ())


def _at(things: Sequence[Mapping[str, Any]], number: int) -> Mapping[str, Any] | None:
    """The thing with this number, from 1; -1 is the last."""
    index = number - 1 if number > 0 else number
    return things[index] if -len(things) <= index < len(things) else None


def _named(things: Sequence[Mapping[str, Any]], text: str) -> Mapping[str, Any] | None:
    """The first thing with all of the words in its title."""
    wanted = [word.rstrip("s") for word in text.split()]
    for thing in things:
        title = plain_text(str(thing.get("title", ""))).lower()
        if all(word in title for word in wanted):
            return thing
    return None


def _english(said: str) -> str:
    """Keywords for a search in documents."""
    latin = re.findall(r"[a-z]+", said)
    return " ".join(latin)[:200] or "delivery"


def _address(text: str) -> dict[str, str]:
    """The parts of an address: named ones, or those that follow each other after `to`."""
    named = re.findall(
        r"\b(street|city|state|country)\s+(?:to\s+|is\s+)?([^,.?]+?)(?=,|\.|\?|$| and )", text
    )
    changes = {name: value.strip() for name, value in named}
    if zips := re.search(r"\b(\d{6}|\d{5}(?:-\d{4})?)\b", text):
        changes["zip"] = zips[1]
    if named:
        return changes
    tail = re.search(r"\b(?:to|as)\s+([^?]+)$", re.sub(r"\b\d{6}\b", "", text))
    parts = [part.strip(" .") for part in tail[1].split(",")] if tail else []
    in_order = ("street", "city", "state", "country")
    if len(parts) > 1:
        changes |= {name: part for name, part in zip(in_order, parts, strict=False) if part}
    return changes


def _date(text: str) -> date:
    return datetime.strptime(f"{text} +0000", "%d %B %Y %z").date()
