"""http_request checks addresses and parameters before anything is sent."""

from __future__ import annotations

import pytest

from dartwing_core.handlers.http_request import RequestParameters, is_public, prepared, resolve
from dartwing_core.jobs import JobContext, PermanentError
from dartwing_core.jobs.lib import clock, sealing

URL = "https://example.com/hook"


@pytest.fixture(autouse=True)
def _no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "iso_clock", lambda: str)
    monkeypatch.setattr(sealing, "fingerprint", lambda text: f"key of {text}")


def request_of(**parameters):
    """The request that a job with these parameters sends."""
    return prepared(context(**parameters), RequestParameters(**parameters))


def context(timeout_seconds: int = 120, **parameters) -> JobContext:
    return JobContext(
        job_id="JOB-1",
        job_type="http_request",
        organization="o",
        parameters=parameters,
        timeout_seconds=timeout_seconds,
        attempt=1,
        owner_user="user@example.com",
    )


PUBLIC = """
93.184.215.14 8.8.8.8 223.255.255.254 2606:2800:21f:cb07:6820:80da:af6b:8b2c ::ffff:8.8.8.8 64:ff9b::8.8.8.8
2002:808:808::1
"""
PRIVATE = """
127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1
100.100.100.200 168.63.129.16 192.0.0.192 198.51.100.1 230.0.0.1 192.0.2.1 198.18.0.1 203.0.113.1 224.0.0.1
239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1
64:ff9b::127.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1::1
2001:0:53aa:64c:0:7f:f5ff:fffe 2001:db8::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
"""
LOOPBACK = """
localhost 127.0.0.1 127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 0 0.0.0.0 ::1 :: ::ffff:127.0.0.1
::ffff:7f00:1 ①②⑦.⓪.⓪.① 127。0。0。1
"""


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_are_reached(address):
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_reserved_and_wrapped_addresses_are_refused(address):
    assert not is_public(address)


@pytest.mark.parametrize("host", LOOPBACK.split())
def test_every_spelling_of_loopback_is_refused(host):
    with pytest.raises(PermanentError, match="private or reserved"):
        resolve(host, 80, allow_private=False)


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    # A name server of our own can't be had here: what it would answer comes from the place of the resolver.
    found = [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_arguments, **_named: found)
    with pytest.raises(PermanentError, match="private or reserved"):
        resolve("mixed.example", 80, allow_private=False)
    assert resolve("mixed.example", 80, allow_private=True) == [("8.8.8.8", 80), ("10.0.0.1", 80)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"url": "example.com"}, "must begin with"),
        ({"url": "ftp://example.com"}, "must begin with"),
        ({"url": "http://"}, "not valid: InvalidURL"),
        ({"url": "http://example.com:99999/"}, "not valid: InvalidURL"),
        ({"url": "http://[::1/"}, "not valid: "),
        ({"url": "http://user:secret@example.com/"}, "user name or password"),
        ({"url": URL, "headers": {"Host": "internal"}}, "'Host' can't be set"),
        ({"url": URL, "headers": {"content-length": "0"}}, "can't be set"),
        ({"url": URL, "headers": {"Transfer-Encoding": "chunked"}}, "can't be set"),
        ({"url": URL, "headers": {"Idempotency-KEY": "mine"}}, "can't be set"),
        ({"url": URL, "headers": {"": "x"}}, "not valid: InvalidHeader"),
        ({"url": URL, "headers": {"X\r\nHost": "x"}}, "not valid: InvalidHeader"),
        ({"url": URL, "headers": {"X": "a\r\nHost: internal"}}, "not valid: InvalidHeader"),
    ],
)
def test_wrong_parameters_fail_for_good_and_say_why(parameters, message):
    with pytest.raises(PermanentError, match=message):
        request_of(**parameters)


@pytest.mark.parametrize("payload", [{"a": "ü"}, [], "text", 0, False, None])
def test_any_json_is_a_payload_null_too(payload):
    request = request_of(url=URL, payload=payload)
    assert request.body is not None
    assert request.headers["Content-Type"] == "application/json"
    assert request_of(url=URL).body is None


def test_own_headers_replace_the_defaults_whatever_their_case():
    request = request_of(url=URL, payload=1, headers={"content-type": "application/cloudevents+json"})
    types = [value for name, value in request.headers.items() if name.lower() == "content-type"]
    assert types == ["application/cloudevents+json"]
