"""HTTP connections only to public addresses: to the very address that was checked, within one total time.

The host's name is resolved once. So a name that resolves differently the second time (DNS rebinding) gains nothing.
Certificate and Host header still belong to the name.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

from frappe import _
from requests.certs import where as trusted_certificates

from dartwing_core.jobs import PermanentError

NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST_V6 = ipaddress.ip_network("2000::/3")

NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "168.63.129.16/32",  # instance metadata at an address that is formally public (Azure)
    )
)
"""IANA's registries of special-purpose addresses. Python's `is_global` knows different ones in each version."""

Address = tuple[int, Any]
"""A family and a socket address, as `socket.getaddrinfo` returns them."""


class Deadline:
    """A time span that all steps share."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left. Raises TimeoutError when there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds


def is_public(address: str) -> bool:
    """Whether an IP address is reachable from anywhere.

    Private, loopback, link-local, reserved and multicast addresses are not, nor a cloud's metadata service. Nor
    are such addresses wrapped in IPv6 (mapped, NAT64, 6to4).
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in GLOBAL_UNICAST_V6:
            return False
    return ip.is_global and not any(ip in network for network in NOT_PUBLIC)


def resolve(host: str, port: int, allow_private: bool) -> list[Address]:
    """The host's addresses. Raises PermanentError unless all of them are public, OSError if there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses: list[Address] = [(family, address) for family, _type, _protocol, _name, address in found]
    if not allow_private and not all(is_public(address[0]) for _family, address in addresses):
        raise PermanentError(
            _("{0} is or resolves to a private or reserved address. Job Engine Settings can allow these.").format(host)
        )
    return addresses


@contextlib.contextmanager
def open_connection(
    host: str, port: int, *, is_https: bool, deadline: Deadline, allow_private: bool = False
) -> Iterator[http.client.HTTPConnection]:
    """A connection whose reads and writes obey the deadline, closed at the end.

    Proxies of the environment are not used: they would resolve the name themselves.
    """
    connected = _connect(resolve(host, port, allow_private), deadline)
    try:
        if is_https:
            connected.settimeout(deadline.left())
            connected = _tls_context().wrap_socket(connected, server_hostname=host)
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = 443 if is_https else 80
        connection.sock = _DeadlineSocket(connected, deadline)
        connection.auto_open = 0
        yield connection
    finally:
        connected.close()


def _connect(addresses: list[Address], deadline: Deadline) -> socket.socket:
    problem: OSError = OSError("no address")
    for family, address in addresses:
        candidate = socket.socket(family, socket.SOCK_STREAM)
        try:
            candidate.settimeout(deadline.left())
            candidate.connect(address)
            return candidate
        except OSError as error:
            candidate.close()
            problem = error
        except BaseException:
            candidate.close()
            raise
    raise problem


def _tls_context() -> ssl.SSLContext:
    """A TLS context that trusts the certificates of the system and of `requests`."""
    context = ssl.create_default_context()
    context.load_verify_locations(trusted_certificates())
    return context


class _DeadlineSocket:
    """The part of a socket that `http.client` uses. Each step gets the time that is left.

    A socket's own timeout would start anew with each byte from a slow peer.
    """

    def __init__(self, connected: socket.socket, deadline: Deadline):
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._socket.settimeout(self._deadline.left())
            view = view[self._socket.send(view) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._socket, self._deadline))

    def close(self) -> None:
        """Do nothing yet: `http.client` closes a connection before it has read the response's body."""


class _DeadlineReader(io.RawIOBase):
    def __init__(self, connected: socket.socket, deadline: Deadline):
        self._socket = connected
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._deadline.left())
        return self._socket.recv_into(buffer)
