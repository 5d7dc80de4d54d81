"""Who hears of what: the rules of the template, the listeners and the catalogue agree."""

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from local.contracts.catalogue import producer
from supermarket.contracts import EVENTS
from support.contracts import sample, sqs_batch
from support.domains import listeners
from support.template import functions, resources

FUNCTIONS = Path(__file__).parents[2] / "functions"
LISTENERS = {function["Handler"]: name for name, function in functions().items()}


def rule_of(consumer: str) -> dict[str, Any]:
    """The one rule whose target is the queue that the consumer's Lambda reads."""
    function = functions()[LISTENERS[f"{consumer}.listeners.event_handlers"]]
    queue = function["Events"]["Queue"]["Properties"]["Queue"]
    rules = [
        rule
        for rule in resources("AWS::Events::Rule").values()
        if any(target["Arn"] == queue for target in rule["Targets"])
    ]
    assert len(rules) == 1
    return rules[0]


def lets_through(consumer: str, event: Any) -> bool:
    pattern = EventPattern.load(json.dumps(rule_of(consumer)["EventPattern"]))
    return bool(pattern.matches_event(event))


CONSUMERS = sorted(listeners())


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_rule_matches_exactly_the_events_that_its_listener_handles(
    consumer: str,
) -> None:
    let_through = {
        event.NAME for name, event in EVENTS.items() if lets_through(consumer, sample(name))
    }
    reacts_to = {event.NAME for event, _ in listeners()[consumer].handlers.values()}
    assert let_through == reacts_to, (
        f"the pattern of {consumer}'s rule in template.yaml and its listeners.py differ in "
        f"{sorted(let_through ^ reacts_to)}"
    )


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_rule_does_not_match_another_source(consumer: str) -> None:
    for name in listeners()[consumer].handlers:
        assert not lets_through(consumer, {**sample(name), "source": "somebody.else"})


PROJECTIONS = {"seller_dashboard"}
"""Consumers that only remember what they hear: whoever acts on it must not hear a replay."""


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_replayed_event_reaches_projections_only(consumer: str) -> None:
    for name in listeners()[consumer].handlers:
        replayed = {**sample(name), "replay-name": "a-replay"}
        assert lets_through(consumer, replayed) == (consumer in PROJECTIONS)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_target_has_the_name_of_its_consumer(consumer: str) -> None:
    assert [target["Id"] for target in rule_of(consumer)["Targets"]] == [consumer]


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_handlers_are_named_after_their_effect_and_not_their_event(consumer: str) -> None:
    known = listeners()[consumer]
    assert known.consumer == consumer
    for name, (event, reaction) in known.handlers.items():
        assert event is EVENTS[name]
        assert name.lower() not in reaction.__name__.replace("_", "")


def test_every_rule_has_a_listener() -> None:
    assert len(resources("AWS::Events::Rule")) == len(CONSUMERS)


def test_every_event_has_a_consumer_or_is_public() -> None:
    """Of whatever version: one that is newer than those that a listener knows is left alone."""
    event_handlers = [pair for known in listeners().values() for pair in known.handlers.values()]
    heard = {event.NAME for event, _ in event_handlers}
    unheard = {one for one in EVENTS.values() if one.NAME not in heard and not one.PUBLIC}
    assert not unheard, "give each a reaction and its place in a rule, or PUBLIC = True"


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_emitted_or_has_a_newer_version_that_is_emitted(name: str) -> None:
    event = EVENTS[name]
    if not event.DEPRECATED:
        assert name in told_by(producer(event)), (
            "whoever listens to it, and leaves its newer version alone, hears nothing: emit it, or "
            "say DEPRECATED = True once every listener has a reaction to the newer version"
        )
        return
    assert name not in told_by(producer(event)), "it is told: take DEPRECATED = True away"
    newer = {one for one in EVENTS.values() if one.NAME == event.NAME and not one.DEPRECATED}
    assert any(one.VERSION > event.VERSION for one in newer), "nothing newer takes its place"


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_listener_of_a_deprecated_version_handles_a_current_version(consumer: str) -> None:
    events = [event for event, _ in listeners()[consumer].handlers.values()]
    told = {event.NAME for event in events if not event.DEPRECATED}
    deaf = {event.__name__ for event in events if event.NAME not in told}
    assert not deaf, "give it a reaction to the newer version before the older is given up"


@cache
def told_by(domain: str) -> set[str]:
    """The classes that its code calls, or hands to a call, wherever it does not listen."""
    sources = [path for path in (FUNCTIONS / domain).rglob("*.py") if path.name != "listeners.py"]
    return {
        ast.unparse(part).removeprefix("contracts.").removesuffix(".of")
        for source in sources
        for call in ast.walk(ast.parse(source.read_text()))
        if isinstance(call, ast.Call)
        for part in (call.func, *call.args)
    }


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_listener_handles_the_samples_of_its_events(
    consumer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = listeners()[consumer]
    taken = []
    for name, (event, _) in list(known.handlers.items()):
        pair = (event, lambda fact, metadata: taken.append((type(fact), metadata.event_id)))
        monkeypatch.setitem(known.handlers, name, pair)
    names = list(known.handlers)
    answer = known(sqs_batch(*(sample(name) for name in names)), None)
    assert answer == {"batchItemFailures": []}
    ids = [sample(name)["detail"]["metadata"]["eventId"] for name in names]
    assert taken == list(zip([EVENTS[name] for name in names], ids, strict=True))
