"""Trouble with the model, as a test orders it, and a model that does as it is told by anybody."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

type Kind = Literal[
    "status",  # an error of Google's; `status` says which
    "hang",  # nothing at all for `seconds`
    "stall",  # some words, and then nothing for `seconds`, or until it is forgotten
    "cut",  # some words, and then the connection is gone
    "garbage",  # some words, and then what is no JSON
    "malformed",  # a call that the model garbled: finish reason MALFORMED_FUNCTION_CALL
    "blocked",  # the prompt was blocked: no candidate
    "safety",  # the answer was: finish reason SAFETY
    "max_tokens",  # it was too long: finish reason MAX_TOKENS, after `text` or thoughts alone
    "slow",  # `seconds` between two pieces of the answer
    "script",  # `calls` and `text` instead of an answer of its own
]
KINDS = get_args(Kind.__value__)
WHILE_SPEAKING = {"stall", "cut", "garbage", "slow"}  # what a mere call cannot meet with


@dataclass
class Fault:
    """What happens to the next `times` requests that have the text `about` in them."""

    kind: Kind
    times: int = 1
    about: str = ""
    status: int = 429
    seconds: float = 60.0
    calls: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    text: str = ""
    is_over: bool = field(default=False, init=False)

    def strikes(self, request: str, speaks: bool) -> bool:
        return self.about in request and (speaks or self.kind not in WHILE_SPEAKING)


class Faults:
    """Those that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: list[Fault] = []
        self._last_struck: deque[Fault] = deque(maxlen=500)
        self._obeyed: set[str] = set()

    def order(self, fault: Fault) -> None:
        with self._lock:
            self._ordered.append(fault)

    def obey(self, about: str) -> None:
        """From now on the model does as it is told by anybody, in requests with this text."""
        with self._lock:
            self._obeyed.add(about)

    def obeys(self, request: str) -> bool:
        with self._lock:
            return any(about in request for about in self._obeyed)

    def forget(self, about: str | None) -> None:
        """Those about this text; all of them for None."""
        with self._lock:
            for fault in (*self._ordered, *self._last_struck):
                fault.is_over |= about in (None, fault.about)
            self._ordered = [one for one in self._ordered if not one.is_over]
            self._obeyed = set() if about is None else self._obeyed - {about}

    def take(self, request: str, *, speaks: bool) -> Fault | None:
        """The next one for this request, whose answer has words or has none."""
        with self._lock:
            fault = next((one for one in self._ordered if one.strikes(request, speaks)), None)
            if fault is not None:
                fault.times -= 1
                self._last_struck.append(fault)
                self._ordered = [one for one in self._ordered if one.times > 0]
            return fault
