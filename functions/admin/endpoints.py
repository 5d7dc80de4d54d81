"""The HTTP Lambdas of administrators. Changes need a recent sign-in, and are audited."""

from admin import wiring
from admin.schemas import (
    AuditListResponse,
    AuditQuery,
    ChangeRoleRequest,
    SuspendRequest,
    UserListQuery,
    UserListResponse,
    UserResponse,
)
from supermarket.caller import Caller, Role, SignInAgain
from supermarket.clock import utc_now
from supermarket.day_lists import Days
from supermarket.errors import NotFound
from supermarket.http import get, post
from supermarket.init_phase import prepare
from supermarket.wiring import cursors

ADMINS = {Role.ADMIN}
ERRORS = (NotFound, SignInAgain)


@get("/api/admin/users", roles=ADMINS)
def list_users(query: UserListQuery, _caller: Caller) -> UserListResponse:
    """List accounts, newest first; `q` finds one by its id, email address or username."""
    purpose = f"GET /api/admin/users {query.role} {query.status}"
    before = (cursors().decode(query.cursor, purpose) or {}).get("before")
    page = wiring.standing_service().list_users(
        query.role, query.status, before, query.limit, query.q
    )
    following = {"before": page.next_before} if page.next_before else None
    cursor = cursors().encode(following, purpose)
    return UserListResponse.model_validate({"users": page.users, "next_cursor": cursor})


@get("/api/admin/users/{userId}", roles=ADMINS, errors=(NotFound,))
def get_user(userId: str, _caller: Caller) -> UserResponse:
    """Get an account."""
    return UserResponse.of(wiring.standing_service().get_user(userId))


@post("/api/admin/users/{userId}/approve", roles=ADMINS, errors=ERRORS)
def approve_user(userId: str, caller: Caller) -> UserResponse:
    """Approve a pending account."""
    caller.require_recent_sign_in(utc_now())
    return UserResponse.of(wiring.standing_service().approve(userId, caller.user_id))


@post("/api/admin/users/{userId}/suspend", roles=ADMINS, errors=ERRORS)
def suspend_user(userId: str, body: SuspendRequest, caller: Caller) -> UserResponse:
    """Suspend an account: its next request is refused."""
    caller.require_recent_sign_in(utc_now())
    user = wiring.standing_service().suspend(userId, body.reason, caller.user_id)
    return UserResponse.of(user)


@post("/api/admin/users/{userId}/reinstate", roles=ADMINS, errors=ERRORS)
def reinstate_user(userId: str, caller: Caller) -> UserResponse:
    """Lift a suspension."""
    caller.require_recent_sign_in(utc_now())
    return UserResponse.of(wiring.standing_service().reinstate(userId, caller.user_id))


@post("/api/admin/users/{userId}/revoke-sessions", roles=ADMINS, errors=ERRORS)
def revoke_sessions(userId: str, caller: Caller) -> UserResponse:
    """Sign a person out everywhere."""
    caller.require_recent_sign_in(utc_now())
    return UserResponse.of(wiring.standing_service().revoke_sessions(userId, caller.user_id))


@post("/api/admin/users/{userId}/role", roles=ADMINS, errors=ERRORS)
def change_role(userId: str, body: ChangeRoleRequest, caller: Caller) -> UserResponse:
    """Give an account another role."""
    caller.require_recent_sign_in(utc_now())
    user = wiring.standing_service().give_role(userId, body.role, caller.user_id)
    return UserResponse.of(user)


@get("/api/admin/audit", roles=ADMINS)
def list_audit_entries(query: AuditQuery, _caller: Caller) -> AuditListResponse:
    """List recorded actions, newest first: by default of the last 14 days."""
    purpose = f"GET /api/admin/audit {query.model_dump_json(exclude={'limit', 'cursor'})}"
    position = cursors().decode(query.cursor, purpose)
    days = Days.of(query.first, query.last, utc_now()).continued(position)
    found, left = wiring.audit_log().list_entries(query.subject, days, query.limit)
    entries = [each for each in found if query.actor in {None, each.actor}]
    cursor = cursors().encode(left.position if left else None, purpose)
    return AuditListResponse.model_validate({"entries": entries, "next_cursor": cursor})


prepare(__name__)
