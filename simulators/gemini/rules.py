"""Decides what follows in a conversation, by the rules of `rules.toml`: a function call or a text.

There is no model. The rules cover the shop's everyday questions; the rest gets a fixed reply.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
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
ADDRESS_PART = re.compile(
    r"\b(street|city|state|country)\s+(?:to\s+|is\s+)?([^,.?]+?)(?=,|\.|\?|$| and )"
)
WANTED = "show|find|want|need|have|looking|buy|cheap|add|put|compare|get|any"

type Arguments = dict[str, Any]
type Step = Call | str
type Thing = Mapping[str, Any]


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
            found: Arguments | Step | None = getattr(here, f"find_{name}")()
            if not isinstance(found, dict):
                return found
            arguments |= found
        return Call(self.tool, arguments)


class Conversation:
    """A conversation up to the step that has to be decided.

    Its methods `find_...` find the arguments of calls. They return None if the rule does not
    apply, or the step that has to come first.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.question = prompt.question
        self.language = language.language_of(self.question)
        self.said = language.normalise(self.question)
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

    def find_order_id(self) -> Arguments:
        found = ORDER_ID.search(self.question)
        return {"order_id": found[0].upper()} if found else {}

    def find_order_to_ship(self) -> Arguments | Step:
        if named := self.find_order_id():
            return named
        waiting = self.result_of("orders_to_ship")
        if waiting is None:
            return Call("orders_to_ship", {})
        orders = waiting.get("orders_to_ship", [])
        short = SHORT_ID.search(self.question)
        ending = short[1].lower() if short else None
        order = next((o for o in orders if ending and o["id"].lower().endswith(ending)), None)
        order = order or _at(orders, language.position(self.said) or 1)
        return {"order_id": order["id"]} if order else self.say("nothing_to_ship")

    def find_tracking_number(self) -> Arguments:
        found = TRACKING_NUMBER.search(self.question)
        return {"tracking_number": found[1]} if found else {}

    def find_stock(self) -> Arguments | None:
        count = language.quantity(self.said)
        return None if count is None else {"stock": count}

    def find_quantity(self) -> Arguments | None:
        count = language.quantity(self.said)
        return None if count is None else {"quantity": count}

    def find_quantity_or_one(self) -> Arguments:
        return {"quantity": language.quantity(self.said) or 1}

    def find_cart_item(self) -> Arguments | Step:
        shown = self.result_of("show_cart")
        if shown is None:
            return Call("show_cart", {})
        item = self.pick(shown.get("cart", {}).get("items", []))
        return {"product_id": item["product_id"]} if item else self.say("not_in_cart")

    def find_shown_product(self) -> Arguments | None:
        product = self.pick(self.products)
        return {"product_id": product["id"]} if product else None

    def find_product(self) -> Arguments | Step:
        return self._look_up("search_products", self.find_search())

    def find_own_product(self) -> Arguments | Step:
        return self._look_up("my_products", self.find_text())

    def _look_up(self, function: str, arguments: Arguments | None) -> Arguments | Step:
        """Find a product among those that were shown, or look it up with a function."""
        product = self.pick(self.products)
        if product is None:
            if self.result_of(function) is None:
                return Call(function, arguments) if arguments else self.say("which_product")
            product = _at(self.products, 1)
        return {"product_id": product["id"]} if product else self.say("nothing")

    def find_product_ids(self) -> Arguments | Step:
        named = [_at(self.products, position) for position in language.positions(self.said)]
        chosen = [product["id"] for product in named if product]
        if len(chosen) < 2:
            chosen = [product["id"] for product in self.products[:2]]
        if len(chosen) < 2:
            wanted = None if self.result_of("search_products") else self.find_search()
            return Call("search_products", wanted) if wanted else self.say("which_product")
        return {"product_ids": chosen}

    def find_search(self) -> Arguments | None:
        text, limits = self.product_words, language.price_limits(self.said)
        is_question = self.has(WANTED) or limits or len(text.split()) <= 3
        if not (text or limits) or not is_question:
            return None
        cheapest = {"cheapest_first": True} if self.has("cheap") else {}
        return {"text": text, **limits, **cheapest}

    def find_text(self) -> Arguments:
        return {"text": self.product_words}

    def find_question(self) -> Arguments:
        return {"question": " ".join(re.findall(r"[a-z]+", self.said))[:200] or "delivery"}

    def find_at_most(self) -> Arguments:
        found = re.search(r"\bunder (\d+)", self.said)
        return {"at_most": int(found[1])} if found else {}

    def find_address(self) -> Arguments | Step:
        """Find the parts of an address: named, or in their order after `to`."""
        found = {name: value.strip() for name, value in ADDRESS_PART.findall(self.question)}
        tail = re.search(r"\b(?:to|as)\s+([^?]+)$", re.sub(r"\b\d{6}\b", "", self.question))
        parts = [part.strip(" .") for part in tail[1].split(",")] if tail and not found else []
        if len(parts) > 1:
            in_order = zip(("street", "city", "state", "country"), parts, strict=False)
            found = {name: part for name, part in in_order if part}
        if code := re.search(r"\b(\d{6}|\d{5}(?:-\d{4})?)\b", self.question):
            found["zip"] = code[1]
        return found or self.say("which_address")

    def find_period(self) -> Arguments:
        """Find the days that the sentence names, as `first` and `last`."""
        known = TODAY.search(self.prompt.instruction)
        text = known[1] if known else "1 January 2026"
        today = datetime.strptime(text, "%d %B %Y").replace(tzinfo=UTC).date()
        monday, month = today - timedelta(days=today.weekday()), today.replace(day=1)
        yesterday, last_month = today - timedelta(days=1), month - timedelta(days=1)
        if days := re.search(r"last (\d{1,3}) days?|(\d{1,3}) days?", self.said):
            return _days(today - timedelta(days=int(days[1] or days[2]) - 1), today)
        periods = {
            "today": (today, today),
            "yesterday": (yesterday, yesterday),
            "last week": (monday - timedelta(days=7), monday - timedelta(days=1)),
            "week": (monday, today),
            "last month": (last_month.replace(day=1), last_month),
            "month": (month, today),
        }
        return next((_days(*days) for name, days in periods.items() if self.has(name)), {})


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


def _days(first: date, last: date) -> Arguments:
    return {"first": first.isoformat(), "last": last.isoformat()}


_FILE = Path(__file__).with_name("rules.toml")
RULES = [Rule.model_validate(rule) for rule in tomllib.loads(_FILE.read_text())["rule"]]
