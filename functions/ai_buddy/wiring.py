"""Composition root of the assistant. What speaks with the model is imported by the worker alone."""

import time
from functools import cache
from typing import TYPE_CHECKING

from ai_buddy.connections import ConnectionService, Lines, Switchboard
from ai_buddy.service import ConversationService
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.wiring import sessions

if TYPE_CHECKING:
    from ai_buddy.answering import Answering
    from ai_buddy.repository import DynamoUsage


@cache
def connections() -> ConnectionService:
    from ai_buddy.repository import DynamoConnections, DynamoTickets

    return ConnectionService(
        connections=DynamoConnections(utc_now),
        tickets=DynamoTickets(utc_now),
        frames=_usage(),
        sessions=sessions(),
        at_most=settings().ai_connections_per_user,
    )


@cache
def switchboard() -> Switchboard:
    from ai_buddy.repository import DynamoConnections

    return Switchboard(connections(), DynamoConnections(utc_now), lines())


@cache
def lines() -> Lines:
    from ai_buddy.lines import ApiGatewayLines, lines_client

    return ApiGatewayLines(lines_client(settings().connections_url))


@cache
def conversations() -> ConversationService:
    from ai_buddy.lines import LambdaWorkers, workers_client
    from ai_buddy.repository import DynamoConversations

    return ConversationService(
        conversations=DynamoConversations(utc_now),
        usage=_usage(),
        workers=LambdaWorkers(workers_client(), settings().turn_worker),
        clock=utc_now,
        new_id=new_id,
    )


@cache
def answering() -> "Answering":
    from ai_buddy.answering import Answering
    from ai_buddy.repository import DynamoConnections, DynamoConversations

    return Answering(
        agent=agent(),
        memory=DynamoConversations(utc_now),
        listeners=DynamoConnections(utc_now),
        lines=lines(),
        spending=_usage(),
        clock=utc_now,
        ticks=time.monotonic,
    )


@cache
def _usage() -> "DynamoUsage":
    from ai_buddy.repository import DynamoUsage

    known = settings()
    return DynamoUsage(utc_now, known.ai_messages_per_minute, known.ai_tokens_per_day)
