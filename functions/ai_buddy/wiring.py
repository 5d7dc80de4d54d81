"""Composition root of the assistant. Only the worker imports what talks to the language model."""

import time
from functools import cache
from typing import TYPE_CHECKING

from ai_buddy.conversations.service import ConversationService
from ai_buddy.realtime.connections import ConnectionService
from supermarket.clock import new_id, utc_now
from supermarket.config import ConfigurationError, settings
from supermarket.secrets import secret
from supermarket.wiring import idempotency_keys, sessions

if TYPE_CHECKING:
    from langchain_google_genai import ChatGoogleGenerativeAI

    from ai_buddy.conversations.ports import Agent, ProposalExecutor
    from ai_buddy.conversations.repository import DynamoUsage
    from ai_buddy.conversations.turn_worker import TurnWorker
    from ai_buddy.realtime.ports import ConnectionSender
    from ai_buddy.tools.toolbox import Toolbox

MAX_OUTPUT_TOKENS = 8_192  # of one answer, including the model's thoughts


@cache
def connections() -> ConnectionService:
    from ai_buddy.realtime.repository import DynamoConnections

    return ConnectionService(
        connections=DynamoConnections(utc_now),
        count_frame=_usage().count_frame,
        sessions=sessions(),
        sender=sender,
        max_connections=settings().ai_connections_per_user,
    )


@cache
def sender() -> "ConnectionSender":
    from ai_buddy.realtime.gateways import ApiGatewaySender, connections_client

    return ApiGatewaySender(connections_client(settings().connections_url))


@cache
def conversations() -> ConversationService:
    from ai_buddy.conversations.repository import DynamoConversations
    from ai_buddy.realtime.gateways import LambdaWorkers, workers_client

    return ConversationService(
        conversations=DynamoConversations(utc_now),
        usage=_usage(),
        workers=LambdaWorkers(workers_client(), settings().turn_worker),
        clock=utc_now,
        new_id=new_id,
    )


@cache
def turn_worker() -> "TurnWorker":
    from ai_buddy.conversations.repository import DynamoConversations
    from ai_buddy.conversations.turn_worker import TurnWorker
    from ai_buddy.realtime.repository import DynamoConnections

    return TurnWorker(
        agent=agent(),
        conversations=DynamoConversations(utc_now),
        connections=DynamoConnections(utc_now),
        sender=sender(),
        usage=_usage(),
        sessions=sessions(),
        clock=utc_now,
        monotonic=time.monotonic,
    )


@cache
def agent() -> "Agent":
    from ai_buddy.agent.agent import LangChainAgent, Limits

    known = settings()
    return LangChainAgent(
        model=_current_model,
        make_tools=_toolbox().make,
        limits=Limits(known.ai_tool_calls, known.gemini_retries),
        shop=known.storefront_url,
        clock=utc_now,
    )


@cache
def executor() -> "ProposalExecutor":
    from ai_buddy.tools.actions import ActionExecutor
    from ai_buddy.tools.gateways import WritableShop
    from cart.wiring import cart_service
    from order.wiring import order_service
    from product.wiring import product_service

    shop = WritableShop(product_service(), cart_service(), order_service(), idempotency_keys())
    return ActionExecutor(shop)


def _toolbox() -> "Toolbox":
    from ai_buddy.agent.policies import Policies
    from ai_buddy.tools.gateways import Checkout, SellerMetrics, Shop
    from ai_buddy.tools.toolbox import Toolbox
    from auth.wiring import account_service
    from cart.wiring import cart_service
    from order.wiring import charges, order_service
    from product.wiring import product_service
    from seller_dashboard.wiring import dashboard

    return Toolbox(
        shop=Shop(product_service(), cart_service(), order_service()),
        checkout=Checkout(account_service(), charges()),
        metrics=SellerMetrics(dashboard(), product_service(), utc_now),
        policies=Policies(),
    )


def _current_model() -> "ChatGoogleGenerativeAI":
    """Return the model with the current key, which may have been rotated."""
    key = secret("gemini").get("apiKey")
    if not key:
        raise ConfigurationError("The secret gemini has no apiKey")
    return _model(key)


@cache
def _model(key: str) -> "ChatGoogleGenerativeAI":
    from langchain_google_genai import ChatGoogleGenerativeAI
    from pydantic import SecretStr

    known = settings()
    return ChatGoogleGenerativeAI(
        model=known.gemini_model,
        api_key=SecretStr(key),
        base_url=known.gemini_base_url,
        temperature=known.gemini_temperature,
        reasoning_effort=known.gemini_thinking or None,
        timeout=known.gemini_timeout_seconds,
        max_retries=1,  # the agent retries itself, unless text has been sent
        max_tokens=MAX_OUTPUT_TOKENS,
        vertexai=False,
    )


@cache
def _usage() -> "DynamoUsage":
    from ai_buddy.conversations.repository import DynamoUsage

    known = settings()
    return DynamoUsage(utc_now, known.ai_messages_per_minute, known.ai_tokens_per_day)
