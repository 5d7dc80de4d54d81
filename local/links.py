"""The links that `make run` prints and that the first page shows."""

from collections.abc import Mapping
from typing import Any

from local import pages


def page_links(address: str) -> dict[str, str]:
    """Return the pages of a local cloud at an address, by their titles."""
    return {
        "Shop": f"{address}/",
        "Products": f"{address}/api/products",
        "Chat with AI-Buddy": f"{address}{pages.CHAT}",
        "Mailbox": f"{address}/mailbox",
        "Razorpay simulator": f"{address}/razorpay",
        "ImageKit simulator": f"{address}/imagekit",
        "Gemini simulator": f"{address}/gemini",
        "Health": f"{address}/readyz",
    }


def program_addresses(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """Return the addresses for programs, which are no pages."""
    return {"WebSocket": endpoints["websocket"], "AWS endpoint": endpoints["aws"]}
