"""The published schemas, the event classes and the samples agree."""

import json
import os
import re
import shutil
import subprocess
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from local import contracts
from local.contracts import advice, broken, outdated
from local.contracts.history import NoHistory, committed
from local.contracts.schemas import file_name, schema
from supermarket.contracts import EVENTS, Envelope
from support.contracts import EVENTS_FOLDER, SAMPLES, sample

NAMES = list(EVENTS)
# git sets GIT_DIR for a hook, which belongs to another repository
GIT_FREE = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
SECRETS = re.compile(r"password|token|secret|signature|hash|card", re.IGNORECASE)


@cache
def validator(name: str) -> Draft202012Validator:
    written = json.loads((EVENTS_FOLDER / "contracts" / file_name(EVENTS[name])).read_text())
    Draft202012Validator.check_schema(written)
    return Draft202012Validator(written, format_checker=FormatChecker())


def names_in(schema: Any) -> set[str]:
    """The names of all fields, at every depth."""
    if isinstance(schema, list):
        return {name for part in schema for name in names_in(part)}
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", ())).union(*(names_in(part) for part in schema.values()))


def test_no_published_version_is_broken() -> None:
    faults = broken()
    assert not faults, advice(faults)


def test_every_committed_version_of_a_schema_is_read_from_git(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        command = ["git", *identity, *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, env=GIT_FREE)  # noqa: S603 - git only

    folder, file = tmp_path / "contracts", tmp_path / "contracts" / "OrderPlaced.v1.schema.json"
    folder.mkdir()
    git("init", "--quiet")
    for version in (1, 2):
        file.write_text(json.dumps({"version": version}))
        git("add", ".")
        git("commit", "--quiet", "--message", f"Version {version}")
    file.unlink()
    git("commit", "--quiet", "--all", "--message", "Removed")

    read = sorted(committed(folder), key=lambda named: named[1]["version"])
    assert read == [(file.name, {"version": 1}), (file.name, {"version": 2})]


def test_without_git_the_schema_files_are_the_published_schemas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EVENTS_FOLDER / "contracts", tmp_path / "contracts")
    with pytest.raises(NoHistory):
        list(committed(tmp_path / "contracts"))
    monkeypatch.setattr(contracts, "EVENTS_FOLDER", tmp_path)
    file = tmp_path / "contracts" / file_name(EVENTS["OrderPlaced"])
    file.write_text(file.read_text().replace("reservedUntil", "heldUntil"))
    assert "contracts/OrderPlaced.v1.schema.json: data.heldUntil is gone" in broken()


def test_generated_contract_files_are_up_to_date() -> None:
    assert outdated() == [], "write them: python -m local contracts --write"


def test_every_event_has_one_sample() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_the_shape_of_an_event_bridge_event(name: str) -> None:
    event = sample(name)
    assert (event["detail-type"], event["source"]) == (EVENTS[name].NAME, EVENTS[name].SOURCE)
    assert event.keys() == {
        *("version", "id", "detail-type", "source", "account", "time", "region", "resources"),
        "detail",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_matches_its_schema(name: str) -> None:
    faults = [
        f"{'.'.join(map(str, fault.absolute_path))}: {fault.message}"
        for fault in validator(name).iter_errors(sample(name)["detail"])
    ]
    assert not faults, f"correct events/samples/eventbridge/{name}.json, or its class: {faults}"


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_read_and_written_unchanged_by_its_class(name: str) -> None:
    detail = sample(name)["detail"]
    envelope = Envelope.model_validate(detail)
    assert envelope.metadata.version == EVENTS[name].VERSION
    assert envelope.metadata.model_dump(mode="json") == detail["metadata"]
    assert EVENTS[name].model_validate(envelope.data).model_dump(mode="json") == detail["data"]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_refuses_an_event_without_a_required_field(name: str) -> None:
    detail = sample(name)["detail"]
    required = [field.alias for field in EVENTS[name].model_fields.values() if field.is_required()]
    for field in required:
        broken = deepcopy(detail)
        del broken["data"][field]
        with pytest.raises(ValidationError):
            validator(name).validate(broken)


@pytest.mark.parametrize("name", NAMES)
def test_an_additional_field_is_compatible(name: str) -> None:
    detail = sample(name)["detail"]
    detail["data"]["somethingNew"] = {"deep": 1}
    validator(name).validate(detail)
    EVENTS[name].model_validate(detail["data"])


@pytest.mark.parametrize("name", NAMES)
def test_an_event_carries_no_secret(name: str) -> None:
    fields = names_in(schema(EVENTS[name]))
    assert [field for field in fields if SECRETS.search(field)] == []


def test_writing_does_not_change_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "events"
    shutil.copytree(EVENTS_FOLDER, folder)
    monkeypatch.setattr(contracts, "EVENTS_FOLDER", folder)
    (folder / "notes.json").write_text("mine")
    (folder / ".DS_Store").write_bytes(b"\x00\xff")
    (folder / "asyncapi.json").unlink()
    assert contracts.outdated() == ["asyncapi.json", "notes.json"]
    assert contracts.write() == ["asyncapi.json"]
    assert (folder / "notes.json").read_text() == "mine"
