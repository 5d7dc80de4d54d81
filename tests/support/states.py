"""The tables of states as a document: a diagram and a list of steps for each, made from the code's
own tables.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from order.model import ADDRESS_CHANGEABLE, OrderStatus
from order.model import TRANSITIONS as ORDER_TRANSITIONS
from payment.model.refund import REFUND_TRANSITIONS, RefundStatus
from payment.model.status import TRANSITIONS as PAYMENT_TRANSITIONS
from payment.model.status import PaymentStatus

DOCUMENT = Path(__file__).parents[2] / "docs" / "states.md"

INTRODUCTION = f"""# States

Generated from the tables of transitions in `order/model.py` and `payment/model/`. A test fails
while this file differs from them; `UPDATE_SNAPSHOTS=1 pytest tests/architecture/test_states.py`
writes it. Transitions that are not listed are refused for everyone. Each transition is a
conditional write on the state that was read: of two concurrent transitions one succeeds, and the
other is retried or answered with a conflict.

The address of an order can be changed while it is {" or ".join(sorted(ADDRESS_CHANGEABLE))}. The
`payment.status` of an order is PENDING, COMPLETED, FAILED (cancelled before it was paid),
REFUND_PENDING (paid and cancelled, or being refunded in full) or REFUNDED. An order that is being
refunded in full cannot be shipped; `refunds` has the amounts.
"""


@dataclass(frozen=True)
class StateTable[State: StrEnum]:
    """A table of states, with the cause of each transition."""

    title: str
    start: str
    transitions: Mapping[State, Set[State]]
    steps: Mapping[tuple[State, State], str]


PLACED, CONFIRMED, SHIPPED, DELIVERED, CANCELLED = OrderStatus
P, R = PaymentStatus, RefundStatus

STATE_TABLES: tuple[StateTable[Any], ...] = (
    StateTable(
        "Order",
        "a customer places it; its stock is reserved",
        ORDER_TRANSITIONS,
        {
            (PLACED, CONFIRMED): "its payment is complete",
            (PLACED, CANCELLED): "its customer cancels it, its reservation expires, or its "
            "payment is refunded in full",
            (CONFIRMED, SHIPPED): "its only seller or an admin ships it",
            (
                CONFIRMED,
                CANCELLED,
            ): "its customer cancels it, or an admin refunds its payment in full",
            (SHIPPED, DELIVERED): "its only seller or an admin reports that it was delivered",
        },
    ),
    StateTable(
        "Payment",
        "the customer opens it; a Razorpay order exists",
        PAYMENT_TRANSITIONS,
        {
            (P.PENDING, P.COMPLETED): "Razorpay's record shows that the money was captured",
            (P.PENDING, P.FAILED): "an attempt was declined, or its order is cancelled",
            (P.FAILED, P.PENDING): "the customer opens it again",
            (P.FAILED, P.COMPLETED): "Razorpay's record shows that money was captured after all",
            (P.COMPLETED, P.REFUND_PENDING): "a refund of all or a part of it is requested",
            (P.COMPLETED, P.REFUNDED): "Razorpay's records show that all of it is refunded",
            (P.REFUND_PENDING, P.COMPLETED): "a part of it is refunded, or the refund failed",
            (P.REFUND_PENDING, P.REFUNDED): "Razorpay's records show that all of it is refunded",
        },
    ),
    StateTable(
        "Refund",
        "an admin or the cancellation of a paid order requests it",
        REFUND_TRANSITIONS,
        {
            (R.REQUESTED, R.PENDING): "Razorpay has accepted it",
            (R.REQUESTED, R.PROCESSED): "Razorpay has made it at once",
            (
                R.REQUESTED,
                R.FAILED,
            ): "Razorpay rejected it, and it is not required or is replaced by a smaller one; or "
            "it is required, and Razorpay rejected it for days",
            (R.PENDING, R.PROCESSED): "Razorpay has made it",
            (R.PENDING, R.FAILED): "Razorpay could not make it",
            (R.FAILED, R.PENDING): "Razorpay rejected a second request, and has accepted the first",
            (R.FAILED, R.PROCESSED): "Razorpay made it after all",
        },
    ),
)


def document() -> str:
    """Return the content of docs/states.md."""
    return "\n".join([INTRODUCTION, *map(_chapter, STATE_TABLES)])


def _chapter[State: StrEnum](table: StateTable[State]) -> str:
    pairs = [
        (before, after)
        for before in table.transitions
        for after in sorted(table.transitions[before])
    ]
    if set(pairs) != set(table.steps):
        raise ValueError(
            f"{table.title}: {sorted(set(pairs) ^ set(table.steps))} have no explanation"
        )
    first = next(iter(table.transitions))
    diagram = [
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {first}",
        *(f"    {before} --> {after}" for before, after in pairs),
        *(
            f"    {state} --> [*]"
            for state, reachable in table.transitions.items()
            if not reachable
        ),
        "```",
    ]
    rows = [
        "| from | to | when |",
        "|---|---|---|",
        f"| | {first} | {table.start} |",
        *(f"| {before} | {after} | {table.steps[before, after]} |" for before, after in pairs),
    ]
    return "\n".join([f"## {table.title}", "", *diagram, "", *rows, ""])
