"""Delivery of a JSON payload to a URL."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from frappe import _

from dartwing_core.jobs import (
    InvalidJobError,
    JobCanceledError,
    JobContext,
    PermanentError,
    TransientError,
    job_handler,
)
from dartwing_core.jobs.lib.canonical import plain
from dartwing_core.jobs.lib.classification import RETRYABLE_HTTP_STATUS, parse_retry_after
from dartwing_core.jobs.lib.config import settings

from .request_parameters import Request, RequestParameters, read_parameters
from .safe_connection import Deadline, open_connection

BODY_BYTES = 65_536
EXCERPT_CHARACTERS = 200
KEPT_HEADERS = ("Content-Type", "Content-Length", "Date", "ETag", "Last-Modified", "X-Request-Id")


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers and the first BODY_BYTES of the body."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes
    is_cut: bool


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
    text = _masked(_text(response), request)
    return " ".join(re.sub(r"[^\x20-\x7e\xa0-\uffff]", " ", text).split())[:EXCERPT_CHARACTERS]


def _text(response: Response) -> str:
    """The body as text, in the charset that the answer names."""
    try:
        return response.content.decode(response.headers.get_content_charset("utf-8"), "replace")
    except LookupError:
        return response.content.decode("utf-8", "replace")


def _body(response: Response) -> Any:
    """The body as JSON if it is JSON, else as text."""
    text = _text(response)
    if response.is_cut or "json" not in response.headers.get("Content-Type", "").lower():
        return text
    try:
        return plain(json.loads(text))
    except (ValueError, RecursionError, InvalidJobError):
        return text  # not JSON, or of a kind that can't be stored
