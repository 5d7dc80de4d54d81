"""The TLS of Razorpay's client: verified as the SDK would, with a context that is made once."""

import ssl
from pathlib import Path

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


def test_a_server_that_nobody_vouches_for_is_refused(api: WebApi) -> None:
    with api.serving(), pytest.raises(exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(api)


def test_a_server_is_trusted_by_the_context_that_the_session_made(
    api: WebApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(razorpay_session, "AUTHORITIES", tmp_path / CERTIFICATE)
    with api.serving():
        assert fetch(api) == {"id": "pay_1"}


def test_the_session_trusts_what_the_sdk_trusts_and_checks_names() -> None:
    made = razorpay_session.session(print)
    context = made.get_adapter("https://api.razorpay.com").poolmanager.connection_pool_kw[  # type: ignore[attr-defined]
        "ssl_context"
    ]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) > 50
