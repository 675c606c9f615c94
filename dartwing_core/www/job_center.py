"""`/job-center`: the jobs of a user without Desk. The page is a frame; its script reads all else by the REST API."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import frappe
from frappe import _
from frappe.sessions import get_csrf_token
from werkzeug.wrappers import Request, Response

from dartwing_core import __version__
from dartwing_core.jobs.access import permission, visibility
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.read import waiting_reason

no_cache = 1  # it holds the user's name and CSRF token
sitemap = 0

ROUTE = "/job-center"
IS_SHOWN = "dartwing_job_center"
"""In `frappe.flags`: whether the answer is this page. Frappe finds the page by several addresses, also with `.html`."""
SCRIPTS = ("words", "dom", "api", "card", "log", "details", "notice", "filters", "live", "main")
"""In this order: each script may use those before it."""

TEXT = re.compile(r'__\(\s*"([^"]+)"')
SCRIPT_TAG = re.compile(rb"<script\b", re.IGNORECASE)
# Styles, pictures and fonts may come from other hosts: a site's theme, its logo, avatars.
POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; connect-src 'self' {socket}; style-src * 'unsafe-inline';"
    " img-src * data: blob:; font-src * data:; object-src 'none'; base-uri 'self'; form-action 'self';"
    " frame-ancestors 'self'"
)


def get_context(context: Any) -> None:
    """Hook: the values of the page's template. Guests are sent to the login."""
    frappe.flags[IS_SHOWN] = True
    if frappe.session.user == "Guest":
        frappe.flags.redirect_location = f"/login?redirect-to={quote(_wanted(), safe='')}"
        raise frappe.Redirect(302)
    viewer = visibility.viewer()
    if not viewer.is_enabled:  # a disabled user may still have a session
        raise frappe.PermissionError(_("This user is disabled."))
    context.no_breadcrumbs = True
    context.show_sidebar = False
    context.full_width = True
    context.title = _("Job Center")
    context.job_center = {
        "is_member": viewer.sees_everything or bool(viewer.reach.members),
        "statuses": status_names(),
        "style": _asset("job_center.css"),
        "scripts": [_asset(f"{name}.js") for name in SCRIPTS],
        "data": _as_script_data(page_data(viewer)),
    }


def after_request(response: Response | None, request: Request) -> None:
    """Hook: let the page run only scripts that the server has put into it, and let no other site frame it.

    Scripts of Frappe and of the site get the nonce as well. Some of them are inline.
    """
    if response is None or not frappe.flags.get(IS_SHOWN) or response.mimetype != "text/html":
        return
    nonce = secrets.token_urlsafe(16)
    response.set_data(SCRIPT_TAG.sub(f'<script nonce="{nonce}"'.encode(), response.get_data()))
    response.headers.setdefault("Content-Security-Policy", POLICY.format(nonce=nonce, socket=_socket(request)))
    response.headers.setdefault("X-Frame-Options", "SAMEORIGIN")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")


def _socket(request: Request) -> str:
    """The addresses of Frappe's realtime server for developers: the site's host, with the server's own port."""
    host = urlsplit(request.host_url).hostname or ""
    address = f"{f'[{host}]' if ':' in host else host}:{frappe.conf.socketio_port or 9000}"
    return f"{request.scheme}://{address} {'wss' if request.is_secure else 'ws'}://{address}"


def page_data(viewer: visibility.Viewer) -> dict[str, Any]:
    """The data that the script needs before its first request."""
    return {
        "user": viewer.user,
        "csrf_token": get_csrf_token(),
        "login": f"/login?redirect-to={quote(ROUTE, safe='')}",
        "organizations": sorted(viewer.names_of(viewer.reach.members).items(), key=lambda pair: pair[1].lower()),
        "sees_others": viewer.sees_everything or bool(viewer.reach.admins),
        "time_zone": waiting_reason.zone().key,
        "job_types": _job_types(viewer.user),
        "statuses": status_names(),
        "words": words(),
    }


def _job_types(user: str) -> dict[str, str]:
    """The display names of the Job Types that the user may submit, by name."""
    fields = ["name", "display_name", "requires_permission"]
    found = frappe.get_all(config.JOB_TYPE, fields=fields, order_by="name asc")
    return {
        row.name: _(row.display_name or row.name)
        for row in found
        if permission.has_required(user, row.requires_permission)
    }


def _wanted() -> str:
    request = getattr(frappe.local, "request", None)
    query = request.query_string.decode("utf-8", "replace") if request else ""
    return f"{ROUTE}?{query}" if query else ROUTE


def _asset(name: str) -> str:
    """The address of a static file. Each version has a new address: benches let browsers keep files for a year."""
    return f"/assets/dartwing_core/job_center/{name}?v={__version__}-{_path(name).stat().st_mtime_ns:x}"


def _path(name: str) -> Path:
    return Path(frappe.get_app_path("dartwing_core", "public", "job_center", name))


def _as_script_data(data: dict[str, Any]) -> str:
    """JSON for a script element. No text in it can end the element, or is a mark that Frappe replaces."""
    text = json.dumps(data)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    for mark in ("index", "next"):
        text = text.replace(f"{{{mark}}}", f"\\u007b{mark}}}")
    return text


def status_names() -> dict[str, str]:
    """The statuses in words for people who do not know the engine, in the order of the filter."""
    return {
        "Running": _("Running"),
        "Queued": _("Queued"),
        "Pending": _("Waiting"),
        "Completed": _("Completed"),
        "Failed": _("Failed, retrying"),
        "Timed Out": _("Timed out, retrying"),
        "Dead Letter": _("Failed for good"),
        "Canceled": _("Canceled"),
    }


def words() -> dict[str, str]:
    """The texts of the scripts, `__("…")` in their source, and their translations: website pages have none."""
    sources = [_path(f"{name}.js").read_text() for name in SCRIPTS]
    return {text: _(text) for source in sources for text in TEXT.findall(source)}
