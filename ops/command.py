"""What operations' commands have in common: what they need, and how they end."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from supermarket.errors import DomainError

DONE, STOPPED, UNFINISHED = 0, 1, 2
ENVIRONMENT = ("STAGE", "AWS_REGION")
WHERE = "STAGE and AWS_REGION say where; AWS_ENDPOINT_URL leads to a local cloud."


def end(work: Callable[[], int]) -> int:
    """The exit code. What stands in the way is told in a line, not in a traceback."""
    if missing := [name for name in ENVIRONMENT if not os.environ.get(name)]:
        return failed(f"Set {' and '.join(missing)} in the environment")
    try:
        return work()
    except DomainError as error:
        return failed(error.message)
    except (BotoCoreError, ClientError) as error:
        return failed(f"AWS says: {error}")
    except KeyboardInterrupt:
        return failed("\nStopped; what AWS was asked for goes on there")


def failed(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return STOPPED


def beginning(text: str) -> datetime:
    """A day's beginning in UTC, or the very moment that is given."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def ending(text: str) -> datetime:
    """A day's end in UTC, which is the next one's beginning, or the very moment that is given."""
    is_a_day = len(text) == len("2026-11-22")
    return beginning(text) + timedelta(days=is_a_day)


def age(moment: datetime | None, now: datetime) -> str:
    """For a person: `3 d`, `4 h`, `5 min`, `6 s`."""
    if moment is None:
        return "-"
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
