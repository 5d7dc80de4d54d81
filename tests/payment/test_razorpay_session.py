"""The session of Razorpay's client: servers are verified as by the SDK, with one TLS context."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from requests import exceptions

from benchmarks.recording import Response
from benchmarks.web_api import CERTIFICATE, WebApi, make_certificate
from payment import razorpay_session, wiring
from supermarket.config import settings
from support.payment import KEYS


def fetch(api: WebApi) -> object:
    here = settings().model_copy(update={"razorpay_base_url": api.url})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "settings", lambda: here)
        wiring.razorpay_session.cache_clear()
        client = wiring.razorpay_client.__wrapped__(KEYS)
    try:
        return client.payment.fetch("pay_1")
    finally:
        client.session.close()


@pytest.fixture
def api(tmp_path: Path) -> WebApi:
    make_certificate(tmp_path)
    api = WebApi(tmp_path)
    api.load({"GET /v1/payments/pay_1": [Response(b'{"id": "pay_1"}')]})
    return api


def test_a_server_with_an_unknown_certificate_is_rejected(api: WebApi) -> None:
    with api.serving(), pytest.raises(exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(api)


def test_a_server_is_verified_with_the_context_of_the_session(
    api: WebApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(razorpay_session, "AUTHORITIES", tmp_path / CERTIFICATE)
    with api.serving():
        assert fetch(api) == {"id": "pay_1"}


def test_the_session_has_the_certificates_of_the_sdk_and_checks_host_names() -> None:
    session = razorpay_session.make_session("https://api.razorpay.com")
    adapter: Any = session.get_adapter("https://api.razorpay.com")
    adapter._reading.join()
    context = adapter.poolmanager.connection_pool_kw["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) > 50
