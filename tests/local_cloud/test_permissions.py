"""The comparison of permissions with calls: unused permissions and refused calls are findings."""

from pathlib import Path

from local.permissions import Call, Evidence, Permission, unexplained

TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/supermarket-local-order"
GET = Permission("GetOrder", "dynamodb:GetItem", TABLE)
PUT = Permission("GetOrder", "dynamodb:PutItem", TABLE)
GOT = Call("GetOrder", "dynamodb:GetItem", TABLE, allowed=True)


def findings(evidence: Evidence, folder: Path, reasons: str = "") -> list[str]:
    file = folder / "permissions.toml"
    file.write_text(reasons)
    return list(unexplained(evidence, file))


def reason(function: str, action: str) -> str:
    return f'[[unused]]\nfunction = "{function}"\naction = "{action}"\nwhy = "because"\n'


def test_a_used_permission_is_no_finding(tmp_path: Path) -> None:
    assert findings(Evidence(frozenset({GET}), {GOT: 3}), tmp_path) == []


def test_an_unused_permission_is_a_finding(tmp_path: Path) -> None:
    (finding,) = findings(Evidence(frozenset({GET, PUT}), {GOT: 1}), tmp_path)

    assert finding == f"unused: GetOrder dynamodb:PutItem {TABLE}"


def test_a_call_of_another_function_does_not_count(tmp_path: Path) -> None:
    other = Call("PlaceOrder", "dynamodb:GetItem", TABLE, allowed=True)

    assert len(findings(Evidence(frozenset({GET}), {other: 1}), tmp_path)) == 1


def test_a_call_to_another_table_does_not_count(tmp_path: Path) -> None:
    elsewhere = Call("GetOrder", "dynamodb:GetItem", TABLE + "s", allowed=True)

    assert len(findings(Evidence(frozenset({GET}), {elsewhere: 1}), tmp_path)) == 1


def test_patterns_in_a_policy_cover_the_calls_that_match(tmp_path: Path) -> None:
    wide = Permission("GetOrder", "dynamodb:Query", f"{TABLE}/index/*")
    query = Call("GetOrder", "dynamodb:Query", f"{TABLE}/index/byNewest", allowed=True)

    assert findings(Evidence(frozenset({wide}), {query: 1}), tmp_path) == []


def test_a_refused_call_is_a_finding_and_uses_no_permission(tmp_path: Path) -> None:
    refused = Call("GetOrder", "dynamodb:GetItem", TABLE, allowed=False)

    assert len(findings(Evidence(frozenset({GET}), {refused: 1}), tmp_path)) == 2


def test_a_reason_explains_only_what_it_names(tmp_path: Path) -> None:
    evidence = Evidence(frozenset({GET, PUT}), {})

    (finding,) = findings(evidence, tmp_path, reason("GetOrder", "dynamodb:PutItem"))

    assert "dynamodb:GetItem" in finding


def test_a_reason_that_explains_nothing_is_a_finding(tmp_path: Path) -> None:
    evidence = Evidence(frozenset({GET}), {GOT: 1})

    (finding,) = findings(evidence, tmp_path, reason("GetOrder", "dynamodb:Scan"))

    assert finding.startswith("not needed")


def test_a_reason_that_is_needed_only_sometimes_is_no_finding(tmp_path: Path) -> None:
    why = reason("GetOrder", "dynamodb:PutItem") + "sometimes = true\n"

    assert findings(Evidence(frozenset({GET}), {GOT: 1}), tmp_path, why) == []
    assert findings(Evidence(frozenset({GET, PUT}), {GOT: 1}), tmp_path, why) == []


def test_a_refused_call_can_have_a_reason(tmp_path: Path) -> None:
    refused = Call("GetOrder", "dynamodb:GetItem", TABLE, allowed=False)
    why = reason("GetOrder", "dynamodb:*").replace("[[unused]]", "[[refused]]")

    assert findings(Evidence(frozenset({GET}), {GOT: 1, refused: 1}), tmp_path, why) == []


def test_evidence_is_unchanged_after_writing_and_reading() -> None:
    evidence = Evidence(frozenset({GET, PUT}), {GOT: 3})

    assert Evidence.from_json(evidence.to_json()) == evidence
