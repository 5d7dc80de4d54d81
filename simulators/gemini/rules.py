"""Decides what follows in a conversation, by the rules of `rules.toml`: a function call or a text.

There is no model. The rules cover the shop's everyday questions; the rest gets a fixed reply.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from simulators.gemini import language
from simulators.gemini.requests import Call, Prompt
from simulators.gemini.wording import answer, say, without_marks

ORDER_ID = re.compile(r"\b[0-7][0-9a-hjkmnp-tv-z]{25}\b", re.IGNORECASE)
SHORT_ID = re.compile(r"(?:…|\.\.\.)([0-9a-z]{6})\b", re.IGNORECASE)
TODAY = re.compile(r"Today is \w+, (\d{1,2} \w+ \d{4})")
TRACKING_NUMBER = re.compile(r"tracking\s*(?:number|no|id|#|is|:|\s)*\s*([A-Za-z0-9-]{4,})")
WANTED = "show|find|want|need|have|looking|buy|cheap|add|put|compare|get|any"

type Arguments = dict[str, Any]
type Step = Call | str
type Thing = Mapping[str, Any]
type Find = Callable[["Conversation"], Arguments | Step | None]

ARGUMENTS: dict[str, Find] = {}


class Rule(BaseModel):
    """One rule; its fields are described in `rules.toml`."""

    model_config = ConfigDict(extra="forbid")

    whole: str = ""
    when: str = ""
    also: str = ""
    unless: str = ""
    tool: str = ""
    say: str = ""
    arguments: list[str] = []

    def applies(self, here: "Conversation") -> bool:
        return (
            (not self.tool or self.tool in here.prompt.functions)
            and (not self.whole or bool(re.fullmatch(self.whole, here.said)))
            and all(here.has(pattern) for pattern in (self.when, self.also) if pattern)
            and not (self.unless and here.has(self.unless))
        )

    def step(self, here: "Conversation") -> Step | None:
        """Return the next step, or None if the rule does not apply after all."""
        if self.say:
            return here.say(self.say)
        if (result := here.result_of(self.tool)) is not None:
            return answer(self.tool, result, here.language)
        arguments: Arguments = {}
        for name in self.arguments:
            found = ARGUMENTS[name](here)
            if not isinstance(found, dict):
                return found
            arguments |= found
        return Call(self.tool, arguments)


class Conversation:
    """A conversation up to the step that has to be decided."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.language = language.language_of(prompt.question)
        self.said = language.normalise(prompt.question)
        self.product_words = language.product_words(self.said)

    @cached_property
    def products(self) -> Sequence[Thing]:
        """The products that a function has returned last, in this turn or before."""
        results = (one.response for one in reversed(self.prompt.all_results))
        return next((result["products"] for result in results if result.get("products")), ())

    def has(self, pattern: str) -> bool:
        pattern = pattern.replace("\n", "")
        return bool(re.search(rf"(?<!\S)(?:{pattern})(?!\S)", self.said))

    def say(self, sentence: str) -> str:
        return say(sentence, self.language)

    def result_of(self, function: str) -> Thing | None:
        """Return what the function has returned in this turn."""
        results = (a.response for a in reversed(self.prompt.results) if a.name == function)
        return next(results, None)

    def pick(self, things: Sequence[Thing]) -> Thing | None:
        """Return the thing that the sentence names by its title or by its position."""
        if self.product_words:
            wanted = [word.rstrip("s") for word in self.product_words.split()]
            titles = ((one, without_marks(str(one.get("title", ""))).lower()) for one in things)
            return next((one for one, title in titles if all(w in title for w in wanted)), None)
        position = language.position(self.said)
        return _at(things, 1 if position is None else position)


def next_step(prompt: Prompt) -> Step:
    """Return a call of a declared function, or the text of the answer."""
    here = Conversation(prompt)
    if prompt.results:
        last = prompt.results[-1].response
        if "error" in last:
            return say("refused", here.language, reason=without_marks(str(last["error"])))
        if "output" in last:  # an error that only the calling program could correct
            return here.say("off_topic")
    steps = (rule.step(here) for rule in RULES if rule.applies(here))
    return next((step for step in steps if step is not None), here.say("off_topic"))


def _at(things: Sequence[Thing], position: int) -> Thing | None:
    """Return the element at a position that is counted from 1, or from -1 at the end."""
    index = position - 1 if position > 0 else position
    return things[index] if -len(things) <= index < len(things) else None


def argument[F: Find](find: F) -> F:
    """Register a function that finds arguments of a call in a conversation, under its own name.

    It returns None if the rule does not apply, or the step that has to come first.
    """
    ARGUMENTS[find.__name__] = find
    return find


@argument
def order_id(here: Conversation) -> Arguments:
    found = ORDER_ID.search(here.prompt.question)
    return {"order_id": found[0].upper()} if found else {}


@argument
def order_to_ship(here: Conversation) -> Arguments | Step:
    if named := order_id(here):
        return named
    waiting = here.result_of("orders_to_ship")
    if waiting is None:
        return Call("orders_to_ship", {})
    orders = waiting.get("orders_to_ship", [])
    short = SHORT_ID.search(here.prompt.question)
    order = next((o for o in orders if short and o["id"].lower().endswith(short[1].lower())), None)
    order = order or _at(orders, language.position(here.said) or 1)
    return {"order_id": order["id"]} if order else here.say("nothing_to_ship")


@argument
def tracking_number(here: Conversation) -> Arguments:
    found = TRACKING_NUMBER.search(here.prompt.question)
    return {"tracking_number": found[1]} if found else {}


@argument
def stock(here: Conversation) -> Arguments | None:
    count = language.quantity(here.said)
    return None if count is None else {"stock": count}


@argument
def quantity(here: Conversation) -> Arguments | None:
    count = language.quantity(here.said)
    return None if count is None else {"quantity": count}


@argument
def quantity_or_one(here: Conversation) -> Arguments:
    return {"quantity": language.quantity(here.said) or 1}


@argument
def cart_item(here: Conversation) -> Arguments | Step:
    shown = here.result_of("show_cart")
    if shown is None:
        return Call("show_cart", {})
    item = here.pick(shown.get("cart", {}).get("items", []))
    return {"product_id": item["product_id"]} if item else here.say("not_in_cart")


@argument
def shown_product(here: Conversation) -> Arguments | None:
    product = here.pick(here.products)
    return {"product_id": product["id"]} if product else None


@argument
def product(here: Conversation) -> Arguments | Step | None:
    return _looked_up(here, "search_products", search(here))


@argument
def own_product(here: Conversation) -> Arguments | Step | None:
    return _looked_up(here, "my_products", {"text": here.product_words})


def _looked_up(
    here: Conversation, function: str, arguments: Arguments | None
) -> Arguments | Step | None:
    """Find a product among those that were shown, or look it up with a function."""
    product = here.pick(here.products)
    if product is None:
        if here.result_of(function) is None:
            return Call(function, arguments) if arguments else here.say("which_product")
        product = _at(here.products, 1)
    return {"product_id": product["id"]} if product else here.say("nothing")


@argument
def product_ids(here: Conversation) -> Arguments | Step:
    named = [_at(here.products, position) for position in language.positions(here.said)]
    chosen = [product["id"] for product in named if product]
    if len(chosen) < 2:
        chosen = [product["id"] for product in here.products[:2]]
    if len(chosen) < 2:
        wanted = None if here.result_of("search_products") else search(here)
        return Call("search_products", wanted) if wanted else here.say("which_product")
    return {"product_ids": chosen}


@argument
def search(here: Conversation) -> Arguments | None:
    text, limits = here.product_words, language.price_limits(here.said)
    is_question = here.has(WANTED) or limits or len(text.split()) <= 3
    if not (text or limits) or not is_question:
        return None
    cheapest = {"cheapest_first": True} if here.has("cheap") else {}
    return {"text": text, **limits, **cheapest}


@argument
def text(here: Conversation) -> Arguments:
    return {"text": here.product_words}


@argument
def question(here: Conversation) -> Arguments:
    return {"question": " ".join(re.findall(r"[a-z]+", here.said))[:200] or "delivery"}


@argument
def at_most(here: Conversation) -> Arguments:
    found = re.search(r"\bunder (\d+)", here.said)
    return {"at_most": int(found[1])} if found else {}


@argument
def address(here: Conversation) -> Arguments | Step:
    """Find the parts of an address: named ones, or those that follow each other after `to`."""
    text = here.prompt.question
    named = re.findall(
        r"\b(street|city|state|country)\s+(?:to\s+|is\s+)?([^,.?]+?)(?=,|\.|\?|$| and )", text
    )
    found = {name: value.strip() for name, value in named}
    if code := re.search(r"\b(\d{6}|\d{5}(?:-\d{4})?)\b", text):
        found["zip"] = code[1]
    tail = re.search(r"\b(?:to|as)\s+([^?]+)$", re.sub(r"\b\d{6}\b", "", text))
    parts = [part.strip(" .") for part in tail[1].split(",")] if tail and not named else []
    if len(parts) > 1:
        in_order = zip(("street", "city", "state", "country"), parts, strict=False)
        found |= {name: part for name, part in in_order if part}
    return found or here.say("which_address")


@argument
def period(here: Conversation) -> Arguments:
    """Find the days that the sentence names, as `first` and `last`."""
    known = TODAY.search(here.prompt.instruction)
    today = _date(known[1]) if known else date(2026, 1, 1)
    monday, month = today - timedelta(days=today.weekday()), today.replace(day=1)
    yesterday, last_month = today - timedelta(days=1), month - timedelta(days=1)
    if days := re.search(r"last (\d{1,3}) days?|(\d{1,3}) days?", here.said):
        return _days(today - timedelta(days=int(days[1] or days[2]) - 1), today)
    periods = {
        "today": (today, today),
        "yesterday": (yesterday, yesterday),
        "last week": (monday - timedelta(days=7), monday - timedelta(days=1)),
        "week": (monday, today),
        "last month": (last_month.replace(day=1), last_month),
        "month": (month, today),
    }
    return next((_days(*days) for name, days in periods.items() if here.has(name)), {})


def _days(first: date, last: date) -> Arguments:
    return {"first": first.isoformat(), "last": last.isoformat()}


def _date(text: str) -> date:
    return datetime.strptime(text, "%d %B %Y").replace(tzinfo=UTC).date()


_FILE = Path(__file__).with_name("rules.toml")
RULES = [Rule.model_validate(rule) for rule in tomllib.loads(_FILE.read_text())["rule"]]
