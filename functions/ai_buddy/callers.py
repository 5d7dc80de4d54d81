"""A caller as text values, for a row or a task, and back again."""

from collections.abc import Mapping

from supermarket.caller import Caller, Role


def values_of(caller: Caller) -> dict[str, str]:
    return {
        "userId": caller.user_id,
        "sessionId": caller.session_id,
        "role": caller.role.value,
        "email": caller.email,
        "firstName": caller.first_name,
    }


def caller_of(values: Mapping[str, str]) -> Caller:
    return Caller(
        user_id=values["userId"],
        session_id=values["sessionId"],
        role=Role(values["role"]),
        email=values["email"],
        first_name=values["firstName"],
    )
