"""Rows: dataclasses as native attributes, table names on first use, conditional writes."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.expressions.operand import Path

from supermarket.aws import error_code
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.writes import try_write, update_if
from supermarket.money import Currency, Money
from support.domains import ROOT
from support.sources import lambdas


class Colour(StrEnum):
    """A colour."""

    RED = "RED"


@dataclass(frozen=True)
class Part:
    """A part of a thing."""

    name: str
    price: Money
    weight: float = 0.5


@dataclass(frozen=True)
class Thing:
    """Everything that a mapped dataclass may hold."""

    colour: Colour
    made_at: datetime
    part: Part
    parts: tuple[Part, ...] = ()
    note: str | None = None
    revision: int = field(default=0, compare=False)


class ThingRow(Row):
    """A thing, in one of the template's tables."""

    Meta = table("order")

    id = UnicodeAttribute(hash_key=True, attr_name="orderId")
    thing = Mapped[Thing](Thing, exclude=frozenset({"revision"}))
    parts = Mapped[tuple[Part, ...]](tuple[Part, ...], null=True)
    uses = NumberAttribute(default=0)


PART = Part("lid", Money(250, Currency.INR))
THING = Thing(
    Colour.RED, datetime(2026, 11, 29, 9, 30, 0, 5000, tzinfo=UTC), PART, (PART, PART), revision=7
)


@pytest.fixture
def row(aws: None) -> ThingRow:
    stored = ThingRow("t1", thing=THING, parts=THING.parts)
    stored.save()
    return stored


def test_a_mapped_dataclass_is_read_as_it_was_written(row: ThingRow) -> None:
    read = ThingRow.get("t1")
    assert (read.thing, read.parts) == (THING, THING.parts)


def test_a_row_is_found_by_its_key(row: ThingRow) -> None:
    found = ThingRow.find("t1")
    assert found is not None
    assert found.thing == THING
    assert ThingRow.find("t2") is None


def test_an_excluded_field_is_not_stored(row: ThingRow) -> None:
    assert ThingRow.get("t1").thing.revision == 0


def test_conditions_and_updates_name_parts_of_a_mapped_dataclass(row: ThingRow) -> None:
    costs_250, costs_300 = (Path("thing.part.price.minor") == minor for minor in (250, 300))
    rename = Path("thing.part.name").set("cover")
    assert update_if(row, [rename], costs_250 & (Path("thing.colour") == "RED"))
    assert row.thing.part.name == "cover"
    assert not update_if(row, [rename], costs_300)


def test_a_mapped_dataclass_can_be_compared_as_a_whole(row: ThingRow) -> None:
    as_read = (ThingRow.thing == THING) & (ThingRow.parts == THING.parts)
    other = replace(THING, note="other")
    assert update_if(row, [ThingRow.thing.set(other), ThingRow.parts.set((PART,))], as_read)
    assert (row.thing, row.parts) == (other, (PART,))
    assert not update_if(row, [ThingRow.uses.add(1)], as_read)


def test_a_write_whose_condition_fails_is_reported_as_false(row: ThingRow) -> None:
    is_new = ThingRow.id.does_not_exist()
    assert try_write(lambda: ThingRow("t2", thing=THING).save(condition=is_new))
    assert not try_write(lambda: ThingRow("t2", thing=THING).save(condition=is_new))


def test_any_other_write_error_is_raised(aws: None) -> None:
    with pytest.raises(PutError) as failure:
        try_write(lambda: ThingRow("", thing=THING).save())
    assert error_code(failure.value) == "ValidationException"


def test_repositories_are_imported_without_an_environment() -> None:
    environment = {name: os.environ[name] for name in ("PATH", "LAMBDA_TASK_ROOT")}
    found = [source.name for source in lambdas() if source.room == "repository"]
    program = "; ".join(f"import {name}" for name in found)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-c", program],
        env={**environment, "PYTHONPATH": str(ROOT / "functions")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
