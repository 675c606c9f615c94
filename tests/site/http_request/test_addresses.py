"""`http_request` goes to public addresses alone, and to whom the certificate names."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dartwing_core.jobs import PermanentError, TransientError
from tests.support.jobs import run
from tests.support.outgoing import allow_private, send, submitted
from tests.support.receiver import Receiver


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_refused_without_a_connection(receiver, host):
    assert send(receiver.url(host))["status"] == 200, "the spelling leads to the receiver"
    seen = receiver.connections
    allow_private(0)
    with pytest.raises(PermanentError, match="private or reserved address"):
        send(receiver.url(host))
    assert receiver.connections == seen


def test_loopback_of_ipv6_is_refused():
    server = Receiver("::1")
    assert send(server.url("[::1]"))["status"] == 200
    assert server.requests[0].headers["Host"] == f"[::1]:{server.port}"
    allow_private(0)
    with pytest.raises(PermanentError, match="private or reserved address"):
        send(server.url("[::1]"))
    server.close()
    assert server.connections == 1


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(receiver, monkeypatch):
    # The name exists for the first question only; a second one would fail (or be answered by an attacker).
    asked = []
    resolve = socket.getaddrinfo

    def once(host, *arguments, **named):
        if host == "127.0.0.1":
            return resolve(host, *arguments, **named)
        asked.append(host)
        return resolve("127.0.0.1" if len(asked) == 1 else "unknown.invalid", *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    assert send(receiver.url("rebinding.example"))["status"] == 200
    assert asked == ["rebinding.example"]
    assert receiver.requests[0].headers["Host"] == f"rebinding.example:{receiver.port}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate and key for localhost and ::1 that nobody trusts yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("::1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    pem = serialization.Encoding.PEM
    key_format = serialization.PrivateFormat.PKCS8
    path.write_bytes(signed.public_bytes(pem) + key.private_bytes(pem, key_format, serialization.NoEncryption()))
    return path


@pytest.fixture
def tls_receiver(certificate: Path) -> Iterator[Receiver]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server = Receiver(tls=tls)
    yield server
    server.close()


def test_https_checks_the_certificate_against_the_name(tls_receiver, certificate, monkeypatch):
    url = tls_receiver.url("localhost", scheme="https")
    with pytest.raises(TransientError, match="SSLCertVerificationError"):
        send(url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert send(url)["status"] == 200
    with pytest.raises(TransientError, match="SSLCertVerificationError"):
        send(tls_receiver.url("127.0.0.1", scheme="https"))
    assert len(tls_receiver.requests) == 1


def test_http_spoken_to_an_https_port_is_tried_again(tls_receiver, receiver):
    with pytest.raises(TransientError):
        send(tls_receiver.url("localhost"))
    with pytest.raises(TransientError):
        send(receiver.url("localhost", scheme="https"))


def test_a_refused_address_is_dead_at_once(receiver, alice):
    allow_private(0)
    status = run(submitted(receiver.url(), alice))
    assert (status["status"], status["error_type"]) == ("Dead Letter", "Permanent")
    assert "private or reserved address" in status["error_message"]
    assert receiver.connections == 0
