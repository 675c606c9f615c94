"""http_request against real servers: what it sends, what it makes of the answers, and where it refuses to go."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import frappe
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dartwing_core.handlers.http_request import BODY_BYTES, http_request
from dartwing_core.jobs import JobContext, PermanentError, TransientError
from dartwing_core.jobs.attempt import idempotency
from dartwing_core.jobs.base import clock, ids
from dartwing_core.jobs.base import config as engine_config
from tests.support import factory
from tests.support.jobs import run, submitted_by
from tests.support.receiver import Answer, Receiver, raw_server
from tests.support.sessions import as_user


def allow_private(value: int) -> None:
    frappe.db.set_single_value(engine_config.SETTINGS, "allow_private_addresses", value)
    frappe.db.commit()
    frappe.clear_document_cache(engine_config.SETTINGS, engine_config.SETTINGS)


@pytest.fixture(autouse=True)
def _private_addresses_allowed(site: None) -> Iterator[None]:
    allow_private(1)
    yield
    allow_private(0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


def send(url: str, *, attempt: int = 1, timeout_seconds: int = 120, **parameters) -> dict:
    context = JobContext(
        job_id="JOB-TEST",
        job_type="http_request",
        organization=factory.ALPHA,
        parameters={"url": url, **parameters},
        timeout_seconds=timeout_seconds,
        attempt=attempt,
        owner_user="Administrator",
    )
    return http_request(context)


# What is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_payload_arrives_as_json(receiver, method):
    payload = {"text": "ü日", "list": [1, 2.5, None, True]}
    result = send(receiver.url(path="/a?b=c"), method=method, payload=payload, headers={"X-Own": "value"})
    (request,) = receiver.requests
    assert (request.method, request.path) == (method, "/a?b=c")
    assert request.body.decode() == '{"text":"ü日","list":[1,2.5,null,true]}'
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["X-Own"] == "value"
    assert request.headers["User-Agent"].startswith("dartwing_core/")
    assert result["status"] == 200
    assert result["body"] == {"ok": True}
    assert result["is_cut"] is False
    assert result["headers"]["Content-Type"] == "application/json"


def test_a_get_has_no_body(receiver):
    send(receiver.url(), method="GET")
    assert receiver.requests[0].method == "GET"
    assert "Content-Length" not in receiver.requests[0].headers


def test_the_idempotency_key_is_the_same_in_each_attempt(receiver):
    send(receiver.url())
    send(receiver.url(), attempt=2)
    first, second = (request.headers["Idempotency-Key"] for request in receiver.requests)
    assert first == second
    assert re.fullmatch("[0-9a-f]{32}", first), "which does not tell the job's id"


def test_the_idempotency_key_of_a_job_stays_what_its_first_attempt_has_sent(monkeypatch):
    # Before there was a secret, the id; and a second process makes no second secret.
    job, later = "JOB-1K159VQ8E4BFY1M9A5S1", "JOB-1Z159VQ8E4BFY1M9A5S1"
    before = frappe.db.get_single_value("Job Engine Settings", "idempotency_secret")
    try:
        frappe.db.set_single_value("Job Engine Settings", "idempotency_secret", None)
        frappe.clear_document_cache(engine_config.SETTINGS, engine_config.SETTINGS)
        assert idempotency.key_of(job) == job
        idempotency.make_secret()
        idempotency.make_secret()
        since, secret = frappe.db.get_single_value("Job Engine Settings", "idempotency_secret").split()
        assert ids.job_name() > since
        assert len(secret) == 64
        assert idempotency.key_of(job) == job, "it is older than the secret"
        assert idempotency.key_of(later) != later
        manager = factory.user("manager", roles=("System Manager",))
        form = as_user(manager, frappe.get_doc, "Job Engine Settings")
        form.idempotency_secret = "mine"
        as_user(manager, form.save)
        assert frappe.db.get_single_value("Job Engine Settings", "idempotency_secret") == f"{since} {secret}"
        form = as_user(manager, frappe.get_doc, "Job Engine Settings")
        as_user(manager, form.apply_fieldlevel_read_permissions)
        assert not form.get("idempotency_secret")
    finally:
        frappe.db.rollback()
        frappe.db.set_single_value("Job Engine Settings", "idempotency_secret", before)
        frappe.db.commit()
        frappe.clear_document_cache(engine_config.SETTINGS, engine_config.SETTINGS)


def test_proxies_of_the_environment_are_not_used(receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(receiver.url())["status"] == 200


# What comes of the answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(204, b""), ""),
        (Answer(201, b"plain \xff", (("Content-Type", "text/plain"),)), "plain \ufffd"),
        (Answer(200, "ü".encode("latin-1"), (("Content-Type", "text/plain; charset=iso-8859-1"),)), "ü"),
        (Answer(200, b"x", (("Content-Type", "text/plain; charset=nonsense"),)), "x"),
        (Answer(200, b"x", ()), "x"),
        (Answer(200, b"{broken"), "{broken"),
        (Answer(200, b'{"n": NaN}'), '{"n": NaN}'),
        (Answer(200, b"1e999"), "1e999"),
        (Answer(200, b'"\\ud800"'), '"\\ud800"'),
        (Answer(200, b"[" * 60_000), "[" * 60_000),
        (Answer(200, b'[{"a": 1}]', (("Content-Type", "application/problem+json"),)), [{"a": 1}]),
    ],
)
def test_the_body_is_json_if_it_can_be_stored_as_such_else_text(receiver, answer, expected):
    receiver.answers = [answer]
    assert send(receiver.url())["body"] == expected


def test_of_a_long_body_the_beginning_is_kept_and_no_more_is_read():
    sent = []

    def endless(connection: socket.socket, end) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not end.is_set():
            connection.sendall(b"[" * 10_000)
            sent.append(10_000)

    with raw_server(endless) as port:
        result = send(f"http://127.0.0.1:{port}/")
    assert result["body"] == "[" * BODY_BYTES
    assert result["is_cut"] is True
    assert sum(sent) < 50_000_000


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 507])
def test_these_statuses_are_tried_again(receiver, status):
    receiver.answers = [Answer(status, b"try\nlater")]
    with pytest.raises(TransientError, match=f"POST 127.0.0.1: HTTP {status}: try later") as caught:
        send(receiver.url(path="/secret?token=abcdef"))
    assert caught.value.retry_after is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 451])
def test_these_statuses_are_final(receiver, status):
    receiver.answers = [Answer(status, b"no")]
    with pytest.raises(PermanentError, match=f"POST 127.0.0.1: HTTP {status}: no"):
        send(receiver.url())


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_redirects_are_not_followed(receiver, status):
    other = Receiver()
    receiver.answers = [Answer(status, b"", (("Location", other.url()),))]
    with pytest.raises(PermanentError, match=f"HTTP {status}. Redirects are not followed"):
        send(receiver.url())
    other.close()
    assert other.connections == 0


def test_retry_after_in_seconds_and_as_a_date_is_passed_on(receiver):
    later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90), usegmt=True)
    for value, expected in (("120", 120), (later, 90), ("soon", None)):
        receiver.answers = [Answer(503, b"", (("Retry-After", value),))]
        with pytest.raises(TransientError) as caught:
            send(receiver.url())
        assert caught.value.retry_after == (pytest.approx(expected, abs=3) if expected else None)


def test_messages_hold_neither_query_nor_headers_even_if_the_server_repeats_them(receiver):
    body = "you sent Bearer s3cr3t-token to /hook?key=k3y-value&x=1 \x00\x1b[31m" + "x" * 1_000
    receiver.answers = [Answer(400, body.encode())]
    with pytest.raises(PermanentError) as caught:
        send(receiver.url(path="/hook?key=k3y-value&x=1"), headers={"Authorization": "Bearer s3cr3t-token"})
    message = str(caught.value)
    assert message.startswith("POST 127.0.0.1: HTTP 400: you sent *** to /hook?*** [31mxxx")
    assert len(message) < 250


# When no answer comes -------------------------------------------------------------------------------------------


def test_a_refused_connection_is_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransientError, match=r"POST 127\.0\.0\.1: ConnectionRefusedError"):
        send(f"http://127.0.0.1:{port}/")


def test_an_unknown_host_is_tried_again():
    with pytest.raises(TransientError, match="can't be resolved"):
        send("http://unknown.invalid/")


def silent(connection: socket.socket, end) -> None:
    end.wait(20)


def dripping_headers(connection: socket.socket, end) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not end.wait(0.05):
        connection.sendall(b"x")


def dripping_body(connection: socket.socket, end) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    while not end.wait(0.05):
        connection.sendall(b"x")


def endless_continue(connection: socket.socket, end) -> None:
    while not end.wait(0.01):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("talk", [silent, dripping_headers, dripping_body, endless_continue])
def test_the_timeout_is_for_the_whole_exchange(talk):
    with raw_server(talk) as port:
        began = time.monotonic()
        with pytest.raises(TransientError, match=r"no complete answer within 0\.5 seconds"):
            send(f"http://127.0.0.1:{port}/", timeout=0.5)
        assert 0.4 < time.monotonic() - began < 3


def slow_reader(connection: socket.socket, end) -> None:
    while not end.wait(0.05):
        connection.recv(250_000)


@pytest.mark.parametrize("talk", [silent, slow_reader])
def test_the_timeout_is_for_sending_too(talk):
    with raw_server(talk) as port:
        began = time.monotonic()
        with pytest.raises(TransientError, match=r"no complete answer within 0\.5 seconds"):
            send(f"http://127.0.0.1:{port}/", timeout=0.5, payload="x" * 20_000_000)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
    ids=["nothing", "no http", "half a body", "half a chunk", "too many headers", "a huge header"],
)
def test_an_answer_that_is_broken_or_breaks_off_is_tried_again(answer):
    def talk(connection: socket.socket, _end) -> None:
        connection.recv(65_536)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    with raw_server(talk) as port, pytest.raises(TransientError, match=r"POST 127\.0\.0\.1: "):
        send(f"http://127.0.0.1:{port}/")


def test_chunks_are_put_together(receiver):
    receiver.answers = [Answer(200, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", (("Transfer-Encoding", "chunked"),))]
    assert send(receiver.url())["body"] == "hello world"


# Where it does not go -------------------------------------------------------------------------------------------


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
        asked.append(host)
        return resolve("127.0.0.1" if len(asked) == 1 else "unknown.invalid", *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    assert send(receiver.url("rebinding.example"))["status"] == 200
    assert asked == ["rebinding.example"]
    assert receiver.requests[0].headers["Host"] == f"rebinding.example:{receiver.port}"


# TLS ------------------------------------------------------------------------------------------------------------


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
    with pytest.raises(TransientError, match="certificate is not valid"):
        send(url)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert send(url)["status"] == 200
    with pytest.raises(TransientError, match="certificate is not valid"):
        send(tls_receiver.url("127.0.0.1", scheme="https"))
    assert len(tls_receiver.requests) == 1


def test_http_spoken_to_an_https_port_is_tried_again(tls_receiver, receiver):
    with pytest.raises(TransientError):
        send(tls_receiver.url("localhost"))
    with pytest.raises(TransientError):
        send(receiver.url("localhost", scheme="https"))


# As a job -------------------------------------------------------------------------------------------------------


def submitted(url: str, user: str, **parameters):
    job_type = factory.job_type("http", "dartwing_core.handlers.http_request.http_request", max_retries=1)
    return submitted_by(user, job_type, url=url, **parameters)


def test_a_delivery_completes_with_the_answer_as_result(receiver, alice):
    status = run(submitted(receiver.url(), alice, payload={"a": 1}))
    assert status["status"] == "Completed", status
    assert status["result"]["body"] == {"ok": True}


def test_a_busy_receiver_is_tried_again_when_it_said(receiver, alice):
    receiver.answers = [Answer(429, b"", (("Retry-After", "7200"),))]
    job = submitted(receiver.url(), alice)
    status = run(job)
    assert (status["status"], status["error_type"]) == ("Failed", "Transient")
    due = clock.to_epoch(datetime.fromisoformat(status["next_retry_at"]))
    assert due - clock.now_epoch() == pytest.approx(7200, abs=30)


def test_a_refused_address_is_dead_at_once(receiver, alice):
    allow_private(0)
    status = run(submitted(receiver.url(), alice))
    assert (status["status"], status["error_type"]) == ("Dead Letter", "Permanent")
    assert "private or reserved address" in status["error_message"]
    assert receiver.connections == 0
