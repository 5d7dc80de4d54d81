"""The measurements as a document."""

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks.cases import BARE, BARE_ON_LAYER
from benchmarks.runtime import Times

UNTHROTTLED, THROTTLED = "unthrottled", "throttled"
SHARE = 0.29  # of a processor: 512 MB of the 1,769 MB that have a whole one
TEXT = """\
# Cold starts

Written by `make bench` ({rounds} rounds on {processors} processors, {machine}, Python {python}).
Each measurement is a fresh process that runs the Lambda runtime interface client with the built
code and layer, from its start to its first answer. The cases take turns in random order.
**Only the ratios count**: each is the median of the ratios to `{bare}` in the same round.

AWS and Razorpay are a server on loopback. It answers what moto answered to the same invocation;
every case makes exactly the recorded calls.

`{bare}` makes its client at import and one `GetItem` in its handler, with boto3 and certifi as
they are installed. `{on_layer}` is the same handler on our layer: pruned data, and no root
certificates but Amazon's.

The aim is at most 1.5 unthrottled and 1.4 at 512 MB. `POST /api/payments/verify` also imports
Razorpay's SDK with requests, about 25 ms of its init phase.

## Unthrottled, plain HTTP

{unthrottled}

## 512 MB, TLS

The init phase has a whole processor, as in Lambda. The invocations have {share} of one, which is
what 512 MB get ({limited_by}).

{throttled}
"""
HEAD = """\
| case | init ms | first call ms | sum ms | x bare boto3 | second call ms |
|---|---|---|---|---|---|"""

type Measured = dict[tuple[str, str], list[Times]]
"""Times of every round, by mode and case."""


def report(measured: Measured, rounds: int, limited_by: str) -> str:
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
