"""Waiting mails: their events pass their queues again when they are due, and none is lost."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from notification import jobs, wiring
from notification.gateways import SqsMailQueues
from notification.model import MailClass, WaitingMail
from notification.repository import DynamoWaitingMails
from notification.service import DueMails
from supermarket.config import mail_queue_name
from support import cloud
from support.jobs import AContext
from support.notification import InMemoryQueues, InMemoryWaitingMails

MINUTE = timedelta(minutes=1)


def always() -> bool:
    return True


def a_mail(number: int, mail_class: MailClass = MailClass.ORDER) -> WaitingMail:
    return WaitingMail(f"event-{number}", mail_class, NOON + number * MINUTE, f'{{"n": {number}}}')


def test_mails_go_to_the_queue_of_their_class_when_they_are_due() -> None:
    waiting, queues = InMemoryWaitingMails(), InMemoryQueues()
    for number, mail_class in enumerate(MailClass):
        waiting.add(a_mail(number, mail_class))
    due_mails = DueMails(waiting, queues)
    assert due_mails.requeue(NOON + MINUTE, always)["requeued"] == 2
    assert queues.sent == {
        MailClass.SECURITY: ['{"n": 0}'],
        MailClass.ORDER: ['{"n": 1}'],
        MailClass.BULK: [],
    }
    assert due_mails.overdue(NOON + 5 * MINUTE) == 3 * MINUTE
    assert due_mails.overdue(NOON) == timedelta()


@given(st.lists(st.sampled_from(["send", "remove", None]), min_size=1, max_size=20))
def test_a_sweep_that_is_killed_anywhere_loses_no_mail(faults: list[str | None]) -> None:
    class Killed(Exception):
        """The process ends."""

    class Waiting(InMemoryWaitingMails):
        def remove(self, mails: Any) -> None:
            if fault == "remove":
                raise Killed
            super().remove(mails)

    class Queues(InMemoryQueues):
        def send(self, mails: Any) -> Any:
            if fault == "send":
                raise Killed
            return super().send(mails)

    waiting, queues = Waiting(), Queues()
    for number in range(250):
        waiting.add(a_mail(number))
    for fault in [*faults, None]:  # noqa: B007 - the closures read it
        try:
            DueMails(waiting, queues).requeue(NOON + 999 * MINUTE, always)
        except Killed:
            continue
    assert {json.loads(body)["n"] for body in queues.sent[MailClass.ORDER]} == set(range(250))
    assert waiting.mails == {}


def test_mails_that_a_queue_refuses_stay() -> None:
    waiting, queues = InMemoryWaitingMails(), InMemoryQueues()
    waiting.add(a_mail(0))
    queues.broken = True
    assert DueMails(waiting, queues).requeue(NOON, always)["failed"] == 1
    queues.broken = False
    assert DueMails(waiting, queues).requeue(NOON, always)["requeued"] == 1


@pytest.mark.usefixtures("aws")
def test_a_queue_that_does_not_take_one_mail_takes_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sqs = cloud.client("sqs")
    sqs.create_queue(QueueName=mail_queue_name(MailClass.ORDER))
    good, bad = a_mail(1), a_mail(2, MailClass.BULK)  # there is no queue for it
    queues = SqsMailQueues(sqs)
    assert queues.send([good, bad]) == [good]
    assert "event not sent" in caplog.text


@pytest.mark.usefixtures("aws")
def test_the_job_moves_a_thousand_rows_to_their_queues_in_one_run(
    monkeypatch: pytest.MonkeyPatch, clock: FrozenClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The orders of a minute at 1,000 orders a minute."""
    sqs = cloud.client("sqs")
    urls = {
        each: sqs.create_queue(QueueName=mail_queue_name(each))["QueueUrl"] for each in MailClass
    }
    waiting = DynamoWaitingMails()
    classes = [*MailClass]
    with cloud.storing_directly():
        for number in range(1_000):
            mail = WaitingMail(f"event-{number}", classes[number % 3], NOON, str(number))
            waiting.add(mail)
    waiting.add(a_mail(1))
    clock.now = NOON
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    monkeypatch.setattr(wiring, "due_mails", lambda: DueMails(waiting, SqsMailQueues(sqs)))
    counts = jobs.requeue_due_mails({}, AContext())
    assert counts == {"requeued": 1_000, "failed": 0, "unfinished": 0}
    sizes = [
        int(
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"][
                "ApproximateNumberOfMessages"
            ]
        )
        for url in urls.values()
    ]
    assert sizes == [334, 333, 333]
    assert waiting.find_oldest() == NOON + MINUTE
    assert '"MailsOverdue"' in capsys.readouterr().out
