"""Writes the measurements as a Markdown document."""

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks.cases import BARE, BARE_ON_LAYER
from benchmarks.runtime import Times

UNTHROTTLED, THROTTLED = "unthrottled", "throttled"
SHARE = 0.29  # of a processor: 512 MB of the 1,769 MB that give a whole one
TEXT = """\
# Cold starts

Written by `make bench` ({rounds} rounds on {processors} processors, {machine}, Python {python}).
Each measurement is a fresh process that runs the Lambda runtime interface client with the built
code and layer, from its start to its first response. The cases run in random order.
**Only the ratios count**: each is the median of the ratios to `{bare}` in the same round.

A server on loopback replaces AWS and Razorpay. It replays the responses that moto gave to the same
invocation; every case makes exactly the recorded calls.

`{bare}` creates its client at import and calls `GetItem` once in its handler, with the installed
boto3 and certifi. `{on_layer}` is the same handler on our layer, which has pruned data and
only Amazon's root certificates.

The target is at most 1.5 unthrottled and 1.4 at 512 MB. `POST /api/payments/verify` also imports
Razorpay's SDK with requests, about 25 ms of its init phase.

## Unthrottled, plain HTTP

{unthrottled}

## 512 MB, TLS

The init phase has a whole processor, as in Lambda. The invocations have {share} of one, as
with 512 MB of memory ({limited_by}).

{throttled}
"""
HEAD = """\
| case | init ms | first call ms | sum ms | x bare boto3 | second call ms |
|---|---|---|---|---|---|"""

type Measured = dict[tuple[str, str], list[Times]]
"""The times of every round, by mode and case."""


def report(measured: Measured, rounds: int, limited_by: str) -> str:
    """Return the document `docs/benchmarks.md`."""
    return TEXT.format(
        rounds=rounds,
        processors=os.cpu_count(),
        machine=platform.machine(),
        python=platform.python_version(),
        bare=BARE,
        on_layer=BARE_ON_LAYER,
        share=SHARE,
        limited_by=limited_by,
        unthrottled=_table(measured, UNTHROTTLED),
        throttled=_table(measured, THROTTLED),
    )


def _table(measured: Measured, mode: str) -> str:
    bare = measured[mode, BARE]
    rows = [_row(case, times, bare) for (of, case), times in measured.items() if of == mode]
    return "\n".join([HEAD, *sorted(rows)])


def _row(case: str, times: Sequence[Times], bare: Sequence[Times]) -> str:
    ratio = statistics.median(
        one.total / other.total for one, other in zip(times, bare, strict=True)
    )
    parts: Iterable[Callable[[Times], float]] = (
        lambda one: one.init,
        lambda one: one.first,
        lambda one: one.total,
    )
    init, first, total = (round(1000 * statistics.median(map(part, times))) for part in parts)
    second = round(1000 * statistics.median(one.second for one in times))
    return f"| {case} | {init} | {first} | {total} | {ratio:.2f} | {second} |"
