"""The shop in one process for the assistant's conversations: the real services and the real agent,
which store everything in memory. Only the simulator of the model is called over HTTP.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ai_buddy.agent.agent import Limits
from ai_buddy.conversations.model import LEASE, Conversation
from ai_buddy.conversations.service import ConversationService
from ai_buddy.conversations.turn_worker import TurnWorker
from ai_buddy.model import ConversationKey, PendingProposal, Turn, TurnKey
from ai_buddy.realtime import frames
from ai_buddy.realtime.ports import OpenConnection
from auth.model import FullName
from local.evaluation.shop import ADDRESS, Frame
from product.model import Filters, Selection
from product.schemas import CreateProductRequest, UpdateProductRequest
from sample.client import Json
from seller_dashboard import wiring as dashboard
from seller_dashboard.listeners import event_handlers
from supermarket.caller import Caller, Role
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.contracts import Event, Metadata
from supermarket.people import Address
from supermarket.websocket import to_json
from support.assistant import AssistedShop, Visitor
from support.auth import a_registration
from support.gemini import Simulator, an_agent, gemini, simulator
from support.sockets import FakeSender, FakeWorkers

SECONDS = 60.0  # of an answer
PAGE = 100


class ShopInProcess:
    """`local.evaluation.shop.Shop` without a cloud."""

    concurrency = 1  # a second thread would only wait for the interpreter

    def __init__(self, patch: pytest.MonkeyPatch, model: Simulator, client: Any) -> None:
        self.shop = AssistedShop(utc_now)
        self._model = model
        patch.setattr(dashboard, "projector", lambda: self.shop.projections.projector)
        patch.setattr(dashboard, "sellers", lambda: self.shop.projections.sellers)
        limits = Limits(settings().ai_tool_calls, settings().gemini_retries)
        agent = an_agent(client, self.shop.toolbox.make, utc_now, limits)
        self.conversations, self.connections = StoredConversations(), Connections()
        self.sender, self.workers = FakeSender(), FakeWorkers()
        usage: Any = UnlimitedUsage()
        stored: Any = self.conversations
        self.service = ConversationService(stored, usage, self.workers, utc_now, new_id)
        self.turn_worker = TurnWorker(
            agent=agent,
            conversations=stored,
            connections=self.connections,
            sender=self.sender,
            usage=usage,
            sessions=self.shop.auth.sessions,
            clock=utc_now,
            monotonic=time.monotonic,
        )

    def create_account(
        self, role: str, first_name: str = "Asha", last_name: str = "Rao"
    ) -> "AccountInProcess":
        auth, name = self.shop.auth, FullName(first_name, last_name)
        user = auth.registration_service.register(a_registration(full_name=name, role=Role(role)))
        caller = auth.caller(new_id(), user)
        auth.sessions.open(caller.session_id, caller.user_id, caller.standing)
        return AccountInProcess(self, caller)

    def make_model_obey(self, about: str) -> None:
        self._model.obeys(about)

    def make_model_resist(self, about: str) -> None:
        self._model.recovers()

    def deliver_events(self) -> None:
        """Deliver to the seller's dashboard what it subscribes to."""
        for outbox in (self.shop.outbox, self.shop.catalogue.outbox):
            while outbox.events:
                _deliver(outbox.events.pop(0))


class AccountInProcess:
    """`local.evaluation.shop.Account` on the shop's services."""

    def __init__(self, shop: ShopInProcess, caller: Caller) -> None:
        self.id = caller.user_id
        self._caller = caller
        self._process = shop
        self._shop = shop.shop
        self._visitor = Visitor(shop.shop, caller)

    @contextmanager
    def chat(self) -> Iterator["ChatInProcess"]:
        yield ChatInProcess(self._process, self._caller)

    def count_cart_units(self) -> int:
        return self._visitor.units_in_cart()

    def list_orders(self) -> dict[str, Json]:
        found = self._shop.orders.list_orders(self.id, None, None, PAGE).orders
        return {one.id: {"status": one.status.value, "to": one.shipping_address} for one in found}

    def list_stock(self) -> dict[str, int]:
        own = Selection(Filters(seller_id=self.id))
        found = self._shop.catalogue.service.list_products(own, None, PAGE).products
        return {product.id: product.stock for product in found}

    def create_product(self, title: str, description: str, price: float) -> str:
        body = {"title": title, "description": description, "priceAmount": price, "stock": 40}
        draft = CreateProductRequest.model_validate(body).draft()
        product = self._shop.catalogue.service.create(draft, (), self._caller)
        self._process.deliver_events()
        return product.id

    def rename_product(self, product_id: str, title: str) -> None:
        changes = UpdateProductRequest.model_validate({"title": title}).changes()
        self._shop.catalogue.service.update(product_id, changes, (), self._caller)
        self._process.deliver_events()

    def add_address(self) -> None:
        self._visitor.lives_at()

    def fill_cart(self, product_id: str, quantity: int = 2) -> None:
        self._shop.carts.add(self.id, product_id, quantity)

    def place_order(self, product_id: str, street: str = ADDRESS["street"]) -> str:
        self.fill_cart(product_id, 1)
        address = Address(**{**ADDRESS, "street": street})
        order = self._shop.orders.place(self._caller, address)
        self._process.deliver_events()
        return order.id

    def pay(self, order_id: str) -> None:
        self._shop.orders.confirm(order_id)
        self._process.deliver_events()

    def ship(self, order_id: str, tracking_number: str | None = None) -> None:
        self._shop.orders.ship(order_id, tracking_number, self._caller)

    def wait_for_sale(self) -> None:
        """Events were delivered at once."""


class ChatInProcess:
    """`local.evaluation.shop.Chat`: what the socket's Lambdas and the worker's Lambda do."""

    def __init__(self, shop: ShopInProcess, caller: Caller) -> None:
        self._shop = shop
        self._caller = caller
        self._conversation_id: str | None = None

    def say(self, text: str) -> list[Frame]:
        turn, _ = self._shop.service.begin(self._caller, text, self._conversation_id, new_id())
        self._conversation_id = turn.key.conversation.id
        connection = OpenConnection(new_id(), self._caller.session_id, self._conversation_id)
        self._shop.connections.open = [connection]
        self._shop.service.hand_over(turn, self._caller)
        self._shop.turn_worker.answer(self._shop.workers.tasks.pop(), SECONDS)
        return [*_sent([frames.started(turn)]), *self._shop.sender.sent[connection.id]]

    def confirm(self, message_id: str, *, accept: bool) -> list[Frame]:
        executor = self._shop.shop.executor
        outcome = self._shop.service.decide(self._caller, message_id, accept, executor)
        return _sent(frames.decided(outcome, message_id, accept))


class Connections:
    """`ai_buddy.realtime.ports.OpenConnections`: the one connection that is used now."""

    def __init__(self) -> None:
        self.open: list[OpenConnection] = []

    def list_open(self, user_id: str) -> Sequence[OpenConnection]:
        return self.open

    def remove(self, connection_id: str, user_id: str) -> None:
        self.open = []


class UnlimitedUsage:
    """`ai_buddy.conversations.ports.Usage` that counts nothing."""

    def count_message(self, user_id: str) -> None: ...

    def spend_tokens(self, user_id: str, day: datetime, tokens: int) -> None: ...


class StoredConversations:
    """What asking, answering and deciding need of `ai_buddy.conversations.ports.Conversations`,
    for one request at a time.
    """

    def __init__(self) -> None:
        self._running: dict[ConversationKey, str | None] = {}
        self._turns: dict[TurnKey, Turn] = {}

    def find_sent(self, user_id: str, client_message_id: str) -> None: ...

    def begin(self, turn: Turn, *, new: bool) -> None:
        self._running[turn.key.conversation] = turn.id
        self._turns[turn.key] = turn

    def find(self, key: ConversationKey) -> Conversation:
        lease_ends = (utc_now() + LEASE).timestamp()
        return Conversation(key, running=self._running[key], lease_ends=lease_ends)

    def claim(self, key: TurnKey) -> Conversation:
        return self.find(key.conversation)

    def renew_lease(self, key: TurnKey, draft: str) -> Conversation:
        return self.find(key.conversation)

    def find_turn(self, key: TurnKey) -> Turn | None:
        return self._turns.get(key)

    def list_recent(self, key: ConversationKey, after: str, limit: int) -> Sequence[Turn]:
        own = [turn for turn in self._turns.values() if turn.key.conversation == key]
        return [turn for turn in own if turn.id > after][-limit:]

    def finish(self, turn: Turn) -> bool:
        self._running[turn.key.conversation] = None
        self._turns[turn.key] = turn
        return True

    def save_decision(self, key: TurnKey, read: PendingProposal, decided: PendingProposal) -> None:
        self._turns[key] = replace(self._turns[key], proposal=decided)

    def save_outcome(self, key: TurnKey, decided: PendingProposal, outcome: Turn) -> bool:
        self._turns[outcome.key] = outcome
        return True


@contextmanager
def shop_in_process() -> Iterator[ShopInProcess]:
    """Start a shop with a model of its own."""
    with (
        pytest.MonkeyPatch.context() as patch,
        simulator() as model,
        gemini(model.address) as client,
    ):
        yield ShopInProcess(patch, model, client)


def _deliver(event: Event) -> None:
    if found := event_handlers.handlers.get(type(event).__name__):
        _, handle = found
        ids = {"event_id": new_id(), "correlation_id": "evaluation"}
        handle(event, Metadata(version=event.VERSION, occurred_at=utc_now(), **ids))


def _sent(sent: Iterable[Frame]) -> list[Frame]:
    return [json.loads(to_json(frame)) for frame in sent]
