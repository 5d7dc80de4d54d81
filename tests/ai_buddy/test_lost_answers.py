"""Writes of the assistant whose answer is lost: the SDK repeats them, and they happen once."""

import pytest

from ai_buddy.conversations.model import RESERVED_TOKENS
from ai_buddy.conversations.repository import CounterRow, DynamoConversations, DynamoUsage
from ai_buddy.model import (
    ConversationKey,
    Decision,
    PendingProposal,
    Proposal,
    Turn,
    TurnKey,
    TurnState,
)
from ai_buddy.realtime.repository import DynamoConnections
from conftest import NOON, FrozenClock
from support.api import a_caller
from support.lost_answers import losing_answers

pytestmark = pytest.mark.usefixtures("aws")

KEY = TurnKey(ConversationKey("user", "c1"), "t1")


@pytest.fixture
def conversations(clock: FrozenClock) -> DynamoConversations:
    conversations = DynamoConversations(clock)
    conversations.begin(Turn(KEY, clock(), "Have you rice?"), new=True)
    return conversations


def test_a_worker_whose_claim_was_repeated_has_the_conversation(
    conversations: DynamoConversations,
) -> None:
    with losing_answers() as lost:
        conversation = conversations.claim(KEY)
    assert lost
    assert conversation
    assert conversation.running == KEY.id
    assert conversations.claim(KEY) is None


def test_a_turn_whose_end_was_repeated_was_running(
    conversations: DynamoConversations, clock: FrozenClock
) -> None:
    finished = Turn(KEY, clock(), "Have you rice?", state=TurnState.DONE, answer="Yes.")
    with losing_answers():
        assert conversations.finish(finished)
    assert not conversations.finish(finished)


def test_a_decision_that_was_repeated_is_saved(
    conversations: DynamoConversations, clock: FrozenClock
) -> None:
    read = PendingProposal(Proposal("empty_cart", {}, "Empty your cart"), NOON)
    turn = Turn(KEY, clock(), "Empty it", state=TurnState.DONE, answer="Shall I?", proposal=read)
    conversations.finish(turn)
    decided = PendingProposal(read.proposal, NOON, Decision.ACCEPTED, clock())
    with losing_answers():
        conversations.save_decision(KEY, read, decided)
    stored = conversations.find_turn(KEY)
    assert stored
    assert stored.proposal == decided


def test_a_ticket_whose_use_was_repeated_opens_a_connection(clock: FrozenClock) -> None:
    connections, caller = DynamoConnections(clock), a_caller()
    connections.add_ticket("digest", caller)
    with losing_answers():
        assert connections.redeem_ticket("digest") == caller
    assert connections.redeem_ticket("digest") is None


def test_a_message_and_its_tokens_are_counted_once(clock: FrozenClock) -> None:
    usage = DynamoUsage(clock, messages_per_minute=1, tokens_per_day=RESERVED_TOKENS + 1)
    with losing_answers():
        usage.count_message("user")
        usage.spend_tokens("user", clock(), 7)
    counted = {(int(row.messages or 0), int(row.tokens or 0)) for row in CounterRow.scan()}
    assert counted == {(1, 0), (0, RESERVED_TOKENS + 7)}
