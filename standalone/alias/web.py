"""HTTP and templates under Frappe's names: headers, the choice of the site, `frappe` in Jinja."""

from __future__ import annotations

import functools
import os
from typing import Any

import monoframe
from monoframe import app
from monoframe.utils import safe_exec

from .site import current_site, sites_path

HEADERS = {"HTTP_X_FRAPPE_CSRF_TOKEN": "HTTP_X_MONOFRAME_CSRF_TOKEN"}

_init_request = app.init_request
_process_response = app.process_response
_get_safe_globals = safe_exec.get_safe_globals


def init_request(request: Any) -> None:
    """Serve the site that the request names, else the one of this process; and take Frappe's CSRF header.

    The fork renamed the header and dropped the routing by host.
    """
    for theirs, ours in HEADERS.items():
        if theirs in request.environ:
            request.environ.setdefault(ours, request.environ[theirs])
    for name in (request.headers.get("X-Frappe-Site-Name"), request.host.split(":")[0]):
        if name and os.path.isfile(os.path.join(sites_path(), name, "site_config.json")):
            break
    else:
        name = current_site()
    monoframe.local.site = name
    _init_request(request)


@functools.wraps(_process_response)
def process_response(response: Any) -> Any:
    _process_response(response)
    if response and (identity := response.headers.pop("X-Monoframe-Request-Id", None)):
        response.headers["X-Frappe-Request-Id"] = identity
    return response


def get_safe_globals() -> Any:
    """The globals of templates and server scripts. In the fork they see it as `monoframe` only."""
    names = _get_safe_globals()
    names["frappe"] = names["monoframe"]
    return names


def apply() -> None:
    safe_exec.get_safe_globals = get_safe_globals
    app.init_request = init_request
    app.process_response = process_response
