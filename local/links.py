"""The links that `make run` prints and that the first page shows."""

from collections.abc import Mapping
from typing import Any

from local import pages


def page_links(address: str) -> dict[str, str]:
    """Return the front door's own pages, which exist with and without a trailing slash."""
    return {
        "Shop": f"{address}/",
        "Chat with AI-Buddy": f"{address}{pages.CHAT}",
        "Mailbox": f"{address}/mailbox",
        "Razorpay simulator": f"{address}/razorpay",
        "ImageKit simulator": f"{address}/imagekit",
        "Gemini simulator": f"{address}/gemini",
    }


def api_links(address: str) -> dict[str, str]:
    """Return links to routes of the HTTP API, which has no routes with a trailing slash."""
    return {
        "API documentation": f"{address}/api/docs",
        "Products": f"{address}/api/products",
        "Health": f"{address}/readyz",
    }


def printed_links(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """Return everything that `make run` prints, by title."""
    address = str(endpoints["api"])
    addresses = {"WebSocket": endpoints["websocket"], "AWS endpoint": endpoints["aws"]}
    return {**page_links(address), **api_links(address), **addresses}
