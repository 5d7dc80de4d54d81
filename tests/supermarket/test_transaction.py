"""DynamoDB transactions: all or nothing, failed conditions as domain errors, retries."""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.exceptions import TransactWriteError

from supermarket import telemetry
from supermarket.clock import from_iso
from supermarket.contracts import Envelope, UserRegistered
from supermarket.dynamo import rows
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction, put_once, update_once
from supermarket.dynamo.writes import ATTEMPTS, FIRST_WAIT_SECONDS, try_write, update_if
from supermarket.errors import (
    Busy,
    Conflict,
    DomainError,
    FieldError,
    Internal,
    Invalid,
    NotFound,
    Unavailable,
)
from supermarket.http import domain_error
from supermarket.transaction import Transaction
from support.in_memory import InMemoryOutbox, InMemoryTransaction
from support.lost_answers import losing_answers
from support.sources import kernel, lambdas

pytestmark = pytest.mark.usefixtures("aws")

KINDS = ("check", "delete", "put", "update")

REGISTERED = UserRegistered(
    user_id="u1",
    username="asha",
    email="asha@example.com",
    first_name="Asha",
    last_name="Rao",
    role="user",
)

type ApiCall = Callable[[str, dict[str, Any]], Any]


class ThingRow(Row):
    """A row for tests, stored in the table of idempotency keys."""

    Meta = table("idempotency")

    id = UnicodeAttribute(hash_key=True)
    changes = NumberAttribute(default=0)


class VersionedRow(Row):
    """A row whose version grows with each write."""

    Meta = table("idempotency")

    id = UnicodeAttribute(hash_key=True)
    version = VersionAttribute()


def exists(thing_id: str) -> bool:
    try:
        ThingRow.get(thing_id, consistent_read=True)
    except ThingRow.DoesNotExist:
        return False
    return True


def error_of(name: str, kind: type[DomainError] = Conflict) -> DomainError:
    return kind(f"{name} is refused", (FieldError(name, "refused"),))


def add(work: DynamoTransaction, kind: str, name: str, *, holds: bool) -> None:
    """Add a write of a kind, with a condition that holds or fails for a missing row."""
    row = ThingRow(name)
    condition = ThingRow.id.does_not_exist() if holds else ThingRow.id.exists()
    on_conflict = error_of(name)
    if kind == "check":
        work.condition_check(row, condition, on_conflict)
    elif kind == "delete":
        work.delete(row, condition, on_conflict)
    elif kind == "put":
        work.put(row, condition, on_conflict)
    else:
        work.update(row, [ThingRow.changes.set(1)], condition, on_conflict)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts in seconds, recorded instead of waited."""
    seconds: list[float] = []
    monkeypatch.setattr("supermarket.dynamo.writes.time.sleep", seconds.append)
    return seconds


@pytest.fixture
def api_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ApiCall]]:
    """Replacements of the next DynamoDB calls, one each; later calls are real."""
    client = rows.database().client
    real = client._make_api_call
    instead: list[ApiCall] = []

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        return (instead.pop(0) if instead else real)(operation, arguments)

    monkeypatch.setattr(client, "_make_api_call", call)
    yield instead
    assert instead == []


def failing(code: str, reasons: list[str] | None = None) -> ApiCall:
    """Return a call that fails with an error code and the reasons of the writes."""

    def fail(operation: str, arguments: dict[str, Any]) -> Any:
        response: dict[str, Any] = {"Error": {"Code": code, "Message": code}}
        if reasons is not None:
            response["CancellationReasons"] = [{"Code": reason} for reason in reasons]
        raise ClientError(response, operation)  # type: ignore[arg-type] # botocore's own fields

    return fail


def cancelled(*reasons: str) -> ApiCall:
    return failing("TransactionCanceledException", list(reasons))


# --- all or nothing ---------------------------------------------------------------------------


def test_all_writes_happen_when_all_conditions_hold() -> None:
    ThingRow("old").save()
    work = DynamoTransaction()
    work.put(ThingRow("new"), ThingRow.id.does_not_exist(), error_of("new"))
    work.update(ThingRow("counted"), [ThingRow.changes.add(2)])
    work.delete(ThingRow("old"), ThingRow.id.exists())
    work.condition_check(ThingRow("free"), ThingRow.id.does_not_exist(), error_of("free"))
    work.commit()
    assert not exists("free")
    assert exists("new")
    assert not exists("old")
    assert ThingRow.get("counted").changes == 2


@pytest.mark.parametrize("refused_kind", KINDS)
def test_no_write_happens_when_one_condition_fails(refused_kind: str) -> None:
    work = DynamoTransaction()
    for kind in KINDS:
        add(work, kind, kind, holds=kind != refused_kind)
    work.emit(REGISTERED)
    with pytest.raises(Conflict) as refused:
        work.commit()
    assert refused.value.message == f"{refused_kind} is refused"
    assert list(ThingRow.scan()) == []
    assert list(OutboxRow.scan()) == []


def test_the_outbox_gets_a_row_only_when_the_transaction_commits() -> None:
    telemetry.begin("request-1", "event-0")
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    work.emit(REGISTERED)
    assert list(OutboxRow.scan()) == []
    work.commit()

    (row,) = OutboxRow.scan()
    envelope = Envelope.model_validate_json(row.detail)
    assert (row.source, row.detail_type) == ("supermarket.auth", "UserRegistered")
    assert UserRegistered.model_validate(envelope.data) == REGISTERED
    metadata = envelope.metadata
    assert (metadata.event_id, metadata.version) == (row.event_id, 1)
    assert (metadata.correlation_id, metadata.causation_id) == ("request-1", "event-0")
    assert metadata.occurred_at == from_iso(row.occurred_at)


def test_every_emitted_event_has_its_own_id() -> None:
    work = DynamoTransaction()
    work.emit(REGISTERED)
    work.emit(REGISTERED)
    work.commit()
    assert len({row.event_id for row in OutboxRow.scan()}) == 2


# --- failed conditions ------------------------------------------------------------------------

WRITES = st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=12)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WRITES)
def test_failed_conditions_are_reported_in_the_order_of_the_writes(
    monkeypatch: pytest.MonkeyPatch, writes: list[tuple[str, bool]]
) -> None:
    failed = {f"{place}" for place, (_, holds) in enumerate(writes) if not holds}
    work = DynamoTransaction()
    for place, (kind, holds) in enumerate(writes):
        add(work, kind, f"{place}", holds=holds)

    def fail_conditions(operation: str, arguments: dict[str, Any]) -> Any:
        """Fail the writes in `failed`, at the places at which they are sent."""
        names = [_sent_name(item) for item in arguments["TransactItems"]]
        assert sorted(names) == sorted(f"{place}" for place in range(len(writes)))
        if not failed:
            return {}
        reasons = ["ConditionalCheckFailed" if name in failed else "None" for name in names]
        return cancelled(*reasons)(operation, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(rows.database().client, "_make_api_call", fail_conditions)
        reported = _failed_fields(work)
    assert reported == sorted(failed, key=int)


def _sent_name(item: dict[str, Any]) -> str:
    ((_, write),) = item.items()
    return str((write.get("Key") or write["Item"])["id"]["S"])


def _failed_fields(work: DynamoTransaction) -> list[str]:
    try:
        work.commit()
    except Conflict as refused:
        fields = [error.field for error in refused.errors]
        return fields if refused.message == f"{fields[0]} is refused" else [refused.message]
    return []


def test_failed_conditions_are_reported_in_the_same_order_in_memory() -> None:
    in_memory = InMemoryTransaction(InMemoryOutbox().events)
    real = DynamoTransaction()
    for kind, name in (("update", "first"), ("put", "second"), ("delete", "third")):
        add(real, kind, name, holds=False)
        in_memory.add(lambda: False, lambda: None, error_of(name))
    errors = []
    for work in (in_memory, real):
        with pytest.raises(Conflict) as refused:
            work.commit()
        errors.append((refused.value.message, refused.value.errors))
    assert errors[0] == errors[1]


def test_the_first_failed_condition_determines_the_error_class() -> None:
    work = DynamoTransaction()
    work.update(
        ThingRow("a"), [ThingRow.changes.set(1)], ThingRow.id.exists(), error_of("a", Invalid)
    )
    work.put(ThingRow("b"), ThingRow.id.exists(), error_of("b", NotFound))
    with pytest.raises(Invalid) as refused:
        work.commit()
    assert [error.field for error in refused.value.errors] == ["a", "b"]


def test_a_failed_condition_without_on_conflict_is_an_error() -> None:
    work = DynamoTransaction()
    work.put(ThingRow("a"), ThingRow.id.exists())
    with pytest.raises(RuntimeError, match="without `on_conflict`"):
        work.commit()


# --- retries ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_transaction_conflict_is_retried_until_it_succeeds(
    api_calls: list[ApiCall], waits: list[float], reason: str
) -> None:
    api_calls.extend([cancelled("None", reason), cancelled(reason, reason)])
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    work.emit(REGISTERED)
    work.commit()
    assert exists("new")
    assert len(list(OutboxRow.scan())) == 1
    assert len(waits) == 2


def test_the_waits_between_attempts_grow_and_are_random(
    api_calls: list[ApiCall], waits: list[float]
) -> None:
    api_calls.extend([cancelled("TransactionConflict")] * (ATTEMPTS - 1))
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    work.commit()
    assert all(0 <= wait <= FIRST_WAIT_SECONDS * 2**attempt for attempt, wait in enumerate(waits))
    assert len(set(waits)) == len(waits)


def test_too_many_transaction_conflicts_raise_busy_and_change_nothing(
    api_calls: list[ApiCall], waits: list[float]
) -> None:
    api_calls.extend([cancelled("TransactionConflict", "None")] * ATTEMPTS)
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    work.emit(REGISTERED)
    with pytest.raises(Busy, match="Try again"):
        work.commit()
    assert not exists("new")
    assert list(OutboxRow.scan()) == []
    assert len(waits) == ATTEMPTS


class ThingBusy(Busy):
    """Other transactions hold a thing."""


def add_with_on_busy(work: DynamoTransaction, name: str) -> None:
    """Add an update that raises `ThingBusy` while another transaction holds its row."""
    is_new = ThingRow.id.does_not_exist()
    changes = [ThingRow.changes.set(1)]
    work.update(ThingRow(name), changes, is_new, error_of(name), ThingBusy(f"{name} is busy"))


@pytest.mark.parametrize(
    "reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_held_row_with_on_busy_is_reported_at_once(
    api_calls: list[ApiCall], waits: list[float], reason: str
) -> None:
    api_calls.append(cancelled("None", "None", reason))
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    add_with_on_busy(work, "free")
    add_with_on_busy(work, "held")
    with pytest.raises(ThingBusy, match="held is busy"):
        work.commit()
    assert waits == []
    assert not exists("new")


def test_a_transaction_is_repeated_while_only_rows_without_on_busy_are_held(
    api_calls: list[ApiCall], waits: list[float]
) -> None:
    api_calls.append(cancelled("TransactionConflict", "None"))
    work = DynamoTransaction()
    add_with_on_busy(work, "free")
    work.put(ThingRow("held"))  # puts are sent before updates
    work.commit()
    assert exists("free")
    assert exists("held")
    assert len(waits) == 1


def test_a_failed_condition_is_reported_rather_than_a_held_row(
    api_calls: list[ApiCall], waits: list[float]
) -> None:
    api_calls.append(cancelled("TransactionConflict", "ConditionalCheckFailed"))
    work = DynamoTransaction()
    add_with_on_busy(work, "held")
    add_with_on_busy(work, "refused")
    with pytest.raises(Conflict, match="refused is refused"):
        work.commit()
    assert waits == []


def test_a_failed_condition_of_a_write_with_on_busy_raises_on_conflict() -> None:
    ThingRow("old").save()
    work = DynamoTransaction()
    add_with_on_busy(work, "old")
    with pytest.raises(Conflict, match="old is refused"):
        work.commit()


def test_a_row_that_stays_held_is_busy_for_a_single_write(
    api_calls: list[ApiCall], waits: list[float]
) -> None:
    api_calls.extend([failing("TransactionConflictException")] * ATTEMPTS)
    with pytest.raises(Busy, match="Try again"):
        try_write(ThingRow("new").save)
    assert len(waits) == ATTEMPTS
    assert not exists("new")


def test_a_failed_condition_beside_a_transaction_conflict_is_not_retried(
    api_calls: list[ApiCall], waits: list[float]
) -> None:
    api_calls.append(cancelled("TransactionConflict", "ConditionalCheckFailed"))
    work = DynamoTransaction()
    add(work, "put", "a", holds=True)
    add(work, "put", "b", holds=True)
    with pytest.raises(Conflict, match="b is refused"):
        work.commit()
    assert waits == []


def test_an_invalid_write_is_raised_without_a_retry(
    api_calls: list[ApiCall], waits: list[float]
) -> None:
    api_calls.append(cancelled("ValidationError"))
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    with pytest.raises(TransactWriteError):
        work.commit()
    assert waits == []


@pytest.mark.parametrize(
    "code", ["InternalServerError", "ThrottlingException", "RequestLimitExceeded"]
)
def test_a_database_error_raises_unavailable_and_is_logged(
    api_calls: list[ApiCall], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    api_calls.append(failing(code))
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    with pytest.raises(Unavailable):
        work.commit()
    assert code in caplog.records[-1].problem  # type: ignore[attr-defined]


def test_a_database_timeout_raises_unavailable(api_calls: list[ApiCall]) -> None:
    def time_out(operation: str, arguments: dict[str, Any]) -> Any:
        raise ReadTimeoutError(endpoint_url="https://dynamodb.example")

    api_calls.append(time_out)
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    with pytest.raises(Unavailable):
        work.commit()


@pytest.mark.parametrize(
    "code",
    ["ValidationException", "AccessDeniedException", "IdempotentParameterMismatchException"],
)
def test_a_transaction_that_can_never_succeed_is_not_reported_as_unavailable(
    api_calls: list[ApiCall], waits: list[float], code: str
) -> None:
    api_calls.append(failing(code))
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    with pytest.raises(TransactWriteError) as failure:
        work.commit()
    assert isinstance(domain_error(failure.value), Internal)
    assert waits == []


def test_a_row_that_is_written_twice_is_a_mistake_of_ours() -> None:
    work = DynamoTransaction()
    work.put(ThingRow("new"))
    work.update(ThingRow("new"), [ThingRow.changes.set(1)])
    with pytest.raises(TransactWriteError) as failure:
        work.commit()
    assert isinstance(domain_error(failure.value), Internal)


# --- lost answers -----------------------------------------------------------------------------

IS_BELOW_NINE = ThingRow.changes < 9


def test_a_repeated_update_adds_twice_and_fails_its_own_condition() -> None:
    ThingRow("t").save()
    with losing_answers() as lost:
        ThingRow("t").update([ThingRow.changes.add(1)])
        assert not update_if(ThingRow("t"), [ThingRow.changes.set(9)], IS_BELOW_NINE)
    assert lost == ["UpdateItem", "UpdateItem"]
    assert ThingRow.get("t").changes == 9


# each may be sent twice: the counters of limits count one more, the rest adds to a set or reserves
# one call more
SINGLE_ADDITIONS = {
    "supermarket.dynamo.rate_limits.count",
    "supermarket.dynamo.sessions.open",
    "notification.repository._count_up",
    "notification.repository.release",
    "ai_buddy.conversations.repository.count_frame",
    "payment.reconciliation.repository.reserve",
}


def test_only_additions_that_may_happen_twice_are_made_outside_of_transactions() -> None:
    """A write of one row that the SDK sends again after a lost answer adds once more."""
    found = {
        f"{source.name}.{function.name}"
        for source in (*lambdas(), *kernel())
        for function in ast.walk(source.tree)
        if isinstance(function, ast.FunctionDef) and _adds_alone(function)
    }
    assert found <= SINGLE_ADDITIONS, "use update_once"


def _adds_alone(function: ast.FunctionDef) -> bool:
    calls = [ast.unparse(each.func) for each in ast.walk(function) if isinstance(each, ast.Call)]
    adds = any(re.fullmatch(r"\w*Row\.\w+\.add", call) for call in calls)
    return adds and any(call == "update_if" or call == "row.update" for call in calls)


def test_an_update_once_is_applied_once_and_reports_its_success() -> None:
    ThingRow("t").save()
    with losing_answers() as lost:
        assert update_once(ThingRow("t"), [ThingRow.changes.add(1)], IS_BELOW_NINE)
        assert ThingRow.get("t").changes == 1
        assert update_once(ThingRow("t"), [ThingRow.changes.set(9)], IS_BELOW_NINE)
        assert not update_once(ThingRow("t"), [ThingRow.changes.set(9)], IS_BELOW_NINE)
    assert set(lost) == {"TransactWriteItems"}


def test_a_put_once_reports_whether_the_version_was_unchanged() -> None:
    with losing_answers():
        assert put_once(VersionedRow("v"))
        assert not put_once(VersionedRow("v"))
        read = VersionedRow.get("v")
        assert put_once(read)
    assert VersionedRow.get("v").version == 2


def require_another(transaction: Transaction) -> None:
    missing = NotFound("other")
    DynamoTransaction.of(transaction).put(ThingRow("other"), ThingRow.id.exists(), missing)


@pytest.mark.parametrize("holds", [True, False])
def test_further_writes_of_an_update_once_come_first(holds: bool) -> None:
    with pytest.raises(NotFound):
        update_once(
            ThingRow("t"),
            [ThingRow.changes.set(1)],
            ThingRow.id.does_not_exist() if holds else ThingRow.id.exists(),
            require_another,
        )
    assert list(ThingRow.scan()) == []


def test_a_repository_accepts_only_transactions_of_its_own_class() -> None:
    work = DynamoTransaction()
    assert DynamoTransaction.of(work) is work
    with pytest.raises(TypeError):
        DynamoTransaction.of(InMemoryOutbox().begin())


def test_a_transaction_has_a_client_request_token() -> None:
    sent: list[bytes] = []
    events = rows.database().client.meta.events

    def record(params: dict[str, Any], **_: Any) -> None:
        sent.append(params["body"])

    events.register_first("before-call.dynamodb.TransactWriteItems", record)
    try:
        work = DynamoTransaction()
        work.put(ThingRow("new"))
        work.commit()
    finally:
        events.unregister("before-call.dynamodb.TransactWriteItems", record)
    assert b"ClientRequestToken" in sent[0]
