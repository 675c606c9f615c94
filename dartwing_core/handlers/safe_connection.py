"""`requests` with connections only to addresses that were checked.

The host's name is resolved once. So a name that resolves differently the second time (DNS rebinding) gains nothing.
Certificate and Host header still belong to the name.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from frappe import _
from requests.adapters import HTTPAdapter

from dartwing_core.jobs import PermanentError

NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST_V6 = ipaddress.ip_network("2000::/3")
NOT_PUBLIC = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("168.63.129.16/32"))
"""Addresses that `ipaddress` takes for global, as parts of the first. The second is instance metadata of Azure."""

Address = tuple[str, int]
"""An IP address and a port."""


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
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in NOT_PUBLIC)


def resolve(host: str, port: int, allow_private: bool) -> list[Address]:
    """The host's addresses. Raises PermanentError unless all of them are public, OSError if there are none."""
    found: list[Any] = [address[:2] for *_kind, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not allow_private and not all(is_public(str(ip)) for ip, _port in found):
        raise PermanentError(
            _("{0} is or resolves to a private or reserved address. Job Engine Settings can allow these.").format(host)
        )
    return found


class CheckedAdapter(HTTPAdapter):
    """The adapter for one exchange. It connects to one of these addresses, whatever the host's name."""

    def __init__(self, addresses: list[Address]):
        self._addresses = addresses
        super().__init__()

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
        """The pool for a request, whose connections go to the addresses."""
        pool: Any = super().get_connection_with_tls_context(*arguments, **named)
        pool.ConnectionCls = type("Checked", (_Checked, pool.ConnectionCls), {"addresses": self._addresses})
        return pool


class _Checked:
    """Part of a class of urllib3's connections."""

    addresses: list[Address]
    timeout: Any

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers: urllib3 calls this, and then makes TLS of it."""
        problem = OSError("no address")
        for address in self.addresses:
            try:
                return socket.create_connection(address, self.timeout)
            except OSError as error:
                problem = error
        raise problem
