"""A loopback server that replays recorded responses, over HTTP or TLS."""

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.recording import Recording, Response

UNKNOWN = Response(b'{"__type": "NotRecorded"}', 418)
ADDRESS = "127.0.0.1"
OTHER_USAGES = (
    *("crl_sign", "encipher_only", "decipher_only", "key_agreement"),
    *("content_commitment", "key_encipherment", "data_encipherment"),
)
KEY, CERTIFICATE = "server.key", "server.pem"


class WebApi:
    """Replays recorded responses; those of a key in order, and again from the first."""

    def __init__(self, certificate_folder: Path | None) -> None:
        self._server = _Server((ADDRESS, 0), _Handler)
        self._server.play = self._play
        scheme = "http"
        if certificate_folder:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate_folder / CERTIFICATE, certificate_folder / KEY)
            # each connection's thread makes the handshake
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{scheme}://{ADDRESS}:{self._server.server_port}"
        self._recording: Recording = {}
        self._played: dict[str, int] = {}
        self.unknown: list[str] = []

    def load(self, recording: Recording) -> None:
        """Replace the recording, and reset the counts."""
        self._recording, self._played, self.unknown = recording, {}, []

    @property
    def unused(self) -> set[str]:
        """Requests that were made less often than recorded."""
        return {
            key
            for key, responses in self._recording.items()
            if self._played.get(key, 0) < len(responses)
        }

    def _play(self, key: str) -> Response:
        if key not in self._recording:
            self.unknown.append(key)
            return UNKNOWN
        number = self._played.get(key, 0)
        self._played[key] = number + 1
        responses = self._recording[key]
        return responses[number % len(responses)]

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    play: Any

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: clients are killed with open connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        response = self.server.play(
            self.headers.get("x-amz-target") or f"{self.command} {self.path}"
        )
        self.send_response(response.status)
        self.send_header("content-type", response.content_type)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST  # noqa: N815 - the base class's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


def make_certificate(folder: Path) -> None:
    """Write a private key and a certificate for the server."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ADDRESS)])
    usage = dict.fromkeys(OTHER_USAGES, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ADDRESS))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / KEY).write_bytes(private)
    (folder / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
