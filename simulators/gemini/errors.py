"""Refusals in the form in which Google's APIs send them."""

from typing import Any

from simulators.http import ApiError

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
MESSAGES = {
    403: "Method doesn't allow unregistered callers (callers without established identity)."
    " Please use API Key or other form of API consumer identity to call this API.",
    429: "You exceeded your current quota, please check your plan and billing details.",
    500: "An internal error has occurred. Please retry.",
    503: "The model is overloaded. Please try again later.",
    504: "The request timed out. Please try again.",
}
RPC = "type.googleapis.com/google.rpc"


def error(code: int, message: str = "", *details: dict[str, Any]) -> ApiError:
    """Return a refusal with Google's usual message for the code, unless another one is given."""
    body: dict[str, Any] = {
        "code": code,
        "message": message or MESSAGES.get(code, "The request failed."),
        "status": STATUS_NAMES.get(code, "UNKNOWN"),
        **({"details": list(details)} if details else {}),
    }
    return ApiError(code, {"error": body})


def invalid_key() -> ApiError:
    message = "API key not valid. Please pass a valid API key."
    info = {"@type": f"{RPC}.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    return error(400, message, info)


def quota_exceeded(retry_seconds: float) -> ApiError:
    return error(429, "", {"@type": f"{RPC}.RetryInfo", "retryDelay": f"{retry_seconds:g}s"})
