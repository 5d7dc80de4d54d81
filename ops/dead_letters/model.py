"""Dead letters."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class DeadLetter:
    """An event that did not get where it should, as it lies in a box."""

    id: str
    event: str
    event_id: str
    consumer: str
    received: datetime
    body: str = field(repr=False)
    hint: str = ""

    def is_called(self, wanted: str | None) -> bool:
        """By its event's name, by its event's id, or by its own; None is any."""
        return wanted is None or wanted in {self.event, self.event_id, self.id}


@dataclass(frozen=True)
class BoxSummary:
    """How much lies in a box, and since when."""

    name: str
    count: int
    oldest: datetime | None
