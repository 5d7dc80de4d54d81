"""The consumers of the bus."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Consumer:
    """A domain that events are handed to: by one rule, through one queue."""

    name: str
    rule: str
    queue: str
    dead_letters: str
    undelivered: str
    takes_replays: bool
