"""The whole way of the money, in memory: the real services of carts, products, orders and payments
around one outbox, a Razorpay that keeps its own books, and places where things can go wrong.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from cart.service import CartService
from conftest import NOON, FrozenClock
from order import jobs, listeners
from order import wiring as order_wiring
from order.gateways import ShopCarts, ShopCatalogue
from order.model import Order, OrderStatus
from order.service import GRACE, OrderService, Terms
from payment import listeners as payment_listeners
from payment import wiring as payment_wiring
from payment.changes import Changes
from payment.gateways import OrderServiceOrders
from payment.model import (
    Attempt,
    AttemptStatus,
    Payment,
    Proof,
    RazorpayOrder,
    RazorpayRefund,
    RefundStatus,
)
from payment.ports import NotNow, Refused
from payment.reconciliation import Reconciliation, Report, place_of
from payment.refunds import Refunds
from payment.service import PaymentService
from payment.webhooks import Webhooks
from product.model import Product, Seller
from product.search import WordIndex
from product.service import ProductService
from supermarket import telemetry
from supermarket.caller import Caller, Role
from supermarket.clock import new_id
from supermarket.contracts import Event, Metadata
from supermarket.errors import DomainError, Unavailable
from supermarket.events import EventHandlers
from supermarket.idempotency import IdempotencyKey
from supermarket.money import Currency, Money
from support.api import a_caller
from support.cart import InMemoryCarts
from support.in_memory import (
    InMemoryAuditTrail,
    InMemoryIdempotencyKeys,
    InMemoryTransaction,
)
from support.order import CHARGES, HOME, RESERVATION, InMemoryAddressBook, InMemoryOrders
from support.payment import (
    KEYS,
    WEBHOOK_SECRET,
    FakeRazorpay,
    InMemoryHandledWebhooks,
    InMemoryLedger,
    InMemoryPayments,
    SentWebhook,
    a_payment_webhook,
    a_refund_webhook,
)
from support.product import InMemoryEntries, InMemoryPictures, InMemoryProducts, a_product
from support.reconciliation import InMemoryFindings

STOCK = 4
FEE_PERCENT = Decimal(2)
NEWS = Metadata(event_id="event", version=1, occurred_at=NOON, correlation_id="request")
CONSUMERS: tuple[EventHandlers, ...] = (listeners.event_handlers, payment_listeners.event_handlers)
ROUNDS = 20
HAPPENINGS = (
    # what is needed to get anywhere comes more often
    *["customer_opens_the_payment", "customer_pays", "browser_calls_back"] * 3,
    *["webhook_arrives", "event_arrives"] * 3,
    *["customer_places_an_order", "admin_refunds"] * 2,
    "customer_cancels",
    "customer_pays_again",
    "seller_ships",
    "seller_delivers",
    "webhook_gets_lost",
    "time_passes",
    "unpaid_orders_expire",
    "reconciliation_runs",
    "razorpay_treats_refunds_another_way",
    "razorpay_ends_a_refund",
    "razorpay_s_owner_refunds",
)


class Died(BaseException):
    """The process is gone; there is nobody left to catch anything."""


class Lost(Exception):
    """The database did not answer; whether it did what it was asked for is unknown."""


@dataclass(frozen=True)
class Happening:
    """Something happens to the shop: which of all that is possible by then, to which of the things
    that it can happen to, and how; perhaps not to its end, or not alone.
    """

    what: int
    which: int
    how: int
    interruption: "Interruption | None" = None


@dataclass(frozen=True)
class Interruption:
    """What comes in between, after so many crossings: other things happen meanwhile, then the
    process dies, or its call fails, or it goes on.
    """

    after: int
    meanwhile: tuple[Happening, ...]
    end: "End"


type End = type[Died] | type[Lost] | None


class Crossings:
    """The places where a process can be interrupted: right before and right after each commit and
    each call to Razorpay took effect.
    """

    def __init__(self) -> None:
        self._left = 0
        self._armed: Callable[[Exception], None] | None = None

    def arm(self, after: int, interrupt: Callable[[Exception], None]) -> None:
        self._left, self._armed = after, interrupt

    def disarm(self) -> None:
        self._armed = None

    def cross(self, failure: Exception) -> None:
        """`failure` is how it looks to the caller if it goes wrong here."""
        if self._armed is None:
            return
        if self._left:
            self._left -= 1
            return
        interrupt, self._armed = self._armed, None
        interrupt(failure)


class InterruptibleTransaction(InMemoryTransaction):
    """Its commit crosses to the database and back."""

    def __init__(self, outbox: list[Event], crossings: Crossings) -> None:
        super().__init__(outbox)
        self._crossings = crossings

    def commit(self) -> None:
        self._crossings.cross(Lost())
        super().commit()
        self._crossings.cross(Lost())


class KeptPayments(InMemoryPayments):
    """Payments that reconciliation can walk."""

    def all(self) -> list[Payment]:
        return list(self._by_id.values())

    def created_between(
        self, since: datetime, until: datetime, after: str, count: int
    ) -> Sequence[Payment]:
        found = [p for p in self.all() if since <= p.created_at <= until and place_of(p) > after]
        return sorted(found, key=place_of)[:count]


class RazorpayWithBooks(FakeRazorpay):
    """`Razorpay` and its `Records`; it tells of all that happens by webhook.

    Its lists know no dates: all that a test does happens within the day that a run looks at.
    """

    def __init__(self, crossings: Crossings) -> None:
        super().__init__()
        self._crossings = crossings
        self.webhooks: list[SentWebhook] = []

    def pay(self, razorpay_order_id: str, status: AttemptStatus = AttemptStatus.CAPTURED) -> Proof:
        proof = super().pay(razorpay_order_id, status)
        self._keep(self.attempts[proof.razorpay_payment_id])
        return proof

    def capture(self, attempt: Attempt) -> Attempt:
        self._answer()
        if not self.is_paid(attempt.razorpay_order_id):
            self._keep(replace(attempt, status=AttemptStatus.CAPTURED))
        self._let_others_in()
        return self.attempts[attempt.id]

    def give_back(
        self, razorpay_payment_id: str, amount: Money, *, our_id: str | None = None
    ) -> RazorpayRefund:
        record = super().give_back(razorpay_payment_id, amount, our_id=our_id)
        self._tell("refund.created", replace(record, status=RefundStatus.PENDING))
        return self.end(record.id, record.status)

    def end(self, refund_id: str, status: RefundStatus) -> RazorpayRefund:
        record = super().end(refund_id, status)
        attempt = self.attempts[record.payment_id]
        if self.given_back(attempt) == attempt.minor:
            self.attempts[attempt.id] = replace(attempt, status=AttemptStatus.REFUNDED)
        if status is not RefundStatus.PENDING:
            self._tell(f"refund.{status.lower()}", record)
        return record

    def is_paid(self, razorpay_order_id: str | None) -> bool:
        return any(attempt.razorpay_order_id == razorpay_order_id for attempt in self.taken())

    def taken(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts.values() if attempt.is_taken]

    def given_back(self, attempt: Attempt) -> int:
        """What is with its customer again, in minor units."""
        own = (r for r in self.refunds.values() if r.payment_id == attempt.id)
        return sum(r.amount.minor for r in own if r.status is RefundStatus.PROCESSED)

    def promised(self, attempt: Attempt) -> int:
        """What is with its customer again, or on its way, in minor units."""
        return sum(refund.amount.minor for refund in self._alive(attempt.id))

    def balance(self) -> Counter[str]:
        """What Razorpay holds for the shop, per currency."""
        held: Counter[str] = Counter()
        for attempt in self.taken():
            assert attempt.fee is not None
            held[attempt.currency] += attempt.minor - self.given_back(attempt)
            held[attempt.fee.currency] -= attempt.fee.minor
        return held

    def payments_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[Attempt]:
        self._answer()
        return list(self.attempts.values())[skip : skip + count]

    def refunds_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[RazorpayRefund]:
        self._answer()
        return list(self.refunds.values())[skip : skip + count]

    def orders_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[RazorpayOrder]:
        self._answer()
        return [self._record(id_) for id_ in self.orders][skip : skip + count]

    def order(self, razorpay_order_id: str) -> RazorpayOrder | None:
        self._answer()
        return self._record(razorpay_order_id) if razorpay_order_id in self.orders else None

    def attempts_of(self, razorpay_order_id: str) -> Sequence[Attempt]:
        self._answer()
        return [a for a in self.attempts.values() if a.razorpay_order_id == razorpay_order_id]

    def _record(self, razorpay_order_id: str) -> RazorpayOrder:
        order = self.orders[razorpay_order_id]
        status = "paid" if self.is_paid(razorpay_order_id) else "created"
        return RazorpayOrder(razorpay_order_id, order.minor, order.currency, status)

    def _keep(self, attempt: Attempt) -> None:
        if attempt.is_taken:
            # whatever was paid in, Razorpay charges rupees
            price = Money(attempt.minor, Currency.INR)
            attempt = replace(attempt, fee=price.percent(FEE_PERCENT))
        self.attempts[attempt.id] = attempt
        self.webhooks.append(a_payment_webhook(f"payment.{attempt.status}", attempt))
        if attempt.is_taken:
            self.webhooks.append(a_payment_webhook("order.paid", attempt))

    def _tell(self, event: str, refund: RazorpayRefund) -> None:
        self.webhooks.append(a_refund_webhook(event, refund, self.attempts[refund.payment_id]))

    def _answer(self) -> None:
        self._crossings.cross(Unavailable("Razorpay does not answer"))

    def _let_others_in(self) -> None:
        self._crossings.cross(Unavailable("the answer was lost"))


class MoneyShop:
    """A shop with two customers, a rupee product and a dollar product. Each thing that can happen
    is a method; one for which there is nothing to happen to does nothing.
    """

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.crossings = Crossings()
        self.story: list[str] = []
        self.events: list[Event] = []
        self.queue: list[tuple[EventHandlers, Event]] = []
        self.proofs: list[tuple[Proof, Caller]] = []
        self.answers: dict[IdempotencyKey, set[str]] = {}
        self.razorpay = RazorpayWithBooks(self.crossings)
        self.products = InMemoryProducts()
        self.orders = InMemoryOrders()
        self.payments = KeptPayments()
        self.ledger = InMemoryLedger()
        self.findings = InMemoryFindings()
        self.last_report = Report()
        self.seller, self.admin = a_caller(Role.SELLER), a_caller(Role.ADMIN)
        self.customers = (a_caller(), a_caller())
        self._audit = InMemoryAuditTrail()
        self._keys = InMemoryIdempotencyKeys(self.clock)
        self._published = 0
        self.on_sale = tuple(self._put_on_sale(currency) for currency in Currency)
        self._open()

    @contextmanager
    def open(self) -> Iterator[None]:
        """While it is open, the edges (listeners, jobs, gateways) lead to this shop."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(order_wiring, "order_service", lambda: self.order_service)
            patch.setattr(payment_wiring, "payment_service", lambda: self.payment_service)
            # thousands of examples would write millions of lines
            patch.setattr(telemetry, "count", lambda *_, **__: None)
            level = telemetry.logger.log_level
            telemetry.logger.setLevel("CRITICAL")
            yield
            telemetry.logger.setLevel(level)

    def happens(self, happening: Happening) -> None:
        """A refusal, a death and an unanswered call end what happens, and nothing else."""
        interruption = happening.interruption
        what = self._choice(happening.what)
        self.story.append(f"{what} {happening.which} {happening.how}")
        if interruption is not None:
            self.crossings.arm(interruption.after, lambda how: self._interrupt(interruption, how))
        try:
            getattr(self, what)(happening.which, happening.how)
        except (DomainError, Died, Lost) as end:
            self.story.append(f"    {what} ended with {end!r}")
        finally:
            if interruption is not None:
                self.crossings.disarm()
            self._publish()

    # --- what customers do

    def customer_places_an_order(self, which: int, how: int) -> None:
        """With or without a key; the same key comes again now and then."""
        customer, product = self.customers[which % 2], self.on_sale[which // 2 % 2]
        if not self._carts.contents(customer.user_id).lines:
            self._carts.add(customer.user_id, product.id, 1 + how % 2)
        key = self._key("order", customer, how % 2) if how > 1 else None
        self._remember(key, self.order_service.place(customer, HOME, key).id)

    def customer_opens_the_payment(self, which: int, how: int) -> None:
        if order := _one(list(self.orders.kept.values()), which):
            customer = self._customer_of(order)
            key = self._key(order.id, customer, 0) if how > 1 else None
            payment = self.payment_service.create(order.id, customer, key).payment
            self._remember(key, payment.id)

    def customer_pays(self, which: int, how: int) -> None:
        """At Razorpay, as long as it lets her: also when the order is gone."""
        if payment := _one(self._payable(), which):
            outcomes = (AttemptStatus.CAPTURED, AttemptStatus.CAPTURED)
            outcome = (*outcomes, AttemptStatus.AUTHORIZED, AttemptStatus.FAILED)[how]
            proof = self.razorpay.pay(payment.razorpay_order_id, outcome)
            self.proofs.append((proof, self._customer_of(self.orders.kept[payment.order_id])))

    def customer_pays_again(self, which: int, how: int) -> None:
        """What is paid at Razorpay already, which takes the money all the same."""
        if payment := _one(self._paid_there(), which):
            outcome = AttemptStatus.AUTHORIZED if how == 1 else AttemptStatus.CAPTURED
            proof = self.razorpay.pay(payment.razorpay_order_id, outcome)
            self.proofs.append((proof, self._customer_of(self.orders.kept[payment.order_id])))

    def razorpay_s_owner_refunds(self, which: int, how: int) -> None:
        """By hand, in Razorpay's dashboard, all that is left of an attempt or a rupee of it."""
        if attempt := _one(self.razorpay.taken(), which):
            left = attempt.minor - self.razorpay.promised(attempt)
            minor = min(left, 100) if how % 2 else left
            if minor:
                currency = Currency(attempt.currency)
                self.razorpay.give_back(attempt.id, Money(minor, currency))

    def browser_calls_back(self, which: int, how: int) -> None:
        if found := _one(self.proofs, which):
            self.payment_service.verify(*found)

    def customer_cancels(self, which: int, how: int) -> None:
        if order := _one(list(self.orders.kept.values()), which):
            self.order_service.cancel(order.id, order.customer.user_id)

    # --- what the shop's people do

    def admin_refunds(self, which: int, how: int) -> None:
        """All of it or a rupee, with or without a key."""
        if payment := _one(self.payments.all(), which):
            amount = Decimal(1) if how % 2 else None
            key = self._key(f"{payment.id} {amount}", self.admin, 0) if how > 1 else None
            _, refund = self.payment_service.refund(payment.id, amount, self.admin, key)
            self._remember(key, refund.id)

    def seller_ships(self, which: int, how: int) -> None:
        if order := _one(list(self.orders.kept.values()), which):
            self.order_service.ship(order.id, None, self.seller)

    def seller_delivers(self, which: int, how: int) -> None:
        if order := _one(list(self.orders.kept.values()), which):
            self.order_service.deliver(order.id, None, self.seller)

    # --- what happens by itself

    def webhook_arrives(self, which: int, how: int) -> None:
        """Any of those that were sent; it comes again if it was not taken, and now and then."""
        if webhook := _one(self.razorpay.webhooks, which):
            headers = webhook.headers
            signature, event_id = headers["x-razorpay-signature"], headers["x-razorpay-event-id"]
            self._webhooks.receive(webhook.body, signature, event_id)
            if how and webhook in self.razorpay.webhooks:
                self.razorpay.webhooks.remove(webhook)

    def webhook_gets_lost(self, which: int, how: int) -> None:
        if webhook := _one(self.razorpay.webhooks, which):
            self.razorpay.webhooks.remove(webhook)

    def event_arrives(self, which: int, how: int) -> None:
        """Any of those on their way; it comes again if its event failed, and now and then."""
        if found := _one(self.queue, which):
            event_handlers, event = found
            _, react = event_handlers.handlers[type(event).__name__]
            react(event, NEWS)
            if how and found in self.queue:
                self.queue.remove(found)

    def time_passes(self, which: int, how: int) -> None:
        self.clock.advance((timedelta(seconds=2), RESERVATION, GRACE, RESERVATION + GRACE)[how])

    def unpaid_orders_expire(self, which: int = 0, how: int = 0) -> None:
        jobs.release_expired_reservations(None, None)

    def reconciliation_runs(self, which: int = 0, how: int = 0) -> Report:
        return self._reconciliation.catch_up(lambda: True)

    def razorpay_treats_refunds_another_way(self, which: int, how: int) -> None:
        ways = (RefundStatus.PROCESSED, RefundStatus.PENDING, RefundStatus.FAILED)
        self.razorpay.refund_fails = how == len(ways)
        self.razorpay.refusal = NotNow if which % 2 else Refused
        if how < len(ways):
            self.razorpay.refund_outcome = ways[how]

    def razorpay_ends_a_refund(self, which: int, how: int) -> None:
        if refund := _one(self._pending(), which):
            self.razorpay.end(refund.id, RefundStatus.PROCESSED if how else RefundStatus.FAILED)

    # --- the end of the day

    def settle(self) -> None:
        """Nothing goes wrong any more, and all that is on its way arrives."""
        self.razorpay.refund_fails = False
        self.razorpay.refund_outcome = RefundStatus.PROCESSED
        for _ in range(ROUNDS):
            for refund in self._pending():
                self.razorpay.end(refund.id, RefundStatus.PROCESSED)
            self._all_arrives()
            self.clock.advance(timedelta(seconds=2))
            # a run that was cut short is carried on first, and only the next one begins anew
            work = self._work_of(self.reconciliation_runs())
            work += self._work_of(self.reconciliation_runs())
            self._publish()
            if not (self.queue or self.razorpay.webhooks or work):
                return
        raise AssertionError(f"the shop never comes to rest: {work}")

    def _all_arrives(self) -> None:
        while self.queue or self.razorpay.webhooks:
            if self.razorpay.webhooks:
                self.webhook_arrives(0, 1)
            elif self.queue:
                self.event_arrives(0, 1)
            self._publish()

    def _work_of(self, report: Report) -> Counter[str]:
        """Drift is no work: whether it should be there is for the test to judge."""
        self.last_report = report
        idle = {"checked", "drift"}
        return Counter({name: n for name, n in report.counts.items() if name not in idle})

    def _choice(self, number: int) -> str:
        """One of those for which there is something to happen to."""
        order_states = {order.status for order in self.orders.kept.values()}
        payments = self.payments.all()
        waits_for: dict[str, object] = {
            "customer_places_an_order": any(
                self.products.stock_of(product.id) for product in self.on_sale
            ),
            "customer_opens_the_payment": OrderStatus.PENDING in order_states,
            "customer_pays": self._payable(),
            "customer_pays_again": self._paid_there(),
            "razorpay_s_owner_refunds": self.razorpay.taken(),
            "browser_calls_back": self.proofs,
            "customer_cancels": order_states - {OrderStatus.CANCELLED},
            "admin_refunds": any(payment.refundable.minor for payment in payments),
            "seller_ships": OrderStatus.CONFIRMED in order_states,
            "seller_delivers": OrderStatus.SHIPPED in order_states,
            "webhook_arrives": self.razorpay.webhooks,
            "webhook_gets_lost": self.razorpay.webhooks,
            "event_arrives": self.queue,
            "reconciliation_runs": payments,
            "unpaid_orders_expire": OrderStatus.PENDING in order_states,
            "razorpay_treats_refunds_another_way": self.razorpay.taken(),
            "razorpay_ends_a_refund": self._pending(),
        }
        possible = [each for each in HAPPENINGS if waits_for.get(each, True)]
        return possible[number % len(possible)]

    def _payable(self) -> list[Payment]:
        payments = self.payments.all()
        return [p for p in payments if not self.razorpay.is_paid(p.razorpay_order_id)]

    def _paid_there(self) -> list[Payment]:
        return [p for p in self.payments.all() if self.razorpay.is_paid(p.razorpay_order_id)]

    def _pending(self) -> list[RazorpayRefund]:
        refunds = self.razorpay.refunds.values()
        return [refund for refund in refunds if refund.status is RefundStatus.PENDING]

    def _interrupt(self, interruption: Interruption, failure: Exception) -> None:
        self.story.append("    in between:")
        for happening in interruption.meanwhile:
            self.happens(happening)
        self.story.append("    now it goes on")
        if interruption.end is Died:
            raise Died
        if interruption.end is Lost:
            raise failure

    def _publish(self) -> None:
        """What was committed to the outbox goes to everybody who reacts to it."""
        for event in self.events[self._published :]:
            name = type(event).__name__
            self.queue += [(each, event) for each in CONSUMERS if name in each.handlers]
        self._published = len(self.events)

    def _key(self, use_case: str, caller: Caller, number: int) -> IdempotencyKey:
        return IdempotencyKey.of(use_case, caller.user_id, f"key {number}", b"{}")

    def _remember(self, key: IdempotencyKey | None, result_id: str) -> None:
        if key is not None:
            self.answers.setdefault(key, set()).add(result_id)

    def _customer_of(self, order: Order) -> Caller:
        return next(one for one in self.customers if one.user_id == order.customer.user_id)

    def _put_on_sale(self, currency: Currency) -> Product:
        seller = Seller(self.seller.user_id, self.seller.email, self.seller.first_name)
        product = a_product(stock=STOCK, price=Money(50_000, currency), seller=seller)
        transaction = self._begin()
        self.products.add(product, transaction)
        transaction.commit()
        return product

    def _begin(self) -> InterruptibleTransaction:
        return InterruptibleTransaction(self.events, self.crossings)

    def _open(self) -> None:
        """The services, wired as the platform wires them."""
        products = ProductService(
            products=self.products,
            index=WordIndex(InMemoryEntries(), self.products),
            pictures=InMemoryPictures(),
            audit=self._audit,
            begin=self._begin,
            clock=self.clock,
            new_id=new_id,
            pause=lambda _: None,
        )
        self._carts = CartService(InMemoryCarts(self.clock), products, self.clock)
        self.order_service = OrderService(
            orders=self.orders,
            catalogue=ShopCatalogue(products),
            carts=ShopCarts(lambda: self._carts),
            address_book=InMemoryAddressBook(),
            idempotency_keys=self._keys,
            audit=self._audit,
            begin=self._begin,
            terms=lambda: Terms(RESERVATION, CHARGES),
            clock=self.clock,
            new_id=new_id,
        )
        changes = Changes(self.payments, self.ledger, self._audit, self._begin)
        self.payment_service = PaymentService(
            payments=self.payments,
            ledger=self.ledger,
            orders=OrderServiceOrders(),
            razorpay=self.razorpay,
            refunds=Refunds(self.payments, self.razorpay, changes, self._keys, self.clock, new_id),
            changes=changes,
            idempotency_keys=self._keys,
            keys=lambda: KEYS,
            begin=self._begin,
            clock=self.clock,
            new_id=new_id,
        )
        self._webhooks = Webhooks(
            self.payment_service, InMemoryHandledWebhooks(), lambda: (WEBHOOK_SECRET,)
        )
        self._reconciliation = Reconciliation(
            payments=self.payments,
            records=self.razorpay,
            mending=self.payment_service,
            findings=self.findings,
            begin=self._begin,
            clock=self.clock,
        )


def _one[T](things: Sequence[T], which: int) -> T | None:
    return things[which % len(things)] if things else None
