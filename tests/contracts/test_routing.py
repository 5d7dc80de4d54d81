"""Routing of events: the rules of the template, the listeners and the catalogue agree."""

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
from support.domains import listener_lambdas, listeners
from support.template import functions, resources

FUNCTIONS = Path(__file__).parents[2] / "functions"
FUNCTION_OF = {function["Handler"]: name for name, function in functions().items()}
LAMBDA_OF = {known.consumer: handler for handler, known in listener_lambdas().items()}


def rule_of(consumer: str) -> dict[str, Any]:
    """The one rule whose target is the queue that the consumer's Lambda reads."""
    function = functions()[FUNCTION_OF[LAMBDA_OF[consumer]]]
    queue = function["Events"]["Queue"]["Properties"]["Queue"]
    rules = [
        rule
        for rule in resources("AWS::Events::Rule").values()
        if any(target["Arn"] == queue for target in rule["Targets"])
    ]
    assert len(rules) == 1
    return rules[0]


def is_matched(consumer: str, event: Any) -> bool:
    pattern = EventPattern.load(json.dumps(rule_of(consumer)["EventPattern"]))
    return bool(pattern.matches_event(event))


CONSUMERS = sorted(listeners())


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_rule_matches_exactly_the_events_that_its_listener_handles(
    consumer: str,
) -> None:
    matched = {event.NAME for name, event in EVENTS.items() if is_matched(consumer, sample(name))}
    handled_names = {event.NAME for event, _ in listeners()[consumer].handlers.values()}
    assert matched == handled_names, (
        f"the pattern of {consumer}'s rule in template.yaml and its listeners.py differ in "
        f"{sorted(matched ^ handled_names)}"
    )


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_rule_does_not_match_another_source(consumer: str) -> None:
    for name in listeners()[consumer].handlers:
        assert not is_matched(consumer, {**sample(name), "source": "another.source"})


PROJECTIONS = {"seller_dashboard"}
"""Consumers that only build a read model: no other consumer may receive a replay."""


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_replayed_event_reaches_projections_only(consumer: str) -> None:
    for name in listeners()[consumer].handlers:
        replayed = {**sample(name), "replay-name": "a-replay"}
        assert is_matched(consumer, replayed) == (consumer in PROJECTIONS)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_target_has_the_name_of_its_consumer(consumer: str) -> None:
    assert [target["Id"] for target in rule_of(consumer)["Targets"]] == [consumer]


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_handlers_are_named_after_their_effect_and_not_their_event(consumer: str) -> None:
    known = listeners()[consumer]
    for name, (event, reaction) in known.handlers.items():
        assert event is EVENTS[name]
        assert name.lower() not in reaction.__name__.replace("_", "")


def test_a_consumer_has_the_name_of_its_domain_or_of_its_function() -> None:
    for handler, known in listener_lambdas().items():
        domain, _, function = handler.split(".")
        assert known.consumer == (domain if function == "event_handlers" else function)


def test_every_rule_has_a_listener() -> None:
    assert len(resources("AWS::Events::Rule")) == len(CONSUMERS)


def test_every_event_has_a_consumer_or_is_public() -> None:
    """Any version counts: a listener skips versions that are newer than those it handles."""
    event_handlers = [pair for known in listeners().values() for pair in known.handlers.values()]
    handled = {event.NAME for event, _ in event_handlers}
    unhandled = {one for one in EVENTS.values() if one.NAME not in handled and not one.PUBLIC}
    assert not unhandled, "add a handler and a rule for each, or PUBLIC = True"


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_emitted_or_has_a_newer_version_that_is_emitted(name: str) -> None:
    event = EVENTS[name]
    if not event.DEPRECATED:
        assert name in emitted_by(producer(event)), (
            "no code emits it, and its listeners skip newer versions: emit it, or "
            "set DEPRECATED = True once every listener handles the newer version"
        )
        return
    assert name not in emitted_by(producer(event)), "it is emitted: remove DEPRECATED = True"
    newer = {one for one in EVENTS.values() if one.NAME == event.NAME and not one.DEPRECATED}
    assert any(one.VERSION > event.VERSION for one in newer), "no newer version replaces it"


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_listener_of_a_deprecated_version_handles_a_current_version(consumer: str) -> None:
    events = [event for event, _ in listeners()[consumer].handlers.values()]
    current = {event.NAME for event in events if not event.DEPRECATED}
    outdated = {event.__name__ for event in events if event.NAME not in current}
    assert not outdated, "add a handler of the newer version before the older one is deprecated"


@cache
def emitted_by(domain: str) -> set[str]:
    """The classes that a domain's code calls or passes to a call, outside of its listeners."""
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
