"""Gives Frappe's own error answers the form of `errors`: refusals before an endpoint runs, and unexpected failures.

Frappe refuses requests without a login, with a wrong verb, or with a body that is no JSON.
"""

from __future__ import annotations

import json

import frappe
from frappe import _
from werkzeug.wrappers import Request, Response

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.lib.texts import describe_unknown

from . import registry
from .errors import BUSY_SECONDS, Answer
from .rate_limits import RETRY_AFTER


def after_request(response: Response | None, request: Request) -> None:
    """Hook: give Frappe's error answers to our endpoints the form of ours, without a stack trace."""
    name = registry.name_in(request.path)
    if response is not None and response.status_code == 429 and (seconds := frappe.flags.get(RETRY_AFTER)):
        response.headers["Retry-After"] = str(seconds)
    if name is None or response is None or response.status_code < 400 or isinstance(response, Answer):
        return
    found = registry.ENDPOINTS.get(name)
    if found:
        status, code, text = _refusal(response.status_code, request, found.method)
    else:
        status, code, text = 404, "not_found", describe_unknown([name], registry.ENDPOINTS)
    made = Answer(status, code, text, {"exc_type": _exc_type(response)})
    response.status_code = status
    response.content_type = made.content_type
    response.set_data(made.get_data())
    if found and request.method != found.method:
        response.headers["Allow"] = found.method
    if status == 503:
        response.headers["Retry-After"] = str(BUSY_SECONDS)


def _refusal(status: int, request: Request, method: str) -> tuple[int, str, str]:
    if status in (401, 403) and _user() == "Guest":
        return 401, "unauthorized", _("Log in, or send a valid API key.")
    if (
        status == 417 and _user() != "Guest" and not visibility.viewer(_user()).is_enabled
    ):  # Frappe 15, for an open session
        return 401, "unauthorized", _("This user is disabled.")
    if status == 403 and request.method != method:
        return 405, "wrong_verb", _("Use {0} for this call.").format(method)
    if status == 403:
        return 403, "forbidden", _("This is not allowed.")
    if status == 429:
        return 429, "rate_limited", _("Too many requests. Please try again later.")
    if status == 503:
        return 503, "busy", _("The site is being maintained. Please try again later.")
    if not _is_readable(request):
        return 400, "invalid", _("The body of the request is not valid JSON.")
    if status < 500:
        return 400, "invalid", _("The request is not valid: its CSRF token or its body is wrong.")
    return 500, "internal", _("Something went wrong. The error has been logged.")


def _user() -> str:
    session = getattr(frappe.local, "session", None)
    return (session and session.user) or "Guest"


def _is_readable(request: Request) -> bool:
    try:
        text = request.get_data(as_text=True)
        if request.is_json and text:
            json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _exc_type(response: Response) -> str:
    try:
        return str(json.loads(response.get_data(as_text=True)).get("exc_type") or "")
    except (ValueError, AttributeError):
        return ""
