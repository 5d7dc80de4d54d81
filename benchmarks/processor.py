"""How much of a processor a process gets: more than other load on the machine, or a share of one,
as Lambda limits an invocation by its memory.
"""

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
"""Limits the process of this id from now on until it ends."""


def prefer(pid: int) -> None:
    """Let other load on the machine wait for a process, if this process may do so."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, HIGHEST_PRIORITY)
        # a priority counts among the processes of one session only; this is the session's own
        Path(f"/proc/{pid}/autogroup").write_text(str(HIGHEST_PRIORITY))


@contextmanager
def throttle(share: float) -> Iterator[tuple[Limit, str]]:
    """A way to limit processes to `share` of one processor, and its description."""
    if group := _make_cgroup(share):
        try:
            yield (lambda pid: _join(group, pid)), f"cgroup quota ({group.parent})"
        finally:
            _remove(group)
    else:
        yield (lambda pid: _stop_and_continue(pid, share)), "SIGSTOP and SIGCONT in turn"


def _make_cgroup(share: float) -> Path | None:
    """A cgroup with the quota, which comes before other load; None where this process may not
    make one.
    """
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
    """A cgroup can be removed shortly after its last process has ended."""
    for _ in range(50):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return


def _stop_and_continue(pid: int, share: float) -> None:
    """The process runs for `share` of every period; a thread of ours holds it up for the rest."""

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
