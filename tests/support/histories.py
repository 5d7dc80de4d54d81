"""Random histories of orders, their events, and an oracle: what dashboards must show, computed from
the histories without the code under test.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from supermarket.clock import iso
from supermarket.contracts import (
    Amount,
    Event,
    OrderAddressChanged,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderPlaced,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentInitiated,
    PaymentRefunded,
)
from supermarket.money import Currency
from supermarket.people import Address, Recipient

BEGAN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DAYS = {"from": "2026-11-20", "to": "2026-11-23"}
SHOP = timezone(timedelta(hours=5, minutes=30))  # Asia/Kolkata
HOURS = 71
COUNTING = ("CONFIRMED", "SHIPPED", "DELIVERED")
HOME = Address(street="12 MG Road", city="Pune", state="MH", zip="411001", country="IN")


@dataclass(frozen=True)
class Line:
    """One line of an order; `unit` is the unit price in minor units."""

    seller: str
    product: str
    quantity: int
    unit: int

    @property
    def total(self) -> int:
        return self.quantity * self.unit


@dataclass(frozen=True)
class OrderHistory:
    """One order from beginning to end. `refunds` are minor units, `surplus` says that it was paid
    twice; `payment` is the last status of its payment, None when no payment was begun.
    """

    id: str
    customer: str
    currency: Currency
    lines: tuple[Line, ...]
    fees: int
    placed_at: datetime
    status: str
    payment: str | None = None
    refunds: tuple[int, ...] = ()
    surplus: bool = False
    address: Address = HOME

    @property
    def total(self) -> int:
        return sum(line.total for line in self.lines) + self.fees

    @property
    def refunded(self) -> int:
        return sum(self.refunds)

    @property
    def is_paid(self) -> bool:
        return self.payment in ("COMPLETED", "REFUNDED")

    def refunded_of(self, seller: str) -> list[int]:
        """Return the refunded minor units of each of the seller's lines: the share of all lines up
        to it, less the share of those before it.
        """
        shares, reached = [], 0
        for line in sorted(self.lines, key=lambda one: one.seller):
            before, reached = reached, reached + line.total
            if line.seller == seller:
                shares.append(self._share(reached) - self._share(before))
        return shares

    def _share(self, part: int) -> int:
        exact = Decimal(self.refunded) * part / self.total
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def random_histories(
    random: Random, orders: int, sellers: Sequence[str], prefix: str = ""
) -> list[OrderHistory]:
    return [_random_history(random, f"{prefix}o{n:04}", sellers) for n in range(orders)]


def _random_history(random: Random, order_id: str, sellers: Sequence[str]) -> OrderHistory:
    currency = random.choice(list(Currency))
    lines = tuple(
        _random_line(random, random.choice(sellers), currency) for _ in range(random.randint(1, 4))
    )
    status = random.choice(["PENDING", "CONFIRMED", "SHIPPED", "DELIVERED", "CANCELLED"])
    payments = {"PENDING": [None, "PENDING", "FAILED"], "CANCELLED": [None, "FAILED", "COMPLETED"]}
    elsewhere = replace(HOME, street=f"{order_id} Street")
    history = OrderHistory(
        id=order_id,
        customer=f"customer-{random.randint(1, 3)}",
        currency=currency,
        lines=lines,
        fees=random.choice([0, 0, 4900]),
        placed_at=BEGAN + timedelta(minutes=random.randint(0, 60 * HOURS - 480)),
        status=status,
        payment=random.choice(payments.get(status, ["COMPLETED"])),
        address=random.choice([HOME, HOME, elsewhere]),
    )
    return _with_refunds(random, history) if history.is_paid else history


def _random_line(random: Random, seller: str, currency: Currency) -> Line:
    number = random.randint(1, 7)
    # a product has one price and one currency
    product = f"{seller}-{currency.lower()}-p{number}"
    return Line(seller, product, random.randint(1, 3), 100 * number + 33)


def _with_refunds(random: Random, history: OrderHistory) -> OrderHistory:
    whole, refunds = history.total, list[int]()
    for _ in range(random.randint(0, 3)):
        refunds.append(random.randint(1, max(1, whole // 3)))
    if history.status == "CANCELLED" or random.randint(0, 4) == 0:
        refunds.append(whole - sum(refunds))
    fully = sum(refunds) == whole
    return OrderHistory(
        **{
            **vars(history),
            "refunds": tuple(amount for amount in refunds if amount),
            "payment": "REFUNDED" if fully else "COMPLETED",
            "surplus": random.randint(0, 9) == 0,
        }
    )


def events_of(history: OrderHistory) -> Iterator[Event]:
    """Yield all events of the order, in the order in which they happened."""
    events = _Events(history)
    yield events.placed()
    if history.payment is not None:
        yield events.initiated()
    if history.payment == "FAILED":
        yield events.failed()
    if history.address != HOME:
        yield events.address_changed()
    if history.is_paid:
        yield events.completed()
    yield from (events.status_changed(status) for status in _statuses(history))
    if history.status == "CANCELLED":
        yield events.cancelled()
    yield from events.refunds()


def _statuses(history: OrderHistory) -> Sequence[str]:
    if not history.is_paid:
        return ()
    if history.status == "CANCELLED":
        return COUNTING[:1]
    return COUNTING[: COUNTING.index(history.status) + 1]


@dataclass
class _Events:
    """Builds the events of one order."""

    history: OrderHistory
    _minutes: int = field(default=0)

    def placed(self) -> Event:
        reserved = self.history.placed_at + timedelta(minutes=15)
        return OrderPlaced(
            **self._order(),
            total=self._amount(self.history.total),
            shipping_address=HOME,
            reserved_until=reserved,
        )

    def address_changed(self) -> Event:
        return OrderAddressChanged(
            order_id=self.history.id,
            seller_ids=sorted({line.seller for line in self.history.lines}),
            shipping_address=self.history.address,
            changed_at=self._later(),
        )

    def status_changed(self, status: str) -> Event:
        if status == "CONFIRMED":
            total = self._amount(self.history.total)
            return OrderConfirmed(**self._order(), total=total, confirmed_at=self._later())
        if status == "SHIPPED":
            return OrderShipped(**self._order(), shipped_at=self._later())
        return OrderDelivered(**self._order(), delivered_at=self._later())

    def cancelled(self) -> Event:
        return OrderCancelled(
            **self._order(),
            total=self._amount(self.history.total),
            cancelled_at=self._later(),
            cancelled_by="customer",
            was_paid=self.history.is_paid,
        )

    def initiated(self) -> Event:
        return PaymentInitiated(**self._payment(), initiated_at=self._later())

    def failed(self) -> Event:
        return PaymentFailed(**self._payment(), reason="declined", failed_at=self._later())

    def completed(self) -> Event:
        return PaymentCompleted(
            **self._payment(), razorpay_payment_id="pay_1", completed_at=self._later()
        )

    def refunds(self) -> Iterator[Event]:
        if self.history.surplus:
            yield self._refund("surplus", self.history.total, fully=False, surplus=True)
        left = self.history.total
        for number, amount in enumerate(self.history.refunds):
            left -= amount
            yield self._refund(str(number), amount, fully=left == 0)

    def _refund(self, name: str, minor: int, *, fully: bool, surplus: bool = False) -> Event:
        return PaymentRefunded(
            **self._payment() | {"amount": self._amount(minor)},
            refund_id=f"{self.history.id}-r{name}",
            fully=fully,
            surplus=surplus,
            reason="requested by customer",
            refunded_at=self._later(),
        )

    def _order(self) -> dict[str, Any]:
        return {
            "order_id": self.history.id,
            "customer": self._customer(),
            "lines": [
                OrderLine(
                    product_id=line.product,
                    title=f"Title of {line.product}",
                    seller_id=line.seller,
                    quantity=line.quantity,
                    unit_price=self._amount(line.unit),
                    line_total=self._amount(line.total),
                )
                for line in self.history.lines
            ],
            "placed_at": self.history.placed_at,
        }

    def _payment(self) -> dict[str, Any]:
        return {
            "payment_id": f"{self.history.id}-y",
            "order_id": self.history.id,
            "customer": self._customer(),
            "amount": self._amount(self.history.total),
        }

    def _customer(self) -> Recipient:
        customer = self.history.customer
        return Recipient(user_id=customer, email=f"{customer}@example.com", first_name="Asha")

    def _amount(self, minor: int) -> Amount:
        return Amount(minor=minor, currency=self.history.currency)

    def _later(self) -> datetime:
        self._minutes += 1
        return self.history.placed_at + timedelta(minutes=self._minutes)


type Shown = dict[str, Any]


def expected_metrics(histories: Sequence[OrderHistory], seller: str) -> Shown:
    """Return a seller's metrics, computed from the histories."""
    own = [history for history in histories if any(line.seller == seller for line in history.lines)]
    counting = [history for history in own if history.status in COUNTING]
    units: Counter[str] = Counter()
    earned: dict[str, Counter[str]] = defaultdict(Counter)
    for history in counting:
        for line, refunded in _lines(history, seller):
            units[line.product] += line.quantity
            earned[history.currency][line.product] += line.total - refunded
    revenue = {currency: sum(products.values()) for currency, products in earned.items()}
    refunds: Counter[str] = Counter()
    for history in own:
        refunds[history.currency] += sum(history.refunded_of(seller))
    return {
        "placed": len(own),
        "orders": len(counting),
        "sales": sum(units.values()),
        "conversion": round(sum(history.is_paid for history in own) / len(own), 4) if own else None,
        "revenue": _without_zeros(revenue),
        "refunds": _without_zeros(refunds),
        "averageOrderValue": {
            currency: _half_up(minor, sum(history.currency == currency for history in counting))
            for currency, minor in revenue.items()
        },
        "topProducts": _ranked(units),
        "topProductsByRevenue": {
            currency: ranked
            for currency, products in earned.items()
            if (ranked := _ranked(products))
        },
        "series": _expected_series(own, seller),
    }


def _expected_series(own: Sequence[OrderHistory], seller: str) -> Shown:
    """Return orders that count, units, revenue and refunds of each day that has any of them."""
    days: dict[str, list[OrderHistory]] = defaultdict(list)
    for history in own:
        days[str(history.placed_at.astimezone(SHOP).date())].append(history)
    series = {}
    for day, histories in days.items():
        counting = [history for history in histories if history.status in COUNTING]
        revenue: Counter[str] = Counter()
        refunds: Counter[str] = Counter()
        for history in histories:
            refunds[history.currency] += sum(history.refunded_of(seller))
        for history in counting:
            revenue[history.currency] += sum(
                line.total - refunded for line, refunded in _lines(history, seller)
            )
        units = sum(line.quantity for history in counting for line, _ in _lines(history, seller))
        series[day] = (len(counting), units, _without_zeros(revenue), _without_zeros(refunds))
    return {day: numbers for day, numbers in series.items() if any(numbers)}


def shown_metrics(body: Shown) -> Shown:
    """Return the same from a response of the API."""
    return {
        **{name: body[name] for name in ("placed", "orders", "sales", "conversion")},
        **{name: _minors(body[name]) for name in ("revenue", "refunds", "averageOrderValue")},
        "topProducts": [(top["id"], top["sold"]) for top in body["topProducts"]],
        "topProductsByRevenue": {
            one["currency"]: [
                (top["id"], _minors(top["revenue"])[one["currency"]]) for top in one["products"]
            ]
            for one in body["topProductsByRevenue"]
        },
        "series": {
            day["date"]: numbers
            for day in body["series"]
            if any(
                numbers := (
                    *(day["orders"], day["sales"]),
                    *(_minors(day["revenue"]), _minors(day["refunds"])),
                )
            )
        },
    }


def expected_orders(histories: Sequence[OrderHistory], seller: str) -> Shown:
    """Return each order of the seller: status, own total, refunded part of it, status of the
    payment, and the current shipping address.
    """
    return {
        history.id: (
            history.status,
            sum(line.total for line, _ in _lines(history, seller)),
            sum(refunded for _, refunded in _lines(history, seller)),
            history.payment,
            vars(history.address) | _hidden(history),
        )
        for history in histories
        if any(line.seller == seller for line in history.lines)
    }


def _hidden(history: OrderHistory) -> dict[str, Any]:
    """Return the fields of the address that sellers see only of goods to be sent, or sent."""
    is_visible = history.status in {"CONFIRMED", "SHIPPED", "DELIVERED"}
    return {} if is_visible else {"street": "", "name": None, "phone": None}


def shown_orders(orders: Sequence[Shown]) -> Shown:
    return {
        order["id"]: (
            order["status"],
            _minor(order["total"]),
            _minor(order["refunded"]),
            order["payment"] and order["payment"]["status"],
            order["shippingAddress"],
        )
        for order in orders
    }


def expected_customers(histories: Sequence[OrderHistory], seller: str) -> Shown:
    """Return each customer of the seller: orders that count, their revenue by currency, and when
    the last order was placed, whether it counts or not.
    """
    orders: Counter[str] = Counter()
    last: dict[str, datetime] = {}
    spent: dict[str, Counter[str]] = defaultdict(Counter)
    for history in histories:
        for line, refunded in _lines(history, seller):
            counts = history.status in COUNTING
            spent[history.customer][history.currency] += (line.total - refunded) * counts
        if any(line.seller == seller for line in history.lines):
            orders[history.customer] += history.status in COUNTING
            last[history.customer] = max(last.get(history.customer, BEGAN), history.placed_at)
    return {one: (orders[one], _without_zeros(spent[one]), iso(last[one])) for one in orders}


def shown_customers(customers: Sequence[Shown]) -> Shown:
    return {
        one["id"]: (one["orders"], _minors(one["spent"]), one["lastOrderAt"]) for one in customers
    }


def expected_products(histories: Sequence[OrderHistory], seller: str) -> Shown:
    """Return each product that the seller sold: units and their revenue by currency."""
    units: Counter[str] = Counter()
    earned: dict[str, Counter[str]] = defaultdict(Counter)
    for history in histories:
        if history.status in COUNTING:
            for line, refunded in _lines(history, seller):
                units[line.product] += line.quantity
                earned[line.product][history.currency] += line.total - refunded
    return {one: (units[one], _without_zeros(earned[one])) for one in units}


def shown_products(products: Sequence[Shown]) -> Shown:
    """Return those with sales: the list has unsold ones, and cancelled orders may leave a row."""
    return {one["id"]: (one["sold"], _minors(one["revenue"])) for one in products if one["sold"]}


def _lines(history: OrderHistory, seller: str) -> Iterator[tuple[Line, int]]:
    own = [line for line in history.lines if line.seller == seller]
    return zip(own, history.refunded_of(seller), strict=True)


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(product, count) for product, count in ranked if count > 0][:5]


def _half_up(minor: int, orders: int) -> int:
    return int((Decimal(minor) / orders).quantize(Decimal(1), ROUND_HALF_UP))


def _without_zeros(sums: Any) -> dict[str, int]:
    return {str(currency): minor for currency, minor in sums.items() if minor}


def _minor(amount: Shown) -> int:
    minor: int = round(amount["amount"] * 100)
    return minor


def _minors(amounts: Sequence[Shown]) -> dict[str, int]:
    return {amount["currency"]: _minor(amount) for amount in amounts}
