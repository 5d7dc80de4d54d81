"""Does many pieces of work side by side."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context


def for_each[T](items: Iterable[T], work: Callable[[T], object], workers: int) -> None:
    """Call `work` for each item, so many at a time; one worker takes them in order.

    Raises what `work` raises, after all others have ended.
    """
    if workers == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(workers) as pool:
        # log lines and events have the ids of the present context
        running = [pool.submit(copy_context().run, work, item) for item in items]
    for each in running:
        each.result()
