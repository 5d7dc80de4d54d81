"""Counts what each flow takes of DynamoDB and writes it to docs/capacity.md: `make bench-capacity`.

The flows run with the platform's own code in moto: the HTTP functions, the relay of the outbox, the
listeners of all domains, and the reader of the stock's stream.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from typing import Any

import conftest  # noqa: F401 - sets the functions' variables
from benchmarks.scenarios import (
    ADDRESS,
    PRODUCTS,
    PRODUCTS_IN_CART,
    Shop,
    a_product,
    is_success,
    shop_in_moto,
)
from benchmarks.units import Units, counting
from cart import endpoints as cart
from inventory.model import StockRequest
from inventory.wiring import inventory_service
from notification import listeners as notification
from notification import wiring as notification_wiring
from notification.model import MailClass, WaitingMail
from notification.repository import DynamoWaitingMails
from order import endpoints as order
from order import listeners as order_listeners
from order import wiring as order_wiring
from order.model import Outcome
from order.service import OrderService
from outbox import streams as outbox
from outbox import wiring as outbox_wiring
from outbox.service import OutboxRelay
from payment import endpoints as payment
from payment import listeners as payment_listeners
from payment.model.attempt import AttemptStatus
from product import endpoints as product
from product import streams as product_streams
from product import wiring as product_wiring
from seller_dashboard import listeners as dashboard
from supermarket.caller import Caller
from supermarket.clock import new_id, utc_now
from supermarket.config import event_bus_name, mail_queue_name, settings
from supermarket.dynamo.batches import put_many
from supermarket.dynamo.outbox import OutboxRow, shard_of
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.events import EventHandlers
from supermarket.http import Endpoint
from supermarket.money import Currency, Money
from support.api import a_caller, api_event, bearer
from support.cloud import client
from support.contracts import sample_event, sqs_batch
from support.payment import a_payment_webhook
from support.streams import records_of

DOCUMENT = Path(__file__).parents[1] / "docs" / "capacity.md"
TABLE = re.compile(r"(?<=<!-- make bench-capacity -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL)
ORDERS_PER_SECOND = 1_000 / 60
PAID, UNPAID = 2 / 3, 1 / 3  # of all orders
PARTITION = 1_000  # write units a second
BACKLOG = 100
SHARDS = 8  # of each key that ends with a number

CONSUMERS: dict[str, Sequence[EventHandlers]] = {
    "order and payment react": (order_listeners.event_handlers, payment_listeners.event_handlers),
    "mails": (notification.order_mails, notification.bulk_mails),
    "the sellers' dashboards": (dashboard.event_handlers,),
}
RELAY, HISTORY = "the relay sends the events", "history and availability of the lines"


@dataclass
class Flows:
    """The units of each step of a flow, in the order of the steps."""

    units: dict[str, Units] = field(default_factory=dict)

    def run(self, name: str, invoke: Callable[[], Any]) -> Any:
        """Count one invocation for a step."""
        with counting() as units:
            answer = invoke()
        if not is_success(answer):
            raise RuntimeError(f"{name} failed: {answer}")
        self.units[name] = self.units.get(name, Units()) + units
        return answer

    @property
    def total(self) -> Units:
        return sum(self.units.values(), Units())


class Streams:
    """The streams of the outbox and of the stock, and how far they were read."""

    def __init__(self) -> None:
        self._read = {"outbox": 0, "inventory": 0}

    def deliver(self, flows: Flows) -> None:
        """Deliver what is new, also the events that follow from events."""
        while records := [each for each in self._new("outbox") if each["eventName"] == "INSERT"]:
            flows.run(RELAY, partial(outbox.relay_outbox, {"Records": records}, None))
            for record in records:
                _consume(record["dynamodb"]["NewImage"], flows)
            if changes := [each for each in self._new("inventory") if _is_bucket(each)]:
                flows.run(HISTORY, partial(product_streams.watch_stock, {"Records": changes}, None))

    def _new(self, table: str) -> list[dict[str, Any]]:
        records = records_of(table)[self._read[table] :]
        self._read[table] += len(records)
        return records


@dataclass(frozen=True)
class Counts:
    """A paid order, an unpaid one, the flows that only read, changes of the catalogue, and what
    works through a backlog.
    """

    paid: Flows
    unpaid: Flows
    reads: Flows
    catalogue: Flows
    nets: Flows


def count() -> Counts:
    """Run all flows in a shop of their own."""
    with _shop(PRODUCTS) as (shop, streams):
        return Counts(
            paid=_paid_order(shop, streams),
            unpaid=_unpaid_order(shop, streams),
            reads=_reads(shop),
            catalogue=_catalogue(shop),
            nets=_nets(shop),
        )


def count_paid_order() -> Flows:
    """Run the flow of a paid order only."""
    with _shop(PRODUCTS_IN_CART) as (shop, streams):
        return _paid_order(shop, streams)


@contextmanager
def _shop(products: int) -> Iterator[tuple[Shop, Streams]]:
    """Open a shop in moto, with a bus and SES, without its logs and metrics."""
    logging.disable()
    try:
        with redirect_stdout(StringIO()), shop_in_moto(products) as shop:
            client("events").create_event_bus(Name=event_bus_name())
            client("sesv2").create_email_identity(EmailIdentity=settings().mail_sender)
            streams = Streams()
            streams.deliver(Flows())
            yield shop, streams
    finally:
        logging.disable(logging.NOTSET)


def tables(counts: Counts) -> str:
    """Return the tables of the document."""
    paid, unpaid = counts.paid, counts.unpaid
    steps = [*paid.units.items(), ("**a paid order, shipped and delivered**", paid.total)]
    steps += [(f"unpaid: {name}", units) for name, units in unpaid.units.items()]
    steps += [("**an order that is cancelled unpaid**", unpaid.total)]
    per_second = ORDERS_PER_SECOND * (PAID * paid.total.writes + UNPAID * unpaid.total.writes)
    order = f"an order with {PRODUCTS_IN_CART} lines of one seller"
    lines = [
        f"| {order} | calls | read units | write units | of these in indexes |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {units.calls} | {units.reads:g} | {units.writes} | {units.index_writes} |"
            for name, units in steps
        ),
        "",
        f"1,000 orders a minute, one in three unpaid: {per_second:,.0f} write units a second.",
        "",
        "| partition key that orders share | write units of a paid order | orders a second |",
        "|---|---|---|",
        *(
            f"| `{key}` | {units} | {PARTITION * (SHARDS if '<n>' in key else 1) // units:,} |"
            for key, units in sorted(paid.total.by_key.items())
        ),
        "",
        "| reading | calls | read units | of these from one partition |",
        "|---|---|---|---|",
        *(
            f"| {name} | {units.calls} | {units.reads:g} | {units.queried:g} |"
            for name, units in counts.reads.units.items()
        ),
        "",
        "| change of a product | calls | write units | of these of the fullest partition |",
        "|---|---|---|---|",
        *(
            f"| {name} | {units.calls} | {units.writes} | {max(units.by_key.values(), default=0)} |"
            for name, units in counts.catalogue.units.items()
        ),
        "",
        "| net | calls of DynamoDB | other calls | write units |",
        "|---|---|---|---|",
        *(
            f"| {name} | {units.calls} | {units.other_calls} | {units.writes} |"
            for name, units in counts.nets.units.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(TABLE.sub(lambda _: tables(count()), text))


def _paid_order(shop: Shop, streams: Streams) -> Flows:
    flows, customer = Flows(), a_caller()
    placed = _place(flows, shop, customer)
    path = {"orderId": placed["id"]}
    opened = flows.run("open the payment", _request(payment.create_payment, customer, path=path))
    razorpay_order = json.loads(opened["body"])["razorpay"]["orderId"]
    proof = shop.razorpay.pay(razorpay_order, AttemptStatus.CAPTURED)
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    sent = a_payment_webhook("payment.captured", attempt)
    webhook = api_event(payment.receive_webhook, raw=sent.body, headers=sent.headers)
    flows.run("Razorpay's webhook", partial(payment.receive_webhook, webhook, None))
    streams.deliver(flows)
    for name, endpoint in (("ship", order.ship_order), ("deliver", order.deliver_order)):
        flows.run(name, _request(endpoint, shop.seller, path=path, body={}))
        streams.deliver(flows)
    return flows


def _unpaid_order(shop: Shop, streams: Streams) -> Flows:
    flows, customer = Flows(), a_caller()
    placed = _place(flows, shop, customer)
    streams.deliver(flows)
    flows.run("cancel", _request(order.cancel_order, customer, path={"orderId": placed["id"]}))
    streams.deliver(flows)
    return flows


def _place(flows: Flows, shop: Shop, customer: Caller) -> dict[str, Any]:
    for product_id in shop.products[:PRODUCTS_IN_CART]:
        item = {"productId": product_id, "quantity": 1}
        flows.run("fill the cart", _request(cart.add_cart_item, customer, body=item))
    body, key = {"shippingAddress": ADDRESS}, {"idempotency-key": new_id()}
    answer = flows.run("place", _request(order.create_order, customer, body=body, headers=key))
    placed: dict[str, Any] = json.loads(answer["body"])["order"]
    return placed


def _reads(shop: Shop) -> Flows:
    flows = Flows()
    for name, query in (
        ("the front page, 20 products", {}),
        ("a list in stock by price", CHEAP_AND_IN_STOCK),
        ("a search for one word", {"q": "basmati"}),
    ):
        event = api_event(product.list_products, query=query)
        flows.run(name, partial(product.list_products, event, None))
    event = api_event(product.get_product, path={"productId": shop.products[0]})
    flows.run("a product", partial(product.get_product, event, None))
    flows.run("a cart with three lines", _request(cart.get_cart, shop.customer))
    return flows


def _nets(shop: Shop) -> Flows:
    """Work through what the relay, the customers and the reader of the stock left."""
    flows, later = Flows(), utc_now() + timedelta(hours=1)
    relay = outbox_wiring.outbox_relay()
    relay.sweep(later, lambda: True)
    ids = islice((each for each in map(str, count_from(0)) if shard_of(each) == "0"), BACKLOG)
    put_many(OutboxRow.of(sample_event("OrderPlaced"), each) for each in ids)
    flows.run(f"the sweep sends {BACKLOG} events of a shard", partial(_sweep, relay, later))
    placed = _place(Flows(), shop, a_caller())
    orders = replace(order_wiring.order_service(), clock=lambda: later)
    flows.run("an unpaid order expires", partial(_expire, orders, placed["id"]))
    prices = product_wiring.product_service().products.find_many(shop.products)
    for number in range(BACKLOG // len(shop.products) + 1):
        lines = [StockRequest(each, prices[each].price, 1) for each in shop.products]
        inventory_service().commit_reserving(f"order {number}", lines, DynamoTransaction)
    changes = [each for each in records_of("inventory") if _is_bucket(each)][-BACKLOG:]
    batch = {"Records": changes}
    name = f"the history of {BACKLOG} changes of stock"
    flows.run(name, partial(product_streams.watch_stock, batch, None))
    flows.run(f"{BACKLOG} waiting mails go back to their queue", _waiting_mails())
    return flows


def _waiting_mails() -> Callable[[], Any]:
    """Let mails wait; returns what sends them to their queue when they are due."""
    client("sqs").create_queue(QueueName=mail_queue_name(MailClass.ORDER))
    due = datetime(2026, 1, 1, tzinfo=UTC)
    requeue = partial(notification_wiring.due_mails().requeue, utc_now(), lambda: True)
    for number in range(-1, BACKLOG):
        DynamoWaitingMails().add(WaitingMail(str(number), MailClass.ORDER, due, "{}"))
        if number < 0:
            requeue()  # finds the queue's URL, which later runs know
    return requeue


def _catalogue(shop: Shop) -> Flows:
    """Create a product, change its price, and sell its last piece."""
    flows = Flows()
    create = _request(product.create_product, shop.seller, body=a_product(PRODUCTS, stock=1))
    answer = flows.run("create a product", create)
    product_id = json.loads(answer["body"])["product"]["id"]
    path, body = {"productId": product_id}, {"priceAmount": 99}
    change = _request(product.update_product, shop.seller, path=path, body=body)
    flows.run("change its price", change)
    lines = [StockRequest(product_id, Money(9_900, Currency.INR), 1)]
    inventory_service().commit_reserving("the last piece", lines, DynamoTransaction)
    sold_out = [each for each in records_of("inventory") if _is_bucket(each)][-1:]
    batch = {"Records": sold_out}
    flows.run("show that it is sold out", partial(product_streams.watch_stock, batch, None))
    return flows


def _sweep(relay: OutboxRelay, now: datetime) -> dict[str, object]:
    backlog = relay.sweep(now, lambda: True)
    return {"batchItemFailures": [] if backlog.found == BACKLOG else [backlog]}


def _expire(orders: OrderService, order_id: str) -> dict[str, object]:
    outcome = orders.expire(order_id)
    return {"batchItemFailures": [] if outcome is Outcome.RELEASED else [outcome]}


CHEAP_AND_IN_STOCK = {"inStock": "true", "maxprice": "130", "currency": "INR", "sort": "price"}


def _request(endpoint: Endpoint, caller: Caller, **options: Any) -> Callable[[], Any]:
    headers = {**bearer(caller), **options.pop("headers", {})}
    event = api_event(endpoint, headers=headers, **options)
    return partial(endpoint, event, None)


def _consume(image: dict[str, Any], flows: Flows) -> None:
    """Let every domain handle an event."""
    name = image["detailType"]["S"]
    body = {"detail-type": name, "detail": json.loads(image["detail"]["S"])}
    for step, consumers in CONSUMERS.items():
        for consumer in consumers:
            if name in {event.NAME for event, _ in consumer.handlers.values()}:
                flows.run(step, partial(consumer, sqs_batch(body), None))


def _is_bucket(record: dict[str, Any]) -> bool:
    return str(record["dynamodb"]["Keys"]["part"]["S"]).startswith("bucket#")


if __name__ == "__main__":
    main()
