"""Digests: one mail to a seller and period, whatever happens to how many products."""

from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from notification.digests import MAX_LINES
from notification.model import DIGEST_GRACE, Digest
from supermarket.contracts import Metadata, ProductCreated
from supermarket.people import Recipient
from support.notification import Desk, asha, metadata, product_created, stock_ran_low

HOUR = timedelta(hours=1)


def always() -> bool:
    return True


def created(product_id: str) -> ProductCreated:
    return product_created().model_copy(update={"product_id": product_id, "title": product_id})


def occurred(at: datetime, event_id: str = "event-1") -> Metadata:
    return metadata(event_id).model_copy(update={"occurred_at": at})


def send(desk: Desk) -> None:
    desk.clock.advance(2 * HOUR)
    desk.digest_service.send_due(desk.clock(), always)


def test_two_thousand_products_in_an_hour_are_one_mail() -> None:
    desk = Desk()
    for number in range(2_000):
        desk.digest_service.add(created(f"p{number}"), metadata(f"event-{number}"))
    assert desk.bag.mails == []
    send(desk)
    [mail] = desk.bag.mails
    assert mail.subject == f"Your products: more than {MAX_LINES} changes"
    assert mail.body.text.count("in stock") == MAX_LINES
    assert "There are more." in mail.body.text
    send(desk)
    assert len(desk.bag.mails) == 1
    assert desk.digests.due == {}


def test_each_seller_has_a_digest_and_low_stock_comes_first() -> None:
    desk = Desk()
    ravi = created("r1").model_copy(update={"seller": Recipient("u2", "r@x.in", "R")})
    for event in (created("p1"), stock_ran_low(title="p2"), ravi):
        desk.digest_service.add(event, metadata())
    send(desk)
    mails = {mail.to: mail for mail in desk.bag.mails}
    assert mails.keys() == {"asha@example.com", "r@x.in"}
    assert mails["r@x.in"].subject == "On sale: r1"
    text = mails["asha@example.com"].body.text
    assert 0 < text.index("p2") < text.index("p1")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=20))
def test_the_newest_stock_of_a_product_is_shown_in_any_order_of_events(
    moves: list[tuple[str, int]],
) -> None:
    desk = Desk()
    for product_id, revision in moves:
        event = stock_ran_low(f"Tea {product_id}.", stock=100 - revision, product_id=product_id)
        event = event.model_copy(update={"stock_revision": revision})
        desk.digest_service.add(event, metadata(f"{product_id}{revision}"))
    send(desk)
    text = " ".join(mail.body.text for mail in desk.bag.mails)
    for product_id in {product_id for product_id, _ in moves}:
        newest = max(revision for one, revision in moves if one == product_id)
        lines = [line.strip() for line in text.splitlines()]
        assert lines[lines.index(f"Tea {product_id}.") + 1] == f"{100 - newest} in stock"


@given(
    st.lists(st.tuples(st.integers(0, 179), st.integers(0, 240)), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_every_product_is_in_exactly_one_digest_however_late_its_events_are(
    news: list[tuple[int, int]], random: Random
) -> None:
    """Events occur in three hours, arrive up to four hours later, most of them at once and twice;
    digests are sent every minute.
    """
    desk = Desk(mails_per_hour=1_000)
    arrivals: dict[int, list[tuple[int, int]]] = {}
    for number, (minute, delay) in enumerate(news):
        late = delay if random.random() < 0.3 else 0
        arrivals.setdefault(minute + late, []).append((number, minute))
    for minute in range(600):
        desk.clock.now = NOON + timedelta(minutes=minute)
        for number, occurred_in in arrivals.get(minute, []):
            at = NOON + timedelta(minutes=occurred_in)
            for _ in range(2):
                desk.digest_service.add(created(f"p{number}."), occurred(at))
        desk.digest_service.send_due(desk.clock(), always)
    lines = [line.strip() for mail in desk.bag.mails for line in mail.body.text.splitlines()]
    for number in range(len(news)):
        assert lines.count(f"p{number}.") == 1
    assert len(desk.bag.mails) <= 8  # periods that the events occur or arrive in


def test_a_repeated_event_within_the_grace_belongs_to_the_same_digest() -> None:
    at = NOON + timedelta(minutes=59)
    first = Digest.of(asha(), at, at, HOUR)
    repeated = Digest.of(asha(), at, NOON + HOUR + DIGEST_GRACE / 2, HOUR)
    late = Digest.of(asha(), at, NOON + HOUR + DIGEST_GRACE, HOUR)
    assert first == repeated
    assert first.due > NOON + HOUR + DIGEST_GRACE + timedelta(seconds=30)
    assert late.period_start == NOON + HOUR


def test_digests_of_many_sellers_are_due_at_different_times() -> None:
    sellers = [Recipient(f"seller-{number}", "a@x.in", "A") for number in range(1_000)]
    due = {Digest.of(seller, NOON, NOON, HOUR).due for seller in sellers}
    assert len(due) > 400


def test_a_throttled_digest_is_sent_by_a_later_run() -> None:
    desk = Desk()
    desk.digest_service.add(created("p1"), metadata())
    desk.bag.is_throttled = True
    desk.clock.advance(2 * HOUR)
    assert desk.digest_service.send_due(desk.clock(), always)["postponed"] == 1
    desk.bag.is_throttled = False
    desk.wait_for_redelivery()
    assert desk.digest_service.send_due(desk.clock(), always)["sent"] == 1
    assert len(desk.bag.mails) == len(desk.inbox) == 1


def test_a_rejected_digest_is_logged_and_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.digest_service.add(created("p1"), metadata())
    desk.bag.refuses = True
    desk.clock.advance(2 * HOUR)
    assert desk.digest_service.send_due(desk.clock(), always)["rejected"] == 1
    assert "digest rejected" in caplog.text
    assert desk.digests.due == {}


def test_one_failed_digest_does_not_hold_up_the_others() -> None:
    desk = Desk()
    for number in range(3):
        seller = Recipient(f"u{number}", f"{number}@x.in", "A")
        event = created("p1").model_copy(update={"seller": seller})
        desk.digest_service.add(event, metadata())
    del desk.digests._lines[next(iter(desk.digests.due))]
    desk.clock.advance(2 * HOUR)
    outcomes = desk.digest_service.send_due(desk.clock(), always)
    assert (outcomes["failed"], outcomes["sent"]) == (1, 2)


def test_a_run_without_time_leaves_the_rest_to_the_next_one() -> None:
    desk = Desk()
    desk.digest_service.add(created("p1"), metadata())
    desk.clock.advance(2 * HOUR)
    assert desk.digest_service.send_due(desk.clock(), lambda: False) == {"unfinished": 1}
    assert desk.digest_service.send_due(desk.clock(), always)["sent"] == 1


def test_a_digest_is_claimed_by_one_of_two_runs() -> None:
    desk = Desk(clock=FrozenClock())
    desk.digest_service.add(created("p1"), metadata())
    [digest] = desk.digests.due.values()
    desk.clock.advance(2 * HOUR)
    desk.digest_service.send_due(desk.clock(), always)
    desk.digests.due[digest.id] = digest  # the first run crashed before it removed the digest
    desk.digest_service.send_due(desk.clock(), always)
    assert len(desk.bag.mails) == 1
