"""Delivery of a JSON payload to a URL."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import requests
from frappe import _
from pydantic import PositiveFloat
from requests.adapters import HTTPAdapter

import dartwing_core
from dartwing_core.jobs import JobContext, PermanentError, Secret, TransientError, job_handler
from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.lib.canonical import plain
from dartwing_core.jobs.lib.classification import RETRYABLE_HTTP_STATUS, parse_retry_after
from dartwing_core.jobs.lib.config import settings
from dartwing_core.jobs.lib.texts import cut, spellings, without

DEFAULT_TIMEOUT = 30
SHARE_OF_TIME = 0.9
"""Share of the job's remaining time for the request. The rest is for recording the outcome."""
BODY_BYTES = 65_536
EXCERPT_CHARACTERS = 200
KEPT_HEADERS = ("Content-Type", "Content-Length", "Date", "ETag", "Last-Modified", "X-Request-Id")
OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "idempotency-key"})
"""Headers that the handler or the connection sets."""


@dataclass
class RequestParameters:
    """The parameters of http_request; see there."""

    url: Annotated[str, "http or https, without user and password"]
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = "POST"
    payload: Annotated[Any, "Any JSON value"] = None
    headers: Annotated[dict[str, str] | None, "No tokens: everybody who may see the job sees them"] = None
    token: Annotated[Secret[str] | None, "Encrypted, and shown to nobody"] = None
    token_header: Annotated[str | None, "The token's header; by default Authorization, as a Bearer token"] = None
    timeout: Annotated[PositiveFloat | None, "Seconds to wait for the server, at each step; 30 by default"] = None


@job_handler("http_request", display_name="HTTP Request", timeout=120, deduplication_window=60)
def http_request(context: JobContext, parameters: RequestParameters) -> dict[str, Any]:
    """Delivers a JSON payload to a URL, again until it is accepted.

    `docs/job_types.md` describes the parameters. The header `Idempotency-Key`
    (draft-ietf-httpapi-idempotency-key-header) is equal in all attempts of the job: delivery is at least once, and the
    receiver recognizes a repetition by this key. The connection goes to the address that was checked. Proxies of the
    environment are not used. The job's time limit ends an exchange with a server that sends a byte now and then.

    Returns `status`, `headers` (a few), `body` (JSON or text, its first 64 KB) and `is_cut` (whether there was more).
    Raises TransientError without a complete answer and for 408, 425, 429 and 5xx, with the answer's Retry-After. Raises
    PermanentError for wrong parameters, a refused address and any other answer.
    """
    request = prepared(context, parameters)
    seconds = min(parameters.timeout or DEFAULT_TIMEOUT, context.remaining_seconds() * SHARE_OF_TIME)
    name = f"{request.method} {urlsplit(str(request.url)).hostname}"  # not the path and query, which may hold secrets
    try:
        response, content = _answer(request, seconds)
    except ValueError as error:  # a host or a header that has no bytes
        raise _invalid(error) from None
    except OSError as error:  # of sockets, and of `requests`
        raise TransientError(f"{name}: {_reason(error)}", cause=error) from error
    status, headers = response.status_code, response.headers
    is_cut, text = len(content) > BODY_BYTES, content[:BODY_BYTES].decode("utf-8", "replace")
    if not 200 <= status < 300:
        if parameters.token is not None:  # before its beginning is cut off
            text = without(text, spellings([parameters.token.get_secret_value()]))
        raise _refusal(f"{name}: HTTP {status}", status, headers.get("Retry-After"), text)
    body = text if is_cut or "json" not in headers.get("Content-Type", "").lower() else _parsed(text)
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    return {"status": status, "headers": kept, "body": body, "is_cut": is_cut}


def prepared(context: JobContext, parameters: RequestParameters) -> requests.PreparedRequest:
    """The request that the parameters describe. Raises PermanentError if they are wrong."""
    if not parameters.url.lower().startswith(("http://", "https://")):
        raise PermanentError(_("url must begin with http:// or https:// and a host."))
    for name in (*(parameters.headers or {}), parameters.token_header or ""):
        if name.strip().lower() in OWN_HEADERS:
            raise PermanentError(_("The header {0} can't be set.").format(cut(repr(name))))
    headers = requests.structures.CaseInsensitiveDict(
        {"Accept": "application/json, */*", "User-Agent": f"dartwing_core/{dartwing_core.__version__}"}
    )
    body = None
    if "payload" in context.parameters:  # which may be null
        headers["Content-Type"] = "application/json"
        body = json.dumps(parameters.payload).encode()
    headers.update(parameters.headers or {})
    if parameters.token is not None:
        token, header = parameters.token.get_secret_value(), parameters.token_header
        headers.update({header: token} if header else {"Authorization": f"Bearer {token}"})
    headers.update({"Idempotency-Key": context.idempotency_key, "Connection": "close"})
    try:
        request = requests.Request(parameters.method, parameters.url, headers, data=body).prepare()
    except ValueError as error:  # all of `requests` about an address or a header
        raise _invalid(error) from None
    if "@" in urlsplit(str(request.url)).netloc:
        raise PermanentError(_("url must not contain a user name or password."))
    return request


def _invalid(error: ValueError) -> PermanentError:
    """The error for parameters of which no request can be made. It leaves out the text, which may hold a header."""
    return PermanentError(_("url or headers are not valid: {0}").format(type(error).__name__))


def _answer(request: requests.PreparedRequest, seconds: float) -> tuple[requests.Response, bytes]:
    """Send the request. Returns the answer, and of its body a little more than is kept.

    Raises OSError without a complete answer, PermanentError for a refused address, ValueError for an invalid one.
    """
    url = urlsplit(str(request.url))
    port = url.port or (443 if url.scheme == "https" else 80)
    adapter = CheckedAdapter(resolve(str(url.hostname), port, bool(settings().allow_private_addresses)), seconds)
    verify, content = os.environ.get("REQUESTS_CA_BUNDLE") or True, b""
    # Not a session, which reads all of a redirect's body, and asks proxies of the environment to resolve the name.
    with closing(adapter.send(request, stream=True, timeout=seconds, verify=verify)) as response:
        for chunk in response.iter_content(8_192):
            content += chunk
            if len(content) > BODY_BYTES:
                break
    return response, content


def _refusal(message: str, status: int, retry_after: str | None, text: str) -> PermanentError | TransientError:
    """The error for a status other than success."""
    if 300 <= status < 400:
        return PermanentError(_("{0}. Redirects are not followed; use the final address as url.").format(message))
    if excerpt := " ".join(text.split())[:EXCERPT_CHARACTERS]:
        message = f"{message}: {excerpt}"
    if status in RETRYABLE_HTTP_STATUS or not 400 <= status < 500:
        return TransientError(message, retry_after=parse_retry_after(retry_after))
    return PermanentError(message)


def _reason(error: BaseException) -> str:
    """The innermost error: the outer ones name the whole address."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{type(error).__name__}: {error}"[:EXCERPT_CHARACTERS]


def _parsed(text: str) -> Any:
    try:
        return plain(json.loads(text))
    except (ValueError, RecursionError, InvalidJobError):  # no JSON, or none that can be stored
        return text


# Connections ----------------------------------------------------------------------------------------------------------
#
# The host's name is resolved once. So a name that resolves differently the second time (DNS rebinding) gains nothing.
# Certificate and Host header still belong to the name.

NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST_V6 = ipaddress.ip_network("2000::/3")
NOT_PUBLIC = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("168.63.129.16/32"))
"""Addresses that `ipaddress` takes for global, as parts of the first. The second is instance metadata of Azure."""


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


def resolve(host: str, port: int, allow_private: bool) -> list[tuple[str, int]]:
    """The host's addresses and port. Raises PermanentError unless all of them are public, OSError without any."""
    found: list[Any] = [address[:2] for *_kind, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not allow_private and not all(is_public(str(ip)) for ip, _port in found):
        text = _("{0} is or resolves to a private or reserved address. Job Engine Settings can allow these.")
        raise PermanentError(text.format(host))
    return found


class CheckedAdapter(HTTPAdapter):
    """The adapter for one exchange. It connects to one of these addresses, whatever the host's name."""

    def __init__(self, addresses: list[tuple[str, int]], seconds: float):
        self._addresses, self._seconds = addresses, seconds
        super().__init__()

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
        """The pool for a request, whose connections go to the addresses."""
        pool: Any = super().get_connection_with_tls_context(*arguments, **named)
        pool.ConnectionCls = type("Checked", (pool.ConnectionCls,), {"_new_conn": self._connect})
        return pool

    def _connect(self) -> socket.socket:
        """Connect to the first address that answers: urllib3's connection calls this, and then makes TLS of it."""
        problem = OSError("no address")
        for address in self._addresses:
            try:
                return socket.create_connection(address, self._seconds)
            except OSError as error:
                problem = error
        raise problem
