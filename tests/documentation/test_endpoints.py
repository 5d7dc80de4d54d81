"""The well-known addresses of the shop."""

from datetime import datetime, timedelta

from documentation.endpoints import find_password_page, get_security_contact
from supermarket.clock import utc_now
from support.api import call


def test_security_txt_has_a_contact_and_has_not_expired() -> None:
    reply = call(get_security_contact)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    contact, expires = (line.partition(": ")[2] for line in reply.body.splitlines())
    assert contact == "mailto:security@supermarket.example"
    until = datetime.fromisoformat(expires) - utc_now()
    assert timedelta(days=30) < until < timedelta(days=365)


def test_password_managers_are_redirected_to_the_page_of_the_storefront() -> None:
    reply = call(find_password_page)
    assert reply.status == 302
    assert reply.headers["location"] == "https://shop.example/change-password"
