"""Conversations and what people use of the assistant in DynamoDB."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from ai_buddy.conversations.service import AlreadySent, TooManyMessages, TooManyTokens, TurnPage
from ai_buddy.model import (
    EXECUTION_TIME,
    LEASE,
    MEMORY,
    RESERVED_TOKENS,
    TIME_TO_BEGIN,
    TIME_TO_REPEAT,
    Answered,
    Conversation,
    ConversationKey,
    ConversationUnknown,
    Failure,
    OpenProposal,
    Proposal,
    Turn,
    TurnKey,
    TurnRunning,
    TurnState,
)
from supermarket.clock import Clock, from_iso, iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import update_if
from supermarket.errors import Conflict

HEAD, TURN, SENT, LATEST = "conversation", "turn#", "sent#", "latest"
MINUTE, DAY = "minute#", "day#"

COUNTED_FOR = timedelta(days=2)


class HeadRow(Row):
    """A conversation besides its turns. `pk` names owner and conversation."""

    Meta = table("conversation")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=HEAD)
    summary = UnicodeAttribute(null=True)
    summarised_up_to = UnicodeAttribute(null=True, attr_name="summarisedUpTo")
    running = UnicodeAttribute(null=True)
    claimed = BooleanAttribute(null=True)
    lease_ends = NumberAttribute(null=True, attr_name="leaseEnds")
    draft = UnicodeAttribute(null=True)
    stopping = BooleanAttribute(null=True)
    deleted = BooleanAttribute(null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class TurnRow(Row):
    """A question with its answer; `sk` sorts by age."""

    Meta = table("conversation")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    asked_at = UnicodeAttribute(attr_name="askedAt")
    question = UnicodeAttribute(null=True)
    client_message_id = UnicodeAttribute(null=True, attr_name="clientMessageId")
    state = UnicodeAttribute()
    answer = UnicodeAttribute(null=True)
    model = UnicodeAttribute(null=True)
    products = JSONAttribute(null=True)
    order = JSONAttribute(null=True)
    failure = JSONAttribute(null=True)
    proposal = JSONAttribute(null=True)
    proposal_ends = NumberAttribute(null=True, attr_name="proposalEnds")
    answered = UnicodeAttribute(null=True)
    answered_at = NumberAttribute(null=True, attr_name="answeredAt")
    outcome_id = UnicodeAttribute(null=True, attr_name="outcomeId")
    expires_at = NumberAttribute(attr_name="expiresAt")


class PointerRow(Row):
    """Leads from a person to a turn: the latest, or the one that a client's message began."""

    Meta = table("conversation")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    turn_id = UnicodeAttribute(attr_name="turnId")
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoConversations:
    """`Conversations` and `Memory` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def begin(self, turn: Turn, *, new: bool) -> None:
        ends, head = self._ends(), HeadRow(_pk(turn.key.conversation), HEAD)
        transaction = DynamoTransaction()
        if turn.client_message_id:  # the first to be refused: a repetition is no second message
            transaction.put(
                self._pointer(turn, SENT + turn.client_message_id),
                PointerRow.pk.does_not_exist(),
                AlreadySent("This message came before"),
            )
        transaction.update(
            head,
            [
                *_fresh(),
                HeadRow.running.set(turn.id),
                HeadRow.lease_ends.set(self._now() + TIME_TO_BEGIN.total_seconds()),
                HeadRow.expires_at.set(ends),
            ],
            condition=(HeadRow.pk.does_not_exist() if new else self._is_free()),
            on_conflict=TurnRunning("The last answer is not finished yet"),
        )
        transaction.put(self._row(turn))
        transaction.put(self._pointer(turn, LATEST))
        try:
            transaction.commit()
        except TurnRunning:
            if self.find(turn.key.conversation) is None:
                raise ConversationUnknown("There is no such conversation") from None
            raise

    def sent(self, user_id: str, client_message_id: str) -> TurnKey | None:
        return self._pointed_at(user_id, SENT + client_message_id)

    def latest(self, user_id: str) -> ConversationKey | None:
        key = self._pointed_at(user_id, LATEST)
        return key.conversation if key else None

    def find(self, key: ConversationKey) -> Conversation | None:
        row = self._head(key)
        return _conversation(key, row) if row and not row.deleted else None

    def turn(self, key: TurnKey) -> Turn | None:
        try:
            return _turn(TurnRow.get(_pk(key.conversation), TURN + key.id, consistent_read=True))
        except DoesNotExist:
            return None

    def page(self, key: ConversationKey, limit: int, older_than: str | None = None) -> TurnPage:
        before = f"{TURN}{older_than}" if older_than else f"{TURN}~"
        rows = list(
            TurnRow.query(
                _pk(key),
                TurnRow.sk.between(TURN, before),
                scan_index_forward=False,
                consistent_read=True,
                limit=limit + 2,  # the turn named by the place itself, and one to know of more
            )
        )
        turns = [_turn(row) for row in rows if row.sk != before]
        more = len(turns) > limit
        return TurnPage(turns[:limit], turns[limit - 1].id if more else None)

    def recent(self, key: ConversationKey, after: str, limit: int) -> Sequence[Turn]:
        rows = TurnRow.query(
            _pk(key),
            TurnRow.sk.between(f"{TURN}{after}", f"{TURN}~"),
            scan_index_forward=False,
            consistent_read=True,
            limit=limit + 1,
        )
        turns = [_turn(row) for row in rows]
        return [turn for turn in reversed(turns) if turn.id != after][-limit:]

    def ask_to_stop(self, key: ConversationKey) -> bool:
        waiting = HeadRow.running.exists() & (HeadRow.lease_ends > self._now())
        return self._update(key, [HeadRow.stopping.set(True)], waiting) is not None

    def claim(self, key: TurnKey) -> Conversation | None:
        unclaimed = (HeadRow.running == key.id) & HeadRow.claimed.does_not_exist()
        actions = [HeadRow.claimed.set(True), HeadRow.lease_ends.set(self._lease())]
        return self._update(key.conversation, actions, unclaimed & _is_kept())

    def go_on(self, key: TurnKey, draft: str) -> Conversation | None:
        actions = [HeadRow.lease_ends.set(self._lease()), HeadRow.draft.set(draft)]
        return self._update(key.conversation, actions, (HeadRow.running == key.id) & _is_kept())

    def finish(self, turn: Turn) -> bool:
        running = TurnRow.state == TurnState.RUNNING.value
        kept = self._change(turn.key, self._result(turn), running)
        self.let_go(turn.key)
        return kept

    def let_go(self, key: TurnKey) -> bool:
        return self._update(key.conversation, _freed(), HeadRow.running == key.id) is not None

    def summarise(self, key: ConversationKey, summary: str, up_to: str) -> None:
        actions = [HeadRow.summary.set(summary), HeadRow.summarised_up_to.set(up_to)]
        self._update(key, actions, HeadRow.pk.exists() & _is_kept())

    def decide(self, key: TurnKey, answered: Answered, now: datetime) -> bool:
        at = now.timestamp()
        is_open = TurnRow.answered.does_not_exist() & (TurnRow.proposal_ends > at)
        cut_short = (
            (TurnRow.answered == answered)
            & TurnRow.outcome_id.does_not_exist()
            & (TurnRow.answered_at <= at - EXECUTION_TIME.total_seconds())
            & (TurnRow.proposal_ends > at - TIME_TO_REPEAT.total_seconds())
        )
        actions = [TurnRow.answered.set(answered.value), TurnRow.answered_at.set(at)]
        return self._change(key, actions, is_open | cut_short)

    def settle(self, decided: TurnKey, outcome: Turn) -> bool:
        transaction = DynamoTransaction()
        transaction.update(
            TurnRow(_pk(decided.conversation), TURN + decided.id),
            [TurnRow.outcome_id.set(outcome.id)],
            condition=TurnRow.answered.exists() & TurnRow.outcome_id.does_not_exist(),
            on_conflict=Conflict("This was settled before"),
        )
        transaction.update(
            HeadRow(_pk(decided.conversation), HEAD),
            [HeadRow.expires_at.set(self._ends())],
            condition=HeadRow.pk.exists() & _is_kept(),
            on_conflict=Conflict("The conversation was deleted"),
        )
        transaction.put(self._row(outcome))
        try:
            transaction.commit()
        except Conflict:
            return False
        return True

    def delete(self, key: ConversationKey) -> Sequence[Turn] | None:
        """The head goes last: a deletion that was cut short can be asked for again."""
        mark = [HeadRow.deleted.set(True), *_freed()]
        if self._update(key, mark, HeadRow.pk.exists()) is None:
            return None
        latest = self._pointed_at(key.user_id, LATEST)
        found = TurnRow.query(_pk(key), TurnRow.sk.startswith(TURN), consistent_read=True)
        rows = list(found)
        ended = [turn for turn in map(_turn, rows) if self._end(turn)]
        sent = [row.client_message_id for row in rows]
        with TurnRow.batch_write() as batch:
            for row in rows:
                batch.delete(row)
            for client_message_id in filter(None, sent):
                batch.delete(TurnRow(key.user_id, SENT + client_message_id))
            if latest and latest.conversation == key:
                batch.delete(TurnRow(key.user_id, LATEST))
        HeadRow(_pk(key), HEAD).delete()
        return ended

    def _end(self, turn: Turn) -> bool:
        """Whether it was running until now, and no worker has ended it at this very moment."""
        ending = [TurnRow.state.set(TurnState.FAILED.value)]
        return turn.state is TurnState.RUNNING and self._change(
            turn.key, ending, TurnRow.state == TurnState.RUNNING.value
        )

    def _change(self, key: TurnKey, actions: Sequence[Action], condition: Condition) -> bool:
        return update_if(TurnRow(_pk(key.conversation), TURN + key.id), actions, condition)

    def _update(
        self, key: ConversationKey, actions: Sequence[Action], condition: Condition
    ) -> Conversation | None:
        """The conversation after the change; None when it was refused."""
        row = HeadRow(_pk(key), HEAD)
        return _conversation(key, row) if update_if(row, actions, condition) else None

    def _head(self, key: ConversationKey) -> HeadRow | None:
        try:
            return HeadRow.get(_pk(key), HEAD, consistent_read=True)
        except DoesNotExist:
            return None

    def _pointed_at(self, user_id: str, sk: str) -> TurnKey | None:
        try:
            row = PointerRow.get(user_id, sk, consistent_read=True)
        except DoesNotExist:
            return None
        return TurnKey.of(user_id, row.turn_id)

    def _row(self, turn: Turn) -> TurnRow:
        return TurnRow(
            _pk(turn.key.conversation),
            TURN + turn.id,
            asked_at=iso(turn.asked_at),
            question=turn.question or None,
            client_message_id=turn.client_message_id,
            state=turn.state.value,
            answer=turn.answer or None,
            expires_at=self._ends(),
        )

    def _result(self, turn: Turn) -> list[Action]:
        actions: list[Action] = [
            TurnRow.state.set(turn.state.value),
            TurnRow.answer.set(turn.answer),
            TurnRow.model.set(turn.model),
            TurnRow.products.set(list(map(dict, turn.products))),
        ]
        if turn.order:
            actions.append(TurnRow.order.set(dict(turn.order)))
        if turn.failure:
            actions.append(TurnRow.failure.set(asdict(turn.failure)))
        if turn.confirm:
            proposal = turn.confirm.proposal
            actions += [
                TurnRow.proposal.set(
                    {
                        "action": proposal.action,
                        "arguments": dict(proposal.arguments),
                        "text": proposal.text,
                    }
                ),
                TurnRow.proposal_ends.set(turn.confirm.expires_at.timestamp()),
            ]
        return actions

    def _pointer(self, turn: Turn, sk: str) -> PointerRow:
        user_id = turn.key.conversation.user_id
        return PointerRow(user_id, sk, turn_id=turn.id, expires_at=self._ends())

    def _is_free(self) -> Condition:
        """The conversation is there and waits for no answer that is still to be expected."""
        waits: Condition = HeadRow.running.exists() & (HeadRow.lease_ends > self._now())
        free: Condition = HeadRow.pk.exists() & _is_kept() & ~waits
        return free

    def _now(self) -> float:
        return self._clock().timestamp()

    def _lease(self) -> float:
        return self._now() + LEASE.total_seconds()

    def _ends(self) -> int:
        return int(self._now() + MEMORY.total_seconds())


class CounterRow(Row):
    """What a person used in a minute or on a day."""

    Meta = table("connection")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    frames = NumberAttribute(null=True)
    messages = NumberAttribute(null=True)
    tokens = NumberAttribute(null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoUsage:
    """`Usage` and `Frames` in DynamoDB: a row per person and minute, and one per day."""

    def __init__(self, clock: Clock, messages_per_minute: int, tokens_per_day: int) -> None:
        self._clock = clock
        self._messages_per_minute = messages_per_minute
        self._tokens_per_day = tokens_per_day

    def count_frame(self, user_id: str) -> int:
        row = self._minute(user_id)
        row.update([CounterRow.frames.add(1), self._ends()])
        return int(row.frames)

    def count_message(self, user_id: str) -> None:
        now = self._clock()
        messages, limit = CounterRow.messages, self._messages_per_minute
        if not self._add(self._minute(user_id), messages, 1, limit):
            raise TooManyMessages(f"At most {limit} messages a minute, please", 60 - now.second)
        tokens = CounterRow.tokens
        if not self._add(_day(user_id, now), tokens, RESERVED_TOKENS, self._tokens_per_day):
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            raise TooManyTokens(
                "You have asked all that I may answer today", int((midnight - now).total_seconds())
            )

    def spend_tokens(self, user_id: str, day: datetime, tokens: int) -> None:
        if tokens:
            _day(user_id, day).update([CounterRow.tokens.add(tokens), self._ends()])

    def _add(self, row: CounterRow, what: NumberAttribute, more: int, limit: int) -> bool:
        """If `what` has not reached its limit."""
        room = what.does_not_exist() | (what < limit)
        return update_if(row, [what.add(more), self._ends()], room)

    def _minute(self, user_id: str) -> CounterRow:
        return CounterRow(user_id, f"{MINUTE}{iso(self._clock())[:16]}")

    def _ends(self) -> Action:
        return CounterRow.expires_at.set(int((self._clock() + COUNTED_FOR).timestamp()))


def _day(user_id: str, day: datetime) -> CounterRow:
    return CounterRow(user_id, f"{DAY}{iso(day)[:10]}")


def _pk(key: ConversationKey) -> str:
    return f"{key.user_id}#{key.id}"


def _is_kept() -> Condition:
    return HeadRow.deleted.does_not_exist()


def _fresh() -> list[Action]:
    """Nothing was done yet for the turn that the conversation waits for."""
    return [each.remove() for each in (HeadRow.claimed, HeadRow.draft, HeadRow.stopping)]


def _freed() -> list[Action]:
    """The conversation waits for nothing."""
    return [*_fresh(), HeadRow.running.remove(), HeadRow.lease_ends.remove()]


def _conversation(key: ConversationKey, row: HeadRow) -> Conversation:
    ends = row.lease_ends
    return Conversation(
        key=key,
        summary=row.summary or "",
        summarised_up_to=row.summarised_up_to or "",
        running=row.running,
        lease_ends=datetime.fromtimestamp(ends, UTC) if ends else None,
        draft=row.draft or "",
        stopping=bool(row.stopping),
    )


def _turn(row: TurnRow) -> Turn:
    user_id, _, _ = row.pk.partition("#")
    turn = Turn(
        key=TurnKey.of(user_id, row.sk.removeprefix(TURN)),
        asked_at=from_iso(row.asked_at),
        question=row.question or "",
        client_message_id=row.client_message_id,
        state=TurnState(row.state),
        answer=row.answer or "",
        products=tuple(row.products or ()),
        order=row.order,
        model=row.model or "",
        failure=Failure(**row.failure) if row.failure else None,
    )
    return replace(turn, confirm=_open_proposal(row)) if row.proposal else turn


def _open_proposal(row: TurnRow) -> OpenProposal:
    return OpenProposal(
        Proposal(**row.proposal),
        datetime.fromtimestamp(row.proposal_ends, UTC),
        Answered(row.answered) if row.answered else None,
        row.outcome_id,
    )
