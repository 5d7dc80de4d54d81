"""What Razorpay answers when it refuses a request."""

from typing import Any


class RazorpayError(Exception):
    """A refusal that knows its own HTTP status and error body."""

    def __init__(
        self,
        description: str,
        *,
        field: str | None = None,
        status: int = 400,
        source: str = "business",
        step: str = "payment_initiation",
        reason: str = "input_validation_failed",
    ) -> None:
        super().__init__(description)
        self.description = description
        self.field = field
        self.status = status
        self.source = source
        self.step = step
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """The JSON body; `field` is only there when one field is at fault, as at Razorpay."""
        error: dict[str, Any] = {
            "code": "BAD_REQUEST_ERROR",
            "description": self.description,
            "source": self.source,
            "step": self.step,
            "reason": self.reason,
            "metadata": {},
        }
        if self.field is not None:
            error["field"] = self.field
        return {"error": error}


def not_applicable(description: str, status: int = 400) -> RazorpayError:
    """A refusal that has nothing to do with a payment: bad keys, or no such address."""
    return RazorpayError(description, status=status, source="NA", step="NA", reason="NA")


def unknown_id(status: int = 400) -> RazorpayError:
    """Razorpay says 400, not 404, to an id that it does not know."""
    return RazorpayError("The id provided does not exist", status=status)


def already_paid() -> RazorpayError:
    return RazorpayError(
        "Your payment has been declined as the order is already paid. "
        "Please initiate the payment with a new order."
    )


def reused_key() -> RazorpayError:
    return not_applicable(
        "Different request with the same idempotency key has already been processed."
    )
