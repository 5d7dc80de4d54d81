"""Random histories of the shop with interrupted and concurrent steps: no money and no stock is
lost, and no step has two effects.
"""

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from support.money import Crash, End, Interruption, MoneyShop, NoAnswer, Step
from support.money_checks import check_after_each_step, check_at_the_end

EXAMPLES_EACH = 520


FEWEST, MOST = 12, 40


def a_step(number: int, interruption: Interruption | None = None) -> Step:
    """Split one number into the three of a step: each draw of hypothesis is as slow as a step."""
    return Step(number >> 5, number >> 2 & 7, number & 3, interruption)


numbers = st.integers(0, 2**21 - 1)


uninterrupted = numbers.map(a_step)


others = st.lists(uninterrupted, min_size=1, max_size=4).map(tuple)


FAILURES: dict[str, tuple[st.SearchStrategy[tuple[Step, ...]], st.SearchStrategy[End]]] = {
    "processes crash": (st.just(()), st.just(Crash)),
    "calls fail": (st.just(()), st.just(NoAnswer)),
    "steps are concurrent": (others, st.none()),
    "all of these": (st.just(()) | others, st.sampled_from([Crash, NoAnswer, None])),
}


@pytest.mark.long
@pytest.mark.parametrize("failures", FAILURES)
def test_no_money_and_no_stock_is_lost_and_no_step_has_two_effects(failures: str) -> None:
    interrupted = st.none() | st.builds(Interruption, st.integers(0, 5), *FAILURES[failures])
    step = st.builds(a_step, numbers, interrupted)

    @settings(max_examples=EXAMPLES_EACH, suppress_health_check=list(HealthCheck))
    @given(st.lists(step, min_size=FEWEST, max_size=MOST), st.booleans())
    def check(history: list[Step], webhooks_arrive: bool) -> None:
        shop = MoneyShop()
        with shop.open():
            try:
                run(shop, history, webhooks_arrive=webhooks_arrive)
            finally:
                note("\n".join(shop.log))

    check()


def run(shop: MoneyShop, history: list[Step], *, webhooks_arrive: bool) -> None:
    """Do all steps, then deliver everything, except for the webhooks in some histories."""
    for step in history:
        shop.do(step)
        check_after_each_step(shop)
    if not webhooks_arrive:
        shop.razorpay.webhooks.clear()
    shop.settle()
    check_after_each_step(shop)
    check_at_the_end(shop)
