"""The audit trail in DynamoDB: actor, action, state before and after, and request."""

import pytest

from conftest import FrozenClock
from supermarket import telemetry
from supermarket.clock import iso
from supermarket.dynamo.audit import AuditRow, DynamoAuditTrail
from supermarket.dynamo.transaction import DynamoTransaction

pytestmark = pytest.mark.usefixtures("aws")

SUBJECT, BEFORE, AFTER = "order#o1", {"status": "CONFIRMED", "note": None}, {"status": "SHIPPED"}


def record(clock: FrozenClock, *ids: str) -> DynamoTransaction:
    transaction = DynamoTransaction()
    for id_ in ids:
        DynamoAuditTrail(clock, lambda id_=id_: id_).record(  # type: ignore[misc]
            transaction, subject=SUBJECT, action="shipped", actor="u1", before=BEFORE, after=AFTER
        )
    return transaction


def test_an_audit_entry_is_stored_with_all_fields_and_its_request(clock: FrozenClock) -> None:
    telemetry.begin("request-1", "event-1")
    record(clock, "a1").commit()
    (row,) = AuditRow.query(SUBJECT)
    assert row.sk == f"{iso(clock.now)}#a1"
    assert (row.action, row.actor, row.before, row.after) == ("shipped", "u1", BEFORE, AFTER)
    assert (row.correlation_id, row.causation_id) == ("request-1", "event-1")


def test_an_audit_entry_is_stored_only_when_the_transaction_commits(clock: FrozenClock) -> None:
    record(clock, "a1")
    assert not list(AuditRow.query(SUBJECT))


def test_two_audit_entries_of_the_same_moment_are_both_stored(clock: FrozenClock) -> None:
    record(clock, "a1", "a2").commit()
    assert [row.sk[-2:] for row in AuditRow.query(SUBJECT)] == ["a1", "a2"]


def test_an_audit_entry_is_never_replaced(clock: FrozenClock) -> None:
    record(clock, "a1").commit()
    with pytest.raises(RuntimeError):
        record(clock, "a1").commit()
    assert len(list(AuditRow.query(SUBJECT))) == 1
