"""Refusals in Razorpay's form."""

from typing import Any

from simulators.http import ApiError


def refusal(
    description: str, *, field: str | None = None, status: int = 400, about_payment: bool = True
) -> ApiError:
    """Return a refusal; `field` is in the body only if one field of the request is at fault."""
    error: dict[str, Any] = {
        "code": "BAD_REQUEST_ERROR" if status < 500 else "SERVER_ERROR",
        "description": description,
        "source": "business" if about_payment else "NA",
        "step": "payment_initiation" if about_payment else "NA",
        "reason": "input_validation_failed" if about_payment else "NA",
        "metadata": {},
        **({} if field is None else {"field": field}),
    }
    return ApiError(status, {"error": error})


def unknown_id(status: int = 400) -> ApiError:
    """Razorpay answers an unknown id with 400, not with 404."""
    return refusal("The id provided does not exist", status=status)


def already_paid() -> ApiError:
    return refusal(
        "Your payment has been declined as the order is already paid. "
        "Please initiate the payment with a new order."
    )


def ordered_error(status: int, description: str) -> ApiError:
    """Return an error that a test has ordered, with Razorpay's usual text if it has none."""
    usual = "Request failed. Please retry after some time."
    if status >= 500:
        usual = "We are facing some trouble completing your request."
    return refusal(description or usual, status=status, about_payment=False)
