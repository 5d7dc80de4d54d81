"""The HTTP Lambdas of administrators. Changes need a recent sign-in, and are audited."""

from admin import wiring
from admin.schemas import ChangeRoleRequest, SuspendRequest, UserResponse
from supermarket.caller import Caller, Role, SignInAgain
from supermarket.clock import utc_now
from supermarket.errors import NotFound
from supermarket.http import get, post
from supermarket.init_phase import prepare

ADMINS = {Role.ADMIN}
ERRORS = (NotFound, SignInAgain)


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


prepare(__name__)
