"""What scheduled Lambdas are started with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AContext:
    """As much of Lambda's context as a job looks at."""

    seconds: float = 300

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1000)
