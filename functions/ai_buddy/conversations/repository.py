"""Conversations, and what people use of the assistant, in DynamoDB."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from ai_buddy.conversations.model import (
    LEASE,
    RESERVED_TOKENS,
    RETENTION,
    START_TIMEOUT,
    AlreadySent,
    Conversation,
    TooManyMessages,
    TooManyTokens,
    TurnPage,
    TurnRunning,
    UnknownConversation,
)
from ai_buddy.model import ConversationKey, PendingProposal, Turn, TurnKey, TurnState
from supermarket.clock import Clock, iso
from supermarket.dynamo.batches import delete_many
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction, update_once
from supermarket.dynamo.writes import update_if
from supermarket.errors import Conflict
from supermarket.retry import StaleWrite

CONVERSATION, TURN, SENT, LATEST = "conversation", "turn#", "sent#", "latest"  # sort keys
MINUTE, DAY = "minute#", "day#"
LAST = "~"  # sorts after every id
COUNTER_RETENTION = timedelta(days=2)


class ExpiringRow(Row):
    """Base of the rows in the table."""

    Meta = table("conversation")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class ConversationRow(ExpiringRow):
    """A conversation besides its turns. `pk` names owner and conversation."""

    summary = UnicodeAttribute(null=True)
    summarised_up_to = UnicodeAttribute(null=True, attr_name="summarisedUpTo")
    running = UnicodeAttribute(null=True)
    claimed = BooleanAttribute(null=True)
    lease_ends = NumberAttribute(null=True, attr_name="leaseEnds")
    draft = UnicodeAttribute(null=True)
    stopping = BooleanAttribute(null=True)
    deleted = BooleanAttribute(null=True)

    def to_conversation(self, key: ConversationKey) -> Conversation:
        summary, covered, draft = self.summary or "", self.summarised_up_to or "", self.draft or ""
        lease_ends, is_stopping = self.lease_ends or 0, bool(self.stopping)
        return Conversation(key, summary, covered, self.running, lease_ends, draft, is_stopping)


class TurnRow(ExpiringRow):
    """A turn; `sk` sorts by age. Its proposal is an attribute of its own, for decisions on it."""

    turn = Mapped[Turn](Turn, exclude=frozenset({"proposal"}))
    proposal = Mapped[PendingProposal](PendingProposal, null=True)

    def to_turn(self) -> Turn:
        return replace(self.turn, proposal=self.proposal)


class PointerRow(ExpiringRow):
    """Leads from a person to a turn: the latest, or the one that a client's message began."""

    turn_id = UnicodeAttribute(attr_name="turnId")


class CounterRow(ExpiringRow):
    """What a person used in a minute or on a day."""

    Meta = table("connection")

    frames = NumberAttribute(null=True)
    messages = NumberAttribute(null=True)
    tokens = NumberAttribute(null=True)


class DynamoConversations:
    """`Conversations` in DynamoDB. TTL deletes late, so the clock decides about leases."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def begin(self, turn: Turn, *, new: bool) -> None:
        transaction = DynamoTransaction()
        if turn.client_message_id:  # the first condition: a repetition is no second message
            pointer = self._pointer(turn, SENT + turn.client_message_id)
            repeated = AlreadySent("This message was sent before")
            transaction.put(pointer, PointerRow.pk.does_not_exist(), repeated)
        begin = [ConversationRow.running.set(turn.id), self._lease(START_TIMEOUT)]
        keep = ConversationRow.expires_at.set(self._expiry())
        is_free = ConversationRow.pk.does_not_exist() if new else _is_kept() & ~self._is_waiting()
        busy = TurnRunning("The last answer is not finished yet")
        transaction.update(_row(turn.key.conversation), [*_reset(), *begin, keep], is_free, busy)
        transaction.put(self._turn_row(turn))
        transaction.put(self._pointer(turn, LATEST))
        try:
            transaction.commit()
        except TurnRunning:
            if self.find(turn.key.conversation) is None:
                raise UnknownConversation("Conversation not found") from None
            raise

    def find_sent(self, user_id: str, client_message_id: str) -> TurnKey | None:
        return _pointed_at(user_id, SENT + client_message_id)

    def find_latest(self, user_id: str) -> ConversationKey | None:
        key = _pointed_at(user_id, LATEST)
        return key.conversation if key else None

    def find(self, key: ConversationKey) -> Conversation | None:
        row = ConversationRow.find(_pk(key), CONVERSATION)
        return row.to_conversation(key) if row and not row.deleted else None

    def find_turn(self, key: TurnKey) -> Turn | None:
        row = TurnRow.find(_pk(key.conversation), TURN + key.id)
        return row.to_turn() if row else None

    def list_turns(self, key: ConversationKey, limit: int, older_than: str | None) -> TurnPage:
        # two more: the turn named by `older_than` itself, and one to know whether there are more
        found = self._newest_first(key, "", older_than or LAST, limit + 2)
        turns = [turn for turn in found if turn.id != older_than]
        is_cut = len(turns) > limit
        return TurnPage(turns[:limit], turns[limit - 1].id if is_cut else None)

    def list_recent(self, key: ConversationKey, after: str, limit: int) -> Sequence[Turn]:
        found = self._newest_first(key, after, LAST, limit + 1)
        return [turn for turn in reversed(found) if turn.id != after][-limit:]

    def request_stop(self, key: ConversationKey) -> bool:
        return update_if(_row(key), [ConversationRow.stopping.set(True)], self._is_waiting())

    def claim(self, key: TurnKey) -> Conversation | None:
        is_free = ConversationRow.claimed.does_not_exist() & _is_kept()
        is_waiting = ConversationRow.running == key.id
        actions = [ConversationRow.claimed.set(True), self._lease(LEASE)]
        claimed = update_once(_row(key.conversation), actions, is_waiting & is_free)
        return self.find(key.conversation) if claimed else None

    def renew_lease(self, key: TurnKey, draft: str) -> Conversation | None:
        row = _row(key.conversation)
        actions = [self._lease(LEASE), ConversationRow.draft.set(draft)]
        is_renewed = update_if(row, actions, (ConversationRow.running == key.id) & _is_kept())
        return row.to_conversation(key.conversation) if is_renewed else None

    def release_lease(self, key: TurnKey) -> bool:
        return update_once(_row(key.conversation), _release(), ConversationRow.running == key.id)

    def finish(self, turn: Turn) -> bool:
        actions: list[Action] = [TurnRow.turn.set(turn)]
        if turn.proposal:
            actions.append(TurnRow.proposal.set(turn.proposal))
        was_running = _end(turn.key, actions)
        self.release_lease(turn.key)
        return was_running

    def save_summary(self, key: ConversationKey, summary: str, up_to: str) -> None:
        actions = [
            ConversationRow.summary.set(summary),
            ConversationRow.summarised_up_to.set(up_to),
        ]
        update_if(_row(key), actions, _is_kept())

    def save_decision(self, key: TurnKey, read: PendingProposal, decided: PendingProposal) -> None:
        change = [TurnRow.proposal.set(decided)]
        if not update_once(_turn_at(key), change, TurnRow.proposal == read):
            raise StaleWrite

    def save_outcome(self, key: TurnKey, decided: PendingProposal, outcome: Turn) -> bool:
        transaction = DynamoTransaction()
        link = Path("proposal.outcome_id").set(outcome.id)
        saved = Conflict("The outcome was saved before")
        transaction.update(_turn_at(key), [link], TurnRow.proposal == decided, saved)
        keep = ConversationRow.expires_at.set(self._expiry())
        deleted = Conflict("The conversation was deleted")
        transaction.update(_row(key.conversation), [keep], _is_kept(), deleted)
        transaction.put(self._turn_row(outcome))
        try:
            transaction.commit()
        except Conflict:
            return False
        return True

    def delete(self, key: ConversationKey) -> Sequence[Turn] | None:
        """The conversation's row goes last: an interrupted deletion can be requested again."""
        mark = [ConversationRow.deleted.set(True), *_release()]
        if not update_if(_row(key), mark, ConversationRow.pk.exists()):
            return None
        latest = self.find_latest(key.user_id)
        rows = list(TurnRow.query(_pk(key), TurnRow.sk.startswith(TURN), consistent_read=True))
        turns = [row.turn for row in rows if row.turn.state is TurnState.RUNNING]
        failed = [Path("turn.state").set(TurnState.FAILED.value)]
        ended = [turn for turn in turns if _end(turn.key, failed)]
        sent = [row.turn.client_message_id for row in rows if row.turn.client_message_id]
        pointers = [SENT + message_id for message_id in sent] + [LATEST] * (latest == key)
        delete_many([*rows, *(TurnRow(key.user_id, pointer) for pointer in pointers)])
        _row(key).delete()
        return ended

    def _newest_first(self, key: ConversationKey, first: str, last: str, limit: int) -> list[Turn]:
        within = TurnRow.sk.between(TURN + first, TURN + last)
        rows = TurnRow.query(
            _pk(key), within, scan_index_forward=False, consistent_read=True, limit=limit
        )
        return [row.to_turn() for row in rows]

    def _turn_row(self, turn: Turn) -> TurnRow:
        pk = _pk(turn.key.conversation)
        return TurnRow(pk, TURN + turn.id, turn=turn, expires_at=self._expiry())

    def _pointer(self, turn: Turn, sk: str) -> PointerRow:
        user_id = turn.key.conversation.user_id
        return PointerRow(user_id, sk, turn_id=turn.id, expires_at=self._expiry())

    def _is_waiting(self) -> Condition:
        """The conversation waits for an answer that can still come."""
        is_leased = ConversationRow.lease_ends > self._clock().timestamp()
        is_waiting: Condition = ConversationRow.running.exists() & is_leased
        return is_waiting

    def _lease(self, time: timedelta) -> Action:
        return ConversationRow.lease_ends.set((self._clock() + time).timestamp())

    def _expiry(self) -> int:
        return int((self._clock() + RETENTION).timestamp())


class DynamoUsage:
    """`Usage` in DynamoDB, and a count of frames: a row per person and minute, and one per day."""

    def __init__(self, clock: Clock, messages_per_minute: int, tokens_per_day: int) -> None:
        self._clock = clock
        self._messages_per_minute = messages_per_minute
        self._tokens_per_day = tokens_per_day

    def count_frame(self, user_id: str) -> int:
        row = self._minute(user_id)
        row.update([CounterRow.frames.add(1), self._expiry()])
        return int(row.frames)

    def count_message(self, user_id: str) -> None:
        now = self._clock()
        limit = self._messages_per_minute
        if not self._add(self._minute(user_id), CounterRow.messages, 1, limit):
            message = f"At most {limit} messages a minute are allowed"
            raise TooManyMessages(message, 60 - now.second)
        day, limit = _day(user_id, now), self._tokens_per_day
        if not self._add(day, CounterRow.tokens, RESERVED_TOKENS, limit):
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            message = "You have used the assistant as much as one day allows"
            raise TooManyTokens(message, int((midnight - now).total_seconds()))

    def spend_tokens(self, user_id: str, day: datetime, tokens: int) -> None:
        if tokens:
            update_once(_day(user_id, day), [CounterRow.tokens.add(tokens), self._expiry()])

    def _add(self, row: CounterRow, counter: NumberAttribute, number: int, limit: int) -> bool:
        """Add to a counter that has not reached its limit; returns whether it did."""
        has_room = counter.does_not_exist() | (counter < limit)
        return update_once(row, [counter.add(number), self._expiry()], has_room)

    def _minute(self, user_id: str) -> CounterRow:
        return CounterRow(user_id, f"{MINUTE}{iso(self._clock())[:16]}")

    def _expiry(self) -> Action:
        return CounterRow.expires_at.set(int((self._clock() + COUNTER_RETENTION).timestamp()))


def _pk(key: ConversationKey) -> str:
    return f"{key.user_id}#{key.id}"


def _row(key: ConversationKey) -> ConversationRow:
    return ConversationRow(_pk(key), CONVERSATION)


def _turn_at(key: TurnKey) -> TurnRow:
    return TurnRow(_pk(key.conversation), TURN + key.id)


def _end(key: TurnKey, actions: Sequence[Action]) -> bool:
    """Update a turn that is running; returns False when another one has ended it."""
    return update_once(_turn_at(key), actions, Path("turn.state") == TurnState.RUNNING.value)


def _pointed_at(user_id: str, sk: str) -> TurnKey | None:
    row = PointerRow.find(user_id, sk)
    return TurnKey.of(user_id, row.turn_id) if row else None


def _is_kept() -> Condition:
    is_kept: Condition = ConversationRow.pk.exists() & ConversationRow.deleted.does_not_exist()
    return is_kept


def _reset() -> list[Action]:
    """Forget what a worker noted for the turn before."""
    notes = ConversationRow.claimed, ConversationRow.draft, ConversationRow.stopping
    return [note.remove() for note in notes]


def _release() -> list[Action]:
    """Make the conversation wait for nothing."""
    return [*_reset(), ConversationRow.running.remove(), ConversationRow.lease_ends.remove()]


def _day(user_id: str, day: datetime) -> CounterRow:
    return CounterRow(user_id, f"{DAY}{iso(day)[:10]}")
