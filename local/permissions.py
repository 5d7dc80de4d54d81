"""Compares each function's permissions with the calls that it made: least privilege."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from local.emulator import Emulator
from local.stack import STACK

REASONS = Path(__file__).with_name("permissions.toml")
AWS_MANAGED = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True, order=True)
class Permission:
    """An action on a resource that a function's role allows; each can be a pattern."""

    function: str
    action: str
    resource: str

    def covers(self, seen: "Permission | Call") -> bool:
        return (
            fnmatchcase(seen.function, self.function)
            and fnmatchcase(seen.action.lower(), self.action.lower())
            and fnmatchcase(seen.resource, self.resource)
        )


@dataclass(frozen=True, order=True)
class Call:
    """A call that a function made; equal calls are counted."""

    function: str
    action: str
    resource: str
    allowed: bool


@dataclass(frozen=True)
class Evidence:
    """The permissions of all functions, and their calls with counts."""

    permissions: frozenset[Permission]
    calls: dict[Call, int]

    @property
    def unused(self) -> list[Permission]:
        allowed = [call for call in self.calls if call.allowed]
        return sorted(p for p in self.permissions if not any(map(p.covers, allowed)))

    @property
    def refused(self) -> list[Call]:
        return sorted(call for call in self.calls if not call.allowed)

    def to_json(self) -> str:
        calls = [[*vars(call).values(), count] for call, count in sorted(self.calls.items())]
        permissions = [list(vars(each).values()) for each in sorted(self.permissions)]
        return json.dumps({"permissions": permissions, "calls": calls}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Evidence":
        stored = json.loads(text)
        return cls(
            frozenset(Permission(*row) for row in stored["permissions"]),
            {Call(*row[:-1]): row[-1] for row in stored["calls"]},
        )


def collect(emulator: Emulator) -> Evidence:
    """Collect the roles' permissions and the emulator's journal of a running local cloud."""
    roles = _roles(emulator)
    iam = emulator.client("iam")
    permissions = {
        Permission(function, action, resource)
        for role, function in roles.items()
        for statement in _statements(iam, role)
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    }
    journal = (json.loads(line) for line in emulator.journal.read_text().splitlines())
    calls = Counter(
        Call(roles[entry["role"]], entry["action"], entry["resource"], entry["allowed"])
        for entry in journal
        if entry["role"] in roles
    )
    return Evidence(frozenset(permissions), dict(calls))


def unexplained(evidence: Evidence, reasons: Path = REASONS) -> Iterator[str]:
    """Yield each unused permission and refused call without a reason, and each unneeded reason."""
    rows = tomllib.loads(reasons.read_text())
    known = _exceptions(rows)
    unneeded = set(known) - set(_exceptions(rows, only="sometimes"))
    for kind, seen in (("unused", evidence.unused), ("refused", evidence.refused)):
        for each in seen:
            explaining = {(of, one) for of, one in known if of == kind and one.covers(each)}
            unneeded -= explaining
            if not explaining:
                yield f"{kind}: {each.function} {each.action} {each.resource}"
    for _, exception in sorted(unneeded):
        name = f"{exception.function} {exception.action}"
        yield f"not needed in {reasons.name}: the reason for {name}"


def _exceptions(rows: Any, only: str = "why") -> list[tuple[str, Permission]]:
    """Return what has a reason in the file and the field `only`, by kind: `unused` or `refused`."""
    return [
        (kind, Permission(row["function"], row["action"], row.get("resource", "*")))
        for kind, of_kind in rows.items()
        for row in of_kind
        if row["why"] and row.get(only)
    ]


def _roles(emulator: Emulator) -> dict[str, str]:
    """Return the logical ids of functions by the names of their roles."""
    pages = emulator.client("lambda").get_paginator("list_functions").paginate()
    return {
        function["Role"].rsplit("/", 1)[1]: _logical_id(function["FunctionName"])
        for page in pages
        for function in page["Functions"]
        if function["FunctionName"].startswith(f"{STACK}-")
    }


def _logical_id(function: str) -> str:
    return re.sub(r"-[0-9A-Z]+$", "", function.removeprefix(f"{STACK}-"))


def _statements(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    """Yield the statements of the template's policies, without those of AWS's own policies."""
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        policy = iam.get_role_policy(RoleName=role, PolicyName=name)
        yield from _parsed(policy["PolicyDocument"])
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        if not arn.startswith(AWS_MANAGED):
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            policy = iam.get_policy_version(PolicyArn=arn, VersionId=version)
            yield from _parsed(policy["PolicyVersion"]["Document"])


def _parsed(document: Any) -> Iterable[dict[str, Any]]:
    parsed = json.loads(unquote(document)) if isinstance(document, str) else document
    return [each for each in _listed(parsed["Statement"]) if each["Effect"] == "Allow"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
