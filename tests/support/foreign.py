"""A server on loopback that answers whatever a test says, and keeps what it was sent."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from queues.egress import Egress

PUBLIC = "127.0.0.2"
"""Stands for a public address in tests: all of 127.0.0.0/8 is this machine."""
INSIDE = "127.0.0.1"

Says = bytes | Callable[[socket.socket], None]


def ok(body: bytes = b"done", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), headers, body)


class Foreign:
    """Takes connections until the test ends; each is read to the end of its request, and answered."""

    def __init__(
        self, says: Says = ok(), host: str = PUBLIC, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.says, self._tls = says, tls
        self.requests: list[bytes] = []
        self.accepted = 0
        self._listener = socket.create_server((host, port))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Foreign:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            connection.settimeout(5)
            # Whoever hangs up, or has no trust in the certificate, is what tests are about.
            with suppress(OSError), connection:
                self._answer(self._tls.wrap_socket(connection, server_side=True) if self._tls else connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            self.requests.append(self._read(connection))
            if isinstance(self.says, bytes):
                connection.sendall(self.says)
            else:
                self.says(connection)

    def _read(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65_536)):
                return data
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += connection.recv(65_536)
        return head + b"\r\n\r\n" + body


def egress(addresses: Sequence[str] = (PUBLIC,), **settings: Any) -> Egress:
    """One for which PUBLIC alone is public, and every name leads to `addresses`."""

    def resolve(host: str, port: int, seconds: float) -> Sequence[str]:
        return addresses

    return Egress(**{"resolve": resolve, "public": lambda address: str(address) == PUBLIC, **settings})


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server of this name, and for a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    both = folder / f"{name}.pem"
    both.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(both))
    server.load_cert_chain(both)
    return server, client


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
