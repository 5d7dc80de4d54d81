"""An iterator that runs on a thread of its own, so that its consumer can wait with a timeout."""

import queue
from collections.abc import Iterator
from contextvars import copy_context
from threading import Event, Thread


class Finished:
    """The end of a background iterator."""


class BackgroundIterator[Item]:
    """Reads an iterator on a thread of its own.

    with closing(BackgroundIterator(agent.answer(question))) as events:
        event = events.next(timeout=0.1)
    """

    def __init__(self, source: Iterator[Item]) -> None:
        self._source = source
        self._items: queue.SimpleQueue[Item | Finished | Exception] = queue.SimpleQueue()
        self._closed = Event()
        # the thread logs under the same correlation id
        self._thread = Thread(target=copy_context().run, args=(self._run,), daemon=True)
        self._thread.start()

    def next(self, timeout: float) -> Item | Finished | None:
        """Return the next item, or None when none came within `timeout` seconds.

        Raises what the source raised.
        """
        try:
            item = self._items.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Stop reading; the source is closed after its next item."""
        self._closed.set()

    def join(self, timeout: float) -> bool:
        """Wait until the source is read or closed; returns whether it is."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for item in self._source:
                self._items.put(item)
                if self._closed.is_set():
                    break
        except Exception as failure:
            self._items.put(failure)
        else:
            self._items.put(Finished())
        finally:
            close = getattr(self._source, "close", None)
            if close:
                close()
