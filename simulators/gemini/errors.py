"""Refusals in the form in which Google's APIs give them."""

from typing import Any

STATUS_OF = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
SAID_OF = {
    429: "You exceeded your current quota, please check your plan and billing details.",
    500: "An internal error has occurred. Please retry.",
    503: "The model is overloaded. Please try again later.",
    504: "The request timed out. Please try again.",
}
RPC = "type.googleapis.com/google.rpc"


class GeminiError(Exception):
    """Ends a request with an error of Google's."""

    def __init__(self, code: int, message: str = "", *details: dict[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message or SAID_OF.get(code, "The request failed.")
        self.details = list(details)

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": STATUS_OF.get(self.code, "UNKNOWN"),
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str) -> GeminiError:
    return GeminiError(400, message)


def no_key() -> GeminiError:
    return GeminiError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity)."
        " Please use API Key or other form of API consumer identity to call this API.",
    )


def wrong_key() -> GeminiError:
    return GeminiError(
        400,
        "API key not valid. Please pass a valid API key.",
        {
            "@type": f"{RPC}.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
        },
    )


def quota(retry_seconds: float) -> GeminiError:
    return GeminiError(429, "", {"@type": f"{RPC}.RetryInfo", "retryDelay": f"{retry_seconds:g}s"})
