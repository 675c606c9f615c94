"""Delivery of a JSON payload to a URL."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPException, IncompleteRead
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import requests
from frappe import _
from urllib3.exceptions import HTTPError

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
from dartwing_core.jobs.lib.canonical import plain
from dartwing_core.jobs.lib.classification import RETRYABLE_HTTP_STATUS, parse_retry_after
from dartwing_core.jobs.lib.config import settings
from dartwing_core.jobs.lib.secret_values import SHORTEST_HIDDEN
from dartwing_core.jobs.lib.texts import cut

from .safe_connection import CheckedAdapter, resolve

DEFAULT_TIMEOUT = 30
SHARE_OF_TIME = 0.9
"""Share of the job's remaining time for the request. The rest is for recording the outcome."""
BODY_BYTES = 65_536
EXCERPT_CHARACTERS = 200
KEPT_HEADERS = ("Content-Type", "Content-Length", "Date", "ETag", "Last-Modified", "X-Request-Id")
OWN_HEADERS = frozenset(
    (
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"),
        *("expect", "accept-encoding", "idempotency-key"),
    )
)
"""Headers that the handler or the connection sets."""
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass
class RequestParameters:
    """The parameters of http_request; see there."""

    url: Annotated[str, "http or https, without user and password"]
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = "POST"
    payload: Annotated[Any, "Any JSON value"] = None
    headers: Annotated[dict[str, str] | None, "No tokens: everybody who may see the job sees them"] = None
    token: Annotated[Secret[str] | None, "Encrypted, and shown to nobody"] = None
    token_header: Annotated[str | None, "The token's header; by default Authorization, as a Bearer token"] = None
    timeout: Annotated[float | None, "Seconds to wait for the server, at each step; 30 by default"] = None


@job_handler(
    "http_request",
    display_name="HTTP Request",
    description="Delivers a JSON payload to a URL, again until it is accepted.",
    timeout=120,
    deduplication_window=60,
)
def http_request(context: JobContext, parameters: RequestParameters) -> dict[str, Any]:
    """Sends one HTTP request and returns the answer, if it is a success (2xx).

    Parameters:

    - `url`: http or https, without user name and password.
    - `method`: POST (default), PUT, PATCH, DELETE or GET.
    - `payload`: any JSON value, sent as the body. Without it, the request has no body.
    - `headers`: an object of texts. Idempotency-Key, Host, Content-Length, Connection and the like are refused.
    - `token`: a secret, sent as `Authorization: Bearer …`, or alone in the header that `token_header` names.
    - `timeout`: seconds to wait for the server at each step, 30 by default, and never more than the job has left. The
      job's time limit ends an exchange with a server that sends a byte now and then.

    Everybody who may see the job can read its parameters but the token: put no passwords into url, headers or payload.

    The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) is equal in all attempts of the job.
    Delivery is at least once, and the receiver recognizes a repetition by this key.

    Only public addresses are reached, unless Job Engine Settings allow private ones. The connection goes to the address
    that was checked. Proxies of the environment are not used, and redirects are not followed.

    Returns `status`, `headers` (a few), `body` (JSON or text, its first 64 KB) and `is_cut` (whether there was more).
    Raises TransientError without a complete answer and for 408, 425, 429 and 5xx, with the answer's Retry-After. Raises
    PermanentError for wrong parameters, a refused address and any other answer.
    """
    request = prepared(context, parameters)
    if context.is_canceled():
        raise JobCanceledError(_("The job was canceled."))
    asked = DEFAULT_TIMEOUT if parameters.timeout is None else parameters.timeout
    exchange = Exchange(request, min(asked, context.remaining_seconds() * SHARE_OF_TIME), _secrets(request, parameters))
    answer = exchange.answer()
    if not 200 <= answer.status < 300:
        raise exchange.refusal(answer)
    headers = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    return {"status": answer.status, "headers": headers, "body": answer.body(), "is_cut": answer.is_cut}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the first BODY_BYTES of the body."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    is_cut: bool

    def text(self) -> str:
        """The body as text, in the charset that the answer names."""
        charset = re.search(r"charset=[\"']?([\w.:-]+)", self.headers.get("Content-Type", ""))
        try:
            return self.content.decode(charset[1] if charset else "utf-8", "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def body(self) -> Any:
        """The body as JSON if it is JSON, else as text."""
        text = self.text()
        if self.is_cut or "json" not in self.headers.get("Content-Type", "").lower():
            return text
        try:
            return plain(json.loads(text))
        except (ValueError, RecursionError, InvalidJobError):
            return text  # not JSON, or of a kind that can't be stored


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, or the error for none."""

    request: requests.PreparedRequest
    seconds: float
    secrets: Collection[str] = field(repr=False)
    """Texts that no message may hold."""

    def answer(self) -> Answer:
        """Send the request. Raises TransientError without a complete answer, PermanentError for a refused address."""
        try:
            return self._send()
        except UnicodeError:
            raise PermanentError(_("url is not a valid address.")) from None
        except (OSError, HTTPError, HTTPException) as error:  # of sockets and `requests`, of urllib3, of http.client
            raise TransientError(f"{self._name()}: {self._explain(error)}", cause=error) from error

    def _send(self) -> Answer:
        url = urlsplit(str(self.request.url))
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = resolve(str(url.hostname), port, settings().allow_private_addresses)
        verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        # Not a session, which reads all of a redirect's body, and asks proxies of the environment to resolve the name.
        adapter = CheckedAdapter(addresses)
        with closing(adapter.send(self.request, stream=True, timeout=self.seconds, verify=verify)) as response:
            content = response.raw.read(BODY_BYTES + 1, decode_content=False)
            is_cut = len(content) > BODY_BYTES
            if response.raw.length_remaining and not is_cut:
                raise IncompleteRead(content, response.raw.length_remaining)
            return Answer(response.status_code, response.headers, content[:BODY_BYTES], is_cut)

    def refusal(self, answer: Answer) -> PermanentError | TransientError:
        """The error for a status other than success."""
        status = answer.status
        message = f"{self._name()}: HTTP {status}"
        if 300 <= status < 400:
            return PermanentError(_("{0}. Redirects are not followed; use the final address as url.").format(message))
        excerpt = re.sub(r"[^\x20-\x7e\xa0-\uffff]", " ", self._masked(answer.text()))
        if excerpt := " ".join(excerpt.split())[:EXCERPT_CHARACTERS]:
            message = f"{message}: {excerpt}"
        if status in RETRYABLE_HTTP_STATUS or not 400 <= status < 500:
            return TransientError(message, retry_after=parse_retry_after(answer.headers.get("Retry-After")))
        return PermanentError(message)

    def _name(self) -> str:
        """The request's name in messages. It leaves out path and query, which may hold secrets."""
        return f"{self.request.method} {urlsplit(str(self.request.url)).hostname}"

    def _explain(self, error: BaseException) -> str:
        while inner := error.__cause__ or error.__context__:
            error = inner
        if isinstance(error, TimeoutError):
            return _("no answer within {0} seconds").format(f"{self.seconds:g}")
        if isinstance(error, socket.gaierror):
            return _("the host name can't be resolved")
        if isinstance(error, ssl.SSLCertVerificationError):
            return _("the certificate is not valid: {0}").format(getattr(error, "verify_message", error))
        return f"{type(error).__name__}: {self._masked(str(error))}"[:EXCERPT_CHARACTERS]

    def _masked(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def prepared(context: JobContext, parameters: RequestParameters) -> requests.PreparedRequest:
    """The request that the parameters describe. Raises PermanentError if they are wrong."""
    has_payload = "payload" in context.parameters  # which may be null
    if has_payload and parameters.method == "GET":
        raise PermanentError(_("A GET request has no payload."))
    if parameters.timeout is not None and not parameters.timeout > 0:
        raise PermanentError(_("timeout must be a number of seconds above 0."))
    headers = requests.structures.CaseInsensitiveDict(
        {"Accept": "application/json, */*", "User-Agent": f"dartwing_core/{dartwing_core.__version__}"}
    )
    if has_payload:
        headers["Content-Type"] = "application/json"
    headers.update(_checked(parameters.headers or {}))
    if parameters.token is not None:
        token = parameters.token.get_secret_value()
        name = parameters.token_header
        headers.update(_checked({name: token} if name else {"Authorization": f"Bearer {token}"}))
    headers.update({"Idempotency-Key": context.idempotency_key, "Connection": "close"})
    body = json.dumps(parameters.payload, ensure_ascii=False, separators=(",", ":")).encode() if has_payload else None
    if not parameters.url.lower().startswith(("http://", "https://")):
        raise PermanentError(_("url must begin with http:// or https:// and a host."))
    try:
        request = requests.Request(parameters.method, parameters.url, headers, data=body).prepare()
    except (requests.RequestException, ValueError):
        raise PermanentError(_("url is not a valid address.")) from None
    if "@" in urlsplit(str(request.url)).netloc:
        raise PermanentError(_("url must not hold a user name or password."))
    return request


def _checked(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or name.lower().startswith("proxy-") or name.lower() in OWN_HEADERS:
            raise PermanentError(_("The header {0} can't be set.").format(cut(repr(name))))
        if not HEADER_VALUE.fullmatch(value):
            raise PermanentError(_("The header {0} must be a text in Latin-1, on one line.").format(cut(name)))
    return headers


def _secrets(request: requests.PreparedRequest, parameters: RequestParameters) -> list[str]:
    """Texts that a server may repeat and no message may hold: values of the given headers, the token and the query."""
    token = parameters.token.get_secret_value() if parameters.token is not None else ""
    texts = [*(parameters.headers or {}).values(), f"Bearer {token}", token, urlsplit(str(request.url)).query]
    return [text for text in texts if len(text) >= SHORTEST_HIDDEN]
