"""The real services of carts, products, orders and payments in memory, with one outbox, a Razorpay
with its own records, and points at which a step can be interrupted.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from threading import Lock

import pytest

from cart.gateways import ShopCatalogue
from cart.service import CartService
from conftest import NOON, FrozenClock
from inventory.model import StockLevel
from order import jobs, listeners
from order import wiring as order_wiring
from order.gateways import ShopCarts, ShopPayments, ShopStock
from order.model import Order, OrderStatus
from order.service import GRACE, OrderService
from payment import listeners as payment_listeners
from payment import wiring as payment_wiring
from payment.changes import Changes
from payment.checks.service import PaymentChecks
from payment.gateways import OrderServiceOrders
from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.dispute import Dispute, DisputeStatus
from payment.model.order import RazorpayOrder
from payment.model.payment import Payment
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.settlement import ItemKind, SettledItem, Settlement
from payment.model.signature import CheckoutSignature
from payment.ports import ProviderBusy, ProviderRejected
from payment.reconciliation.comparison import Comparison
from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import COMPARED_AGAIN_AFTER, PAGE, RecordPage, Report
from payment.reconciliation.refund_driver import RefundDriver
from payment.reconciliation.settlements import SettlementSync
from payment.reconciliation.walker import Reconciliation
from payment.service import PaymentService
from payment.settlements import Settlements
from payment.webhooks import Webhooks
from product.gateways import InventoryStock
from product.model import Product
from product.search import SearchIndex
from product.service import ProductService
from supermarket import telemetry
from supermarket.caller import Caller, Role
from supermarket.clock import Clock, new_id
from supermarket.contracts import Event, Metadata
from supermarket.errors import DomainError, Unavailable
from supermarket.events import EventHandlers
from supermarket.idempotency import IdempotencyKey
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from support.api import a_caller
from support.cart import InMemoryCarts
from support.in_memory import (
    InMemoryAuditTrail,
    InMemoryIdempotencyKeys,
    InMemoryTransaction,
)
from support.inventory import inventory_in_memory
from support.jobs import AContext
from support.order import (
    CHARGES,
    HOME,
    RESERVATION,
    FakeLag,
    InMemoryAddressBook,
    InMemoryCustomers,
    InMemoryOrders,
    an_expiry,
    terms,
)
from support.payment import (
    KEYS,
    WEBHOOK_SECRET,
    FakeRazorpay,
    InMemoryEarlyReports,
    InMemoryLedger,
    InMemoryPayments,
    SentWebhook,
    a_dispute_webhook,
    a_payment_webhook,
    a_refund_webhook,
)
from support.product import InMemoryEntries, InMemoryPictures, InMemoryProducts, a_product
from support.reconciliation import InMemoryDriftStore

STOCK = 4
FEE_PERCENT = Decimal(2)
METADATA = Metadata(event_id="event", version=1, occurred_at=NOON, correlation_id="request")
CONSUMERS: tuple[EventHandlers, ...] = (listeners.event_handlers, payment_listeners.event_handlers)
ROUNDS = 20
STEPS = (
    # steps that others depend on are more frequent
    *["customer_opens_the_payment", "customer_pays", "browser_calls_back"] * 3,
    *["webhook_arrives", "event_arrives"] * 3,
    *["customer_places_an_order", "admin_refunds"] * 2,
    "customer_cancels",
    "customer_pays_again",
    "customer_pays_another_amount",
    "seller_ships",
    "seller_delivers",
    "webhook_gets_lost",
    "time_passes",
    "unpaid_orders_expire",
    "reconciliation_runs",
    "refunds_are_sent",
    "razorpay_changes_how_it_treats_refunds",
    "razorpay_ends_a_refund",
    "refund_is_made_in_the_dashboard",
    "bank_disputes_a_payment",
    "razorpay_moves_a_dispute",
)


class Crash(BaseException):
    """The process ends at this point, and catches nothing any more."""


class NoAnswer(Exception):
    """The database did not answer; whether it committed is unknown."""


@dataclass(frozen=True)
class Step:
    """One step of a history. The numbers choose the kind of step among those that are possible, its
    subject and its variant.
    """

    what: int
    which: int
    how: int
    interruption: "Interruption | None" = None


@dataclass(frozen=True)
class Interruption:
    """Other steps happen when the interrupted one has passed `after` points. Then its process
    crashes, its call fails, or it continues.
    """

    after: int
    meanwhile: tuple[Step, ...]
    end: "End"


type End = type[Crash] | type[NoAnswer] | None


class InterruptionPoints:
    """The points at which a process can be interrupted: before and after each commit and each call
    to Razorpay takes effect.
    """

    def __init__(self) -> None:
        self.committing = Lock()
        self._left = 0
        self._armed: Callable[[Exception], None] | None = None

    def arm(self, after: int, interrupt: Callable[[Exception], None]) -> None:
        self._left, self._armed = after, interrupt

    def disarm(self) -> None:
        self._armed = None

    def reach(self, failure: Exception) -> None:
        """Interrupt here if it is time; `failure` is what the caller sees if the call fails."""
        if self._armed is None:
            return
        if self._left:
            self._left -= 1
            return
        interrupt, self._armed = self._armed, None
        interrupt(failure)


class InterruptibleTransaction(InMemoryTransaction):
    """A transaction that can be interrupted before and after its commit."""

    def __init__(self, outbox: list[Event], points: InterruptionPoints) -> None:
        super().__init__(outbox)
        self._points = points

    def commit(self) -> None:
        self._points.reach(NoAnswer())
        with self._points.committing:
            super().commit()
        self._points.reach(NoAnswer())


class ListedPayments(InMemoryPayments):
    """Payments that reconciliation can list."""

    def all(self) -> list[Payment]:
        return list(self._by_id.values())


class _DatedOrders(dict[str, Money]):
    """Orders whose time is noted when they are added."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def __setitem__(self, id_: str, price: Money) -> None:
        self._note(id_)
        super().__setitem__(id_, price)


class RazorpayWithRecords(FakeRazorpay):
    """`Razorpay` and `RazorpayRecords`, with a webhook for every change."""

    def __init__(self, points: InterruptionPoints, clock: Clock) -> None:
        super().__init__()
        self._points = points
        self._clock = clock
        self._made_at: dict[str, datetime] = {}
        self.orders = _DatedOrders(lambda id_: self._made_at.update({id_: clock()}))
        self.webhooks: list[SentWebhook] = []

    def pay(
        self,
        razorpay_order_id: str,
        status: AttemptStatus = AttemptStatus.CAPTURED,
        amount: Money | None = None,
    ) -> CheckoutSignature:
        proof = super().pay(razorpay_order_id, status, amount)
        self._store(self.attempts[proof.razorpay_payment_id])
        return proof

    def capture(self, attempt: Attempt) -> Attempt:
        self._answer()
        if not self.is_paid(attempt.razorpay_order_id):
            self._store(replace(attempt, status=AttemptStatus.CAPTURED))
        self._let_others_in()
        return self.attempts[attempt.id]

    def make_refund(
        self, razorpay_payment_id: str, amount: Money, *, our_id: str | None = None
    ) -> RazorpayRefund:
        record = super().make_refund(razorpay_payment_id, amount, our_id=our_id)
        self._made_at[record.id] = self._clock()
        self._send("refund.created", replace(record, status=RefundStatus.PENDING))
        return self.set_status(record.id, record.status)

    def set_status(self, refund_id: str, status: RefundStatus) -> RazorpayRefund:
        record = super().set_status(refund_id, status)
        attempt = self.attempts[record.payment_id]
        if self.refunded(attempt) == attempt.amount.minor:
            self.attempts[attempt.id] = replace(attempt, status=AttemptStatus.REFUNDED)
        if status is not RefundStatus.PENDING:
            self._send(f"refund.{status.lower()}", record)
        return record

    def set_dispute(self, dispute: Dispute, *, with_attempt: bool) -> None:
        """Open or change a dispute; its webhook has the attempt or not."""
        is_new = dispute.id not in self.disputes
        self.disputes[dispute.id] = dispute
        event = "created" if is_new else dispute.status.lower()
        attempt = self.attempts[dispute.attempt_id] if with_attempt else None
        self.webhooks.append(a_dispute_webhook(f"payment.dispute.{event}", dispute, attempt))

    def disputes_of(self, attempt: Attempt) -> list[Dispute]:
        return [one for one in self.disputes.values() if one.attempt_id == attempt.id]

    def is_paid(self, razorpay_order_id: str | None) -> bool:
        return any(attempt.razorpay_order_id == razorpay_order_id for attempt in self.captured())

    def captured(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts.values() if attempt.was_captured]

    def refunded(self, attempt: Attempt) -> int:
        """What is refunded of an attempt, in minor units."""
        own = (r for r in self.refunds.values() if r.payment_id == attempt.id)
        return sum(r.amount.minor for r in own if r.status is RefundStatus.PROCESSED)

    def refunded_or_pending(self, attempt: Attempt) -> int:
        """What is refunded or pending of an attempt, in minor units."""
        return sum(refund.amount.minor for refund in self._not_failed(attempt.id))

    def balance(self) -> Counter[str]:
        """The money that Razorpay holds for the shop, by currency, in minor units."""
        held: Counter[str] = Counter()
        for attempt in self.captured():
            assert attempt.fee is not None
            withheld = sum(one.withheld.minor for one in self.disputes_of(attempt))
            held[attempt.amount.currency] += (
                attempt.amount.minor - self.refunded(attempt) - withheld
            )
            held[attempt.fee.currency] -= attempt.fee.minor
        return held

    def list_attempts_between(self, page: RecordPage) -> Sequence[Attempt]:
        self._answer()
        return self._page(list(self.attempts.values()), page)

    def list_refunds_between(self, page: RecordPage) -> Sequence[RazorpayRefund]:
        self._answer()
        return self._page(list(self.refunds.values()), page)

    def list_orders_between(self, page: RecordPage) -> Sequence[RazorpayOrder]:
        self._answer()
        return self._page([self._record(id_) for id_ in self.orders], page)

    def list_settlements_between(self, _: RecordPage) -> Sequence[Settlement]:
        return []

    def list_settled_items(self, _: date, skip: int) -> Sequence[SettledItem]:
        """Everything that moved, as if it were settled in one day without a payout."""
        captured, refunds = self.captured(), self.refunds.values()
        done = [one for one in refunds if one.status is RefundStatus.PROCESSED]
        adjusted = self.disputes.values()
        payment, refund, adjustment = ItemKind
        return [
            *(_settled(a.id, payment, a.amount, a.id, fee=a.fee) for a in captured),
            *(_settled(r.id, refund, r.amount, r.payment_id) for r in done),
            *(_settled(f"adj {d.id}", adjustment, d.amount, d.attempt_id, d.id) for d in adjusted),
        ]

    def find_order(self, razorpay_order_id: str) -> RazorpayOrder | None:
        self._answer()
        return self._record(razorpay_order_id) if razorpay_order_id in self.orders else None

    def list_attempts(self, razorpay_order_id: str) -> Sequence[Attempt]:
        self._answer()
        return [a for a in self.attempts.values() if a.razorpay_order_id == razorpay_order_id]

    def _record(self, razorpay_order_id: str) -> RazorpayOrder:
        is_paid = self.is_paid(razorpay_order_id)
        made_at = self._made_at[razorpay_order_id]
        return RazorpayOrder(razorpay_order_id, self.orders[razorpay_order_id], is_paid, made_at)

    def _page[R: (Attempt, RazorpayRefund, RazorpayOrder)](
        self, records: Sequence[R], page: RecordPage
    ) -> Sequence[R]:
        found = [one for one in records if page.since <= self._made_at[one.id] <= page.until]
        newest_first = sorted(found, key=lambda one: self._made_at[one.id], reverse=True)
        return newest_first[page.skip : page.skip + PAGE]

    def _store(self, attempt: Attempt) -> None:
        if attempt.was_captured:
            # Razorpay charges rupees, also when the customer paid in another currency
            price = Money(attempt.amount.minor, Currency.INR)
            attempt = replace(attempt, fee=price.percent(FEE_PERCENT))
        self.attempts[attempt.id] = attempt
        self._made_at.setdefault(attempt.id, self._clock())
        self.webhooks.append(a_payment_webhook(f"payment.{attempt.status}", attempt))
        if attempt.was_captured:
            self.webhooks.append(a_payment_webhook("order.paid", attempt))

    def _send(self, event: str, refund: RazorpayRefund) -> None:
        self.webhooks.append(a_refund_webhook(event, refund, self.attempts[refund.payment_id]))

    def _answer(self) -> None:
        self._points.reach(Unavailable("Razorpay does not answer"))

    def _let_others_in(self) -> None:
        self._points.reach(Unavailable("the answer was lost"))


def _settled(
    id_: str,
    kind: ItemKind,
    amount: Money | ForeignMoney,
    attempt_id: str,
    dispute_id: str | None = None,
    fee: Money | None = None,
) -> SettledItem:
    return SettledItem(id_, kind, amount, 0, None, attempt_id, dispute_id, fee)


class MoneyShop:
    """A shop with two customers, a product in rupees and one in dollars. Each kind of step is a
    method, which does nothing when it has no subject.
    """

    def __init__(
        self, clock: FrozenClock | None = None, points: InterruptionPoints | None = None
    ) -> None:
        self.clock = clock or FrozenClock()
        self.points = points or InterruptionPoints()
        self.log: list[str] = []
        self.events: list[Event] = []
        self.queue: list[tuple[EventHandlers, Event]] = []
        self.proofs: list[tuple[CheckoutSignature, Caller]] = []
        self.results: dict[IdempotencyKey, set[str]] = {}
        self.razorpay = RazorpayWithRecords(self.points, self.clock)
        self.products = InMemoryProducts()
        self.inventory = inventory_in_memory(clock=self.clock)
        self._stock = InventoryStock(self.inventory.service)
        self.orders, self.lag = InMemoryOrders(), FakeLag()
        self.payments = ListedPayments()
        self.ledger = InMemoryLedger()
        self.early_reports = InMemoryEarlyReports()
        self.drift_store = InMemoryDriftStore()
        self.seller, self.admin = a_caller(Role.SELLER), a_caller(Role.ADMIN)
        self.customers = (a_caller(), a_caller())
        self._audit = InMemoryAuditTrail()
        self._keys = InMemoryIdempotencyKeys(self.clock)
        self._published = 0
        self.on_sale = tuple(self._put_on_sale(currency) for currency in Currency)
        self._open()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Wire listeners, jobs and gateways to this shop."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("supermarket.jobs.utc_now", self.clock)
            patch.setattr(order_wiring, "order_service", lambda: self.order_service)
            patch.setattr(order_wiring, "expiry", lambda: self.expiry)
            patch.setattr(telemetry, "measure", lambda *_, **__: None)
            patch.setattr(payment_wiring, "payment_service", lambda: self.payment_service)
            patch.setattr(payment_wiring, "background_service", lambda: self.payment_service)
            # thousands of examples would log millions of lines
            patch.setattr(telemetry, "count", lambda *_, **__: None)
            # an order of two pieces of the last product takes them from two buckets
            patch.setattr("inventory.model.PIECES_PER_BUCKET", 1)
            assert self.inventory.service.split(self.on_sale[-1].id)
            level = telemetry.logger.log_level
            telemetry.logger.setLevel("CRITICAL")
            yield
            telemetry.logger.setLevel(level)

    def do(self, step: Step) -> None:
        """Do a step, which may end with a rejection, a crash or an unanswered call."""
        interruption = step.interruption
        what = self._choose(step.what)
        self.log.append(f"{what} {step.which} {step.how}")
        if interruption is not None:
            self.points.arm(interruption.after, lambda how: self._interrupt(interruption, how))
        try:
            getattr(self, what)(step.which, step.how)
        except (DomainError, Crash, NoAnswer) as end:
            self.log.append(f"    {what} ended with {end!r}")
        finally:
            if interruption is not None:
                self.points.disarm()
            self._publish()

    # --- customers

    def customer_places_an_order(self, which: int, how: int) -> None:
        """With or without an idempotency key, which is sometimes used again."""
        customer, product = self.customers[which % 2], self.on_sale[which // 2 % 2]
        if not self._carts.stored_cart(customer.user_id).lines:
            self._carts.add(customer.user_id, product.id, 1 + how % 2)
        key = self._key("order", customer, how % 2) if how > 1 else None
        self._remember(key, self.order_service.place(customer, HOME, key).id)

    def customer_opens_the_payment(self, which: int, how: int) -> None:
        if order := _one(list(self.orders.stored.values()), which):
            customer = self._customer_of(order)
            key = self._key(order.id, customer, 0) if how > 1 else None
            payment = self.payment_service.create(order.id, customer, key)
            self._remember(key, payment.id)

    def customer_pays(self, which: int, how: int) -> None:
        """At Razorpay, also when the order is cancelled."""
        if payment := _one(self._payable(), which):
            outcomes = (AttemptStatus.CAPTURED, AttemptStatus.CAPTURED)
            outcome = (*outcomes, AttemptStatus.AUTHORIZED, AttemptStatus.FAILED)[how]
            proof = self.razorpay.pay(payment.razorpay_order_id, outcome)
            self.proofs.append((proof, self._customer_of(self.orders.stored[payment.order_id])))

    def customer_pays_again(self, which: int, how: int) -> None:
        """At Razorpay, which captures the money of a paid order again."""
        if payment := _one(self._paid_there(), which):
            outcome = AttemptStatus.AUTHORIZED if how == 1 else AttemptStatus.CAPTURED
            proof = self.razorpay.pay(payment.razorpay_order_id, outcome)
            self.proofs.append((proof, self._customer_of(self.orders.stored[payment.order_id])))

    def customer_pays_another_amount(self, which: int, how: int) -> None:
        """At Razorpay, for which an offer or a fee is switched on there."""
        if payment := _one(self._payable(), which):
            outcome = AttemptStatus.AUTHORIZED if how == 1 else AttemptStatus.CAPTURED
            amount = Money(payment.price.minor + (how - 2) * 1_000 - 500, payment.price.currency)
            proof = self.razorpay.pay(payment.razorpay_order_id, outcome, amount)
            self.proofs.append((proof, self._customer_of(self.orders.stored[payment.order_id])))

    def refund_is_made_in_the_dashboard(self, which: int, how: int) -> None:
        """All that is left of an attempt, or one rupee of it."""
        if attempt := _one(self.razorpay.captured(), which):
            left = attempt.amount.minor - self.razorpay.refunded_or_pending(attempt)
            minor = min(left, 100) if how % 2 else left
            if minor:
                currency = Currency(attempt.amount.currency)
                self.razorpay.make_refund(attempt.id, Money(minor, currency))

    def bank_disputes_a_payment(self, which: int, how: int) -> None:
        """All of an attempt, or half of it."""
        if attempt := _one(self._disputable(), which):
            left = attempt.amount.minor - self._disputed(attempt)
            minor = min(left, attempt.amount.minor // 200 * 100) if how % 2 else left
            amount = Money(minor, Currency(attempt.amount.currency))
            facts = (amount, DisputeStatus.OPEN, "chargeback", "fraud", self.clock())
            dispute = Dispute(f"disp_{len(self.razorpay.disputes)}", attempt.id, *facts)
            self.razorpay.set_dispute(dispute, with_attempt=how > 1)

    def razorpay_moves_a_dispute(self, which: int, how: int) -> None:
        """To its review, or to one of its ends; a loss is of all or of one rupee."""
        if dispute := _one(self._open_disputes(), which):
            review, closed, won, lost = list(DisputeStatus)[1:]
            status = (review, won if which % 2 else closed, lost, lost)[how]
            deducted = Money(100, dispute.amount.currency) if how == 3 else None
            changed = replace(dispute, status=status, deducted=deducted)
            self.razorpay.set_dispute(changed, with_attempt=which > 3)

    def browser_calls_back(self, which: int, how: int) -> None:
        if found := _one(self.proofs, which):
            self.payment_service.verify(*found)

    def customer_cancels(self, which: int, how: int) -> None:
        if order := _one(list(self.orders.stored.values()), which):
            self.order_service.cancel(order.id, order.customer.user_id)

    # --- admins and sellers

    def admin_refunds(self, which: int, how: int) -> None:
        """All of it or one rupee, with a new idempotency key or one that is used again."""
        if payment := _one(self.payments.all(), which):
            amount = Decimal(1) if how % 2 else None
            number = 0 if how > 1 else len(self.log)
            key = self._key(f"{payment.id} {amount}", self.admin, number)
            _, refund = self.payment_service.refund(payment.id, amount, self.admin, key)
            self._remember(key, refund.id)

    def seller_ships(self, which: int, how: int) -> None:
        if order := _one(list(self.orders.stored.values()), which):
            self.order_service.ship(order.id, None, self.seller)

    def seller_delivers(self, which: int, how: int) -> None:
        if order := _one(list(self.orders.stored.values()), which):
            self.order_service.deliver(order.id, None, self.seller)

    # --- webhooks, events, jobs and Razorpay

    def webhook_arrives(self, which: int, how: int) -> None:
        """Any of those sent; it is sent again when it failed, and sometimes otherwise."""
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
        """Any of those queued; it is delivered again when it failed, and sometimes otherwise."""
        if found := _one(self.queue, which):
            event_handlers, event = found
            _, handle = event_handlers.handlers[type(event).__name__]
            handle(event, METADATA)
            if how and found in self.queue:
                self.queue.remove(found)

    def time_passes(self, which: int, how: int) -> None:
        self.clock.advance((timedelta(seconds=2), RESERVATION, GRACE, RESERVATION + GRACE)[how])

    def unpaid_orders_expire(self, which: int = 0, how: int = 0) -> None:
        jobs.release_expired_reservations({}, AContext())

    def reconciliation_runs(self, which: int = 0, how: int = 0) -> Report:
        return self._reconciliation.catch_up(lambda: True)

    def refunds_are_sent(self, which: int = 0, how: int = 0) -> Report:
        return self._refunds.run(lambda: True)[0]

    def razorpay_changes_how_it_treats_refunds(self, which: int, how: int) -> None:
        ways = (RefundStatus.PROCESSED, RefundStatus.PENDING, RefundStatus.FAILED)
        self.razorpay.refund_fails = how == len(ways)
        self.razorpay.refund_error = ProviderBusy if which % 2 else ProviderRejected
        if how < len(ways):
            self.razorpay.refund_outcome = ways[how]

    def razorpay_ends_a_refund(self, which: int, how: int) -> None:
        if refund := _one(self._pending(), which):
            self.razorpay.set_status(
                refund.id, RefundStatus.PROCESSED if how else RefundStatus.FAILED
            )

    def levels(self) -> Mapping[str, StockLevel]:
        """The stock of all products."""
        return self.inventory.service.find_many(product.id for product in self.on_sale)

    # --- the end of a history

    def settle(self) -> None:
        """Let everything arrive and every refund succeed, until nothing is left to do."""
        self.razorpay.refund_fails = False
        self.razorpay.refund_outcome = RefundStatus.PROCESSED
        for number in range(ROUNDS):
            for refund in self._pending():
                self.razorpay.set_status(refund.id, RefundStatus.PROCESSED)
            self._all_arrives()
            # every window is compared again
            self.clock.advance(timedelta(days=2) if number else timedelta(seconds=2))
            work = self._work_of(self.refunds_are_sent())
            work += self._work_of(self.reconciliation_runs())
            self._publish()
            is_compared = number > len(COMPARED_AGAIN_AFTER)  # as often as it ever is
            if is_compared and not (self.queue or self.razorpay.webhooks or work):
                work = self.compare_settlements()
                self._publish()
                if not work:
                    return
        raise AssertionError(f"there is always something left to do: {work}")

    def compare_everything(self) -> Report:
        """Compare all payments and records, however often they were compared before."""
        until = self.clock() + timedelta(seconds=1)
        return self._reconciliation.reconcile(NOON - timedelta(days=1), until, lambda: True)

    def compare_settlements(self) -> Counter[str]:
        """Compare all that moved at Razorpay with the ledger; returns what there was to do."""
        counts = self._settlements.reconcile(NOON, NOON, lambda: True)
        return Counter({name: n for name, n in counts.items() if name != "checked"})

    def _all_arrives(self) -> None:
        while self.queue or self.razorpay.webhooks:
            if self.razorpay.webhooks:
                self.webhook_arrives(0, 1)
            elif self.queue:
                self.event_arrives(0, 1)
            self._publish()

    def _work_of(self, report: Report) -> Counter[str]:
        """What a run had to do. Drift is checked by the test."""
        idle = {"checked", "drift"}
        return Counter({name: n for name, n in report.counts.items() if name not in idle})

    def _choose(self, number: int) -> str:
        """Choose a kind of step that has a subject."""
        order_states = {order.status for order in self.orders.stored.values()}
        payments = self.payments.all()
        subjects: dict[str, object] = {
            "customer_places_an_order": any(level.available for level in self.levels().values()),
            "customer_opens_the_payment": OrderStatus.PENDING in order_states,
            "customer_pays": self._payable(),
            "customer_pays_again": self._paid_there(),
            "customer_pays_another_amount": self._payable(),
            "refund_is_made_in_the_dashboard": self.razorpay.captured(),
            "browser_calls_back": self.proofs,
            "customer_cancels": order_states - {OrderStatus.CANCELLED},
            "admin_refunds": any(payment.balance.remaining.minor for payment in payments),
            "seller_ships": OrderStatus.CONFIRMED in order_states,
            "seller_delivers": OrderStatus.SHIPPED in order_states,
            "webhook_arrives": self.razorpay.webhooks,
            "webhook_gets_lost": self.razorpay.webhooks,
            "event_arrives": self.queue,
            "reconciliation_runs": payments,
            "refunds_are_sent": any(payment.open_refunds for payment in payments),
            "unpaid_orders_expire": OrderStatus.PENDING in order_states,
            "razorpay_changes_how_it_treats_refunds": self.razorpay.captured(),
            "razorpay_ends_a_refund": self._pending(),
            "bank_disputes_a_payment": self._disputable(),
            "razorpay_moves_a_dispute": self._open_disputes(),
        }
        possible = [each for each in STEPS if subjects.get(each, True)]
        return possible[number % len(possible)]

    def _payable(self) -> list[Payment]:
        payments = self.payments.all()
        return [p for p in payments if not self.razorpay.is_paid(p.razorpay_order_id)]

    def _paid_there(self) -> list[Payment]:
        return [p for p in self.payments.all() if self.razorpay.is_paid(p.razorpay_order_id)]

    def _pending(self) -> list[RazorpayRefund]:
        refunds = self.razorpay.refunds.values()
        return [refund for refund in refunds if refund.status is RefundStatus.PENDING]

    def _disputable(self) -> list[Attempt]:
        """The attempts with money that is in no dispute."""
        captured = self.razorpay.captured()
        return [one for one in captured if self._disputed(one) + 100 <= one.amount.minor]

    def _disputed(self, attempt: Attempt) -> int:
        return sum(one.amount.minor for one in self.razorpay.disputes_of(attempt))

    def _open_disputes(self) -> list[Dispute]:
        return [dispute for dispute in self.razorpay.disputes.values() if dispute.is_open]

    def _interrupt(self, interruption: Interruption, failure: Exception) -> None:
        self.log.append("    interrupted by:")
        for step in interruption.meanwhile:
            self.do(step)
        self.log.append("    continued")
        if interruption.end is Crash:
            raise Crash
        if interruption.end is NoAnswer:
            raise failure

    def _publish(self) -> None:
        """Queue the new events of the outbox for their consumers."""
        for event in self.events[self._published :]:
            name = type(event).__name__
            self.queue += [(each, event) for each in CONSUMERS if name in each.handlers]
        self._published = len(self.events)

    def _key(self, use_case: str, caller: Caller, number: int) -> IdempotencyKey:
        return IdempotencyKey.of(use_case, caller.user_id, f"key {number}", b"{}")

    def _remember(self, key: IdempotencyKey | None, result_id: str) -> None:
        if key is not None:
            self.results.setdefault(key, set()).add(result_id)

    def _customer_of(self, order: Order) -> Caller:
        return next(one for one in self.customers if one.user_id == order.customer.user_id)

    def _put_on_sale(self, currency: Currency) -> Product:
        seller = Recipient(self.seller.user_id, self.seller.email, self.seller.first_name)
        product = a_product(stock=STOCK, price=Money(50_000, currency), seller=seller)
        transaction = self._begin()
        self.products.add(product, transaction)
        self._stock.open(product, transaction)
        transaction.commit()
        return product

    def _begin(self) -> InterruptibleTransaction:
        return InterruptibleTransaction(self.events, self.points)

    def _open(self) -> None:
        """Wire the services as in production."""
        products = ProductService(
            products=self.products,
            stock=self._stock,
            index=SearchIndex(InMemoryEntries(), self.products),
            pictures=InMemoryPictures(),
            audit=self._audit,
            idempotency_keys=self._keys,
            begin=self._begin,
            clock=self.clock,
            new_id=new_id,
            pause=lambda _: None,
        )
        carts, catalogue = InMemoryCarts(self.clock), ShopCatalogue(products)
        self._carts = CartService(carts, catalogue, self.clock, self._keys)
        checks = PaymentChecks(self.payments)
        self.order_service = OrderService(
            orders=self.orders,
            stock=ShopStock(self.inventory.service),
            carts=ShopCarts(lambda: self._carts),
            address_book=InMemoryAddressBook(),
            customers=InMemoryCustomers(),
            payments=ShopPayments(lambda: checks),
            idempotency_keys=self._keys,
            audit=self._audit,
            begin=self._begin,
            terms=lambda: terms(CHARGES),
            clock=self.clock,
            new_id=new_id,
        )
        self.expiry = an_expiry(self.orders, lambda: self.order_service, self.clock, self.lag)
        changes = Changes(self.payments, self.ledger, self._audit, self._keys, self._begin)
        self.payment_service = PaymentService(
            payments=self.payments,
            ledger=self.ledger,
            orders=OrderServiceOrders(),
            razorpay=self.razorpay,
            changes=changes,
            idempotency_keys=self._keys,
            early_reports=self.early_reports,
            keys=lambda: KEYS,
            clock=self.clock,
            new_id=new_id,
        )
        settlements = Settlements(self.ledger, self._audit, self._begin)
        self._webhooks = Webhooks(self.payment_service, lambda: (WEBHOOK_SECRET,), settlements)
        self._reconciliation = Reconciliation(
            payments=self.payments,
            records=self.razorpay,
            updates=self.payment_service,
            store=self.drift_store,
            begin=self._begin,
            clock=self.clock,
            workers=1,
        )
        drift = DriftReporter(self.drift_store, self._begin, self.clock)
        comparison = Comparison(self.payments, self.razorpay, self.payment_service, drift, Report())
        self._settlements = SettlementSync(
            self.razorpay, settlements, comparison, self.drift_store, self.clock
        )
        self._refunds = RefundDriver(
            self.payments, self.payment_service, drift, self.clock, workers=1
        )


def _one[T](things: Sequence[T], which: int) -> T | None:
    return things[which % len(things)] if things else None
