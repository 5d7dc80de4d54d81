"""Every link that `make run` prints, and every link on the pages behind them, works."""

import base64
from collections import deque
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from local.links import page_links, printed_links
from support.shop import Person, client, eventually

pytestmark = pytest.mark.e2e

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Links(HTMLParser):
    """Collects the addresses of links, scripts, style sheets, icons and pictures of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"href", "src"} and value]


def crawl(endpoints: dict[str, Any], start: list[str]) -> dict[str, int]:
    """Follow all links within this machine; return the status of each address."""
    own = {urlsplit(endpoints[name]).netloc for name in ("api", "aws")}
    statuses: dict[str, int] = {}
    waiting = deque(start)
    while waiting:
        address = urldefrag(waiting.popleft()).url
        parts = urlsplit(address)
        if address in statuses or parts.scheme != "http" or parts.netloc not in own:
            continue
        response = client(endpoints["api"]).get(address, follow_redirects=True)
        statuses[address] = response.status_code
        if response.headers.get("content-type", "").startswith("text/html"):
            waiting += [urljoin(str(response.url), link) for link in Links(response.text).found]
    return statuses


def seller_with_pictured_product(endpoints: dict[str, Any]) -> tuple[Person, dict[str, Any]]:
    seller = Person.register(endpoints, "seller")
    form = {"title": "A pictured tea", "priceAmount": "120", "stock": "9"}
    files = [("images", ("tea.png", PIXEL, "image/png"))]
    answer = seller.send("POST", "/api/products", data=form, files=files)
    assert answer.status_code == 201, answer.text
    return seller, answer.json()["product"]


def links_of_a_purchase(endpoints: dict[str, Any]) -> Iterator[str]:
    """Buy a product; yield the links that scripts of the pages make, and those in all mails."""
    api = endpoints["api"]
    seller, product = seller_with_pictured_product(endpoints)
    yield from (f"{api}/products/{product['id']}", f"{api}/api/products/{product['id']}")
    yield from (product["images"][0]["url"], product["images"][0]["thumbnail"])
    customer = Person.register(endpoints)
    customer.takes(product)
    order_id = customer.orders().json()["order"]["id"]
    assert customer.pays(endpoints, order_id).status_code == 200
    yield f"{api}/orders/{order_id}"
    customer.post("/api/auth/password/forgot", {"email": customer.email})
    mails = eventually(
        lambda: mails if len(mails := customer.mails(endpoints)) >= 3 else None, "three mails"
    )
    for mail in [*mails, *seller.mails(endpoints)]:
        links = Links(mail["html"]).found
        assert links, mail["subject"]
        yield from links


def test_every_printed_link_and_every_link_behind_it_answers_200(endpoints: dict[str, Any]) -> None:
    bought = list(links_of_a_purchase(endpoints))
    printed = [link for link in printed_links(endpoints).values() if link.startswith("http")]

    statuses = crawl(endpoints, [*printed, *bought])

    assert {link: status for link, status in statuses.items() if status != 200} == {}
    assert set(printed) | {link for link in bought if urlsplit(link).scheme == "http"} <= set(
        statuses
    )
    assert any("/razorpay/checkout?orderId=" in link for link in statuses)
    assert any("/pages/chat/" in link for link in statuses)
    assert any("/reset-password" in link for link in statuses)


def test_every_page_answers_with_and_without_a_trailing_slash(endpoints: dict[str, Any]) -> None:
    api = endpoints["api"]
    paths = ["/verify-email", "/reset-password", "/orders/1", "/products/1", "/cart"]
    pages = [*page_links(api).values(), *(f"{api}{path}" for path in paths)]
    both = [page.rstrip("/") + slash for page in pages for slash in ("", "/")]

    assert {link: s for link, s in crawl(endpoints, both).items() if s != 200} == {}


def test_the_printed_websocket_refuses_a_handshake_without_a_session(
    endpoints: dict[str, Any],
) -> None:
    address = printed_links(endpoints)["WebSocket"]
    with pytest.raises(InvalidStatus) as refused, connect(address, open_timeout=90, proxy=None):
        pass
    assert refused.value.response.status_code == 401
