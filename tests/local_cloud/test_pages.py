"""The chat page and the pages that links in mails lead to."""

import re
from collections.abc import Iterator

import httpx
import pytest

from local import front_door, pages
from local.cloud import serving
from local.emulator import free_port

TOKEN_PAGES = ["/verify-email", "/reset-password", "/confirm-email", "/restore-email"]
PAGES = [*TOKEN_PAGES, "/orders/01J", "/products/01J", "/cart", "/seller/dashboard", "/chat"]
PAGES += ["/change-password"]  # /.well-known/change-password leads to it
FOLDER = pages.FOLDER / "storefront"
MAILS = pages.FOLDER.parents[1] / "functions" / "notification" / "templates"
ROUTES = {
    "verify-email.js": "/api/auth/email/verify",
    "reset-password.js": "/api/auth/password/reset",
    "confirm-email.js": "/api/auth/email/change/confirm",
    "restore-email.js": "/api/auth/email/change/undo",
}


@pytest.fixture(scope="module")
def door() -> Iterator[httpx.Client]:
    """A front door without an API behind it."""
    front = free_port()
    app = front_door.create_app(f"http://127.0.0.1:{free_port()}/stage", {}, {})
    with (
        serving(app, "127.0.0.1", front),
        httpx.Client(base_url=f"http://127.0.0.1:{front}", timeout=20) as client,
    ):
        yield client


@pytest.mark.parametrize("page", TOKEN_PAGES)
def test_a_page_does_not_pass_its_token_on(door: httpx.Client, page: str) -> None:
    answer = door.get(page, params={"token": "the-token"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "the-token" not in answer.text


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_and_loads_only_its_own_assets(
    door: httpx.Client, page: str, slash: str
) -> None:
    answer = door.get(page + slash)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text)
    loaded = re.findall(r'(?:src|href)="(/pages/[^"]+)"', answer.text)
    assert len(loaded) == 3
    for path in loaded:
        assert door.get(path).status_code == 200, path


@pytest.mark.parametrize("script", ROUTES)
def test_a_script_removes_the_token_from_the_address_and_sends_it_to_its_route(
    script: str,
) -> None:
    text = (FOLDER / script).read_text()
    assert text.index("takeToken()") < text.index(ROUTES[script])
    assert "replaceState" in (FOLDER / "form.js").read_text()


def test_scripts_import_existing_files_and_never_set_html(door: httpx.Client) -> None:
    scripts = sorted(pages.FOLDER.rglob("*.js"))
    assert len(scripts) == 9
    for file in scripts:
        path = f"/pages/{file.relative_to(pages.FOLDER)}"
        script = door.get(path)
        assert script.headers["content-type"].startswith("text/javascript")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script.text)
        for imported in re.findall(r'from "\./([^"]+)"', script.text):
            assert door.get(f"/pages/{file.parent.name}/{imported}").status_code == 200


def test_each_link_in_a_mail_leads_to_a_page(door: httpx.Client) -> None:
    templates = "".join(file.read_text() for file in MAILS.glob("*.j2"))
    linked = set(re.findall(r"storefront (?:~ \"|\}\})(/[a-z/]+)", templates))
    assert {"/orders/", "/products/", "/cart", "/seller/dashboard"} <= linked
    for path in linked:
        answer = door.get(path + "01J" if path.endswith("/") else path)
        assert answer.status_code == 200, path
