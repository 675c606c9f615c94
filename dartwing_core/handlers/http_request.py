"""Delivery of a JSON payload to a URL."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from frappe import _

import dartwing_core
from dartwing_core.jobs import (
    InvalidJobError,
    JobCanceledError,
    JobContext,
    PermanentError,
    Secret,
    TransientError,
    job_handler,
)
from dartwing_core.jobs.attempt.classification import RETRYABLE_HTTP_STATUS, parse_retry_after
from dartwing_core.jobs.base.canonical import plain
from dartwing_core.jobs.base.config import settings
from dartwing_core.jobs.base.texts import cut

from .safe_connection import Deadline, open_connection

METHODS = ("POST", "PUT", "PATCH", "DELETE", "GET")
DEFAULT_TIMEOUT = 30
SHARE_OF_TIME = 0.9
"""Share of the job's remaining time for the request. The rest is for recording the outcome."""

BODY_BYTES = 65_536
EXCERPT_CHARACTERS = 200
SHORTEST_SECRET = 3
KEPT_HEADERS = ("Content-Type", "Content-Length", "Date", "ETag", "Last-Modified", "X-Request-Id")

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
    target: str
    """Path and query."""
    headers: dict[str, str]
    body: bytes | None
    timeout: float
    secrets: tuple[str, ...]
    """Texts that no message may hold: values of the given headers, and the query."""

    @property
    def name(self) -> str:
        """The request's name in messages. It leaves out path and query, which may hold secrets."""
        return f"{self.method} {self.host}"


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers and the first BODY_BYTES of the body."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes
    is_cut: bool


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


@job_handler(
    "http_request",
    parameters=RequestParameters,
    display_name="HTTP Request",
    description="Delivers a JSON payload to a URL, again until it is accepted.",
    timeout=120,
    deduplication_window=60,
)
def http_request(context: JobContext) -> dict[str, Any]:
    """Sends one HTTP request and returns the answer, if it is a success (2xx).

    Parameters:

    - `url`: http or https, without user name and password.
    - `method`: POST (default), PUT, PATCH, DELETE or GET.
    - `payload`: any JSON value, sent as the body. Without it, the request has no body.
    - `headers`: an object of texts. Idempotency-Key, Host, Content-Length, Connection and the like are refused.
    - `token`: a secret, sent as `Authorization: Bearer …`, or alone in the header that `token_header` names.
    - `timeout`: seconds for the whole exchange, 30 by default, and never more than the job has left.

    Everybody who may see the job can read its parameters but the token: put no passwords into url, headers or payload.

    The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) is equal in all attempts of the job.
    Delivery is at least once, and the receiver recognizes a repetition by this key.

    Only public addresses are reached, unless Job Engine Settings allow private ones. The connection goes to the address
    that was checked. Proxies of the environment are not used, and redirects are not followed.

    Returns `status`, `headers` (a few), `body` (JSON or text, its first 64 KB) and `is_cut` (whether there was more).
    Raises TransientError without a complete answer and for 408, 425, 429 and 5xx, with the answer's Retry-After. Raises
    PermanentError for wrong parameters, a refused address and any other answer.
    """
    request = read_parameters(context)
    if context.is_canceled():
        raise JobCanceledError(_("The job was canceled."))
    response = _send(request)
    if not 200 <= response.status < 300:
        raise _error(request, response)
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return {"status": response.status, "headers": headers, "body": _body(response), "is_cut": response.is_cut}


def _send(request: Request) -> Response:
    deadline = Deadline(request.timeout)
    try:
        with open_connection(
            request.host,
            request.port,
            is_https=request.scheme == "https",
            deadline=deadline,
            allow_private=settings().allow_private_addresses,
        ) as connection:
            return _exchange(connection, request)
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"{request.name}: {_explain(error, request)}", cause=error) from error


def _exchange(connection: http.client.HTTPConnection, request: Request) -> Response:
    with contextlib.suppress(BrokenPipeError):  # a server may answer and close before it has read the request
        connection.request(request.method, request.target, body=request.body, headers=request.headers)
    response = connection.getresponse()
    content = response.read(BODY_BYTES + 1)
    is_cut = len(content) > BODY_BYTES
    if response.length and not is_cut:
        raise http.client.IncompleteRead(content, response.length)
    return Response(response.status, response.headers, content[:BODY_BYTES], is_cut)


def _explain(error: Exception, request: Request) -> str:
    if isinstance(error, TimeoutError):
        return _("no complete answer within {0} seconds").format(f"{request.timeout:g}")
    if isinstance(error, socket.gaierror):
        return _("the host name can't be resolved")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _("the certificate is not valid: {0}").format(error.verify_message)
    return f"{type(error).__name__}: {_masked(str(error), request)}"[:EXCERPT_CHARACTERS]


def _masked(text: str, request: Request) -> str:
    """The text without our header values and query, which a server may repeat."""
    for secret in request.secrets:
        text = text.replace(secret, "***")
    return text


def _error(request: Request, response: Response) -> PermanentError | TransientError:
    """The error for a status other than success."""
    status = response.status
    message = f"{request.name}: HTTP {status}"
    if 300 <= status < 400:
        return PermanentError(_("{0}. Redirects are not followed; use the final address as url.").format(message))
    if excerpt := _excerpt(request, response):
        message = f"{message}: {excerpt}"
    if status in RETRYABLE_HTTP_STATUS or not 400 <= status < 500:
        return TransientError(message, retry_after=parse_retry_after(response.headers.get("Retry-After")))
    return PermanentError(message)


def _excerpt(request: Request, response: Response) -> str:
    """The beginning of the body as one line."""
    text = _masked(response.content.decode("utf-8", "replace"), request)
    return " ".join(re.sub(r"[^\x20-\x7e\xa0-\uffff]", " ", text).split())[:EXCERPT_CHARACTERS]


def _body(response: Response) -> Any:
    """The body as JSON if it is JSON, else as text."""
    charset = response.headers.get_content_charset("utf-8")
    try:
        text = response.content.decode(charset, "replace")
    except LookupError:
        text = response.content.decode("utf-8", "replace")
    if response.is_cut or "json" not in response.headers.get("Content-Type", "").lower():
        return text
    try:
        return plain(json.loads(text))
    except (ValueError, RecursionError, InvalidJobError):
        return text  # not JSON, or of a kind that can't be stored


# Parameters -------------------------------------------------------------------------------------------------------


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
    secrets = tuple(text for text in texts if len(text) > SHORTEST_SECRET)
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
