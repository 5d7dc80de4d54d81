"""Takes out of the installed packages what costs a cold start; the layer's Makefile calls it.

- botocore parses its data at every cold start. Documentation goes, and so do the services that no
  function calls: of 28 MB, less than 2 MB are left.
- A TLS client of AWS reads its root certificates at every cold start. Amazon's are put into a file
  of their own, which the functions name in AWS_CA_BUNDLE. Other clients keep certifi's.
- requests imports charset_normalizer, which takes as long as all the rest of razorpay's client, for
  texts without an encoding, which no API sends. It is imported when it is used.
- razorpay imports all of its resources. Those that no function uses go.
- nacl imports all of libsodium's functions. The modules of those that are used are imported alone.
"""

import gzip
import hashlib
import json
import re
import shutil
import ssl
import sys
from pathlib import Path
from typing import Any

SERVICES = (
    "apigatewaymanagementapi",
    "cloudwatch",
    "dynamodb",
    "events",
    "lambda",
    "secretsmanager",
    "sesv2",
    "sqs",
)
"""Every AWS service that a function makes a client of."""

RESOURCES = ("Dispute", "Order", "Payment", "Refund", "Settlement")
"""Every resource of Razorpay that is used."""

ROOTS = {
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e": "Amazon Root CA 1",
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4": "Amazon Root CA 2",
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4": "Amazon Root CA 3",
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092": "Amazon Root CA 4",
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5": "Starfield Services G2",
}
"""The roots of AWS's endpoints (https://www.amazontrust.com/repository), by SHA-256 fingerprint."""

ON_FIRST_USE = """from importlib import import_module

from .version import VERSION, __version__


def __getattr__(name):
    for part in ("legacy", "api", "models", "utils"):
        module = import_module(f"{__name__}.{part}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(name)
"""
"""The `__init__.py` of charset_normalizer."""

SODIUM = """from nacl.bindings.sodium_core import sodium_init

sodium_init()
"""
"""The `__init__.py` of nacl's bindings."""

CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?")


def prune(packages: Path, bundle: Path) -> None:
    """Prune the packages of a layer and write its bundle of root certificates."""
    _prune_botocore(packages / "botocore" / "data")
    _prune_razorpay(packages / "razorpay")
    (packages / "charset_normalizer" / "__init__.py").write_text(ON_FIRST_USE)
    (packages / "nacl" / "bindings" / "__init__.py").write_text(SODIUM)
    roots = amazon_roots((packages / "certifi" / "cacert.pem").read_text())
    bundle.write_text("".join(roots))


def _prune_botocore(data: Path) -> None:
    for service in data.iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for file in data.rglob("examples-1.json*"):
        file.unlink()
    for file in [*data.rglob("*.json.gz"), *data.rglob("*.json")]:
        _write(file.with_name(file.name.removesuffix(".gz")), without_documentation(_read(file)))
        if file.suffix == ".gz":
            file.unlink()
    prefixes = {
        _read(model)["metadata"]["endpointPrefix"] for model in data.rglob("service-2.json")
    }
    endpoints = data / "endpoints.json"
    _write(endpoints, only_services(_read(endpoints), prefixes))


def _prune_razorpay(package: Path) -> None:
    resources = package / "resources"
    names = {"__init__", "base", *map(str.lower, RESOURCES)}
    for module in resources.glob("*.py"):
        if module.stem not in names:
            module.unlink()
    for file, source in ((package, "resources"), (resources, r"\w+")):
        unused = rf"from \.{source} import (?!(?:{'|'.join(RESOURCES)})\b)\w+\n"
        init = file / "__init__.py"
        init.write_text(re.sub(unused, "", init.read_text()))


def without_documentation(value: Any) -> Any:
    """A service model without its texts; what is *called* documentation in AWS's API stays."""
    if isinstance(value, dict):
        return {
            key: without_documentation(part)
            for key, part in value.items()
            if not (key == "documentation" and isinstance(part, str))
        }
    return [without_documentation(part) for part in value] if isinstance(value, list) else value


def only_services(endpoints: dict[str, Any], prefixes: set[str]) -> dict[str, Any]:
    """botocore's endpoints, cut to the services with these endpoint prefixes."""
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services if name in prefixes}
    return endpoints


def amazon_roots(bundle: str) -> list[str]:
    """Amazon's root certificates in a PEM bundle; LookupError when one is missing."""
    found = {
        hashlib.sha256(ssl.PEM_cert_to_DER_cert(each)).hexdigest(): each
        for each in CERTIFICATE.findall(bundle)
    }
    if missing := [name for fingerprint, name in ROOTS.items() if fingerprint not in found]:
        raise LookupError(f"certifi has no {', '.join(missing)}")
    return [found[fingerprint] for fingerprint in ROOTS]


def _read(file: Path) -> Any:
    content = file.read_bytes()
    return json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, separators=(",", ":")))


if __name__ == "__main__":
    prune(Path(sys.argv[1]), Path(sys.argv[2]))
