"""The HTTP Lambdas of the assistant: what a socket cannot do."""

from datetime import timedelta

from ai_buddy import wiring
from ai_buddy.conversations.model import UnknownConversation
from ai_buddy.realtime.ports import TICKET_LIFETIME
from ai_buddy.schemas import TicketResponse
from supermarket.caller import Caller
from supermarket.http import delete, post
from supermarket.init_phase import prepare
from supermarket.rate_limits import RequestLimit
from supermarket.schemas import Message


@post("/api/ai/ticket", status=201, limit=RequestLimit("tickets", timedelta(minutes=10)))
def create_ticket(caller: Caller) -> TicketResponse:
    ticket = wiring.connections().issue_ticket(caller)
    return TicketResponse(ticket=ticket, expires_in=TICKET_LIFETIME.seconds)


@delete("/api/ai/conversations/{conversationId}", errors=(UnknownConversation,))
def delete_conversation(conversationId: str, caller: Caller) -> Message:
    wiring.conversations().delete(caller, conversationId)
    return Message(message="The conversation is deleted")


prepare(__name__)
