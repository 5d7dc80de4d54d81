"""Raises the priority of a process, or limits it to a share of a processor as Lambda does."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

PERIOD_SECONDS = 0.02
HIGHEST_PRIORITY = -20
CGROUPS = Path("/sys/fs/cgroup")

type Limit = Callable[[int], None]
"""Limits the process with this id until it ends."""


def raise_priority(pid: int) -> None:
    """Give a process priority over other load on the machine, if this is permitted."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, HIGHEST_PRIORITY)
        # priorities only compare processes of one session; this sets the session's priority
        Path(f"/proc/{pid}/autogroup").write_text(str(HIGHEST_PRIORITY))


@contextmanager
def throttle(share: float) -> Iterator[tuple[Limit, str]]:
    """Yield a function that limits a process to `share` of a processor, and its description."""
    if group := _make_cgroup(share):
        try:
            yield (lambda pid: _join(group, pid)), f"cgroup quota ({group.parent})"
        finally:
            _remove(group)
    else:
        yield (lambda pid: _stop_and_continue(pid, share)), "SIGSTOP and SIGCONT in turn"


def _make_cgroup(share: float) -> Path | None:
    """Create a cgroup with the quota and a high weight; None where this is not permitted."""
    period, quota = round(PERIOD_SECONDS * 1e6), round(PERIOD_SECONDS * share * 1e6)
    name = f"supermarket-bench-{os.getpid()}"
    first, second = CGROUPS / "cpu" / name, CGROUPS / name
    try:
        if first.parent.is_dir():
            first.mkdir()
            (first / "cpu.cfs_period_us").write_text(str(period))
            (first / "cpu.cfs_quota_us").write_text(str(quota))
            (first / "cpu.shares").write_text("262144")
            return first
        second.mkdir()
        (second / "cpu.max").write_text(f"{quota} {period}")
        (second / "cpu.weight").write_text("10000")
    except OSError:
        for group in (first, second):
            if group.is_dir():
                group.rmdir()
        return None
    return second


def _join(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid))


def _remove(group: Path) -> None:
    """Remove the cgroup; retries, because this works only after its last process has ended."""
    for _ in range(50):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return


def _stop_and_continue(pid: int, share: float) -> None:
    """Let the process run for `share` of every period; a thread stops it for the rest."""

    def alternate() -> None:
        pause = Event()
        while True:
            try:
                os.kill(pid, signal.SIGSTOP)
                pause.wait(PERIOD_SECONDS * (1 - share))
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                return
            pause.wait(PERIOD_SECONDS * share)

    Thread(target=alternate, daemon=True).start()
