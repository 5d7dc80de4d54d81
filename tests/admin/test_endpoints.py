"""Administration over HTTP: accounts are changed, audited, and every change is felt at once."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ulid import ULID

from admin import endpoints
from auth import wiring
from auth.endpoints import get_me, login
from product.endpoints import list_own_products
from supermarket.caller import RECENT, Caller, Role, Status
from supermarket.clock import new_id, utc_now
from supermarket.dynamo.audit import AuditRow
from supermarket.http import Endpoint
from support.api import Reply, a_caller, call
from support.auth import PASSWORD, register_somebody

pytestmark = pytest.mark.usefixtures("aws")

BODIES = {
    "approve_user": None,
    "suspend_user": {"reason": "Sold fakes"},
    "reinstate_user": None,
    "revoke_sessions": None,
    "change_role": {"role": "seller"},
}
ROUTES = [name for name, value in vars(endpoints).items() if isinstance(value, Endpoint)]


@pytest.fixture
def admin() -> Caller:
    return a_caller(Role.ADMIN)


@pytest.fixture
def needs_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = replace(wiring.registration_service(), sellers_need_approval=True)
    monkeypatch.setattr(wiring, "registration_service", lambda: strict)


def change(endpoint: Endpoint, user: dict[str, Any], admin: Caller, **body: Any) -> Reply:
    sent = body or BODIES[endpoint.function.__name__]
    return call(endpoint, path={"userId": user["id"]}, body=sent, caller=admin)


def signed_in(user: dict[str, Any]) -> dict[str, str]:
    reply = call(login, body={"email": user["email"], "password": PASSWORD})
    return {"authorization": f"Bearer {reply.body['accessToken']}"}


def audited(user: dict[str, Any]) -> list[tuple[str, str, Any]]:
    rows = AuditRow.query(f"user#{user['id']}")
    return [(row.action, row.actor, row.after) for row in rows]


@pytest.mark.usefixtures("needs_approval")
def test_a_registered_seller_sells_nothing_until_an_admin_approves(admin: Caller) -> None:
    seller, customer = register_somebody(role="seller"), register_somebody()
    assert (seller["status"], customer["status"]) == ("pending", "active")
    headers = signed_in(seller)
    assert call(get_me, headers=headers).status == 200
    assert call(list_own_products, headers=headers).status == 403
    reply = change(endpoints.approve_user, seller, admin)
    assert (reply.status, reply.body["user"]["status"]) == (200, "active")
    assert call(list_own_products, headers=headers).status == 200
    assert audited(seller) == [
        (
            "role or status changed",
            admin.user_id,
            {"role": "seller", "status": "active", "reason": ""},
        )
    ]


def test_a_suspension_ends_with_reinstatement(admin: Caller) -> None:
    seller = register_somebody(role="seller")
    headers = signed_in(seller)
    assert change(endpoints.suspend_user, seller, admin).body["user"]["status"] == "suspended"
    assert call(list_own_products, headers=headers).status == 401
    assert change(endpoints.approve_user, seller, admin).status == 409
    assert change(endpoints.change_role, seller, admin, role="user").status == 200
    assert call(get_me, headers=headers).status == 401, "another role lifts no suspension"
    assert change(endpoints.change_role, seller, admin).status == 200
    assert change(endpoints.reinstate_user, seller, admin).body["user"]["status"] == "active"
    assert call(list_own_products, headers=headers).status == 200
    assert {actor for _, actor, _ in audited(seller)} == {admin.user_id}
    assert [after["reason"] for _, _, after in audited(seller)] == ["Sold fakes", "", "", ""]


def test_another_role_is_felt_at_the_next_request_and_approves(admin: Caller) -> None:
    user = register_somebody()
    headers = signed_in(user)
    assert call(list_own_products, headers=headers).status == 403
    assert change(endpoints.change_role, user, admin).body["user"]["role"] == "seller"
    assert call(list_own_products, headers=headers).status == 200


def test_revoked_sessions_end(admin: Caller) -> None:
    user = register_somebody()
    headers = [signed_in(user) for _ in range(2)]
    assert change(endpoints.revoke_sessions, user, admin).status == 200
    assert [call(get_me, headers=each).status for each in headers] == [401, 401]
    assert call(get_me, headers=signed_in(user)).status == 200
    assert [action for action, _, _ in audited(user)] == ["sessions revoked"]


def test_a_repeated_change_is_audited_once(admin: Caller) -> None:
    user = register_somebody()
    for endpoint in (endpoints.approve_user, endpoints.reinstate_user):
        assert change(endpoint, user, admin).status == 200
    assert audited(user) == []
    for _ in range(2):
        assert change(endpoints.suspend_user, user, admin).status == 200
    assert len(audited(user)) == 1


def test_an_admin_sees_an_account_without_its_secrets(admin: Caller) -> None:
    user = register_somebody()
    reply = call(endpoints.get_user, path={"userId": user["id"]}, caller=admin)
    assert (reply.status, reply.body) == (200, {"user": user})


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("role", [Role.USER, Role.SELLER])
def test_only_admins_are_admitted(name: str, role: Role) -> None:
    endpoint = getattr(endpoints, name)
    path = {"userId": register_somebody()["id"]} if "userId" in endpoint.path else {}
    body = BODIES.get(name)
    assert call(endpoint, path=path, body=body, caller=a_caller(role)).status == 403
    pending = replace(a_caller(Role.ADMIN), status=Status.PENDING)
    assert call(endpoint, path=path, body=body, caller=pending).status == 403
    assert call(endpoint, path=path, body=body).status == 401


@pytest.mark.parametrize("name", BODIES)
def test_a_change_needs_a_recent_sign_in_a_known_account_and_another_admin(
    name: str, admin: Caller
) -> None:
    endpoint = getattr(endpoints, name)
    user = register_somebody()
    long_ago = utc_now() - RECENT - timedelta(seconds=1)
    old = replace(admin, session_id=str(ULID.from_datetime(long_ago)))
    reply = change(endpoint, user, old)
    assert (reply.status, reply.body["code"]) == (403, "SIGN_IN_AGAIN")
    assert change(endpoint, {"id": new_id()}, admin).status == 404
    own = a_caller(Role.ADMIN, user["id"])
    if endpoint is not endpoints.revoke_sessions:
        assert change(endpoint, user, own).status == 403
    assert audited(user) == []


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 501}])
def test_a_suspension_needs_a_reason(admin: Caller, body: dict[str, str]) -> None:
    path = {"userId": register_somebody()["id"]}
    assert call(endpoints.suspend_user, path=path, body=body, caller=admin).status == 400


def test_accounts_are_listed_newest_first_by_role_and_status(admin: Caller) -> None:
    users = [register_somebody(role=role) for role in ("seller", "user", "seller", "user")]
    change(endpoints.suspend_user, users[0], admin)

    def listed(**query: str) -> list[int]:
        found: list[int] = []
        while True:
            reply = call(endpoints.list_users, query={"limit": "1", **query}, caller=admin)
            assert reply.status == 200
            found += [users.index(each | {"status": "active"}) for each in reply.body["users"]]
            if not reply.body["nextCursor"]:
                return found
            query["cursor"] = reply.body["nextCursor"]

    assert listed() == [3, 2, 1, 0]
    assert listed(role="seller") == [2, 0]
    assert listed(status="suspended") == [0]
    assert listed(role="user", status="active") == [3, 1]
    assert listed(role="admin") == []
    for name in ("id", "email", "username"):
        assert listed(q=users[2][name]) == [2]
    assert listed(q="unknown") == []


def test_recorded_actions_are_listed_by_day_subject_and_actor(admin: Caller) -> None:
    other = a_caller(Role.ADMIN)
    users = [register_somebody() for _ in range(2)]
    for actor, user in ((admin, users[0]), (other, users[1]), (other, users[0])):
        time.sleep(0.002)
        change(endpoints.revoke_sessions, user, actor)

    def listed(**query: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while True:
            sent = {"limit": "1", **query}
            reply = call(endpoints.list_audit_entries, query=sent, caller=admin)
            assert reply.status == 200
            found += [(each["subject"], each["actor"]) for each in reply.body["entries"]]
            if not reply.body["nextCursor"]:
                return found
            query["cursor"] = reply.body["nextCursor"]

    first, second = (f"user#{user['id']}" for user in users)
    newest = [(first, other.user_id), (second, other.user_id), (first, admin.user_id)]
    assert listed() == newest
    assert listed(subject=first) == [newest[0], newest[2]]
    assert listed(actor=admin.user_id) == [newest[2]]
    assert listed(subject=first, actor=other.user_id) == [newest[0]]
    long_ago = {"from": "2020-01-01", "to": "2020-01-31"}
    assert listed(**long_ago) == listed(subject=first, **long_ago) == []
