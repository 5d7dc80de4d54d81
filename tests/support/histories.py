"""Random histories of orders, the facts that they would tell, and what sellers should then see: an
oracle that knows nothing of how dashboards are made.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
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
DAYS = {"from": "2026-11-20", "to": "2026-11-22"}
HOURS = 71
COUNTING = ("CONFIRMED", "SHIPPED", "DELIVERED")
HOME = Address(street="12 MG Road", city="Pune", state="MH", zip="411001", country="IN")


@dataclass(frozen=True)
class Line:
    """So many of one product of one seller."""

    seller: str
    product: str
    quantity: int
    unit: int

    @property
    def total(self) -> int:
        return self.quantity * self.unit


@dataclass(frozen=True)
class Life:
    """One order from its beginning to its end. `refunds` are minor units, `surplus` one that was
    paid twice; `payment` is what became of it, None when nobody began to pay.
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
        """Minor units that went back, for each of the seller's lines: what all lines up to it bear
        less what those before it do.
        """
        shares, reached = [], 0
        for line in sorted(self.lines, key=lambda one: one.seller):
            before, reached = reached, reached + line.total
            if line.seller == seller:
                shares.append(self._borne(reached) - self._borne(before))
        return shares

    def _borne(self, part: int) -> int:
        exact = Decimal(self.refunded) * part / self.total
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def random_lives(
    random: Random, orders: int, sellers: Sequence[str], prefix: str = ""
) -> list[Life]:
    return [_random_life(random, f"{prefix}o{n:04}", sellers) for n in range(orders)]


def _random_life(random: Random, order_id: str, sellers: Sequence[str]) -> Life:
    currency = random.choice(list(Currency))
    lines = tuple(
        _random_line(random, random.choice(sellers), currency) for _ in range(random.randint(1, 4))
    )
    status = random.choice(["PENDING", "CONFIRMED", "SHIPPED", "DELIVERED", "CANCELLED"])
    payments = {"PENDING": [None, "PENDING", "FAILED"], "CANCELLED": [None, "FAILED", "COMPLETED"]}
    elsewhere = replace(HOME, street=f"{order_id} Street")
    life = Life(
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
    return _with_refunds(random, life) if life.is_paid else life


def _random_line(random: Random, seller: str, currency: Currency) -> Line:
    number = random.randint(1, 7)
    # a product has one price and one currency
    product = f"{seller}-{currency.lower()}-p{number}"
    return Line(seller, product, random.randint(1, 3), 100 * number + 33)


def _with_refunds(random: Random, life: Life) -> Life:
    whole, back = life.total, list[int]()
    for _ in range(random.randint(0, 3)):
        back.append(random.randint(1, max(1, whole // 3)))
    if life.status == "CANCELLED" or random.randint(0, 4) == 0:
        back.append(whole - sum(back))
    fully = sum(back) == whole
    return Life(
        **{
            **vars(life),
            "refunds": tuple(amount for amount in back if amount),
            "payment": "REFUNDED" if fully else "COMPLETED",
            "surplus": random.randint(0, 9) == 0,
        }
    )


def facts(life: Life) -> Iterator[Event]:
    """Everything that would be told of it, in the order in which it happened."""
    told = _Told(life)
    yield told.placed()
    if life.payment is not None:
        yield told.initiated()
    if life.payment == "FAILED":
        yield told.failed()
    if life.address != HOME:
        yield told.moved()
    if life.is_paid:
        yield told.completed()
    yield from (told.progress(status) for status in _reached(life))
    if life.status == "CANCELLED":
        yield told.cancelled()
    yield from told.refunds()


def _reached(life: Life) -> Sequence[str]:
    if not life.is_paid:
        return ()
    if life.status == "CANCELLED":
        return COUNTING[:1]
    return COUNTING[: COUNTING.index(life.status) + 1]


@dataclass
class _Told:
    """A life in the words of the contracts."""

    life: Life
    _minutes: int = field(default=0)

    def placed(self) -> Event:
        reserved = self.life.placed_at + timedelta(minutes=15)
        return OrderPlaced(
            **self._order(),
            total=self._amount(self.life.total),
            shipping_address=HOME,
            reserved_until=reserved,
        )

    def moved(self) -> Event:
        return OrderAddressChanged(
            order_id=self.life.id,
            seller_ids=sorted({line.seller for line in self.life.lines}),
            shipping_address=self.life.address,
            changed_at=self._later(),
        )

    def progress(self, status: str) -> Event:
        if status == "CONFIRMED":
            total = self._amount(self.life.total)
            return OrderConfirmed(**self._order(), total=total, confirmed_at=self._later())
        if status == "SHIPPED":
            return OrderShipped(**self._order(), shipped_at=self._later())
        return OrderDelivered(**self._order(), delivered_at=self._later())

    def cancelled(self) -> Event:
        return OrderCancelled(
            **self._order(),
            total=self._amount(self.life.total),
            cancelled_at=self._later(),
            cancelled_by="customer",
            was_paid=self.life.is_paid,
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
        if self.life.surplus:
            yield self._refund("surplus", self.life.total, fully=False, surplus=True)
        left = self.life.total
        for number, amount in enumerate(self.life.refunds):
            left -= amount
            yield self._refund(str(number), amount, fully=left == 0)

    def _refund(self, name: str, minor: int, *, fully: bool, surplus: bool = False) -> Event:
        return PaymentRefunded(
            **self._payment() | {"amount": self._amount(minor)},
            refund_id=f"{self.life.id}-r{name}",
            fully=fully,
            surplus=surplus,
            reason="as wished",
            refunded_at=self._later(),
        )

    def _order(self) -> dict[str, Any]:
        return {
            "order_id": self.life.id,
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
                for line in self.life.lines
            ],
            "placed_at": self.life.placed_at,
        }

    def _payment(self) -> dict[str, Any]:
        return {
            "payment_id": f"{self.life.id}-y",
            "order_id": self.life.id,
            "customer": self._customer(),
            "amount": self._amount(self.life.total),
        }

    def _customer(self) -> Recipient:
        customer = self.life.customer
        return Recipient(user_id=customer, email=f"{customer}@example.com", first_name="Asha")

    def _amount(self, minor: int) -> Amount:
        return Amount(minor=minor, currency=self.life.currency)

    def _later(self) -> datetime:
        self._minutes += 1
        return self.life.placed_at + timedelta(minutes=self._minutes)


type Seen = dict[str, Any]


def expected_metrics(lives: Sequence[Life], seller: str) -> Seen:
    """A seller's metrics, from the lives alone."""
    own = [life for life in lives if any(line.seller == seller for line in life.lines)]
    counting = [life for life in own if life.status in COUNTING]
    units: Counter[str] = Counter()
    earned: dict[str, Counter[str]] = defaultdict(Counter)
    for life in counting:
        for line, back in _lines(life, seller):
            units[line.product] += line.quantity
            earned[life.currency][line.product] += line.total - back
    revenue = {currency: sum(products.values()) for currency, products in earned.items()}
    refunds: Counter[str] = Counter()
    for life in own:
        refunds[life.currency] += sum(life.refunded_of(seller))
    return {
        "placed": len(own),
        "orders": len(counting),
        "sales": sum(units.values()),
        "conversion": round(sum(life.is_paid for life in own) / len(own), 4) if own else None,
        "revenue": _without_zeros(revenue),
        "refunds": _without_zeros(refunds),
        "averageOrderValue": {
            currency: _half_up(minor, sum(life.currency == currency for life in counting))
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


def _expected_series(own: Sequence[Life], seller: str) -> Seen:
    """Orders that count, units, revenue and refunds of each day that has any of them."""
    days: dict[str, list[Life]] = defaultdict(list)
    for life in own:
        days[str(life.placed_at.date())].append(life)
    series = {}
    for day, lives in days.items():
        counting = [life for life in lives if life.status in COUNTING]
        revenue: Counter[str] = Counter()
        refunds: Counter[str] = Counter()
        for life in lives:
            refunds[life.currency] += sum(life.refunded_of(seller))
        for life in counting:
            revenue[life.currency] += sum(line.total - back for line, back in _lines(life, seller))
        units = sum(line.quantity for life in counting for line, _ in _lines(life, seller))
        series[day] = (len(counting), units, _without_zeros(revenue), _without_zeros(refunds))
    return {day: told for day, told in series.items() if any(told)}


def seen_metrics(body: Seen) -> Seen:
    """The same, from what the API answers."""
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
            day["date"]: told
            for day in body["series"]
            if any(
                told := (
                    *(day["orders"], day["sales"]),
                    *(_minors(day["revenue"]), _minors(day["refunds"])),
                )
            )
        },
    }


def expected_orders(lives: Sequence[Life], seller: str) -> Seen:
    """Each order of the seller: status, own total, what went back of it, the payment, and where to
    ship to: known from the placing on, and changed if it was.
    """
    return {
        life.id: (
            life.status,
            sum(line.total for line, _ in _lines(life, seller)),
            sum(back for _, back in _lines(life, seller)),
            life.payment,
            vars(life.address),
        )
        for life in lives
        if any(line.seller == seller for line in life.lines)
    }


def seen_orders(orders: Sequence[Seen]) -> Seen:
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


def expected_customers(lives: Sequence[Life], seller: str) -> Seen:
    """Each customer of the seller: orders that count, what they brought by currency, and when the
    last order was placed, whether it counts or not.
    """
    orders: Counter[str] = Counter()
    last: dict[str, datetime] = {}
    spent: dict[str, Counter[str]] = defaultdict(Counter)
    for life in lives:
        for line, back in _lines(life, seller):
            counts = life.status in COUNTING
            spent[life.customer][life.currency] += (line.total - back) * counts
        if any(line.seller == seller for line in life.lines):
            orders[life.customer] += life.status in COUNTING
            last[life.customer] = max(last.get(life.customer, BEGAN), life.placed_at)
    return {who: (orders[who], _without_zeros(spent[who]), iso(last[who])) for who in orders}


def seen_customers(customers: Sequence[Seen]) -> Seen:
    return {
        one["id"]: (one["orders"], _minors(one["spent"]), one["lastOrderAt"]) for one in customers
    }


def expected_products(lives: Sequence[Life], seller: str) -> Seen:
    """Each product that the seller ever sold: units, and what they brought by currency."""
    units: Counter[str] = Counter()
    earned: dict[str, Counter[str]] = defaultdict(Counter)
    for life in lives:
        if life.status in COUNTING:
            for line, back in _lines(life, seller):
                units[line.product] += line.quantity
                earned[line.product][life.currency] += line.total - back
    return {one: (units[one], _without_zeros(earned[one])) for one in units}


def seen_products(products: Sequence[Seen]) -> Seen:
    """Those that sold: the catalogue has others, and what was cancelled may leave a row."""
    return {one["id"]: (one["sold"], _minors(one["revenue"])) for one in products if one["sold"]}


def _lines(life: Life, seller: str) -> Iterator[tuple[Line, int]]:
    own = [line for line in life.lines if line.seller == seller]
    return zip(own, life.refunded_of(seller), strict=True)


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(product, count) for product, count in ranked if count > 0][:5]


def _half_up(minor: int, orders: int) -> int:
    return int((Decimal(minor) / orders).quantize(Decimal(1), ROUND_HALF_UP))


def _without_zeros(sums: Any) -> dict[str, int]:
    return {str(currency): minor for currency, minor in sums.items() if minor}


def _minor(amount: Seen) -> int:
    minor: int = round(amount["amount"] * 100)
    return minor


def _minors(amounts: Sequence[Seen]) -> dict[str, int]:
    return {amount["currency"]: _minor(amount) for amount in amounts}
