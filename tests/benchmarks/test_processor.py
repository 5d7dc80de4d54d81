"""Limits a process to a share of a processor."""

import subprocess
import sys

import pytest

from benchmarks import processor

BUSY = """
import time
input()
began, used = time.perf_counter(), time.process_time()
while time.process_time() < used + 0.1:
    pass
print(time.perf_counter() - began)
"""


def seconds_of_a_tenth(share: float) -> float:
    """The seconds in which a process with this share uses 0.1 seconds of processor time."""
    with (
        processor.throttle(share) as (limit, _),
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        limit(process.pid)
        return float(process.communicate("\n")[0])


def test_a_throttled_process_takes_longer() -> None:
    assert seconds_of_a_tenth(0.25) > 0.3


def test_a_process_is_stopped_and_continued_when_no_cgroup_can_be_created(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processor, "_make_cgroup", lambda _: None)
    assert seconds_of_a_tenth(0.25) > 0.2
