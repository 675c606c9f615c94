"""The parameters of `http_request`: what they are, and the request that they describe."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from frappe import _

import dartwing_core
from dartwing_core.jobs import JobContext, PermanentError, Secret
from dartwing_core.jobs.lib.secret_texts import SHORTEST_HIDDEN
from dartwing_core.jobs.lib.texts import cut

METHODS = ("POST", "PUT", "PATCH", "DELETE", "GET")
DEFAULT_TIMEOUT = 30
SHARE_OF_TIME = 0.9
"""Share of the job's remaining time for the request. The rest is for recording the outcome."""

OWN_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "accept-encoding",
        "idempotency-key",
    }
)
"""Headers that the handler or the connection sets."""

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
URL_CHARACTERS = "!$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request."""

    method: str
    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    """Path and query."""
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    timeout: float
    secrets: tuple[str, ...] = field(repr=False)
    """Texts that no message may hold: values of the given headers, and the query."""

    @property
    def name(self) -> str:
        """The request's name in messages. It leaves out path and query, which may hold secrets."""
        return f"{self.method} {self.host}"


@dataclass
class RequestParameters:
    """The parameters of http_request; see there."""

    url: Annotated[str, "http or https, without user and password"]
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = "POST"
    payload: Annotated[Any, "Any JSON value"] = None
    headers: Annotated[dict[str, str] | None, "No tokens: everybody who may see the job sees them"] = None
    token: Annotated[Secret[str] | None, "Encrypted, and shown to nobody"] = None
    token_header: Annotated[str | None, "The token's header; by default Authorization, as a Bearer token"] = None
    timeout: Annotated[float | None, "Seconds for the whole exchange; 30 by default"] = None


PARAMETERS = frozenset(RequestParameters.__dataclass_fields__)


def read_parameters(context: JobContext) -> Request:
    """The request that the parameters describe. Raises PermanentError if they are wrong."""
    parameters = context.parameters
    if unknown := set(parameters) - PARAMETERS:
        raise PermanentError(_("Unknown parameter: {0}.").format(cut(", ".join(sorted(unknown)))))
    method = _method(parameters.get("method"))
    scheme, host, port, target = _url(parameters.get("url"))
    body = _payload(method, parameters)
    headers = {"Accept": "application/json, */*", "User-Agent": f"dartwing_core/{dartwing_core.__version__}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    given = _merged(_headers(parameters.get("headers")), _headers(_token_header(parameters)))
    headers = _merged(headers, given) | {"Idempotency-Key": context.idempotency_key, "Connection": "close"}
    timeout = min(_timeout(parameters.get("timeout")), context.remaining_seconds() * SHARE_OF_TIME)
    token = parameters.get("token")
    texts = (*given.values(), target.partition("?")[2], token.get_secret_value() if isinstance(token, Secret) else "")
    secrets = tuple(text for text in texts if len(text) >= SHORTEST_HIDDEN)
    return Request(method, scheme, host, port, target, headers, body, timeout, secrets)


def _method(given: Any) -> str:
    method = given.upper() if isinstance(given, str) else given or "POST"
    if method not in METHODS:
        raise PermanentError(_("method must be one of: {0}.").format(", ".join(METHODS)))
    return method


def _url(given: Any) -> tuple[str, str, int, str]:
    """Scheme, host, port, and path with query."""
    if not isinstance(given, str) or not given:
        raise PermanentError(_("{0} is missing.").format("url"))
    try:
        if re.search(r"[\x00-\x20\x7f\\]", given):
            raise ValueError("space or control character")
        parts = urlsplit(given)
        host, port = parts.hostname or "", parts.port
        host = host if ":" in host else host.encode("idna").decode()
    except ValueError:
        raise PermanentError(_("url is not a valid address.")) from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise PermanentError(_("url must begin with http:// or https:// and a host."))
    if "@" in parts.netloc:
        raise PermanentError(_("url must not hold a user name or password."))
    query = f"?{parts.query}" if parts.query else ""
    target = quote(f"{parts.path or '/'}{query}", safe=URL_CHARACTERS)
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), target


def _token_header(parameters: Mapping[str, Any]) -> dict[str, str]:
    token, name = parameters.get("token"), parameters.get("token_header")
    if not isinstance(token, Secret):
        return {}
    text = token.get_secret_value()
    return {name: text} if name else {"Authorization": f"Bearer {text}"}


def _headers(given: Any) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise PermanentError(_("headers must be an object of texts."))
    for name, value in given.items():
        if not HEADER_NAME.fullmatch(name) or name.lower().startswith("proxy-") or name.lower() in OWN_HEADERS:
            raise PermanentError(_("The header {0} can't be set.").format(cut(repr(name))))
        if not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
            raise PermanentError(_("The header {0} must be a text in Latin-1, on one line.").format(cut(name)))
    return dict(given)


def _merged(defaults: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    names = {name.lower() for name in given}
    return {name: value for name, value in defaults.items() if name.lower() not in names} | given


def _payload(method: str, parameters: Mapping[str, Any]) -> bytes | None:
    if "payload" not in parameters:
        return None
    if method == "GET":
        raise PermanentError(_("A GET request has no payload."))
    return json.dumps(parameters["payload"], ensure_ascii=False, separators=(",", ":")).encode()


def _timeout(given: Any) -> float:
    if given is None:
        return DEFAULT_TIMEOUT
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        raise PermanentError(_("timeout must be a number of seconds above 0."))
    return given
