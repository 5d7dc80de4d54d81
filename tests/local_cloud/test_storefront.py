"""The pages that links in mails lead to."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local import front_door, storefront
from local.cloud import serving
from local.emulator import free_port

PAGES = ["/verify-email", "/reset-password"]
THINGS = ["/orders/01J", "/products/01J", "/cart", "/seller/dashboard"]
MAILS = Path(storefront.__file__).parents[2] / "functions" / "notification" / "templates"
FOLDER = Path(storefront.__file__).parent / "pages"
ROUTES = {
    "verify-email.js": "/api/auth/email/verify",
    "reset-password.js": "/api/auth/password/reset",
}


@pytest.fixture(scope="module")
def door() -> Iterator[httpx.Client]:
    """A front door with no API behind it."""
    front = free_port()
    app = front_door.create_app(f"http://127.0.0.1:{free_port()}/stage", {}, {})
    with (
        serving(app, "127.0.0.1", front),
        httpx.Client(base_url=f"http://127.0.0.1:{front}", timeout=20) as client,
    ):
        yield client


@pytest.mark.parametrize("page", PAGES)
def test_a_page_keeps_its_token_to_itself(door: httpx.Client, page: str) -> None:
    answer = door.get(page, params={"token": "the-token"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "the-token" not in answer.text


@pytest.mark.parametrize("page", PAGES + THINGS)
def test_a_page_runs_and_loads_only_what_it_brought(door: httpx.Client, page: str) -> None:
    answer = door.get(page)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text)
    loaded = re.findall(r'(?:src|href)="(/storefront/[^"]+)"', answer.text)
    assert len(loaded) == 3
    for path in loaded:
        assert door.get(path).status_code == 200, path


@pytest.mark.parametrize("script", ROUTES)
def test_a_script_takes_the_token_out_of_the_address_bar_and_asks_the_right_route(
    script: str,
) -> None:
    text = (FOLDER / script).read_text()
    assert text.index("takeToken()") < text.index(ROUTES[script])
    assert "replaceState" in (FOLDER / "links.js").read_text()


def test_there_is_a_page_behind_every_link_in_a_mail(door: httpx.Client) -> None:
    templates = "".join(file.read_text() for file in MAILS.glob("*.j2"))
    linked = set(re.findall(r"storefront (?:~ \"|\}\})(/[a-z/]+)", templates))
    assert {"/orders/", "/products/", "/cart", "/seller/dashboard"} <= linked
    for path in linked:
        answer = door.get(path + "01J" if path.endswith("/") else path)
        assert answer.status_code == 200, path
