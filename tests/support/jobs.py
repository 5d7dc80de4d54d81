"""The context of scheduled Lambdas."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AContext:
    """The part of Lambda's context that a job uses."""

    seconds: float = 300

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1000)
