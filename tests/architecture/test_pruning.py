"""The files that the build of the layer removes from the packages, and those it keeps."""

import re
import runpy
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import certifi
import charset_normalizer
import nacl
import pytest
import razorpay

from ai_buddy import wiring as ai_buddy
from payment import wiring as payment
from product import wiring as product
from support.domains import FUNCTIONS, ROOT
from support.payment import KEYS

SCRIPT = ROOT / "layers" / "dependencies" / "prune.py"
CLIENT = re.compile(r'client\(\s*"(\w+)"')


def pruning() -> dict[str, Any]:
    """The names in the script that prunes the packages."""
    return runpy.run_path(str(SCRIPT))


def test_the_layer_has_the_data_of_every_aws_service_that_is_called_and_of_no_other() -> None:
    called = {
        service
        for file in FUNCTIONS.rglob("*.py")
        for service in CLIENT.findall(file.read_text())
        if service in botocore.session.get_session().get_available_services()
    }
    assert called | {"dynamodb"} == set(pruning()["SERVICES"])


def test_documentation_is_pruned_but_not_data_named_documentation() -> None:
    model = {
        "documentation": "<p>What it is</p>",
        "shapes": [{"members": {"documentation": {"shape": "Text", "documentation": "A text"}}}],
    }
    pruned = {"shapes": [{"members": {"documentation": {"shape": "Text"}}}]}
    assert pruning()["without_documentation"](model) == pruned


def test_a_client_with_pruned_data_has_its_endpoint(tmp_path: Path) -> None:
    installed = Path(botocore.__file__).parent
    packages = tmp_path / "python"
    shutil.copytree(installed / "data", packages / "botocore" / "data")
    for package in (razorpay, charset_normalizer, nacl):
        shutil.copytree(package.__path__[0], packages / package.__name__)
    (packages / "certifi").mkdir()
    shutil.copy(certifi.where(), packages / "certifi")

    pruning()["prune"](packages, tmp_path / "amazon-roots.pem")

    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    loader.search_paths[:] = [str(packages / "botocore" / "data")]
    assert sorted(session.get_available_services()) == sorted(pruning()["SERVICES"])
    for service in session.get_available_services():
        client = session.create_client(service, region_name="ap-south-1", verify=str(tmp_path))
        assert client.meta.endpoint_url.startswith("https://")
        assert "ap-south-1" in client.meta.endpoint_url
    trusted = ssl.create_default_context(cafile=str(tmp_path / "amazon-roots.pem")).get_ca_certs()
    assert len(trusted) == len(pruning()["ROOTS"])


def used_resources() -> set[str]:
    """The SDK's resources that payment calls: `api.order.create`, `self._page("order", …)`."""
    source = (FUNCTIONS / "payment" / "gateways.py").read_text()
    found = re.findall(r'\bapi\.(\w+)\.|_page\(\s*"(\w+)"', source)
    return {called or listed for called, listed in found}


def test_the_pruned_client_of_razorpay_has_the_used_resources_and_imports_no_others(
    tmp_path: Path,
) -> None:
    for package in (razorpay, charset_normalizer):
        shutil.copytree(package.__path__[0], tmp_path / package.__name__)
    pruning()["_prune_razorpay"](tmp_path / "razorpay")
    lazy = tmp_path / "charset_normalizer" / "__init__.py"
    lazy.write_text(pruning()["ON_FIRST_USE"])
    python = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import razorpay
client = razorpay.Client(auth=("key", "secret"))
assert client.order.create and client.payment.capture and client.refund.all
assert all(hasattr(client, name) for name in {used_resources()!r})
assert client.utility.verify_webhook_signature
assert not hasattr(client, "invoice")
assert razorpay.__file__.startswith({str(tmp_path)!r})
assert "charset_normalizer.api" not in sys.modules
from charset_normalizer import CharsetMatch, detect, from_bytes
assert detect("Größe".encode())["encoding"] == "utf-8"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", python], check=True)  # noqa: S603


def test_pruned_libsodium_signs_and_imports_nothing_else(tmp_path: Path) -> None:
    shutil.copytree(nacl.__path__[0], tmp_path / "nacl")
    (tmp_path / "nacl" / "bindings" / "__init__.py").write_text(pruning()["SODIUM"])
    python = f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}, {str(FUNCTIONS)!r}]
from supermarket.signatures import Ed25519, key_pair
import nacl.bindings
assert nacl.bindings.__file__.startswith({str(tmp_path)!r})
public, private = key_pair(bytes(32))
assert Ed25519().verify(b"text", public, Ed25519().sign(b"text", private))
assert not Ed25519().verify(b"Text", public, Ed25519().sign(b"text", private))
assert "nacl.bindings.crypto_box" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", python], check=True)  # noqa: S603


def test_a_bundle_without_one_of_amazons_roots_is_refused() -> None:
    with pytest.raises(LookupError, match="Amazon Root CA 1"):
        pruning()["amazon_roots"]("")


def test_only_clients_of_aws_trust_amazons_roots_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/amazon-roots.pem")

    assert Path(payment.razorpay_client.__wrapped__(KEYS).cert_path).is_file()
    # httpx reads its certificates when a client is made
    product._imagekit.__wrapped__("key")
    ai_buddy._model.__wrapped__("key")
    # botocore reads them when it speaks TLS, which it does not to the local cloud
    botocore.session.get_session().create_client("sqs")
