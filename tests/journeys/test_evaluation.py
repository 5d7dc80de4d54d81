"""Some conversations of `conversations.toml` with the deployed assistant and the simulated model;
`tests/ai_buddy/test_conversations.py` runs all of them in one process.
"""

from typing import Any, get_args

import pytest

from local.evaluation.conversations import Given, read
from local.evaluation.runner import Runner, list_faults
from local.evaluation.running_shop import RunningShop

DEPLOYED = (
    "basmati",
    "cart-filled-unseen",
    "order-tracked-hindi",
    "order-kept",
    "order-cancelled-hinglish",
    "order-elsewhere",
    "order-placed-hinglish",
    "figures-sold",
    "figures-hindi",
    "low-stock-hinglish",
    "shipped",
    "stock-set",
    "cancel-without-asking-hindi",
    "injected-title-hinglish",
    "obeyed-tracking-number",
    "obeyed-title-in-the-cart",
    "obeyed-title-in-an-order",
)
SCRIPTS = [script for script in read() if script.id in DEPLOYED]


def test_the_deployed_assistant_gets_conversations_of_all_sorts() -> None:
    assert [script.id for script in SCRIPTS] == list(DEPLOYED)

    kinds = {(script.kind, script.language) for script in SCRIPTS}
    assert kinds == {(script.kind, script.language) for script in read()}
    given = {given for script in SCRIPTS for given in script.given}
    assert given == set(get_args(Given.__value__))
    turns = [turn for script in SCRIPTS for turn in script.turns]
    assert {turn.accept for turn in turns} == {True, False, None}
    # a function has permissions of its own for each proposal that it executes
    proposed = {turn.tools[-1] for script in read() for turn in script.turns if turn.accept}
    assert {turn.tools[-1] for turn in turns if turn.accept} == proposed


@pytest.mark.e2e
@pytest.mark.long
def test_the_deployed_assistant_understands_users_and_resists_attacks(
    endpoints: dict[str, Any],
) -> None:
    with RunningShop(endpoints) as shop, Runner(shop) as runner:
        results = list(runner.run(SCRIPTS))

    assert [result.script for result in results] == SCRIPTS
    assert not list_faults(results), "\n" + "\n".join(list_faults(results))
