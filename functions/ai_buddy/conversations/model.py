"""A conversation besides its turns, and the limits and errors of conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ai_buddy.model import ConversationKey, Turn
from supermarket.errors import Conflict, NotFound, TooMany

RETENTION = timedelta(days=30)  # of a turn after it began, of a conversation after its last use
START_TIMEOUT = timedelta(minutes=1)  # a conversation waits this long for a worker
LEASE = timedelta(seconds=30)  # and this long for one that stopped renewing its lease
WINDOW = 12  # turns that the agent gets in full; older ones are summarised
RESERVED_TOKENS = 10_000  # of a day's, for a question while it is being answered
MAX_ANSWER = 16_000  # characters


class UnknownConversation(NotFound):
    """The person has no such conversation."""

    code = "CONVERSATION_UNKNOWN"


class UnknownMessage(NotFound):
    """There is no such message, or it has nothing to stop or to decide."""

    code = "MESSAGE_UNKNOWN"


class TurnRunning(Conflict):
    """The conversation still waits for an answer; it answers one question at a time."""

    code = "TURN_RUNNING"


class AlreadySent(Conflict):
    """The client's message began a turn before."""

    code = "ALREADY_SENT"


class TooManyMessages(TooMany):
    """The person's limit of messages a minute is reached."""

    code = "TOO_MANY_MESSAGES"


class TooManyTokens(TooMany):
    """The person's limit of the model's tokens a day is reached."""

    code = "TOO_MANY_TOKENS"


@dataclass(frozen=True)
class Conversation:
    """A conversation besides its turns. While a turn is `running`, `draft` is its answer so far."""

    key: ConversationKey
    summary: str = ""
    summarised_up_to: str = ""  # the last turn that the summary covers
    running: str | None = None
    lease_ends: float = 0  # seconds since the epoch
    draft: str = ""
    stopping: bool = False

    def is_waiting_for(self, turn_id: str, now: datetime) -> bool:
        """Return whether a worker is, as far as the lease says, working on the turn."""
        return self.running == turn_id and self.lease_ends > now.timestamp()


@dataclass(frozen=True)
class TurnPage:
    """Turns, newest first, and the id that the next page continues after."""

    turns: Sequence[Turn]
    older_than: str | None
